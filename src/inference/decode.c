/* The decode phase: one token at a time, E on y, the same on every column.
 *
 *   norm -(y)-> qkv -> add biases, rope, append -> q k^T -(x, head)->
 *   softmax, S V -(y)-> W_O -(x)->
 *   norm -(y)-> gate, up -(y)-> silu * -> down -(x)-> ...
 *
 * -(a)-> is an all-reduce along axis a. Reductions alternate between the
 * axes, so that no vector is ever transposed.
 * Source: WaferLLM (OSDI'25), sections 4.2 and 6. */
#include "config.h"
#include "inference/inference.h"

#include <stdlib.h>

#include "base/error.h"
#include "model/rope.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/moves/relayout.h"
#include "mpi_kernels/norm.h"
#include "mpi_kernels/products/gemv.h"
#include "simd/convert.h"
#include "simd/vec.h"

static float *words(size_t n)
{
	return wl_calloc(n, sizeof(float));
}

/* Bytes of the buffers below on the fullest core. */
static uint64_t state_bytes(const struct inference *w, int max_tokens)
{
	const struct grid *g = &w->decode;
	struct heads h = heads_of(w->model, g->cols);
	struct partition dim = partition_of(w->model->dim, g->rows);
	struct partition hidden = partition_of(w->model->hidden_dim, g->cols);
	struct partition vocab = partition_of(w->model->vocab_size, g->cols);
	uint64_t heads = (uint64_t)h.group * heads_max(&h);

	/* x, h; q, k, v; scores; the sums and what they become; gate and up;
	 * logits. */
	return cost_bytes(&w->ledger, 2 * (uint64_t)partition_max(&dim) +
	                  partition_max(&h.q) + 2 * partition_max(&h.kv) +
	                  heads * kvcache_max(&w->cache, max_tokens) +
	                  2 * partition_max(&h.q) + heads +
	                  2 * partition_max(&hidden) + partition_max(&vocab));
}

/* What the reductions of attention carry on each column. */
static void set_wires(struct inference *w)
{
	struct decode_state *s = &w->state;
	const struct heads *h = &s->heads;
	struct wire_words *maxima = &s->maxima_wire, *sums = &s->sums_wire;

	*maxima = *sums = (struct wire_words){ 0, 0 };
	s->heads_max = heads_max(h);
	s->head_columns = 0;
	for (int x = 0; x < h->kv.parts; x++) {
		struct range here = heads_on(h, (struct range){ x, x + 1 });
		uint64_t heads = (uint64_t)h->group * range_size(here);
		uint64_t words = cost_words(&w->ledger, heads);

		s->head_columns += range_size(here);
		maxima->all += words;
		maxima->max = words > maxima->max ? words : maxima->max;
		words = cost_words(&w->ledger,
		                   heads + partition_size(&h->q, x));
		sums->all += words;
		sums->max = words > sums->max ? words : sums->max;
	}
}

static void decode_state_init(struct inference *w, int max_tokens)
{
	struct decode_state *s = &w->state;
	const struct grid *g = &w->decode;
	const struct model *m = w->model;
	struct partition dim = partition_of(m->dim, g->rows);
	struct partition hidden = partition_of(m->hidden_dim, g->cols);
	struct partition max = partition_of(max_tokens, g->rows);

	size_t channels = range_size(partition_range(&s->heads.kv, g->x.local));
	size_t group = s->heads.group, e = range_size(partition_range(&dim,
	                                                         g->y.local));
	size_t here = range_size(heads_on(&s->heads, g->x.local));
	size_t tokens = (size_t)partition_max(&max) * grid_height(g);
	size_t longest = grid_height(g) * (group * channels + group * here);

	ledger_alloc(&w->ledger, SRAM_ACTIVATIONS, state_bytes(w, max_tokens));
	if (g->dry)
		return;
	/* Each column has a place for each of its heads. */
	if (longest < tokens * group * (grid_width(g) + here))
		longest = tokens * group * (grid_width(g) + here);
	s->x = words(e);
	s->h = words(e);
	s->qkv = words((group + 2) * channels);
	s->scores = words(here * group * tokens);
	s->partial = words(longest);
	s->sums = words(group * channels + group * here);
	s->o = words(group * channels);
	s->ffn = words(
		2 * (size_t)range_size(partition_range(&hidden, g->x.local)));
	s->logits = words(weights_head(&w->weights)->width);
	s->angles = words(channels);
}

