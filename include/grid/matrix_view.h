/* A view of the box of a matrix that this rank stores, whatever the form of
 * storage: boxes within it are copied from and to dense blocks. No function
 * here is collective. */
#ifndef WL_MATRIX_VIEW_H
#define WL_MATRIX_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/partition.h"

struct matrix_view {
	struct box own;      /* the box that this rank stores */
	size_t size;         /* bytes of an element */
	/* Copies `what`, a box within own, to (out) or from a dense block of
	 * its rows. */
	void (*copy)(const struct matrix_view *v, struct box what, void *block,
	             bool out);
	void *matrix;        /* the storage, of the type that copy expects;
	                        borrowed */
	size_t column;       /* its column where own.n begins */
};

/* Copies rows of `bytes` bytes from storage to a block (out), or from the block
 * to storage. Rows are pitch bytes apart in storage, block_pitch in the
 * block. */
void matrix_view_rows(void *storage, size_t pitch, void *block,
                      size_t block_pitch, int rows, size_t bytes, bool out);

/* A view of a dense block, data[own.k][own.n]. */
struct matrix_view matrix_view_dense(struct box own, size_t size, void *data);

/* Copies all of own to, or from, a dense block. */
void matrix_view_get(const struct matrix_view *v, void *data);
void matrix_view_put(const struct matrix_view *v, const void *data);
/* Copies a box within both views from one to the other. */
void matrix_view_move(const struct matrix_view *from,
                      const struct matrix_view *to, struct box what);

#endif
