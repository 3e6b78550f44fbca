/* The prefill phase: the whole prompt at once, L tokens on y, E on x.
 *
 *   x += W_O attention(rope(W_Q n + b_q), rope(W_K n + b_k), W_V n + b_v),
 *                                                          n = norm(x)
 *   x += W_down (silu(W_gate n) * W_up n),                 n = norm(x)
 *
 * Every product is a MeshGEMM, or another algorithm of gemm.c; an activation is
 * aligned once for all products that read it. No matrix is transposed on the
 * mesh.
 * Source: WaferLLM (OSDI'25), section 4.1. */
#include "config.h"
#include "inference/inference.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/cost.h"
#include "model/rope.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/norm.h"
#include "mpi_kernels/products/gemm.h"
#include "mpi_kernels/products/gemv.h"
#include "simd/convert.h"
#include "simd/vec.h"

/* Activations of the layer in hand; all [tokens on y][. on x]. */
struct prefill {
	struct inference *w;
	struct grid *g;
	struct heads heads;
	struct partition tokens, dim, hidden;
	struct tiles x;        /* E: the residual stream */
	float *angles;         /* [own tokens][own KV channels] */
};

static struct tiles activation(const struct prefill *p,
                               struct partition columns)
{
	struct tiles t;

	tiles_init(&t, p->g, AXIS_X, columns, p->tokens, SRAM_ACTIVATIONS);
	return t;
}

/* The loop over this rank's cores. */
#define EACH_CORE(g, y, x)                                            \
	for (int y = (g)->y.local.lo; y < (g)->y.local.hi; y++)         \
		for (int x = (g)->x.local.lo; x < (g)->x.local.hi; x++)

/* Charges ops operations on each element of activations whose columns are cut
 * by `columns`. */
static void charge_local(const struct prefill *p,
                         const struct partition *columns, uint64_t ops)
{
	struct ledger *l = p->g->ledger;
	const struct charge c = cost_elements(
		l, ops, partition_max(&p->tokens), partition_max(columns),
		(uint64_t)p->tokens.n * columns->n);

	ledger_charge(l, &c);
}

/* Puts an activation into the cores' memory. */
static void hold(const struct prefill *p, const struct tiles *t)
{
	enum wl_type type = p->w->weights.type;

	if (!p->g->dry && type != WL_F32)
		EACH_CORE(p->g, y, x)
			wl_round(tiles_at(t, y, x), type, tiles_elements_at(
				t, y, x * t->path->per_core));
}

/* C = A W for an aligned activation and weight number `which` of a layer. */
static struct tiles project(const struct prefill *p, struct tiles *a,
                            int layer, int which, enum op op)
{
	struct tiles *w = &p->w->weights.layer[layer].tiles[which];
	struct tiles c = activation(p, weights_output(&p->w->weights, which));

	ledger_op(p->g->ledger, op);
	p->w->weights.gemm->run(&(struct gemm){ a, w, &c });
	hold(p, &c);
	return c;
}

/* The same for one of q, k and v, with its bias: a core has the whole sums of
 * its tile, so the bias is added on every row and nowhere twice. */
static struct tiles project_biased(const struct prefill *p, struct tiles *a,
                                   int layer, int which)
{
	struct tiles t = project(p, a, layer, which, OP_QKV);
	const float *bias = p->w->weights.layer[layer].bias[which].prefill;
	const struct grid *g = p->g;
	int first = partition_start(&t.ring, g->x.local.lo);

	if (p->w->model->qkv_bias)
		charge_local(p, &t.ring, 1);
	if (!bias)
		return t;
	EACH_CORE(g, y, x) {
		int n = partition_size(&t.ring, x);
		const float *b = bias + partition_start(&t.ring, x) - first;

		for (int i = 0; i < partition_size(&p->tokens, y); i++)
			vec_add(n, b, tiles_at(&t, y, x) + (size_t)i * n);
	}
	hold(p, &t);
	return t;
}

