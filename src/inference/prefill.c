/* The prefill phase: the whole prompt at once, L tokens on y, E on x, through
 * the attention and the feed-forward of each layer (attention_gqa.c,
 * ffn_swiglu.c).
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
#include "layer.h"
#include "model/rope.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/norm.h"
#include "mpi_kernels/products/gemm.h"
#include "mpi_kernels/products/gemv.h"
#include "prefill_ops.h"
#include "simd/convert.h"

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

/* Embeds the prompt: the vector of token t travels along y from the row whose
 * vocabulary block contains its id to the row of the token. */
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

/* Copies row t of x out of this rank's tiles: E on this rank's columns. */
static void copy_row(const struct prefill *p, int t, float *to)
{
	int y = partition_owner(&p->tokens, t);
	size_t i = t - partition_start(&p->tokens, y);

	for (int x = p->g->x.local.lo; x < p->g->x.local.hi; x++) {
		int n = partition_size(&p->dim, x);

		memcpy(to, tiles_at(&p->x, y, x) + i * n, n * sizeof *to);
		to += n;
	}
}

/* Multicasts the residual of the last token from its row to all rows: x, E on
 * this rank's columns. */
static void multicast_last(struct prefill *p, float *x)
{
	struct grid *g = p->g;
	size_t *words = wl_malloc(g->cols, sizeof *words);
	int *root = wl_malloc(g->cols, sizeof *root);
	int last = p->tokens.n - 1, row = partition_owner(&p->tokens, last);
	struct line_parts parts = line_vector_parts(&p->dim, g->x.local, row,
	                                            words, root);

	ledger_op(g->ledger, OP_HEAD);
	if (!g->dry && line_has(&g->y, row))
		copy_row(p, last, x);
	line_multicast(&g->y, 0, g->rows - 1, &parts, x, false);
	free(root);
	free(words);
}

/* h = norm(x) of one token, E on this rank's columns. */
static void norm_last(struct prefill *p, const float *x, float *h)
{
	const struct weights *w = &p->w->weights;
	struct grid *g = p->g;

	ledger_op(g->ledger, OP_NORM);
	norm_vector(g, AXIS_X, &p->dim, p->w->model->rms_eps, x,
	            w->norm.prefill, h);
	if (!g->dry)
		wl_round(h, w->type, range_size(partition_range(&p->dim,
		                                                g->x.local)));
}

/* The head of decode with x and y exchanged, for the last token. Returns the
 * next one. */
static int head(struct prefill *p)
{
	struct inference *w = p->w;
	struct grid *g = p->g;
	const struct gemv_matrix *m = weights_head(&w->weights);
	struct partition vocab = weights_vocab_layout(&w->weights, false).n;
	size_t words = range_size(partition_range(&p->dim, g->x.local));
	float *x = wl_calloc(words, sizeof *x);
	float *h = wl_calloc(words, sizeof *h);

	multicast_last(p, x);
	norm_last(p, x, h);
	ledger_op(g->ledger, OP_HEAD);
	w->prefill_logits = wl_calloc(m->width, sizeof(float));
	gemv_tree(m, h, w->prefill_logits);
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

/* Allocates the tiles of all layers' keys and values, which travel on y. */
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
		/* Each step of operands that travel has a set-up. */
		if (alg->skewed && places > 1)
			layer += places * cost_exchange(l);
	}
	return w->model->n_layers * layer;
}

int prefill_run(struct inference *w, const int *ids, int n)
{
	const struct model *m = w->model;
	const struct layer_part *const *part = layer_parts(m);
	struct grid *g = &w->prefill;
	struct prefill p = prefill_of(w, n);
	struct range tokens = partition_range(&p.tokens, g->y.local);
	struct range channels = partition_range(&p.heads.kv, g->x.local);

	ledger_phase(g->ledger, PHASE_PREFILL);
	w->prompt = p.tokens;
	make_kv(&p);
	p.x = prefill_activation(&p, p.dim);
	p.angles = wl_malloc((size_t)range_size(tokens) *
	                     range_size(channels), sizeof(float));
	if (!g->dry)
		rope_angles(m, w->weights.rope_factors, channels, tokens,
		            p.angles);
	embed(&p, ids);
	for (int i = 0; i < m->n_layers; i++) {
		if (!ledger_layer(g->ledger, i, m->n_layers))
			break;
		for (int j = 0; j < LAYER_PARTS; j++)
			part[j]->prefill(&p, i);
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
