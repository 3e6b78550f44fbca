/* The layers of a Llama as systems run them that take operators one by one,
 * each where its plan wants it:
 *
 *   norm  q  k  v  rope  scores  softmax  values  output
 *   norm  gate  up  activation  down
 *
 * Thirteen of these reduce over cores, each by itself: nothing is fused.
 * Published kernels do not mask scores, so neither does this. */
#include "config.h"
#include "baseline_layer.h"

#include <math.h>

#include "base/error.h"
#include "inference/inference.h"

uint64_t baseline_relay(const struct ledger *l)
{
	return cost_relay(l) + BASELINE_HEADER_CYCLES + cost_hops(l, 1);
}

void baseline_links(struct ledger *l, enum axis axis, uint64_t n,
                    uint64_t word_hops)
{
	uint64_t cuts = n - 1;

	if (!cuts)
		return;
	ledger_link(l, axis, 0, cuts, word_hops / cuts);
	ledger_link(l, axis, 0, 1, word_hops % cuts);
}

static uint64_t axis_cores(const struct walk *w, enum axis axis)
{
	return axis == AXIS_X ? w->grid.cols : w->grid.rows;
}

/* Sums of `words` words pass through the n cores of each of so many lines,
 * each of which adds its own: PLMR's pipeline without the way back. */
static void chain(const struct walk *w, enum axis axis, uint64_t n,
                  uint64_t lines, uint64_t words)
{
	struct ledger *l = w->l;
	uint64_t hops = n - 1, all = lines * hops * words;
	const struct charge c = {
		.calls = 1, .words = all, .word_hops = all, .path_hops = hops,
		.stages = hops, .comm_cycles = cost_hops(l, hops) +
			cost_stages(l, hops) + cost_wire(l, words) };

	if (!hops)
		return;
	ledger_charge(l, &c);
	ledger_route(l, ROUTE_ON(CHAIN, axis));
	baseline_links(l, axis, axis_cores(w, axis), all);
}

/* The sums go back the line's way, to all its cores. */
static void cast(const struct walk *w, enum axis axis, uint64_t n,
                 uint64_t lines, uint64_t words)
{
	struct ledger *l = w->l;
	uint64_t hops = n - 1, all = lines * hops * words;
	const struct charge c = {
		.calls = 1, .words = lines * words, .word_hops = all,
		.path_hops = hops,
		.comm_cycles = cost_hops(l, hops) + cost_wire(l, words) };

	if (!hops)
		return;
	ledger_charge(l, &c);
	ledger_route(l, ROUTE_ON(CAST, axis));
	baseline_links(l, axis, axis_cores(w, axis), all);
}

/* An all-reduce of some elements a token along each line. */
static void sums(const struct walk *w, uint64_t per_token)
{
	uint64_t words = cost_words(w->l, w->tile_tokens * per_token);

	chain(w, w->axis, w->line, w->lines, words);
	cast(w, w->axis, w->line, w->lines, words);
}

/* ops operations on each of n elements a token; each line has here of them.
 */
static void elements(const struct walk *w, uint64_t ops, uint64_t n,
                     uint64_t here)
{
	const struct charge c = cost_elements(w->l, ops, w->tile_tokens,
	                                      baseline_part(here, w->line),
	                                      w->tokens * n);

	ledger_charge(w->l, &c);
}

/* Bytes of an activation of n elements a token on a line. */
static uint64_t bytes(const struct walk *w, uint64_t n)
{
	return cost_bytes(w->l, w->tile_tokens * baseline_part(n, w->line));
}

static void hold(const struct walk *w, uint64_t n)
{
	ledger_alloc(w->l, SRAM_ACTIVATIONS, bytes(w, n));
}

static void drop(const struct walk *w, uint64_t n)
{
	ledger_free(w->l, SRAM_ACTIVATIONS, bytes(w, n));
}

static void product(const struct walk *w, enum op op, uint64_t k, uint64_t n)
{
	const struct product p = { op, k, n, 1 };

	ledger_op(w->l, op);
	w->system->product(w, &p);
}

