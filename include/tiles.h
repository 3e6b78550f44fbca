/* A matrix in tiles, one per core, of which one dimension travels around the
 * ring of its axis: tile (q, p) belongs to line q (across the axis) and core
 * p of that line, and holds block ring_core(ring_pos(p) + off[q]) of the ring
 * dimension and block q of the fixed one. off[q] = 0 is home. A tile is
 * dense, its extents are true ones, and it may be empty; which of its two
 * dimensions is contiguous is its user's choice. */
#ifndef WL_TILES_H
#define WL_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "grid.h"
#include "model.h"

struct tiles {
	enum wl_type type;   /* of the elements; WL_F32 so far */
	struct grid *grid;
	enum axis axis;      /* the ring's */
	struct part ring;    /* over the cores of a line */
	struct part fixed;   /* over the lines */
	int *off;            /* [lines], ring steps away from home */
	float **tile;        /* [height * width] of the rank's rectangle */
	float *memory;       /* all tiles, each with room for the largest */
	uint64_t *hops[2];   /* see line_shift.c, for each direction */
	enum sram sram;      /* what they are in a core's memory */
};

/* Zeroed tiles, at home. No memory for elements in a dry run; what a core
 * holds is charged to its memory as sram. Free with tiles_fini. Not
 * collective. */
void tiles_init(struct tiles *t, struct grid *g, enum axis axis,
                struct part ring, struct part fixed, enum sram sram);
void tiles_fini(struct tiles *t);

/* The line object of the ring's axis; the lines q that this rank holds; where
 * the pointer to core p of line q's tile is kept (own rectangle only). */
struct line *tiles_line(const struct tiles *t);
struct range tiles_own_lines(const struct tiles *t);
float **tiles_slot(const struct tiles *t, int q, int p);

/* The ring block that core p of line q holds now. */
int tiles_block(const struct tiles *t, int q, int p);
/* Elements of the largest tile; its bytes on the emulated core. */
size_t tiles_capacity(const struct tiles *t);
uint64_t tiles_bytes(const struct tiles *t);
/* Elements of core (y, x)'s tile now; its memory (own rectangle only). */
size_t tiles_size(const struct tiles *t, int q, int p);
float *tiles_at(const struct tiles *t, int y, int x);
/* Extents of the ring block and the fixed block that core (y, x) holds. */
int tiles_ring_extent(const struct tiles *t, int y, int x);
int tiles_fixed_extent(const struct tiles *t, int y, int x);

/* A step of the ring shift that is on its way; [0] is the side of the lower
 * neighbour, [1] the upper. */
struct tiles_shift {
	struct tiles *t;
	const signed char *steps;
	float *in[2];
	int recv[2], send[2];  /* tickets */
	bool arrived[2], sent[2];
};

/* One step of the two-hop ring shift: the tiles of line q go to their cores'
 * ring successors (steps[q] == 1), predecessors (-1) or stay (0); steps NULL
 * means 1 for all, else it stays untouched until finish. Collective over the
 * lines' ranks. Between start and finish tiles may be read, not written. Cost
 * charged: 2 hops (fewer on lines of 1 or 2 cores), every moving tile's words.
 * Source: WaferLLM (OSDI'25), Algorithm 1. */
void tiles_shift_start(struct tiles_shift *s, struct tiles *t,
                       const signed char *steps);
void tiles_shift_finish(struct tiles_shift *s);

/* Brings the tiles of each line q ring_pos(q) steps on its way against the
 * ring (Cannon's skew, in ring order), the shorter way round: then core p of
 * line q holds block ring_core(ring_pos(p) + ring_pos(q)). tiles_unskew is
 * the way back. At most half the ring's length of steps. Collective. */
void tiles_skew(struct tiles *t);
void tiles_unskew(struct tiles *t);
/* Unskews n tiled matrices of one grid and axis, whose tiles share messages:
 * each step has one set-up. */
void tiles_unskew_all(struct tiles *t, int n);

/* Declares the tiles skewed without a move: for weights that are loaded into
 * their skewed places. */
void tiles_set_skewed(struct tiles *t);

#endif
