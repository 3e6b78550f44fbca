/* The placement of the decode phase's KV cache: the rule by which rows pass and
 * store entries, simulated core by core, against kvcache.h's arithmetic and the
 * contents of a cache on one rank. Without MPI. */
#include "config.h"
#include "inference/kvcache.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "made_device.h"
#include "suite.h"

#define MOST_ROWS 13
#define MOST_TOKENS 61

/* Core rows with their entries, oldest first. */
struct rows {
	int n;
	int held[MOST_ROWS];
	int token[MOST_ROWS][MOST_TOKENS];
	int passed; /* entries passed up when the last token came */
};

static void store(struct rows *r, int y, int token)
{
	r->token[y][r->held[y]++] = token;
}

/* Token t arrives: row y passes its oldest entry up if and only if y > t mod R,
 * all rows at once; then row R-1 stores t. The first R tokens are stored by
 * their own rows without a move. */
static void arrive(struct rows *r, int t)
{
	int up[MOST_ROWS];

	r->passed = 0;
	if (t < r->n) {
		store(r, t, t);
		return;
	}
	for (int y = t % r->n + 1; y < r->n; y++) {
		up[y] = r->token[y][0];
		r->held[y]--;
		memmove(r->token[y], r->token[y] + 1,
		        r->held[y] * sizeof r->token[y][0]);
		r->passed++;
	}
	for (int y = t % r->n + 1; y < r->n; y++)
		store(r, y - 1, up[y]);
	store(r, r->n - 1, t);
}

/* Order and balance of the entries that result from the rule. */
static void check_rule(const struct rows *r, int tokens)
{
	int next = 0;

	for (int y = 0; y < r->n; y++) {
		ck_assert_int_eq(r->held[y], (tokens + r->n - 1 - y) / r->n);
		for (int i = 0; i < r->held[y]; i++)
			ck_assert_int_eq(r->token[y][i], next++);
	}
	ck_assert_int_eq(next, tokens);
}

START_TEST(arithmetic_follows_the_rule)
{
	for (int n = 1; n <= MOST_ROWS; n++) {
		struct rows r = { .n = n };
		struct grid g = { .rows = n };
		struct kvcache c = { .grid = &g };

		for (int t = 0; t < MOST_TOKENS; t++) {
			arrive(&r, t);
			kvcache_advance(&c);
			ck_assert_int_eq(c.tokens, t + 1);
			check_rule(&r, t + 1);
			for (int y = 0; y < n; y++) {
				struct range has = kvcache_tokens(&c,
					(struct range){ y, y + 1 });

				ck_assert_int_eq(range_size(has), r.held[y]);
				if (r.held[y])
					ck_assert_int_eq(has.lo,
					                 r.token[y][0]);
			}
			ck_assert_int_eq(kvcache_max(&c, t + 1), r.held[0]);
		}
	}
}
END_TEST

/* Three layers of four KV channels on one column. */
static const struct heads heads = { .n_kv = 1, .head_dim = 4, .group = 1,
	.kv = { 4, 2, 1 }, .q = { 4, 2, 1 } };
enum { LAYERS = 3, CHANNELS = 4 };

/* A dry cache of n core rows on one column, and its account. */
struct dry {
	struct ledger ledger;
	struct grid grid;
	struct kvcache cache;
};

static void dry_init(struct dry *d, int n, enum wl_type type,
                     enum kv_policy policy)
{
	ledger_init(&d->ledger, &made_device, type, n);
	grid_init(&d->grid, n, 1, 1, 1, 0, 0, NULL, &d->ledger);
	kvcache_init(&d->cache, &d->grid, &heads, WL_F32, LAYERS, MOST_TOKENS,
	             policy);
}

static void dry_fini(struct dry *d)
{
	kvcache_fini(&d->cache);
	for (int i = 0; i < NSRAM; i++)
		ck_assert_uint_eq(d->ledger.allocated[i], 0);
	grid_fini(&d->grid);
	ledger_fini(&d->ledger);
}

static uint64_t cycles(double exact)
{
	return (uint64_t)ceil(exact);
}

/* The charges of the next token's entry in one layer. */
static struct charge append_charge(struct dry *d)
{
	struct charge *row = &d->ledger.row[PHASE_LOAD][0];

