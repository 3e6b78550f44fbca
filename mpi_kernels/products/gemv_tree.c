/* MeshGEMV: every core works on its own block of the vector, the line's
 * all-reduce (allreduce.h), by itself a tree of two levels, adds up.
 *
 *   axis y   core 0   x[k0] W[k0][.]  --+
 *            core 1   x[k1] W[k1][.]  --+-- tree --> y[.] on all of them
 *            core 2   x[k2] W[k2][.]  --+
 *
 * A rank forms the partial sums of a line of its cores side by side, so that
 * the rows of W stream through once; each core's sum stays its own.
 *
 * Source: WaferLLM (OSDI'25), section 6.2. */
#include "config.h"
#include "mpi_kernels/products/gemv.h"

#include <math.h>
#include <string.h>

#include "device/cost.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "simd/vec.h"

/* The cores' partial sums, a pitch apart. */
static void multiply(const struct gemv_matrix *w, struct range cores,
                     const float *x, float *partial)
{
	struct vec_stream streams[range_size(cores)];

	for (int p = cores.lo; p < cores.hi; p++) {
		struct range k = gemv_matrix_rows(w, p);
		int i = p - cores.lo;

		streams[i] = (struct vec_stream){ range_size(k), x + k.lo,
			gemv_matrix_block(w, p), partial + i * w->pitch };
	}
	vec_gemv_streams(range_size(cores), streams, w->width, w->type);
}

void gemv_tree(const struct gemv_matrix *w, const float *x, float *y)
{
	struct line *l = grid_line(w->grid, w->axis);
	struct line_segment all = { 0, l->n - 1, NULL, w->pitch, w->width, y,
	                            w->wire };
	const struct charge product =
		cost_product(l->ledger, (uint64_t)w->k.n * w->width_all,
	                     (uint64_t)partition_max(&w->k) * w->width_max,
	                     cost_start(l->ledger) +
	                             cost_gemv(l->ledger, partition_max(&w->k),
	                                       w->width_max));

	ledger_charge(l->ledger, &product);
	if (w->data) {
		all.value = line_buffer(l, LINE_PARTIAL, w->pitch *
		                        range_size(l->local));
		multiply(w, l->local, x, all.value);
	}
	line_allreduce(l, 1, &all, LINE_ADD);
}

/* The best of one core's block; an empty block never wins. */
static void best_of_block(const float *x, int n, int first_id, float pair[2])
{
	int32_t id = INT32_MAX;

	pair[0] = -INFINITY;
	for (int i = 0; i < n; i++)
		if (line_argmax_before(x[i], first_id + i, pair[0], id)) {
			pair[0] = x[i];
			id = first_id + i;
		}
	memcpy(&pair[1], &id, sizeof id);
}

int argmax_vector(struct grid *g, enum axis axis, const struct partition *part,
                  const float *x)
{
	struct line *l = grid_line(g, axis);
	int first = partition_start(part, l->local.lo);
	float best[2] = { 0, 0 };
	struct line_segment all = { 0, l->n - 1, NULL, 2, 2, best,
	                            cost_lines(grid_lines(g, axis), 2) };
	/* Each element is compared and, maybe, taken. */
	const struct charge scan = cost_elements(
		g->ledger, 2, 1, partition_max(part),
		(uint64_t)part->n * grid_lines(g, axis));
	int32_t id;

	ledger_charge(g->ledger, &scan);
	if (!g->dry)
		all.value = line_buffer(l, LINE_PARTIAL,
		                        2 * range_size(l->local));
	for (int p = l->local.lo; !g->dry && p < l->local.hi; p++)
		best_of_block(x + partition_start(part, p) - first,
		              partition_size(part, p), partition_start(part, p),
		              all.value + 2 * (p - l->local.lo));
	line_allreduce(l, 1, &all, LINE_ARGMAX);
	memcpy(&id, &best[1], sizeof id);
	return best[0] == best[0] ? id : -1;
}
