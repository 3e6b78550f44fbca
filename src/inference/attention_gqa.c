/* The attention part of a layer; each group of query heads shares a KV head:
 *
 *   x += W_O attention(rope(W_Q n + b_q), rope(W_K n + b_k), W_V n + b_v),
 *                                                          n = norm(x)
 *
 * Source: Ainslie et al. (2023); WaferLLM (OSDI'25), sections 4 and 5.4. */
#include "config.h"
#include "decode_ops.h"
#include "layer.h"
#include "prefill_ops.h"

#include <string.h>

/* Transposes each core's keys [token][channel] into the tiles that travel on
 * y, [channel][token]; frees from. */
static void transpose_keys(const struct prefill *p, struct tiles *from,
                           struct tiles *to)
{
	struct grid *g = p->g;

	if (!g->dry)
		EACH_CORE(g, y, x) {
			int m = partition_size(&p->tokens, y);
			int n = partition_size(&p->heads.kv, x);
			const float *k = tiles_at(from, y, x);
			float *out = tiles_at(to, y, x);

			for (int i = 0; i < m; i++)
				for (int c = 0; c < n; c++)
					out[c * m + i] = k[i * n + c];
		}
	tiles_fini(from);
}

/* Copies values [token][channel] into the tiles that travel on y; frees from.
 */
static void copy_values(const struct prefill *p, struct tiles *from,
                        struct tiles *to)
{
	struct grid *g = p->g;

	if (!g->dry)
		EACH_CORE(g, y, x)
			memcpy(tiles_at(to, y, x), tiles_at(from, y, x),
			       (size_t)partition_size(&p->tokens, y) *
			       partition_size(&p->heads.kv, x) * sizeof(float));
	tiles_fini(from);
}

/* attention(q, K, V) over the prompt, [L][q channels]; frees q. */
static struct tiles attend(struct prefill *p, struct tiles *q,
                           struct kv_tiles *kv)
{
	struct ledger *l = p->g->ledger;
	struct tiles o = prefill_activation(p, p->heads.q);
	struct scores s;

	scores_init(&s, p->g, &p->heads, p->w->weights.type, p->tokens);
	ledger_op(l, OP_SCORES);
	attention_scores(&s, q, &kv->k);
	ledger_op(l, OP_SOFTMAX);
	attention_softmax(&s);
	ledger_op(l, OP_VALUES);
	attention_values(&s, &kv->v, &o);
	prefill_round_to_storage(p, &o);
	scores_fini(&s);
	tiles_fini(q);
	return o;
}

/* One of q, k and v: n W + b. */
static struct tiles project(const struct prefill *p, struct tiles *n, int layer,
                            int which)
{
	struct tiles t = prefill_project(p, n, layer, which, OP_QKV);

	prefill_add_bias(p, &t, layer, which);
	return t;
}

static void prefill(struct prefill *p, int layer)
{
	const struct layer_weights *l = &p->w->weights.layer[layer];
	struct kv_tiles *kv = &p->w->kv[layer];
	struct tiles n = prefill_norm(p, &l->attention_norm);

	prefill_align(p, &n, OP_QKV);
	struct tiles q = project(p, &n, layer, W_Q);
	struct tiles k = project(p, &n, layer, W_K);
	struct tiles v = project(p, &n, layer, W_V);

	tiles_fini(&n);
	prefill_rotate(p, &q, p->heads.group);
	prefill_rotate(p, &k, 1);
	transpose_keys(p, &k, &kv->k);
	copy_values(p, &v, &kv->v);

	struct tiles o = attend(p, &q, kv);

	prefill_align(p, &o, OP_OUTPUT);
	struct tiles out = prefill_project(p, &o, layer, W_O, OP_OUTPUT);

	tiles_fini(&o);
	prefill_add_residual(p, &out);
}

static void decode(struct inference *w, int layer)
{
	const struct layer_weights *l = &w->weights.layer[layer];
	struct decode_state *s = &w->state;

	decode_norm(w, &l->attention_norm);
	decode_product(w, &l->qkv, s->h, s->qkv, OP_QKV);
	decode_add_biases(w, l);
	decode_rotate(w);
	decode_append(w, layer);
	decode_attention(w, layer);
	decode_add_product(w, &l->output, s->o, OP_OUTPUT);
}

const struct layer_part attention_gqa = { "gqa", prefill, decode };