	*row = (struct charge){ 0 };
	kvcache_advance(&d->cache);
	kvcache_append(&d->cache, 0, NULL, NULL);
	return *row;
}

/* A key and a value of each channel go one hop, through software, from each
 * row that passes, all at once: twice over a link, in and out of a core. */
static void check_append(struct dry *d, int passed)
{
	uint64_t entry = d->ledger.type == WL_F32 ? 2 * CHANNELS : CHANNELS;
	uint64_t stream = cycles(entry * 4 / made_device.link_bytes);
	struct charge c = append_charge(d);

	ck_assert_uint_eq(c.calls, passed > 0);
	ck_assert_uint_eq(c.words, entry * passed);
	ck_assert_uint_eq(c.word_hops, entry * passed);
	ck_assert_uint_eq(c.path_hops, passed > 0);
	ck_assert_uint_eq(c.stages, passed > 0);
	ck_assert_uint_eq(c.compute_cycles, 0);
	ck_assert_uint_eq(c.cycles, c.comm_cycles);
	ck_assert_uint_eq(c.cycles, passed == 0 ? 0
	                  : cycles(made_device.relay_cycles) +
	                    cycles(made_device.hop_cycles) + 2 * stream);
}

START_TEST(every_pass_is_charged)
{
	for (int n = 1; n <= MOST_ROWS; n++)
		for (int type = WL_F32; type <= WL_F16; type++) {
			struct rows r = { .n = n };
			struct dry d;

			dry_init(&d, n, type, KV_SHIFT);
			for (int t = 0; t < MOST_TOKENS; t++) {
				arrive(&r, t);
				check_append(&d, r.passed);
			}
			dry_fini(&d);
		}
}
END_TEST

/* With concatenation only the last row grows, after its share of the prompt;
 * nothing moves. */
START_TEST(concatenation_fills_the_last_row)
{
	for (int n = 1; n <= MOST_ROWS; n++)
		for (int prompt = 1; prompt <= 30; prompt++) {
			int last = prompt / n; /* its share */
			int first = (prompt + n - 1) / n;
			struct dry d;

			dry_init(&d, n, WL_F16, KV_CONCAT);
			kvcache_start(&d.cache, prompt);
			for (int t = prompt; t < MOST_TOKENS; t++) {
				int grown = last + t + 1 - prompt;

				ck_assert_uint_eq(append_charge(&d).calls, 0);
				ck_assert_int_eq(kvcache_max(&d.cache, t + 1),
				                 grown > first ? grown : first);
			}
			dry_fini(&d);
		}
}
END_TEST

/* Words of a message of 3 elements a token, row by row. */
static void check_wire(const struct dry *d, const int *held)
{
	struct wire_words w = kvcache_wire(&d->cache, 3);
	uint64_t all = 0, max = 0;

	for (int y = 0; y < d->grid.rows; y++) {
		uint64_t words = d->ledger.type == WL_F32
			? 3 * held[y] : (3 * held[y] + 1) / 2;

		all += words;
		max = words > max ? words : max;
	}
	ck_assert_uint_eq(w.all, all);
	ck_assert_uint_eq(w.max, max);
}

START_TEST(messages_are_as_long_as_rows)
{
	for (int n = 1; n <= MOST_ROWS; n++)
		for (int type = WL_F32; type <= WL_F16; type++) {
			struct rows r = { .n = n }, grown = r;
			int prompt = 2 * n + 1;
			struct dry shift, concat;

			dry_init(&shift, n, type, KV_SHIFT);
			dry_init(&concat, n, type, KV_CONCAT);
			for (int t = 0; t < MOST_TOKENS; t++) {
				arrive(&r, t);
				kvcache_advance(&shift.cache);
				check_wire(&shift, r.held);
				if (t == prompt - 1) {
					grown = r;
					kvcache_start(&concat.cache, prompt);
				} else if (t >= prompt) {
					store(&grown, n - 1, t);
					kvcache_advance(&concat.cache);
				}
				if (t >= prompt - 1)
					check_wire(&concat, grown.held);
			}
			dry_fini(&shift);
			dry_fini(&concat);
		}
}
END_TEST

/* Once it is filled, a layer has room for all 61 tokens to come: their keys and
 * values on the fullest of 11 rows. The prompt's 20 lie on rows of 2 and, from
 * the tenth on, 1: with concatenation the last gets 41 more. */
