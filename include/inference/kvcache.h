/* The KV cache of the decode phase, balanced by shifting. After T tokens core
 * row y of R has block y of the partition of T tokens over the rows, in token
 * order from the top: floor((T + R - 1 - y) / R) entries. When token t is
 * appended, every row y > t mod R passes its oldest entry to the row above; the
 * row that owns the new entry stores it without a move, because keys and values
 * were computed alike on every row.
 *
 * A rank stores the entries of its rows in one ring buffer: passing an entry
 * between two rows of one rank changes its owner, not its address.
 * Source: WaferLLM (OSDI'25), section 4.3. */
#ifndef WL_KVCACHE_H
#define WL_KVCACHE_H

#include "grid/gemv_matrix.h"
#include "model/heads.h"

/* Where new entries are stored: balanced by the shift, or all in the last row,
 * the baseline (dry runs only). */
enum kv_policy { KV_SHIFT, KV_CONCAT };

struct kvcache {
	int sequence;        /* whose entries these are; 0 so far */
	enum wl_type type;   /* of the elements in memory */
	struct grid *grid;
	int layers;
	size_t channels;     /* of this rank's columns */
	struct partition kv; /* all KV channels over the columns */
	enum kv_policy policy;
	int prompt;          /* tokens at kvcache_start */
	int tokens;          /* T, now */
	int max_tokens;      /* over all rows */
	uint64_t core_bytes; /* allocated on the fullest emulated core */
	int capacity;        /* tokens this rank can hold */
	void **k;            /* [layers] of [channels][capacity] */
	void **v;            /* [layers] of [capacity][channels] */
	char *message;       /* two entries of one layer, k then v: out, in */
};

/* Makes an empty cache for max_tokens tokens over all rows; no memory for
 * elements in a dry run. The grid is borrowed. Not collective. */
void kvcache_init(struct kvcache *c, struct grid *g, const struct heads *h,
                  enum wl_type type, int layers, int max_tokens,
                  enum kv_policy policy);
void kvcache_fini(struct kvcache *c);

/* Sets the number of tokens, after prefill; kvcache_fill must follow for every
 * layer. */
void kvcache_start(struct kvcache *c, int tokens);

/* The tokens of core rows [rows.lo, rows.hi). */
struct range kvcache_tokens(const struct kvcache *c, struct range rows);
/* Tokens on the fullest row when there are `tokens` in all. */
int kvcache_max(const struct kvcache *c, int tokens);
/* 32-bit words of one message per row, of `across` elements for each of the
 * row's tokens. */
struct wire_words kvcache_wire(const struct kvcache *c, uint64_t across);
/* Rows that pass an entry up when token t is appended: those below row t mod R,
 * once every row has one. The cycles of a decode step depend on t only through
 * kvcache_max(t + 1) and through whether any row passes. */
int kvcache_passing(const struct kvcache *c, int t);
/* The index in the ring buffer of one of this rank's tokens. */
int kvcache_place(const struct kvcache *c, int token);

/* Element `at` of a layer's keys (which: c->k) or values (c->v). */
const void *kvcache_at(const struct kvcache *c, void *const *which, int layer,
                       size_t at);

/* Stores the tokens of this rank's rows in a layer, rounded to the cache's
 * type; k, v: [tokens of the rows][channels]. Charges a core's SRAM with the
 * layer's share of max_tokens. Not collective. */
void kvcache_fill(struct kvcache *c, int layer, const float *k,
                  const float *v);

/* Adds one token; kvcache_append must follow for every layer. */
void kvcache_advance(struct kvcache *c);

/* Stores the newest token's entry of a layer, rounded; k, v: [channels], the
 * same on every rank of a column. Rows below it pass their oldest entry up.
 * Collective over the y lines. Cost charged: one hop for each row that passes
 * an entry of k and v. */
void kvcache_append(struct kvcache *c, int layer, const float *k,
                    const float *v);

#endif