/* Keys and values of a layer, in their decode places and forms. */
static void move_kv(struct inference *w, int layer)
{
	struct grid *from = &w->prefill, *to = &w->decode;
	struct heads h = weights_heads(&w->weights, false);
	struct layout before = { from, w->prompt, h.kv, false };
	struct layout after = { to, partition_of(w->prompt.n, to->rows),
	                        w->state.heads.kv, false };
	struct box own = layout_own_box(&before);
	size_t width = range_size(own.n);
	struct box new = layout_own_box(&after);
	float *data[2] = { NULL, NULL }, *moved[2] = { NULL, NULL };

	for (int i = 0; i < 2 && !from->dry; i++) {
		data[i] = words(range_size(own.k) * width);
		moved[i] = wl_malloc(box_elements(new), sizeof(float));
	}
	for (int y = from->y.local.lo; data[0] && y < from->y.local.hi; y++)
		for (int x = from->x.local.lo; x < from->x.local.hi; x++) {
			int m = partition_size(&w->prompt, y),
			    n = partition_size(&h.kv, x);
			const float *k = tiles_at(&w->kv[layer].k, y, x);
			const float *v = tiles_at(&w->kv[layer].v, y, x);

			for (int i = 0; i < m; i++)
				for (int c = 0; c < n; c++) {
					size_t at = (partition_start(&w->prompt,
					                             y) +
					             i - own.k.lo) *
					                    width +
					            partition_start(&h.kv, x) +
					            c - own.n.lo;

					data[0][at] = k[c * m + i];
					data[1][at] = v[i * n + c];
				}
		}
	tiles_fini(&w->kv[layer].k);
	tiles_fini(&w->kv[layer].v);
	for (int i = 0; i < 2; i++) {
		struct matrix_view source =
			matrix_view_dense(own, sizeof(float), data[i]);
		struct matrix_view sink =
			matrix_view_dense(new, sizeof(float), moved[i]);

		relayout(&before, &after, &source, &sink);
		free(data[i]);
	}
	kvcache_fill(&w->cache, layer, moved[0], moved[1]);
	free(moved[0]);
	free(moved[1]);
}

void transition_run(struct inference *w, int max_tokens)
{
	ledger_phase(&w->ledger, PHASE_TRANSITION);
	weights_transition(&w->weights);
	w->state.heads = heads_of(w->model, w->decode.cols);
	kvcache_init(&w->cache, &w->decode, &w->state.heads, w->weights.type,
	             w->model->n_layers, max_tokens, w->kv_policy);
	kvcache_start(&w->cache, w->prompt.n);
	set_wires(w);
	decode_state_init(w, max_tokens);
	ledger_op(&w->ledger, OP_RELAYOUT);
	for (int i = 0; i < w->model->n_layers; i++) {
		ledger_layer(&w->ledger, i, w->model->n_layers);
		move_kv(w, i);
	}
	ledger_layers_end(&w->ledger);
	line_trim(&w->prefill.x);
	line_trim(&w->prefill.y);
}

/* The embedding of id: a column of the embedding's tiles on the core column
 * that holds it, multicast along x. */
static void embed(struct inference *w, int id)
{
	struct grid *g = &w->decode;
	const struct gemv_matrix *e = &w->weights.embedding;
	struct partition vocab = weights_vocab_layout(&w->weights, true).n;
	struct partition dim = partition_of(w->model->dim, g->rows);
	struct range own = partition_range(&vocab, g->x.local);
	size_t part_words[g->rows];
	int root[g->rows], column = g->dry ? 0 : partition_owner(&vocab, id);
	struct line_parts parts = line_vector_parts(&dim, g->y.local, column,
	                                            part_words, root);

	ledger_op(g->ledger, OP_EMBED);
	if (!g->dry && id >= own.lo && id < own.hi)
		gemv_matrix_column(e, id - own.lo, w->state.x);
	line_multicast(&g->x, 0, g->cols - 1, &parts, w->state.x, false);
}

/* Puts n results into the cores' memory. */
static void hold(const struct inference *w, float *x, size_t n)
{
	if (!w->decode.dry)
		wl_round(x, w->weights.type, n);
}

static void norm(struct inference *w, const struct vector_weights *n)
{
	struct grid *g = &w->decode;
	struct partition dim = partition_of(w->model->dim, g->rows);

	ledger_op(g->ledger, OP_NORM);
	norm_vector(g, AXIS_Y, &dim, w->model->rms_eps, w->state.x, n->decode,
	            w->state.h);
	hold(w, w->state.h, range_size(partition_range(&dim, g->y.local)));
}

/* Charges ops operations on each element of a vector, of which every line has
 * a copy: most on the fullest core, all in a copy. */
static void charge_local(struct inference *w, uint64_t max, uint64_t all,
                         uint64_t copies, uint64_t ops)
{
	const struct charge c = cost_elements(&w->ledger, ops, 1, max,
	                                      all * copies);

	ledger_charge(&w->ledger, &c);
}

/* The angles of the newest token, the same in every layer. */
static void set_angles(struct inference *w)
{
	struct range c = partition_range(&w->state.heads.kv, w->decode.x.local);
	int t = w->cache.tokens - 1;

	if (!w->decode.dry)
		rope_angles(w->model, w->weights.rope_factors, c,
		            (struct range){ t, t + 1 }, w->state.angles);
}

