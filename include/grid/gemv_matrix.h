/* A weight matrix as MeshGEMV streams it: W[k][n], k cut over the cores of
 * one axis, n over the other. Several matrices with the same k may share a slab
 * side by side. A rank keeps the rows of each core line of the axis together,
 * in panels (vec.h) of the columns of all its lines of the other one. */
#ifndef WL_GEMV_MATRIX_H
#define WL_GEMV_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/partition.h"
#include "base/type.h"
#include "device/cost.h"
#include "grid/grid.h"
#include "grid/layout.h"
#include "grid/matrix_view.h"

struct gemv_matrix {
	enum wl_type type;   /* of the elements in memory */
	struct grid *grid;
	enum axis axis;      /* the axis that k is cut over */
	struct partition k;
	struct range own;    /* rows k of this rank */
	size_t width;        /* columns of this rank, of all matrices */
	size_t pitch;        /* the same with what makes the last panel whole */
	int width_all;       /* of the whole grid */
	int width_max;      /* of the core line that has most */
	struct wire_words wire; /* one row, over the lines along k */
	enum sram sram;      /* what it is in a core's memory */
	bool retired;
	void *data;          /* NULL in a dry run */
};

/* A slab for n matrices of that type, which share k and the orientation: its
 * elements are not set. What a core holds is charged to its memory as sram. */
void gemv_matrix_init(struct gemv_matrix *s, const struct layout *layouts,
                      int n, enum wl_type type, enum sram sram);
void gemv_matrix_fini(struct gemv_matrix *s);
/* The cores do not hold it any more, the host does until gemv_matrix_fini. */
void gemv_matrix_retire(struct gemv_matrix *s);

/* The rows that a core line of the axis has, counted from this rank's first;
 * its block of panels. */
struct range gemv_matrix_rows(const struct gemv_matrix *s, int line);
const void *gemv_matrix_block(const struct gemv_matrix *s, int line);

/* Copies columns [column, column + n) of these rows, counted from this rank's
 * first, from the slab (out) or to it: rows lie pitch bytes apart. */
void gemv_matrix_copy(const struct gemv_matrix *s, struct range k,
                      size_t column, size_t n, void *rows, size_t pitch,
                      bool out);
/* Column `column` of this rank's, all of its k, as floats. */
void gemv_matrix_column(const struct gemv_matrix *s, size_t column, float *to);

/* One of its matrices, which begins at that column. */
struct matrix_view gemv_matrix_view(struct gemv_matrix *s,
                                    const struct layout *l, size_t column);

#endif