START_TEST(memory_is_held_for_the_fullest_row)
{
	static const int max[] = { [KV_SHIFT] = 6, [KV_CONCAT] = 42 };

	for (int policy = KV_SHIFT; policy <= KV_CONCAT; policy++) {
		struct dry d;

		dry_init(&d, 11, WL_F16, policy);
		ck_assert_uint_eq(d.ledger.allocated[SRAM_KV], 0);
		kvcache_start(&d.cache, 20);
		ck_assert_uint_eq(d.ledger.allocated[SRAM_KV], 0);
		for (int l = 0; l < LAYERS; l++) {
			kvcache_fill(&d.cache, l, NULL, NULL);
			ck_assert_uint_eq(d.ledger.allocated[SRAM_KV], (uint64_t)
			                  2 * 2 * (l + 1) * CHANNELS *
			                  max[policy]);
		}
		dry_fini(&d);
	}
}
END_TEST

static float made_k(int layer, int token, int channel)
{
	return 1 + layer + 10 * channel + 100 * token;
}

static void check_stored(const struct kvcache *c)
{
	bool used[MOST_TOKENS + MOST_ROWS] = { false };

	for (int t = 0; t < c->tokens; t++) {
		int at = kvcache_place(c, t);

		ck_assert_int_ge(at, 0);
		ck_assert_int_lt(at, c->capacity);
		ck_assert(!used[at]);
		used[at] = true;
		for (int i = 0; i < LAYERS * CHANNELS; i++) {
			int l = i / CHANNELS, ch = i % CHANNELS;
			float want = made_k(l, t, ch);

			ck_assert(((float *)c->k[l])[ch * c->capacity + at] ==
			          want);
			ck_assert(((float *)c->v[l])[at * CHANNELS + ch] ==
			          -want);
		}
	}
}

static void append_next(struct kvcache *c)
{
	int t = c->tokens;

	kvcache_advance(c);
	for (int l = 0; l < LAYERS; l++) {
		float k[CHANNELS], v[CHANNELS];

		for (int i = 0; i < CHANNELS; i++) {
			k[i] = made_k(l, t, i);
			v[i] = -k[i];
		}
		kvcache_append(c, l, k, v);
	}
}

static void fill_first(struct kvcache *c, int tokens)
{
	float k[MOST_TOKENS * CHANNELS], v[MOST_TOKENS * CHANNELS];

	c->tokens = tokens;
	for (int l = 0; l < LAYERS; l++) {
		for (int i = 0; i < tokens * CHANNELS; i++) {
			k[i] = made_k(l, i / CHANNELS, i % CHANNELS);
			v[i] = -k[i];
		}
		kvcache_fill(c, l, k, v);
	}
}

/* One rank that holds all rows keeps all tokens; it has no neighbour, so the
 * links are never asked for. */
START_TEST(one_rank_stores_every_token_once)
{
	static char no_links;

	for (int n = 1; n <= MOST_ROWS; n++)
		for (int prompt = 0; prompt <= 20; prompt += 5) {
			struct ledger l;
			struct kvcache c;
			struct grid g;

			ledger_init(&l, &made_device, WL_F32, n);
			grid_init(&g, n, 1, 1, 1, 0, 0, (void *)&no_links, &l);
			kvcache_init(&c, &g, &heads, WL_F32, LAYERS,
			             MOST_TOKENS, KV_SHIFT);
			fill_first(&c, prompt);
			check_stored(&c);
			while (c.tokens < MOST_TOKENS) {
				append_next(&c);
				check_stored(&c);
			}
			kvcache_fini(&c);
			grid_fini(&g);
			ledger_fini(&l);
		}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kvcache");
	TCase *t = tcase_create("kvcache");

	tcase_add_test(t, arithmetic_follows_the_rule);
	tcase_add_test(t, every_pass_is_charged);
	tcase_add_test(t, concatenation_fills_the_last_row);
	tcase_add_test(t, messages_are_as_long_as_rows);
	tcase_add_test(t, memory_is_held_for_the_fullest_row);
	tcase_add_test(t, one_rank_stores_every_token_once);
	suite_add_tcase(s, t);
	return run_suite(s);
}