/* The sums of q, k and v are whole, and the same on every row. */
static void add_biases(struct inference *w, const struct layer_weights *l)
{
	struct grid *g = &w->decode;
	float *to = w->state.qkv;

	if (w->model->qkv_bias)
		charge_local(w, (uint64_t)l->qkv.width_max, l->qkv.width_all,
		             g->rows, 1);
	if (!l->bias[W_Q].decode)
		return;
	for (int i = 0; i < W_BIASED; i++) {
		struct partition n = weights_layout(&w->weights, i, true).n;
		size_t here = range_size(partition_range(&n, g->x.local));

		vec_add(here, l->bias[i].decode, to);
		hold(w, to, here);
		to += here;
	}
}

static void rotate(struct inference *w)
{
	struct decode_state *s = &w->state;
	size_t n = range_size(partition_range(&s->heads.kv, w->decode.x.local));
	const struct heads *h = &s->heads;

	charge_local(w, partition_max(&h->q) + partition_max(&h->kv),
	             h->q.n + h->kv.n, w->decode.rows, ROPE_OPS);
	if (w->decode.dry)
		return;
	vec_rope(n / 2, s->heads.group, s->angles, s->qkv);
	vec_rope(n / 2, 1, s->angles, s->qkv + s->heads.group * n);
	hold(w, s->qkv, (s->heads.group + 1) * n);
}

/* x += W in, for a product whose result lies as x does. */
static void add_product(struct inference *w, const struct gemv_matrix *gemv,
                        const float *in, enum op op)
{
	struct decode_state *s = &w->state;

	ledger_op(w->decode.ledger, op);
	gemv_tree(gemv, in, s->h);
	charge_local(w, gemv->width_max, gemv->width_all, w->decode.cols, 1);
	hold(w, s->h, gemv->width);
	if (!w->decode.dry)
		vec_add(gemv->width, s->h, s->x);
	hold(w, s->x, gemv->width);
}

static void layer_step(struct inference *w, int layer)
{
	struct decode_state *s = &w->state;
	struct layer_weights *l = &w->weights.layer[layer];
	struct ledger *ledger = w->decode.ledger;
	size_t q = s->heads.group * w->cache.channels;

	norm(w, &l->attention_norm);
	ledger_op(ledger, OP_QKV);
	gemv_tree(&l->qkv, s->h, s->qkv);
	hold(w, s->qkv, l->qkv.width);
	add_biases(w, l);
	ledger_op(ledger, OP_ROPE);
	rotate(w);
	ledger_op(ledger, OP_KV_SHIFT);
	kvcache_append(&w->cache, layer, s->qkv + q,
	               s->qkv + q + w->cache.channels);
	decode_attention(w, layer);
	add_product(w, &l->output, s->o, OP_OUTPUT);

	norm(w, &l->ffn_norm);
	ledger_op(ledger, OP_FFN_UP);
	gemv_tree(&l->up, s->h, s->ffn);
	hold(w, s->ffn, l->up.width);
	ledger_op(ledger, OP_FFN_ACT);
	charge_local(w, l->up.width_max / 2, l->up.width_all / 2,
	             w->decode.rows, SWIGLU_OPS);
	if (!w->decode.dry)
		vec_swiglu(l->up.width / 2, s->ffn, s->ffn + l->up.width / 2);
	hold(w, s->ffn, l->up.width / 2);
	add_product(w, &l->down, s->ffn, OP_FFN_DOWN);
}

void decode_hand_over(struct inference *w)
{
	struct partition dim = partition_of(w->model->dim, w->decode.rows);

	inference_hand_over(w, &w->decode, w->decode_regions,
	                cost_parts(&w->ledger, &dim, 1));
}

int decode_step(struct inference *w, int id)
{
	struct partition vocab = weights_vocab_layout(&w->weights, true).n;
	struct ledger *ledger = w->decode.ledger;

	ledger_phase(ledger, PHASE_DECODE);
	embed(w, id);
	kvcache_advance(&w->cache);
	set_angles(w);
	for (int i = 0; i < w->model->n_layers; i++) {
		if (!ledger_layer(ledger, i, w->model->n_layers))
			break;
		layer_step(w, i);
	}
	ledger_layers_end(ledger);
	decode_hand_over(w);
	norm(w, &w->weights.norm);
	ledger_op(ledger, OP_HEAD);
	gemv_tree(weights_head(&w->weights), w->state.h, w->state.logits);
	ledger_op(ledger, OP_CHOOSE);
	return argmax_vector(&w->decode, AXIS_X, &vocab, w->state.logits);
}

void decode_gather_logits(struct inference *w, float *all)
{
	struct grid *g = &w->decode;
	struct partition vocab = weights_vocab_layout(&w->weights, true).n;
	bool first = g->y.local.lo == 0;

	ledger_op(g->ledger, OP_CHOOSE);
	line_gather(&g->x, &vocab, first ? w->state.logits : NULL, all);
}
