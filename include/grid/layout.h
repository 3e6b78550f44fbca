/* Where the elements of a matrix lie on a core grid. Pure arithmetic. */
#ifndef WL_LAYOUT_H
#define WL_LAYOUT_H

#include <stdbool.h>

#include "base/partition.h"
#include "grid/grid.h"

/* k on y and n on x, or (transposed) k on x and n on y. */
struct layout {
	struct grid *grid;
	struct partition k, n;
	bool transposed;
};

/* The box that rank (row, col) of the grid's rank grid holds. */
struct box layout_box(const struct layout *l, int row, int col);

/* This rank's own box. */
struct box layout_own_box(const struct layout *l);

#endif
