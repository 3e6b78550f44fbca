/* The ring shift moves tiles around the rings of their lines, step by step. */
#ifndef WL_SHIFT_H
#define WL_SHIFT_H

#include "grid/tiles.h"

/* A step of the ring shift between start and finish. Of two entries, [0] is the
 * lower neighbour's, [1] the upper's. */
struct tiles_shift {
	struct tiles *t;
	const signed char *steps;
	const char *in[2];     /* messages received */
	size_t words[2];       /* of each incoming message */
	int send[2];           /* tickets of the messages sent */
	bool arrived[2], sent[2];
};

/* One step of the ring shift: the tiles of line q move to their cores' ring
 * successors (steps[q] 1), to the predecessors (-1), or stay (0). steps
 * [lines]: borrowed until finish; NULL means 1 for all. Between start and
 * finish tiles may be read, not written. Collective over the lines' ranks. Cost
 * charged: a set-up; the hops of the ring's longest edge (two, or the whole
 * line on the natural ring); the words of every tile that leaves its core.
 * Source: WaferLLM (OSDI'25), Algorithm 1. */
void tiles_shift_start(struct tiles_shift *s, struct tiles *t,
                       const signed char *steps);
void tiles_shift_finish(struct tiles_shift *s);

/* Keeps tiles that leave this rank readable, so that the host can add up the
 * terms of several steps in one product. The emulated core still has one tile
 * at a time, and nothing is charged. After tiles_keep_departed, the memory of a
 * departed tile keeps its content until tiles_reuse_departed, which has to be
 * called after at most `shifts` shifts. tiles_departed_end ends this and moves
 * all tiles back into their own memory, contents included.
 * tiles_departed_bytes: additional memory per shift, bytes. Not collective. */
void tiles_keep_departed(struct tiles *t, int shifts);
void tiles_reuse_departed(struct tiles *t);
void tiles_departed_end(struct tiles *t);
size_t tiles_departed_bytes(const struct tiles *t);
/* For the shift only: keeps the buffer of a departed tile and returns a spare
 * one for the tile that arrives instead. */
void *tiles_departed_swap(struct tiles_kept *k, void *buffer);

/* Cannon's skew, in ring order: moves the tiles of each line q by ring_pos(j)
 * steps against the ring, the shorter way round. Afterwards place p of line q
 * holds block ring_core(ring_pos(p) + ring_pos(j)), where j = q * places /
 * lines is the line's index among as many lines as the ring has places.
 * tiles_unskew moves them back home. Either takes at most half as many steps as
 * the ring has places. Collective over the grid. Cost charged: as for as many
 * shifts of the lines that move. */
void tiles_skew(struct tiles *t);
void tiles_unskew(struct tiles *t);
/* Unskews n tiled matrices of one grid and axis, whose tiles share messages, so
 * that each step is charged one set-up. Collective over the grid. */
void tiles_unskew_all(struct tiles *t, int n);

/* Whether every line is where tiles_skew moves it. Not collective. */
bool tiles_skewed(const struct tiles *t);

/* Declares the tiles skewed without moving them, for weights that are loaded
 * into their skewed places. Not collective, charges nothing. */
void tiles_set_skewed(struct tiles *t);

#endif
