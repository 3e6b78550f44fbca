/* RMSNorm: each core sums its own squares, an all-reduce adds the sums along
 * the line, and each core scales its own elements.
 * Source: WaferLLM (OSDI'25), section 4; Zhang and Sennrich (2019). */
#include "config.h"
#include "mpi_kernels/norm.h"

#include <math.h>

#include "device/cost.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/line.h"
#include "simd/vec.h"

static float inverse_root(float sum, int n, double eps)
{
	return 1.0f / sqrtf(sum / n + (float)eps);
}

void norm_vector(struct grid *g, enum axis axis, const struct partition *part,
                 double eps, const float *x, const float *weight, float *y)
{
	struct line *l = grid_line(g, axis);
	int first = partition_start(part, l->local.lo);
	float sum;
	struct line_segment all = { 0, l->n - 1, NULL, 1, 1, &sum,
	                            cost_lines(grid_lines(g, axis), 1) };
	const struct charge local = cost_elements(
		g->ledger, COST_NORM_OPS, 1, partition_max(part),
		(uint64_t)part->n * grid_lines(g, axis));

	ledger_charge(g->ledger, &local);
	if (!g->dry)
		all.value = line_buffer(l, LINE_PARTIAL, range_size(l->local));
	for (int p = l->local.lo; !g->dry && p < l->local.hi; p++)
		all.value[p - l->local.lo] =
			vec_sum_squares(partition_size(part, p),
			                x + partition_start(part, p) - first);
	line_allreduce(l, 1, &all, LINE_ADD);
	if (!g->dry)
		vec_norm_scale(range_size(partition_range(part, l->local)), x,
		               inverse_root(sum, part->n, eps), weight, y);
}

/* Sums of squares of this rank's rows on each of its columns: value
 * [width][rows]. */
static void row_squares(const struct tiles *x, float *value, size_t rows)
{
	const struct grid *g = x->grid;

	for (int cx = g->x.local.lo; cx < g->x.local.hi; cx++) {
		float *sum = value + (cx - g->x.local.lo) * rows;
		int n = partition_size(&x->ring, cx);

		for (int cy = g->y.local.lo; cy < g->y.local.hi; cy++)
			for (int i = 0; i < partition_size(&x->fixed, cy); i++)
				*sum++ = vec_sum_squares(n,
					tiles_at(x, cy, cx) + (size_t)i * n);
	}
}

/* y = x * inverse[row] * weight[column]. inverse: [this rank's rows]; weight:
 * [this rank's columns]. */
static void scale_rows(const struct tiles *x, const float *inverse,
                       const float *weight, struct tiles *y)
{
	const struct grid *g = x->grid;
	int first = partition_start(&x->ring, g->x.local.lo);

	for (int cy = g->y.local.lo; cy < g->y.local.hi; cy++) {
		int m = partition_size(&x->fixed, cy);

		for (int cx = g->x.local.lo; cx < g->x.local.hi; cx++) {
			int n = partition_size(&x->ring, cx);
			const float *w =
				weight + partition_start(&x->ring, cx) - first;

			for (int i = 0; i < m; i++)
				vec_norm_scale(n, tiles_at(x, cy, cx) +
				               (size_t)i * n, inverse[i], w,
				               tiles_at(y, cy, cx) +
				               (size_t)i * n);
		}
		inverse += m;
	}
}

void norm_tiles(const struct tiles *x, double eps, const float *weight,
                struct tiles *y)
{
	struct grid *g = x->grid;
	struct line *l = &g->x;
	size_t rows = range_size(partition_range(&x->fixed, g->y.local));
	struct line_segment all = { 0, l->n - 1, NULL, rows, rows, NULL,
	                            cost_parts(g->ledger, &x->fixed, 1) };
	const struct charge local = cost_elements(
		g->ledger, COST_NORM_OPS, partition_max(&x->fixed),
		partition_max(&x->ring), (uint64_t)x->fixed.n * x->ring.n);

	ledger_charge(g->ledger, &local);
	if (!g->dry) {
		all.value = line_buffer(l, LINE_PARTIAL, rows * grid_width(g));
		all.result = line_buffer(l, LINE_RESULT, rows);
		row_squares(x, all.value, rows);
	}
	line_allreduce(l, 1, &all, LINE_ADD);
	if (g->dry)
		return;
	for (size_t i = 0; i < rows; i++)
		all.result[i] = inverse_root(all.result[i], x->ring.n, eps);
	scale_rows(x, all.result, weight, y);
}
