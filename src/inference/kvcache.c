#include "config.h"
#include "inference/kvcache.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/huge.h"
#include "device/cost.h"
#include "mpi_kernels/moves/line.h"
#include "simd/convert.h"

static struct partition tokens_over_rows(const struct kvcache *c, int tokens)
{
	return partition_of(tokens, c->grid->rows);
}

struct range kvcache_tokens(const struct kvcache *c, struct range rows)
{
	struct partition p = tokens_over_rows(c, c->tokens);

	return partition_range(&p, rows);
}

/* The tokens of row y, of `tokens` in all, with KV_CONCAT. */
static int concat_row(const struct kvcache *c, int y, int tokens)
{
	struct partition p = tokens_over_rows(c, c->prompt);

	return partition_size(&p, y) +
	       (y == p.parts - 1 ? tokens - c->prompt : 0);
}

int kvcache_max(const struct kvcache *c, int tokens)
{
	struct partition p = tokens_over_rows(c, tokens);
	int first = concat_row(c, 0, tokens);
	int last = concat_row(c, p.parts - 1, tokens);

	if (c->policy == KV_SHIFT)
		return partition_max(&p);
	return first > last ? first : last;
}

struct wire_words kvcache_wire(const struct kvcache *c, uint64_t across)
{
	const struct ledger *l = c->grid->ledger;
	struct partition p = tokens_over_rows(c, c->tokens);
	struct wire_words w;

	if (c->policy == KV_SHIFT)
		return cost_parts(l, &p, across);
	/* The prompt's partition, but for the last row. */
	struct partition before = tokens_over_rows(c, c->prompt);
	int last = p.parts - 1;

	w = cost_parts(l, &before, across);
	w.all -= cost_words(l, partition_size(&before, last) * across);
	w.all += cost_words(l, concat_row(c, last, c->tokens) * across);
	w.max = cost_words(l, kvcache_max(c, c->tokens) * across);
	return w;
}

int kvcache_place(const struct kvcache *c, int token)
{
	return token % c->capacity;
}

void kvcache_init(struct kvcache *c, struct grid *g, const struct heads *h,
                  enum wl_type type, int layers, int max_tokens,
                  enum kv_policy policy)
{
	struct partition full = partition_of(max_tokens, g->rows);

	*c = (struct kvcache){ .type = type, .grid = g, .layers = layers,
	                       .kv = h->kv, .policy = policy,
	                       .max_tokens = max_tokens };
	WL_ASSERT(g->dry || policy == KV_SHIFT);
	if (g->dry)
		return;
	c->channels = range_size(partition_range(&h->kv, g->x.local));
	/* No row ever has more tokens than in the end. */
	c->capacity = partition_max(&full) * grid_height(g);
	c->k = wl_malloc(layers, sizeof *c->k);
	c->v = wl_malloc(layers, sizeof *c->v);
	for (int i = 0; i < layers; i++) {
		c->k[i] = huge_malloc(c->channels * c->capacity,
		                       wl_type_size(type));
		c->v[i] = huge_malloc(c->channels * c->capacity,
		                       wl_type_size(type));
	}
	c->message = wl_malloc(4 * c->channels, wl_type_size(type));
}

/* Bytes of the fullest core's keys and values of a layer. */
static uint64_t layer_bytes(const struct kvcache *c)
{
	return cost_bytes(c->grid->ledger, 2 * (uint64_t)partition_max(&c->kv) *
	                                   kvcache_max(c, c->max_tokens));
}

void kvcache_fini(struct kvcache *c)
{
	if (c->core_bytes)
		ledger_free(c->grid->ledger, SRAM_KV, c->core_bytes);
	for (int i = 0; c->k && i < c->layers; i++) {
		huge_free(c->k[i]);
		huge_free(c->v[i]);
	}
	free(c->k);
	free(c->v);
	free(c->message);
	memset(c, 0, sizeof *c);
}

void kvcache_start(struct kvcache *c, int tokens)
{
	c->tokens = c->prompt = tokens;
}

static void *element(const struct kvcache *c, void *const *which, int layer,
                     size_t at)
{
	return (char *)which[layer] + at * wl_type_size(c->type);
}

const void *kvcache_at(const struct kvcache *c, void *const *which, int layer,
                       size_t at)
{
	return element(c, which, layer, at);
}

/* Copies an entry of a layer between the cache and a message [k][v]. */
static void copy_entry(struct kvcache *c, int layer, int token, char *entry,
                       bool store)
{
	size_t at = kvcache_place(c, token), size = wl_type_size(c->type);
	char *v = element(c, c->v, layer, at * c->channels);

	for (size_t i = 0; i < c->channels; i++, entry += size) {
		char *k = element(c, c->k, layer, i * c->capacity + at);

		memcpy(store ? k : entry, store ? entry : k, size);
	}
	memcpy(store ? v : entry, store ? entry : v, c->channels * size);
}

/* Rounds an entry and stores it. */
static void put(struct kvcache *c, int layer, int token, const float *k,
                const float *v)
{
	size_t n = c->channels;

	wl_from_f32(c->message, k, c->type, n);
	wl_from_f32(c->message + n * wl_type_size(c->type), v, c->type, n);
	copy_entry(c, layer, token, c->message, true);
}

void kvcache_fill(struct kvcache *c, int layer, const float *k, const float *v)
{
	struct range own = kvcache_tokens(c, c->grid->y.local);
	uint64_t bytes = layer_bytes(c);

	c->core_bytes += bytes;
	ledger_alloc(c->grid->ledger, SRAM_KV, bytes);
	for (int t = own.lo; c->k && t < own.hi; t++) {
		put(c, layer, t, k, v);
		k += c->channels;
		v += c->channels;
	}
}

int kvcache_passing(const struct kvcache *c, int t)
{
	int rows = c->grid->rows;
	bool shifts = c->policy == KV_SHIFT && t >= rows;

	return shifts ? rows - 1 - t % rows : 0;
}

static void charge_append(struct kvcache *c)
{
	int rows = c->grid->rows, t = c->tokens - 1;
	struct wire_words entry = cost_parts(c->grid->ledger, &c->kv, 2);

	if (kvcache_passing(c, t))
		line_charge_pass(&c->grid->y, t % rows, rows - 1, entry);
}

void kvcache_append(struct kvcache *c, int layer, const float *k,
                    const float *v)
{
	struct line *l = &c->grid->y;
	int newest = c->tokens - 1;
	struct partition before = tokens_over_rows(c, newest);
	struct range had = partition_range(&before, l->local);
	struct range has = kvcache_tokens(c, l->local);
	/* Whole words, because channels come in pairs. */
	size_t bytes = 2 * c->channels * wl_type_size(c->type);
	char *out = c->message, *in = out + bytes;

	charge_append(c);
	if (!c->k)
		return;
	bool passes = has.lo > had.lo && had.hi > had.lo;
	bool owns_new = has.lo <= newest && newest < has.hi;
	bool receives = has.hi > had.hi && has.hi > has.lo && !owns_new;

	if (passes)
		copy_entry(c, layer, had.lo, out, false);
	line_pass_down(l, passes ? out : NULL, receives ? in : NULL,
	               bytes / 4);
	if (receives)
		copy_entry(c, layer, had.hi, in, true);
	if (owns_new)
		put(c, layer, newest, k, v);
}

void kvcache_advance(struct kvcache *c)
{
	c->tokens++;
}
