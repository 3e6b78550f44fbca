/* RMSNorm on a core grid: y = x / sqrt(mean(x^2) + eps) * weight. */
#ifndef WL_NORM_H
#define WL_NORM_H

#include "grid/tiles.h"

/* Of a vector cut by part along the axis, the same on all its lines: x,
 * weight and y are this rank's block. A core's sum of squares runs over its
 * own elements in order; one all-reduce of one word. Collective over the
 * axis. */
void norm_vector(struct grid *g, enum axis axis, const struct partition *part,
                 double eps, const float *x, const float *weight, float *y);

/* Of each row of x [tokens on y][dim on x] (ring axis x, at home); weight is
 * this rank's block of x's columns; y is laid out as x. One all-reduce along
 * x of one word per row. Collective over the grid. */
void norm_tiles(const struct tiles *x, double eps, const float *weight,
                struct tiles *y);

#endif
