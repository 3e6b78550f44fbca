/* Vector-matrix products on a core grid. A vector lies cut along
 * one axis and is the same on every line of that axis; a rank keeps the
 * blocks of its own cores, once. */
#ifndef WL_GEMV_H
#define WL_GEMV_H

#include "grid/gemv_matrix.h"

/* MeshGEMV: y[n] = sum_k x[k] W[k][n]. x: this rank's block of k; y
 * [w->width]: this rank's columns, on every core of the reduced axis. A
 * core's partial sum runs over its own k in increasing order, the partials
 * are added by the two-level tree along the axis of k. Collective over the
 * axis. Cost charged: k n multiply-adds, then the all-reduce.
 * Source: WaferLLM (OSDI'25), section 6.2. */
void gemv_tree(const struct gemv_matrix *w, const float *x, float *y);

/* The largest of a vector cut by part along the axis: its index, ties to the
 * lowest, on every core; -1 when any is NaN. A tree of (value, id) pairs. In
 * a dry run 0. */
int argmax_vector(struct grid *g, enum axis axis, const struct partition *part,
                  const float *x);

#endif
