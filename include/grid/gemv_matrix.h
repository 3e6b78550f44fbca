/* A weight matrix W[k][n] in the form that MeshGEMV streams: k is partitioned
 * over the cores of one axis, n over those of the other. Several matrices of
 * the same k may be stored side by side as one.
 *
 * A rank stores the rows of each core line along k together, in panels (vec.h)
 * of the columns of all its core lines along n. No function here is
 * collective. */
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
	struct grid *grid;   /* borrowed */
	enum axis axis;      /* that k is partitioned over */
	struct partition k;
	struct range own;    /* rows k of this rank */
	size_t width;        /* columns of this rank, of all matrices */
	size_t pitch;        /* the same, padded to whole panels */
	int width_all;       /* columns of the whole grid */
	int width_max;       /* columns of the widest core line along k */
	struct wire_words wire; /* of one row, over the core lines along k */
	enum sram sram;      /* use of SRAM that it is charged to */
	bool retired;        /* not in the SRAM of the cores any more */
	void *data;          /* NULL in a dry run */
};

/* Creates a matrix for the n matrices of these layouts, which have the same k
 * and orientation, side by side. Elements are undefined (none in a dry run).
 * Charges the SRAM of a core. Free with gemv_matrix_fini. */
void gemv_matrix_init(struct gemv_matrix *m, const struct layout *layouts,
                      int n, enum wl_type type, enum sram sram);
void gemv_matrix_fini(struct gemv_matrix *m);
/* Frees the emulated cores' SRAM; host memory stays until gemv_matrix_fini. */
void gemv_matrix_retire(struct gemv_matrix *m);

/* The rows of a core line along k, counted from this rank's first row, and the
 * panels that contain them. */
struct range gemv_matrix_rows(const struct gemv_matrix *m, int line);
const void *gemv_matrix_block(const struct gemv_matrix *m, int line);

/* Copies rows k and columns [column, column + n), both counted from this rank's
 * first, to (out) or from a block whose rows are pitch bytes apart. */
void gemv_matrix_copy(const struct gemv_matrix *m, struct range k,
                      size_t column, size_t n, void *rows, size_t pitch,
                      bool out);
/* Converts one column, counted from this rank's first, to floats: to[own k]. */
void gemv_matrix_column(const struct gemv_matrix *m, size_t column, float *to);

/* This rank's box of one of the matrices, whose first column is `column`. The
 * matrix is borrowed. */
struct matrix_view gemv_matrix_view(struct gemv_matrix *m,
                                    const struct layout *l, size_t column);

#endif