/* norm(x), aligned for products. */
static struct tiles normed(const struct prefill *p,
                           const struct vector_weights *n, enum op next)
{
	struct tiles h = activation(p, p->dim);

	ledger_op(p->g->ledger, OP_NORM);
	norm_tiles(&p->x, p->w->model->rms_eps, n->prefill, &h);
	hold(p, &h);
	ledger_op(p->g->ledger, next);
	gemm_align(p->w->weights.gemm, &h);
	return h;
}

static void add_residual(struct prefill *p, struct tiles *t)
{
	struct grid *g = p->g;

	charge_local(p, &p->dim, 1);
	if (!g->dry)
		EACH_CORE(g, y, x)
			vec_add((size_t)partition_size(&p->tokens, y) *
			        partition_size(&p->dim, x), tiles_at(t, y, x),
			        tiles_at(&p->x, y, x));
	hold(p, &p->x);
	tiles_fini(t);
}

/* Rotates queries (group heads to a channel) or keys (1). */
static void rotate(const struct prefill *p, struct tiles *t, int group)
{
	const struct grid *g = p->g;
	const struct partition *kv = &p->heads.kv;
	size_t all = range_size(partition_range(kv, g->x.local));
	int token0 = partition_start(&p->tokens, g->y.local.lo);
	int channel0 = partition_start(kv, g->x.local.lo);

	charge_local(p, &t->ring, ROPE_OPS);
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
	hold(p, t);
}

