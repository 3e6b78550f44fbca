/* A matrix in tiles of which one dimension travels around a ring of its axis:
 * tile (q, p) belongs to line q (across the axis) and place p of that line's
 * ring, and holds block ring_core(ring_pos(p) + off[q]) of the ring dimension
 * and block q of the fixed one. off[q] = 0 is home. Each core has one place,
 * and a place is a core, unless the ring was made longer. A tile is dense, its
 * extents are true ones, and it may be empty; which of its two dimensions is
 * contiguous is its user's choice. */
#ifndef WL_TILES_H
#define WL_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/partition.h"
#include "grid/grid.h"
#include "grid/matrix_view.h"
#include "model/model.h"

struct tiles {
	enum wl_type type;   /* of the elements in memory */
	struct grid *grid;
	enum axis axis;      /* the ring's */
	struct ring *path;   /* that they travel on; the line's */
	struct partition ring;    /* over the places of a line */
	struct partition fixed;   /* over the lines */
	/* How many ring steps line q is away from home: off[q], or, off NULL,
	 * as tiles_skew brings it (0 where not skewed), less `turned`. */
	int *off;            /* [lines] */
	bool skewed;
	int turned;          /* steps of all lines */
	void **tile;         /* [own lines and places], as tiles_slot has it */
	char *memory;        /* all tiles, each with room for the largest */
	enum sram sram;      /* what they are in a core's memory */
	struct tiles_kept *kept; /* between tiles_keep and its end, or NULL */
};

/* Tiles of that type, at home, on the ring of so many places as ring has
 * parts: as many as a line has cores, or a multiple. What they hold is not
 * defined; no memory for elements in a dry run; what a core holds is charged to
 * its memory as sram. Free with tiles_fini. Not collective. */
void tiles_init_on(struct tiles *t, struct grid *g, enum axis axis,
                   enum ring_kind kind, enum wl_type type,
                   struct partition ring, struct partition fixed,
                   enum sram sram);
/* The same on the two-hop ring, of floats: activations, whose values are those
 * that an emulated core's elements can have (wl_round). */
void tiles_init(struct tiles *t, struct grid *g, enum axis axis,
                struct partition ring, struct partition fixed, enum sram sram);
void tiles_fini(struct tiles *t);

/* All elements 0. Not collective. */
void tiles_clear(struct tiles *t);

/* The line object of the ring's axis; the lines q that this rank holds; where
 * the pointer to place p of line q's tile is kept (own rectangle only). */
struct line *tiles_line(const struct tiles *t);
struct range tiles_own_lines(const struct tiles *t);
void **tiles_slot(const struct tiles *t, int q, int p);

/* Ring steps that line q is away from home, or will be, skewed or not. */
int tiles_off(const struct tiles *t, int q);
int tiles_off_wanted(const struct tiles *t, int q, bool skewed);
/* Line q takes a step, 1, -1 or 0; all lines take the step 1; declares all
 * lines skewed, or at home. */
void tiles_step(struct tiles *t, int q, int step);
void tiles_step_all(struct tiles *t);
void tiles_stand(struct tiles *t, bool skewed);

/* The ring block that place p of line q holds now; the place that block b is
 * on. */
int tiles_block(const struct tiles *t, int q, int p);
int tiles_place(const struct tiles *t, int q, int b);
/* Elements of the largest tile; bytes of all that an emulated core holds when
 * it holds most. */
size_t tiles_capacity(const struct tiles *t);
uint64_t tiles_bytes(const struct tiles *t);
/* Elements of place p of line q's tile now, and bytes of memory. */
size_t tiles_size(const struct tiles *t, int q, int p);
size_t tiles_memory(const struct tiles *t, int q, int p);
/* The memory of core (y, x)'s tile, of its first place if it has more (own
 * rectangle only): of floats, of any type. */
float *tiles_at(const struct tiles *t, int y, int x);
void *tiles_elements(const struct tiles *t, int y, int x);
/* Extents of the ring block and the fixed block that lie there. */
int tiles_ring_extent(const struct tiles *t, int y, int x);
int tiles_fixed_extent(const struct tiles *t, int y, int x);

/* What this rank has of a matrix [ring][fixed] whose tiles are at home, dense
 * with rows of the fixed dimension. */
struct matrix_view tiles_view(struct tiles *t);

#endif
