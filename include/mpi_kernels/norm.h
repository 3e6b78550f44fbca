/* RMSNorm on a core grid: y = x / sqrt(mean(x^2) + eps) * weight. */
#ifndef WL_NORM_H
#define WL_NORM_H

#include "grid/tiles.h"

/* Normalizes a vector that is partitioned by part along the axis, with a copy
 * on every line. x, weight, y: this rank's block of it, unused in a dry run. A
 * core sums its squares in order of the elements. Collective over the axis.
 * Cost charged: the element-wise work and an all-reduce of one word. */
void norm_vector(struct grid *g, enum axis axis, const struct partition *part,
                 double eps, const float *x, const float *weight, float *y);

/* Normalizes each row of x [tokens on y][dim on x] (ring axis x, at home) into
 * y, which has x's layout. weight: this rank's block of the dim columns.
 * Collective over the grid. Cost charged: the element-wise work and an
 * all-reduce along x of one word per row. */
void norm_tiles(const struct tiles *x, double eps, const float *weight,
                struct tiles *y);

#endif
