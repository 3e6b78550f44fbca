/* Somewhere that boxes of a matrix are copied from and to, in whatever form it
 * lies there. */
#ifndef WL_MATRIX_VIEW_H
#define WL_MATRIX_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/partition.h"

struct matrix_view {
	struct box own;      /* that this rank has of the matrix */
	size_t size;         /* bytes of an element */
	/* Copies a box, of which all is in own, from here (out) or to here:
	 * block is dense, row by row. */
	void (*copy)(const struct matrix_view *s, struct box what, void *block,
	             bool out);
	void *matrix;        /* borrowed; what it is copy knows */
	size_t column;       /* of what it is where this matrix begins */
};

/* Copies rows of so many bytes, pitches apart, from one place (out) to a block,
 * or from the block to that place. Not collective, as are all: */
void matrix_view_rows(void *place, size_t pitch, void *block,
                      size_t block_pitch, int rows, size_t bytes, bool out);

/* The own box as a dense block. */
struct matrix_view matrix_view_dense(struct box own, size_t size, void *data);

/* Copies all of own from or to a dense block. */
void matrix_view_get(const struct matrix_view *s, void *data);
void matrix_view_put(const struct matrix_view *s, const void *data);
/* Copies a box that both have, by way of a little block. */
void matrix_view_move(const struct matrix_view *from,
                      const struct matrix_view *to, struct box what);

#endif
