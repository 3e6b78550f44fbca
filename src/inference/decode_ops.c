#include "config.h"
#include "decode_ops.h"

#include "device/cost.h"
#include "mpi_kernels/norm.h"
#include "mpi_kernels/products/gemv.h"
#include "simd/convert.h"
#include "simd/vec.h"

void decode_round_to_storage(const struct inference *w, float *x, size_t n)
{
	if (!w->decode.dry)
		wl_round(x, w->weights.type, n);
}

void decode_norm(struct inference *w, const struct vector_weights *weights)
{
	struct grid *g = &w->decode;
	struct decode_state *s = &w->state;
	struct partition dim = partition_of(w->model->dim, g->rows);
	size_t n = range_size(partition_range(&dim, g->y.local));

	ledger_op(g->ledger, OP_NORM);
	norm_vector(g, AXIS_Y, &dim, w->model->rms_eps, s->x, weights->decode,
	            s->h);
	decode_round_to_storage(w, s->h, n);
}

/* Charges ops operations on each element of a vector that each of `copies`
 * lines has whole: max elements on the fullest core, all elements on a line. */
static void charge_elements(struct inference *w, uint64_t max, uint64_t all,
                            uint64_t copies, uint64_t ops)
{
	const struct charge c = cost_elements(&w->ledger, ops, 1, max,
	                                      all * copies);

	ledger_charge(&w->ledger, &c);
}

void decode_add_biases(struct inference *w, const struct layer_weights *l)
{
	struct grid *g = &w->decode;
	float *to = w->state.qkv;

	if (w->model->qkv_bias)
		charge_elements(w, l->qkv.width_max, l->qkv.width_all, g->rows,
		                1);
	if (!l->bias[W_Q].decode)
		return;
	for (int i = 0; i < W_BIASED; i++) {
		struct partition n = weights_layout(&w->weights, i, true).n;
		size_t here = range_size(partition_range(&n, g->x.local));

		vec_add(here, l->bias[i].decode, to);
		decode_round_to_storage(w, to, here);
		to += here;
	}
}

void decode_rotate(struct inference *w)
{
	struct decode_state *s = &w->state;
	size_t n = range_size(partition_range(&s->heads.kv, w->decode.x.local));
	const struct heads *h = &s->heads;

	ledger_op(w->decode.ledger, OP_ROPE);
	charge_elements(w, partition_max(&h->q) + partition_max(&h->kv),
	                h->q.n + h->kv.n, w->decode.rows, COST_ROPE_OPS);
	if (w->decode.dry)
		return;
	vec_rope(n / 2, s->heads.group, s->angles, s->qkv);
	vec_rope(n / 2, 1, s->angles, s->qkv + s->heads.group * n);
	decode_round_to_storage(w, s->qkv, (s->heads.group + 1) * n);
}

void decode_product(struct inference *w, const struct gemv_matrix *m,
                    const float *in, float *out, enum op op)
{
	ledger_op(w->decode.ledger, op);
	gemv_tree(m, in, out);
	decode_round_to_storage(w, out, m->width);
}

void decode_add_product(struct inference *w, const struct gemv_matrix *m,
                        const float *in, enum op op)
{
	struct decode_state *s = &w->state;

	decode_product(w, m, in, s->h, op);
	charge_elements(w, m->width_max, m->width_all, w->decode.cols, 1);
	if (!w->decode.dry)
		vec_add(m->width, s->h, s->x);
	decode_round_to_storage(w, s->x, m->width);
}

void decode_swiglu(struct inference *w, const struct gemv_matrix *up)
{
	float *ffn = w->state.ffn;
	size_t n = up->width / 2;

	ledger_op(w->decode.ledger, OP_FFN_ACT);
	charge_elements(w, up->width_max / 2, up->width_all / 2,
	                w->decode.rows, COST_SWIGLU_OPS);
	if (!w->decode.dry)
		vec_swiglu(n, ffn, ffn + n);
	decode_round_to_storage(w, ffn, n);
}

void decode_append(struct inference *w, int layer)
{
	const struct kvcache *c = &w->cache;
	const float *k =
		w->state.qkv + w->state.heads.group * c->channels;

	ledger_op(w->decode.ledger, OP_KV_SHIFT);
	kvcache_append(&w->cache, layer, k, k + c->channels);
}
