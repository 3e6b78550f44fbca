/* A weight matrix as MeshGEMV streams it: W[k][n], k cut over the cores of
 * one axis, n over the other; a rank keeps its whole rectangle of cores as
 * one dense block, row by row of k. Several matrices with the same k may
 * share a slab side by side. */
#ifndef WL_SLAB_H
#define WL_SLAB_H

#include <stdbool.h>
#include <stddef.h>

#include "block.h"
#include "grid.h"
#include "line.h"
#include "model.h"

/* Where the elements of a matrix lie on a core grid: k on y and n on x, or
 * (transposed) k on x and n on y. */
struct layout {
	struct grid *grid;
	struct part k, n;
	bool transposed;
};

struct slab {
	enum wl_type type;   /* of the elements in memory */
	struct grid *grid;
	enum axis axis;      /* the axis that k is cut over */
	struct part k;
	size_t width;        /* columns of this rank, of all matrices */
	int width_all;       /* of the whole grid */
	int width_most;      /* of the core line that has most */
	struct wire_words wire; /* one row, over the lines along k */
	enum sram sram;      /* what it is in a core's memory */
	void *data;          /* [k of this rank][width]; NULL in a dry run */
};

/* The box that rank (row, col) of the grid's rank grid holds. */
struct box layout_box(const struct layout *l, int row, int col);

/* This rank's own box. */
struct box layout_own_box(const struct layout *l);

/* A zeroed slab for n matrices of that type, which share k and the orientation;
 * what a core holds is charged to its memory as sram. */
void slab_init(struct slab *s, const struct layout *layouts, int n,
               enum wl_type type, enum sram sram);
void slab_fini(struct slab *s);

/* Row k of this rank's, from column `column` on. */
void *slab_at(const struct slab *s, size_t k, size_t column);
/* Column `column` of this rank's, all of its k, as floats. */
void slab_column(const struct slab *s, size_t column, float *to);

/* Copies one matrix (dense, this rank's box of `from`, of the slab's type) to
 * columns [at, ...) of the slab; returns the column behind it. */
size_t slab_put(struct slab *s, const struct layout *from, const void *data,
                size_t at);

/* Re-lays a matrix from one layout to another (other grid, other
 * orientation) on the same ranks: first along x, then along y, every element
 * (of that type) over mesh links only. data: this rank's box of `from`, given
 * up; returns the box of `to`, for large_free (NULL in a dry run).
 * Cost charged: every element that changes its core, words and hops; the
 * busiest link of each axis, and the cores that words pass on their way: where
 * each goes is no fixed route, so that software sends it on. */
void *relayout(const struct layout *from, const struct layout *to,
               enum wl_type type, void *data);

#endif