static struct product scores(const struct walk *w)
{
	return (struct product){ OP_SCORES, model_kv_dim(w->model), w->keys,
	                         model_group(w->model) };
}

static struct product values(const struct walk *w)
{
	return (struct product){ OP_VALUES, w->keys, model_kv_dim(w->model),
	                         model_group(w->model) };
}

static void norm(const struct walk *w)
{
	uint64_t dim = w->model->dim;

	ledger_op(w->l, OP_NORM);
	elements(w, COST_NORM_OPS, dim, dim);
	sums(w, 1);
}

static void attend(const struct walk *w)
{
	const struct product s = scores(w), v = values(w);
	uint64_t here = w->heads * w->keys;

	hold(w, here);
	ledger_op(w->l, OP_SCORES);
	w->system->product(w, &s);
	ledger_op(w->l, OP_SOFTMAX);
	elements(w, COST_MASKED_SOFTMAX_OPS, w->model->n_heads * w->keys, here);
	sums(w, w->heads); /* the maximum */
	sums(w, w->heads);
	ledger_op(w->l, OP_VALUES);
	w->system->product(w, &v);
	drop(w, here);
}

static void attention(const struct walk *w)
{
	const struct model *m = w->model;
	uint64_t dim = m->dim, q = model_q_dim(m), kv = model_kv_dim(m);

	hold(w, q + 2 * kv);
	norm(w);
	product(w, OP_QKV, dim, q);
	product(w, OP_QKV, dim, kv);
	product(w, OP_QKV, dim, kv);
	if (m->qkv_bias)
		elements(w, 1, q + 2 * kv, q + 2 * kv);
	ledger_op(w->l, OP_ROPE);
	elements(w, COST_ROPE_OPS, q + kv, q + kv);
	hold(w, q);
	attend(w);
	drop(w, q + 2 * kv);
	product(w, OP_OUTPUT, q, dim);
	elements(w, 1, dim, dim);
	drop(w, q);
}

static void ffn(const struct walk *w)
{
	uint64_t dim = w->model->dim, hidden = w->model->hidden_dim;

	hold(w, 2 * hidden);
	norm(w);
	product(w, OP_FFN_UP, dim, hidden);
	product(w, OP_FFN_UP, dim, hidden);
	ledger_op(w->l, OP_FFN_ACT);
	elements(w, COST_SWIGLU_OPS, hidden, hidden);
	product(w, OP_FFN_DOWN, hidden, dim);
	elements(w, 1, dim, dim);
	drop(w, 2 * hidden);
}

/* Bytes of one matrix on a core. */
static uint64_t matrix(const struct walk *w, uint64_t k, uint64_t n)
{
	const struct product p = { OP_QKV, k, n, 1 };

	return cost_bytes(w->l, w->system->tile(w, &p));
}

/* What lies in a core's memory throughout. */
static void keep(const struct walk *w,
                 void (*change)(struct ledger *, enum sram, uint64_t))
{
	const struct model *m = w->model;
	const struct product s = scores(w), v = values(w);
	uint64_t dim = m->dim, q = model_q_dim(m), kv = model_kv_dim(m);
	uint64_t layer = matrix(w, dim, q) + 2 * matrix(w, dim, kv) +
	                 matrix(w, q, dim) + 2 * matrix(w, dim, m->hidden_dim) +
	                 matrix(w, m->hidden_dim, dim) + 2 * matrix(w, 1, dim);
	uint64_t vocab = matrix(w, dim, m->vocab_size);
	uint64_t cache = cost_bytes(w->l, w->system->tile(w, &s) +
	                                  w->system->tile(w, &v));

	change(w->l, SRAM_WEIGHTS, m->n_layers * layer);
	change(w->l, SRAM_VOCAB, (m->tied ? 1 : 2) * vocab);
	change(w->l, SRAM_KV, m->n_layers * cache);
	change(w->l, SRAM_ACTIVATIONS, bytes(w, dim)); /* the residual */
}

