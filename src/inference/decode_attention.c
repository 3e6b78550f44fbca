/* Attention of one new token over the KV cache.
 *
 *   q on x   K [channel on x][token on y]   ->  S = q K^T on y, for each head
 *                                               on its own columns   (tree, x)
 *   S on y   softmax: the maximum over y                             (tree, y)
 *            V [token on y][channel on x]   ->  sum of S V and of S  (tree, y)
 *
 * A core's sums run over its own channels, then its own tokens, in order.
 * Source: WaferLLM (OSDI'25), sections 4.2 and 4.3. */
#include "config.h"
#include "decode_ops.h"

#include <math.h>
#include <string.h>

#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/line.h"
#include "simd/vec.h"

/* The number of this rank's tokens from t.lo on that are contiguous in memory:
 * the cache is a ring buffer. */
static int run_length(const struct kvcache *c, struct range t)
{
	int room = c->capacity - kvcache_place(c, t.lo), n = range_size(t);

	return n < room ? n : room;
}

/* part [group][tokens here] = q k^T over column x's channels of head g. */
static void partial_scores(const struct inference *w, int layer, int g, int x,
                           float *part)
{
	const struct decode_state *s = &w->state;
	const struct kvcache *cache = &w->cache;
	const struct partition *kv = &s->heads.kv;
	struct range own = kvcache_tokens(cache, w->decode.y.local);
	struct range c = heads_channels(&s->heads, g, x);
	int group = s->heads.group, n = range_size(own);
	int at = partition_start(kv, x) -
	         partition_start(kv, w->decode.x.local.lo) + c.lo;
	const float *q = s->qkv + (size_t)at * group;

	memset(part, 0, (size_t)group * n * sizeof *part);
	for (struct range t = own; t.lo < t.hi;) {
		int run = run_length(cache, t);

		for (int r = 0; r < group; r++)
			vec_gemv(range_size(c), run, q + r, group, cache->type,
			         kvcache_at(cache, cache->k, layer, (size_t)at *
			                    cache->capacity +
			                    kvcache_place(cache, t.lo)),
			         cache->capacity,
			         part + r * n + (t.lo - own.lo));
		t.lo += run;
	}
}

/* Charges q K^T, or S V: each query channel meets each token once. k x n: one
 * GEMV of the busiest core, for each query head of a group. */
static void charge_product(const struct inference *w, uint64_t k, uint64_t n)
{
	const struct heads *h = &w->state.heads;
	struct ledger *l = w->decode.ledger;
	uint64_t tokens = w->cache.tokens;
	const struct charge c = cost_product(
		l, h->q.n * tokens, (uint64_t)partition_max(&h->q) *
		kvcache_max(&w->cache, tokens),
		cost_start(l) + h->group * cost_gemv(l, k, n));

	ledger_charge(l, &c);
}

/* Fills in what this rank adds to a head's all-reduce: a vector [group][tokens
 * here] of partial scores for each of its columns that has channels of the
 * head, from `value` on. Returns where the next head's vectors begin. */
static float *add_columns(struct inference *w, int layer, int head,
                          struct line_segment *s, float *value)
{
	struct range columns = range_intersect(
		w->decode.x.local, (struct range){ s->first, s->last + 1 });

	s->value = value;
	s->stride = s->words;
	for (int x = columns.lo; x < columns.hi; x++) {
		partial_scores(w, layer, head, x, value);
		value += s->stride;
	}
	return value;
}

/* state.scores [heads here][group][tokens here] = q K^T / sqrt(head_dim), the
 * same on all columns of a head. */
static void scores(struct inference *w, int layer)
{
	struct decode_state *s = &w->state;
	struct grid *g = &w->decode;
	const struct heads *h = &s->heads;
	struct range here = heads_on(h, g->x.local);
	size_t n = h->group * range_size(kvcache_tokens(&w->cache,
	                                                g->y.local));
	struct wire_words wire = kvcache_wire(&w->cache, h->group);
	struct line_segment segment[h->n_kv];
	float *value = s->partial;

	ledger_op(g->ledger, OP_SCORES);
	charge_product(w, partition_max(&h->kv),
	               kvcache_max(&w->cache, w->cache.tokens));
	for (int i = 0; i < h->n_kv; i++) {
		segment[i] = (struct line_segment){
			.first = heads_first(h, i), .last = heads_last(h, i),
			.words = n, .wire = wire };
		if (g->dry || i < here.lo || i >= here.hi)
			continue;
		segment[i].result = s->scores + (i - here.lo) * n;
		value = add_columns(w, layer, i, &segment[i], value);
	}
	line_allreduce(&g->x, h->n_kv, segment, LINE_ADD);
	if (g->dry)
		return;
	n *= range_size(here);
	vec_scale(n, 1.0f / sqrtf(h->head_dim), s->scores);
	decode_round_to_storage(w, s->scores, n);
}

/* scores = exp(scores - their maximum over all tokens). */
static void softmax(struct inference *w)
{
	struct decode_state *s = &w->state;
	struct grid *g = &w->decode;
	const struct heads *h = &s->heads;
	struct range own = kvcache_tokens(&w->cache, g->y.local);
	size_t rows = h->group * range_size(heads_on(h, g->x.local));
	size_t n = range_size(own);
	struct line_segment all = { 0, g->rows - 1, s->partial, rows, rows,
	                            s->sums, s->maxima_wire };
	const struct charge local = cost_elements(
		g->ledger, COST_SOFTMAX_OPS, (uint64_t)h->group * s->heads_max,
		kvcache_max(&w->cache, w->cache.tokens),
		(uint64_t)h->group * s->head_columns * w->cache.tokens);

	ledger_op(g->ledger, OP_SOFTMAX);
	ledger_charge(g->ledger, &local);
	for (int y = g->y.local.lo; !g->dry && y < g->y.local.hi; y++) {
		struct range t = kvcache_tokens(&w->cache,
		                                (struct range){ y, y + 1 });
		float *max = s->partial + (y - g->y.local.lo) * rows;

		for (size_t i = 0; i < rows; i++)
			max[i] = vec_max(range_size(t), s->scores + i * n +
			                 (t.lo - own.lo));
	}
	line_allreduce(&g->y, 1, &all, LINE_MAXIMUM);
	if (g->dry)
		return;
	for (size_t i = 0; i < rows; i++)
		vec_exp(n, s->sums[i], s->scores + i * n);
	decode_round_to_storage(w, s->scores, rows * n);
}

