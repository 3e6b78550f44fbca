/* The decode phase's KV cache, balanced by shifting. After T tokens core row
 * y holds block y of the block partition of T tokens over the rows, token
 * order from the top: floor((T + R - 1 - y) / R) entries. When token t comes,
 * every row y > t mod R passes its oldest entry to the row above; the new
 * entry goes to the row that owns it, where it was computed (keys and values
 * are the same on every row).
 *
 * A rank keeps the entries of its rows as one ring buffer: passing an entry
 * between two rows of one rank changes its owner, not its place. */
#ifndef WL_KVCACHE_H
#define WL_KVCACHE_H

#include "grid/gemv_matrix.h"
#include "model/heads.h"

/* Where new entries go: KV_CONCAT, to the last row, is what the shift is
 * compared with; for dry runs only. */
enum kv_policy { KV_SHIFT, KV_CONCAT };

struct kvcache {
	int sequence;        /* whose entries these are; 0 so far */
	enum wl_type type;   /* of the elements in memory */
	struct grid *grid;
	int layers;
	size_t channels;     /* of this rank's columns */
	struct partition kv;      /* all KV channels over the columns */
	enum kv_policy policy;
	int prompt;          /* tokens that kvcache_start began with */
	int tokens;          /* T */
	int max_tokens;
	uint64_t held;       /* bytes of the fullest emulated core */
	int capacity;        /* tokens this rank can hold */
	void **k;            /* [layers] of [channels][capacity] */
	void **v;            /* [layers] of [capacity][channels] */
	char *message;       /* two entries of one layer, k then v: out, in */
};

/* Empty cache of elements of that type that can hold max_tokens over all rows.
 */
void kvcache_init(struct kvcache *c, struct grid *g, const struct heads *h,
                  enum wl_type type, int layers, int max_tokens,
                  enum kv_policy policy);
void kvcache_fini(struct kvcache *c);

/* The cache holds the first tokens tokens from now on: then kvcache_fill is
 * called for every layer. */
void kvcache_start(struct kvcache *c, int tokens);

/* Tokens that core rows [rows.lo, rows.hi) hold. */
struct range kvcache_tokens(const struct kvcache *c, struct range rows);
/* Tokens on the fullest row when there are that many in all; the words of
 * messages of `across` elements per token of a row, over all rows. */
int kvcache_max(const struct kvcache *c, int tokens);
struct wire_words kvcache_wire(const struct kvcache *c, uint64_t across);
/* Rows that pass an entry up when token t comes: those behind row t mod R,
 * once they hold any. The cycles of a decode step depend on its token by
 * kvcache_max, that token included, and by whether any row passes, alone. */
int kvcache_passing(const struct kvcache *c, int t);
/* Where this rank keeps a token that it holds. */
int kvcache_place(const struct kvcache *c, int token);

/* The element at that place of a layer's keys or values. */
const void *kvcache_at(const struct kvcache *c, void *const *which, int layer,
                       size_t at);

/* Puts the tokens of this rank's rows into a layer, rounded to the cache's
 * type; k and v: [those tokens][channels]. Charges a core's memory with the
 * layer's max_tokens. */
void kvcache_fill(struct kvcache *c, int layer, const float *k,
                  const float *v);

/* Makes the cache one token longer; then kvcache_append is called once for
 * every layer. */
void kvcache_advance(struct kvcache *c);

/* Stores a layer's entry of the newest token, rounded: k, v [channels], the
 * same on every rank of a column. Rows that must, pass their oldest entry up.
 * Collective over the y lines. Cost charged: one hop for each row that passes
 * an entry of k and v. Source: WaferLLM (OSDI'25), section 4.3. */
void kvcache_append(struct kvcache *c, int layer, const float *k,
                    const float *v);

#endif