/* The last token's logits and their maximum with its id: two words. */
static void head(const struct walk *w)
{
	const struct model *m = w->model;
	struct walk last = *w;

	last.tokens = 1;
	w->system->plan(&last);
	hold(&last, m->vocab_size);
	norm(&last);
	product(&last, OP_HEAD, m->dim, m->vocab_size);
	ledger_op(w->l, OP_CHOOSE);
	elements(&last, 2, m->vocab_size, m->vocab_size);
	sums(&last, 8 / cost_bytes(w->l, 1));
	drop(&last, m->vocab_size);
}

void baseline_pass(const struct planner *s, struct ledger *l,
                   const struct model *m, struct rxc grid, uint64_t tokens,
                   uint64_t keys)
{
	struct walk w = { .l = l, .model = m, .grid = grid, .tokens = tokens,
	                  .keys = keys, .system = s };

	s->plan(&w);
	ledger_op(l, OP_EMBED);
	keep(&w, ledger_alloc);
	s->fetch(&w, w.tile_tokens * baseline_part(m->dim, w.line));
	for (int i = 0; i < m->n_layers; i++) {
		if (!ledger_layer(l, i, m->n_layers))
			break;
		attention(&w);
		ffn(&w);
	}
	ledger_layers_end(l);
	head(&w);
	keep(&w, ledger_free);
}

void baseline_plan_in_place(struct walk *w)
{
	const struct model *m = w->model;

	w->axis = AXIS_Y;
	w->line = w->grid.rows;
	w->lines = w->grid.cols;
	w->tile_tokens = w->tokens;
	w->heads = model_group(m) * baseline_part(m->n_kv_heads,
	                                          w->grid.cols);
}

uint64_t baseline_tile_in_place(const struct walk *w, const struct product *p)
{
	return baseline_part(p->k, w->grid.cols) *
	       baseline_part(p->n, w->grid.rows);
}

/* Scores are summed inside each head's own columns, of which there are
 * `span`; a column has so many KV heads. */
static uint64_t heads_of_column(const struct walk *w, const struct product *p,
                                uint64_t *span)
{
	uint64_t cols = w->grid.cols;
	uint64_t heads = p->op == OP_SCORES ? w->model->n_kv_heads : 1;

	*span = baseline_part(cols, heads);
	return baseline_part(heads, cols);
}

void baseline_deliver(const struct walk *w, uint64_t all, uint64_t words)
{
	uint64_t x = w->grid.cols - 1, y = w->grid.rows - 1;
	struct ledger *l = w->l;
	const struct charge c = {
		.calls = 1, .words = all, .word_hops = all * (x + y),
		.path_hops = x + y,
		.comm_cycles = cost_hops(l, x + y) + cost_wire(l, words) };

	if (!(x + y))
		return;
	ledger_charge(l, &c);
	ledger_route(l, ROUTE_CAST_X);
	ledger_route(l, ROUTE_CAST_Y);
	baseline_links(l, AXIS_X, x + 1, all * x);
	baseline_links(l, AXIS_Y, y + 1, all * y);
}

void baseline_product_in_place(const struct walk *w, const struct product *p)
{
	struct ledger *l = w->l;
	uint64_t k = baseline_part(p->k, w->grid.cols);
	uint64_t n = baseline_part(p->n, w->grid.rows);
	uint64_t m = w->tokens * p->group, span;
	uint64_t here = heads_of_column(w, p, &span);
	uint64_t words = cost_words(l, m * n * here);
	uint64_t lines = w->grid.rows * (w->grid.cols / span);
	uint64_t cycles = w->tokens > 1
		? cost_gemm(l, m, n, k)
		: cost_start(l) + p->group * cost_gemv(l, k, n);
	const struct charge c = cost_product(l, m * p->k * p->n, m * k * n,
	                                     cycles);

	ledger_alloc(l, SRAM_BUFFERS, cost_bytes(l, m * (k + n * here)));
	ledger_charge(l, &c);
	chain(w, AXIS_X, span, lines, words);
	baseline_deliver(w, lines * words, words);
	ledger_free(l, SRAM_BUFFERS, cost_bytes(l, m * (k + n * here)));
}