/* Prefetch distance, bytes: what fits in a processor core's first-level cache.
 */
#define AHEAD ((size_t)32 << 10)

/* Prefetches the values of the tokens from t.lo on: the products that read them
 * are too short for the hardware prefetcher. */
static void fetch_values(const struct kvcache *cache, int layer, struct range t)
{
	size_t row = cache->channels * wl_type_size(cache->type);
	size_t bytes = run_length(cache, t) * row;
	const char *at = kvcache_at(cache, cache->v, layer, cache->channels *
	                            kvcache_place(cache, t.lo));

	for (size_t i = 0; i < bytes && i < AHEAD; i += 64)
		__builtin_prefetch(at + i);
}

/* sums [group][channels here] += S V over the tokens t, which are contiguous in
 * the cache, a head at a time. */
static void add_values(const struct inference *w, int layer, struct range t,
                       float *sums)
{
	const struct kvcache *cache = &w->cache;
	const struct heads *h = &w->state.heads;
	struct range own = kvcache_tokens(cache, w->decode.y.local);
	struct range here = partition_range(&h->kv, w->decode.x.local);
	struct range heads = heads_on(h, w->decode.x.local);
	const float *score = w->state.scores + (t.lo - own.lo);
	size_t first = cache->channels * kvcache_place(cache, t.lo);

	for (int g = heads.lo; g < heads.hi; g++) {
		struct range c = range_intersect(here, (struct range){
			g * h->head_dim, (g + 1) * h->head_dim });
		size_t at = c.lo - here.lo;

		for (int r = 0; r < h->group; r++) {
			vec_gemv(range_size(t), range_size(c), score, 1,
			         cache->type, kvcache_at(cache, cache->v, layer,
			                                 first + at),
			         cache->channels,
			         sums + r * cache->channels + at);
			score += range_size(own);
		}
	}
}

/* One core row's sums: out [group][channels here] of S V, then [heads here]
 * [group] of S, over the row's tokens in order. */
static void partial_values(const struct inference *w, int layer, int y,
                           float *out)
{
	const struct decode_state *s = &w->state;
	const struct kvcache *cache = &w->cache;
	int group = s->heads.group;
	int heads = range_size(heads_on(&s->heads, w->decode.x.local));
	struct range own = kvcache_tokens(cache, w->decode.y.local);
	struct range t = kvcache_tokens(cache, (struct range){ y, y + 1 });
	const float *score = s->scores + (t.lo - own.lo);
	float *z = out + group * cache->channels;

	fetch_values(cache, layer, (struct range){ t.hi, own.hi });
	memset(out, 0, group * cache->channels * sizeof *out);
	for (int i = 0; i < heads * group; i++)
		z[i] = vec_sum(range_size(t),
		               score + (size_t)i * range_size(own));
	while (t.lo < t.hi) {
		struct range run = { t.lo, t.lo + run_length(cache, t) };

		add_values(w, layer, run, out);
		t.lo = run.hi;
	}
}

/* o [(channel, query head)] = sum of S V / sum of S. */
static void divide_sums(struct inference *w)
{
	struct decode_state *s = &w->state;
	const struct heads *h = &s->heads;
	struct range own = partition_range(&h->kv, w->decode.x.local);
	int first = heads_on(h, w->decode.x.local).lo, n = range_size(own);
	const float *z = s->sums + (size_t)h->group * n;

	for (int c = 0; c < n; c++) {
		int g = (own.lo + c) / h->head_dim - first;

		for (int r = 0; r < h->group; r++)
			s->o[c * h->group + r] = s->sums[r * n + c] /
			                         z[g * h->group + r];
	}
	decode_round_to_storage(w, s->o, (size_t)n * h->group);
}

/* state.o = S V / sum of S. Both sums travel in one all-reduce along y. */
static void values(struct inference *w, int layer)
{
	struct decode_state *s = &w->state;
	struct grid *g = &w->decode;
	const struct heads *h = &s->heads;
	size_t n = h->group * (w->cache.channels +
	                       range_size(heads_on(h, g->x.local)));
	struct line_segment all = { 0, g->rows - 1, s->partial, n, n, s->sums,
	                            s->sums_wire };
	const struct charge division =
		cost_elements(g->ledger, 1, 1, partition_max(&h->q),
		              (uint64_t)h->q.n * g->rows);

	ledger_op(g->ledger, OP_VALUES);
	charge_product(w, kvcache_max(&w->cache, w->cache.tokens),
	               partition_max(&h->kv));
	for (int y = g->y.local.lo; !g->dry && y < g->y.local.hi; y++)
		partial_values(w, layer, y,
		               s->partial + (y - g->y.local.lo) * n);
	line_allreduce(&g->y, 1, &all, LINE_ADD);
	ledger_charge(g->ledger, &division);
	if (!g->dry)
		divide_sums(w);
}

void decode_attention(struct inference *w, int layer)
{
	scores(w, layer);
	softmax(w);
	values(w, layer);
}
