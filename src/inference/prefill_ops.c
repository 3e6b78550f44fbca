#include "config.h"
#include "prefill_ops.h"

#include "device/cost.h"
#include "mpi_kernels/norm.h"
#include "mpi_kernels/products/gemm.h"
#include "simd/convert.h"
#include "simd/vec.h"

struct tiles prefill_activation(const struct prefill *p,
                                struct partition columns)
{
	struct tiles t;

	tiles_init(&t, p->g, AXIS_X, columns, p->tokens, SRAM_ACTIVATIONS);
	return t;
}

/* Charges ops operations on each element of activations whose columns are cut
 * by `columns`. */
static void charge_elements(const struct prefill *p,
                            const struct partition *columns, uint64_t ops)
{
	struct ledger *l = p->g->ledger;
	const struct charge c = cost_elements(
		l, ops, partition_max(&p->tokens), partition_max(columns),
		(uint64_t)p->tokens.n * columns->n);

	ledger_charge(l, &c);
}

void prefill_round_to_storage(const struct prefill *p, const struct tiles *t)
{
	enum wl_type type = p->w->weights.type;

	if (!p->g->dry && type != WL_F32)
		EACH_CORE(p->g, y, x)
			wl_round(tiles_at(t, y, x), type, tiles_elements_at(
				t, y, x * t->path->per_core));
}

struct tiles prefill_project(const struct prefill *p, struct tiles *a,
                             int layer, int which, enum op op)
{
	struct tiles *w = &p->w->weights.layer[layer].tiles[which];
	struct tiles c =
		prefill_activation(p, weights_output(&p->w->weights, which));

	ledger_op(p->g->ledger, op);
	p->w->weights.gemm->run(&(struct gemm){ a, w, &c });
	prefill_round_to_storage(p, &c);
	return c;
}

void prefill_add_bias(const struct prefill *p, struct tiles *t, int layer,
                      int which)
{
	const float *bias = p->w->weights.layer[layer].bias[which].prefill;
	const struct grid *g = p->g;
	int first = partition_start(&t->ring, g->x.local.lo);

	if (p->w->model->qkv_bias)
		charge_elements(p, &t->ring, 1);
	if (!bias)
		return;
	EACH_CORE(g, y, x) {
		int n = partition_size(&t->ring, x);
		const float *b = bias + partition_start(&t->ring, x) - first;

		for (int i = 0; i < partition_size(&p->tokens, y); i++)
			vec_add(n, b, tiles_at(t, y, x) + (size_t)i * n);
	}
	prefill_round_to_storage(p, t);
}

struct tiles prefill_norm(const struct prefill *p,
                          const struct vector_weights *weights)
{
	struct tiles h = prefill_activation(p, p->dim);

	ledger_op(p->g->ledger, OP_NORM);
	norm_tiles(&p->x, p->w->model->rms_eps, weights->prefill, &h);
	prefill_round_to_storage(p, &h);
	return h;
}

void prefill_align(const struct prefill *p, struct tiles *t, enum op op)
{
	ledger_op(p->g->ledger, op);
	gemm_align(p->w->weights.gemm, t);
}

void prefill_add_residual(struct prefill *p, struct tiles *t)
{
	struct grid *g = p->g;

	charge_elements(p, &p->dim, 1);
	if (!g->dry)
		EACH_CORE(g, y, x)
			vec_add((size_t)partition_size(&p->tokens, y) *
			        partition_size(&p->dim, x), tiles_at(t, y, x),
			        tiles_at(&p->x, y, x));
	prefill_round_to_storage(p, &p->x);
	tiles_fini(t);
}

void prefill_rotate(const struct prefill *p, struct tiles *t, int group)
{
	const struct grid *g = p->g;
	const struct partition *kv = &p->heads.kv;
	size_t all = range_size(partition_range(kv, g->x.local));
	int token0 = partition_start(&p->tokens, g->y.local.lo);
	int channel0 = partition_start(kv, g->x.local.lo);

	ledger_op(g->ledger, OP_ROPE);
	charge_elements(p, &t->ring, COST_ROPE_OPS);
	if (g->dry)
		return;
	EACH_CORE(g, y, x) {
		int n = partition_size(kv, x);
		const float *cs =
			p->angles + (partition_start(kv, x) - channel0) +
			(partition_start(&p->tokens, y) - token0) * all;

		for (int i = 0; i < partition_size(&p->tokens, y); i++)
			vec_rope(n / 2, group, cs + i * all,
			         tiles_at(t, y, x) + (size_t)i * n * group);
	}
	prefill_round_to_storage(p, t);
}

void prefill_swiglu(const struct prefill *p, struct tiles *gate,
                    const struct tiles *up)
{
	struct grid *g = p->g;

	ledger_op(g->ledger, OP_FFN_ACT);
	charge_elements(p, &p->hidden, COST_SWIGLU_OPS);
	if (!g->dry)
		EACH_CORE(g, y, x)
			vec_swiglu((size_t)partition_size(&p->tokens, y) *
			           partition_size(&p->hidden, x),
			           tiles_at(gate, y, x), tiles_at(up, y, x));
	prefill_round_to_storage(p, gate);
}