/* Keys [token][channel] to the tiles that travel on y: [channel][token]. */
static void turn_keys(const struct prefill *p, struct tiles *from,
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

/* Values keep their form; only their ring is now the one of y. */
static void turn_values(const struct prefill *p, struct tiles *from,
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

static struct tiles attend(struct prefill *p, struct tiles *q,
                           struct kv_tiles *kv)
{
	struct ledger *l = p->g->ledger;
	struct tiles o = activation(p, p->heads.q);
	struct scores s;

	scores_init(&s, p->g, &p->heads, p->w->weights.type, p->tokens);
	ledger_op(l, OP_SCORES);
	attention_scores(&s, q, &kv->k);
	ledger_op(l, OP_SOFTMAX);
	attention_softmax(&s);
	ledger_op(l, OP_VALUES);
	attention_values(&s, &kv->v, &o);
	hold(p, &o);
	scores_fini(&s);
	tiles_fini(q);
	return o;
}

static void attention_block(struct prefill *p, int layer)
{
	struct layer_weights *w = &p->w->weights.layer[layer];
	struct kv_tiles *kv = &p->w->kv[layer];
	struct tiles h = normed(p, &w->attention_norm, OP_QKV);
	struct tiles q = project_biased(p, &h, layer, W_Q);
	struct tiles k = project_biased(p, &h, layer, W_K);
	struct tiles v = project_biased(p, &h, layer, W_V);

	tiles_fini(&h);
	ledger_op(p->g->ledger, OP_ROPE);
	rotate(p, &q, p->heads.group);
	rotate(p, &k, 1);
	turn_keys(p, &k, &kv->k);
	turn_values(p, &v, &kv->v);

	struct tiles o = attend(p, &q, kv);

	ledger_op(p->g->ledger, OP_OUTPUT);
	gemm_align(p->w->weights.gemm, &o);
	struct tiles out = project(p, &o, layer, W_O, OP_OUTPUT);

	tiles_fini(&o);
	add_residual(p, &out);
}

static void ffn_block(struct prefill *p, int layer)
{
	struct layer_weights *w = &p->w->weights.layer[layer];
	struct grid *g = p->g;
	struct tiles h = normed(p, &w->ffn_norm, OP_FFN_UP);
	struct tiles gate = project(p, &h, layer, W_GATE, OP_FFN_UP);
	struct tiles up = project(p, &h, layer, W_UP, OP_FFN_UP);

	tiles_fini(&h);
	ledger_op(g->ledger, OP_FFN_ACT);
	charge_local(p, &p->hidden, SWIGLU_OPS);
	if (!g->dry)
		EACH_CORE(g, y, x)
			vec_swiglu((size_t)partition_size(&p->tokens, y) *
			           partition_size(&p->hidden, x),
			           tiles_at(&gate, y, x), tiles_at(&up, y, x));
	hold(p, &gate);
	tiles_fini(&up);
	ledger_op(g->ledger, OP_FFN_DOWN);
	gemm_align(p->w->weights.gemm, &gate);
	struct tiles out = project(p, &gate, layer, W_DOWN, OP_FFN_DOWN);

	tiles_fini(&gate);
	add_residual(p, &out);
}

/* Copies the vector of row t, E on this rank's columns, into its tiles. */
static void place_row(struct prefill *p, int t, const float *row)
{
	int y = partition_owner(&p->tokens, t),
	    i = t - partition_start(&p->tokens, y);

	for (int x = p->g->x.local.lo; x < p->g->x.local.hi; x++) {
		int n = partition_size(&p->dim, x);

		memcpy(tiles_at(&p->x, y, x) + (size_t)i * n, row,
		       n * sizeof *row);
		row += n;
	}
}

/* The embeddings of the prompt: token t's vector travels along y from the row
 * whose vocabulary block holds its id to the row that holds the token. */
static void embed(struct prefill *p, const int *ids)
{
	struct grid *g = p->g;
	const struct gemv_matrix *e = &p->w->weights.embedding;
	struct layout l = weights_vocab_layout(&p->w->weights, false);
	struct box own = layout_own_box(&l);
	size_t n = p->tokens.n, words = range_size(own.k);
	int *from = wl_calloc(n, sizeof *from), *to = wl_malloc(n, sizeof *to);
	float **row = wl_calloc(n, sizeof *row);

	ledger_op(g->ledger, OP_EMBED);
	for (size_t t = 0; t < n; t++) {
		to[t] = partition_owner(&p->tokens, t);
		if (g->dry)
			continue;
		from[t] = partition_owner(&l.n, ids[t]);
		if (line_has(&g->y, from[t]) || line_has(&g->y, to[t]))
			row[t] = wl_malloc(words, sizeof **row);
		if (line_has(&g->y, from[t]))
			gemv_matrix_column(e, ids[t] - own.n.lo, row[t]);
	}
	line_route(&g->y, n, from, to, row, words,
	           cost_parts(g->ledger, &p->dim, 1));
	for (size_t t = 0; t < n; t++) {
		if (!g->dry && line_has(&g->y, to[t]))
			place_row(p, t, row[t]);
		free(row[t]);
	}
	free(row);
	free(to);
	free(from);
}

/* The last token's residual, on the row that holds it, to every row; then the
 * decode phase's head with x and y exchanged. */
static int head(struct prefill *p)
{
	struct inference *w = p->w;
	struct grid *g = p->g;
	const struct gemv_matrix *s = weights_head(&w->weights);
	struct partition vocab = weights_vocab_layout(&w->weights, false).n;
	size_t words = range_size(partition_range(&p->dim, g->x.local));
	size_t *part_words = wl_malloc(g->cols, sizeof *part_words);
	int *root = wl_malloc(g->cols, sizeof *root);
	int row = partition_owner(&p->tokens, p->tokens.n - 1);
	struct line_parts parts = line_vector_parts(&p->dim, g->x.local, row,
	                                            part_words, root);
	int at = p->tokens.n - 1 - partition_start(&p->tokens, row);
	float *x = wl_calloc(words, sizeof *x);
	float *h = wl_calloc(words, sizeof *h), *to = x;

	ledger_op(g->ledger, OP_HEAD);
	if (!g->dry && row >= g->y.local.lo && row < g->y.local.hi)
		for (int c = g->x.local.lo; c < g->x.local.hi; c++) {
			int n = partition_size(&p->dim, c);

			memcpy(to, tiles_at(&p->x, row, c) + (size_t)at * n,
			       n * sizeof *x);
			to += n;
		}
	line_multicast(&g->y, 0, g->rows - 1, &parts, x, false);
	free(root);
	free(part_words);
	ledger_op(g->ledger, OP_NORM);
	norm_vector(g, AXIS_X, &p->dim, w->model->rms_eps, x,
	            w->weights.norm.prefill, h);
	if (!g->dry)
		wl_round(h, w->weights.type, words);
	ledger_op(g->ledger, OP_HEAD);
	w->prefill_logits = wl_calloc(s->width, sizeof(float));
	gemv_tree(s, h, w->prefill_logits);
	free(h);
	free(x);
	ledger_op(g->ledger, OP_CHOOSE);
	return argmax_vector(g, AXIS_Y, &vocab, w->prefill_logits);
}

static void report(struct inference *w, int layer)
{
	if (w->progress)
		w->progress(w->progress_ctx, layer, w->model->n_layers);
}

/* Tiles for the keys and values of all layers, in which they travel on y. */
static void make_kv(struct prefill *p)
{
	struct inference *w = p->w;

	w->kv = wl_calloc(w->model->n_layers, sizeof *w->kv);
	for (int i = 0; i < w->model->n_layers; i++) {
		tiles_init(&w->kv[i].k, p->g, AXIS_Y, p->tokens, p->heads.kv,
		           SRAM_KV);
		tiles_init(&w->kv[i].v, p->g, AXIS_Y, p->tokens, p->heads.kv,
		           SRAM_KV);
	}
}

void prefill_hand_over(struct inference *w)
{
	inference_hand_over(w, &w->prefill, w->prefill_regions,
	                cost_parts(&w->ledger, &w->prompt, w->model->dim));
}

static struct prefill prefill_of(struct inference *w, int n)
{
	struct grid *g = &w->prefill;

	return (struct prefill){
		.w = w, .g = g, .heads = weights_heads(&w->weights, false),
		.tokens = partition_of(n, g->rows),
		.dim = weights_cut(&w->weights, DIM_E, false, g->cols),
		.hidden = weights_cut(&w->weights, DIM_F, false, g->cols) };
}

uint64_t prefill_min_cycles(struct inference *w, int n)
{
	const struct prefill p = prefill_of(w, n);
	const struct gemm_algorithm *alg = w->weights.gemm;
	const struct ledger *l = &w->ledger;
	uint64_t layer = attention_min_cycles(l, &p.heads, &p.tokens);
	int places = gemm_blocks(p.g);

	for (int i = 0; i < W_COUNT; i++) {
		struct partition out = weights_output(&w->weights, i);
		int k = w->weights.layer[0].tiles[i].ring.n;

		layer += cost_gemm(l, partition_max(&p.tokens),
		                   partition_max(&out), k);
		/* Those that go round are set up anew in each step. */
		if (alg->skewed && places > 1)
			layer += places * cost_exchange(l);
	}
	return w->model->n_layers * layer;
}

int prefill_run(struct inference *w, const int *ids, int n)
{
	const struct model *m = w->model;
	struct grid *g = &w->prefill;
	struct prefill p = prefill_of(w, n);
	struct range tokens = partition_range(&p.tokens, g->y.local);
	struct range channels = partition_range(&p.heads.kv, g->x.local);

	ledger_phase(g->ledger, PHASE_PREFILL);
	w->prompt = p.tokens;
	make_kv(&p);
	p.x = activation(&p, p.dim);
	p.angles = wl_malloc((size_t)range_size(tokens) *
	                     range_size(channels), sizeof(float));
	if (!g->dry)
		rope_angles(m, w->weights.rope_factors, channels, tokens,
		            p.angles);
	embed(&p, ids);
	for (int i = 0; i < m->n_layers; i++) {
		if (!ledger_layer(g->ledger, i, m->n_layers))
			break;
		attention_block(&p, i);
		ffn_block(&p, i);
		report(w, i + 1);
	}
	ledger_layers_end(g->ledger);
	prefill_hand_over(w);
	int next = head(&p);

	free(p.angles);
	tiles_fini(&p.x);
	return next;
}

void prefill_gather_logits(struct inference *w, float *all)
{
	struct grid *g = &w->prefill;
	struct partition vocab = weights_vocab_layout(&w->weights, false).n;
	bool first = g->x.local.lo == 0;

	ledger_op(g->ledger, OP_CHOOSE);
	line_gather(&g->y, &vocab, first ? w->prefill_logits : NULL, all);
}
