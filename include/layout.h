/* Where the elements of a matrix lie on a core grid, and how they get from one
 * layout to another. */
#ifndef WL_LAYOUT_H
#define WL_LAYOUT_H

#include <stdbool.h>

#include "block.h"
#include "grid.h"
#include "store.h"

/* k on y and n on x, or (transposed) k on x and n on y. */
struct layout {
	struct grid *grid;
	struct part k, n;
	bool transposed;
};

/* The box that rank (row, col) of the grid's rank grid holds. */
struct box layout_box(const struct layout *l, int row, int col);

/* This rank's own box. */
struct box layout_own_box(const struct layout *l);

/* Re-lays a matrix from one layout to another (other grid, other
 * orientation) on the same ranks: first along x, then along y, every element
 * over mesh links only. source and sink: this rank's box of `from` and of
 * `to`, of the same element size; not looked at in a dry run. Collective.
 * Cost charged: every element that changes its core, words and hops; the
 * busiest link of each axis, and the cores that words pass on their way: where
 * each goes is no fixed route, so that software sends it on. */
void relayout(const struct layout *from, const struct layout *to,
              const struct store *source, const struct store *sink);

/* Lower bound of the cycles of a re-layout, in constant time. Not collective. */
uint64_t relayout_least(const struct layout *from, const struct layout *to);

#endif
