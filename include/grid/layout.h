/* Which core of a grid stores which elements of a matrix. Arithmetic only. */
#ifndef WL_LAYOUT_H
#define WL_LAYOUT_H

#include <stdbool.h>

#include "base/partition.h"
#include "grid/grid.h"

/* A matrix [k][n]: k partitioned over the core rows and n over the core
 * columns, or (transposed) k over the columns and n over the rows. */
struct layout {
	struct grid *grid;   /* borrowed */
	struct partition k, n;
	bool transposed;
};

/* The box of the matrix that rank (row, col) of the rank grid stores. */
struct box layout_box(const struct layout *l, int row, int col);

/* The box that this rank stores. */
struct box layout_own_box(const struct layout *l);

#endif
