/* The ring shift: the move of tiles around the rings of their lines, step by
 * step. */
#ifndef WL_SHIFT_H
#define WL_SHIFT_H

#include "grid/tiles.h"

/* A step of the ring shift that is on its way; [0] is the side of the lower
 * neighbour, [1] the upper. */
struct tiles_shift {
	struct tiles *t;
	const signed char *steps;
	const char *in[2];     /* what comes */
	size_t words[2];       /* of it */
	int send[2];           /* tickets of what goes */
	bool arrived[2], sent[2];
};

/* One step of the two-hop ring shift: the tiles of line q go to their cores'
 * ring successors (steps[q] == 1), predecessors (-1) or stay (0); steps NULL
 * means 1 for all, else it stays untouched until finish. Collective over the
 * lines' ranks. Between start and finish tiles may be read, not written. Cost
 * charged: the ring's longest edge (two hops, or all of the line where the
 * ring is the natural one), the words of every tile that leaves its core.
 * Source: WaferLLM (OSDI'25), Algorithm 1. */
void tiles_shift_start(struct tiles_shift *s, struct tiles *t,
                       const signed char *steps);
void tiles_shift_finish(struct tiles_shift *s);

/* Products are fastest when a host adds up the terms of several steps at once:
 * the emulated core has one tile after the other, and the host still has what
 * it had. From tiles_keep on, the memory of tiles that leave this rank holds
 * what it held, until tiles_forget, at most so many shifts later. tiles_keep_end
 * forgets, and leaves all tiles in their own memory. tiles_keep_bytes: what a
 * shift takes meanwhile. Not collective. */
void tiles_keep(struct tiles *t, int shifts);
void tiles_forget(struct tiles *t);
void tiles_keep_end(struct tiles *t);
size_t tiles_keep_bytes(const struct tiles *t);
/* For the shift alone: gives the place of a tile that left for a spare one. */
void *tiles_kept_swap(struct tiles_kept *k, void *place);

/* Brings the tiles of each line q ring_pos(j) steps on its way against the
 * ring (Cannon's skew, in ring order), the shorter way round: then place p of
 * line q holds block ring_core(ring_pos(p) + ring_pos(j)), where j is the
 * place of the line among as many as the ring has, q * places / lines.
 * tiles_unskew is the way back. At most half the ring's length of steps.
 * Collective. */
void tiles_skew(struct tiles *t);
void tiles_unskew(struct tiles *t);
/* Unskews n tiled matrices of one grid and axis, whose tiles share messages:
 * each step has one set-up. */
void tiles_unskew_all(struct tiles *t, int n);

/* Whether the lines stand apart from home as tiles_skew brings them. */
bool tiles_skewed(const struct tiles *t);

/* Declares the tiles skewed without a move: for weights that are loaded into
 * their skewed places. */
void tiles_set_skewed(struct tiles *t);

#endif
