/* The placement of the decode phase's KV cache: the rule by which rows pass
 * and store entries, played core by core, against kvcache.h's arithmetic and
 * against what a cache on one rank really stores. Without MPI. */
#include "config.h"
#include "kvcache.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

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

/* Token t comes: row y passes its oldest entry up if and only if y > t mod R,
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

/* Order and balance of what the rule leads to. */
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
		}
	}
}
END_TEST

/* Three layers of four KV channels on one column. */
static const struct heads heads = { .n_kv = 1, .head_dim = 4, .group = 1,
	.kv = { 4, 2, 1 }, .q = { 4, 2, 1 } };
enum { LAYERS = 3, CHANNELS = 4 };

START_TEST(every_pass_is_charged)
{
	for (int n = 1; n <= MOST_ROWS; n++) {
		struct rows r = { .n = n };
		struct ledger l;
		struct kvcache c;
		struct grid g;

		ledger_init(&l);
		grid_init(&g, n, 1, 1, 1, 0, 0, NULL, &l);
		kvcache_init(&c, &g, &heads, LAYERS, MOST_TOKENS);
		for (int t = 0; t < MOST_TOKENS; t++) {
			const struct charge *row = &l.row[PHASE_LOAD][0];
			struct charge before = *row;

			arrive(&r, t);
			kvcache_advance(&c);
			kvcache_append(&c, 0, NULL, NULL);
			/* A key and a value of each channel, one hop. */
			ck_assert_uint_eq(row->words - before.words,
			                  2 * CHANNELS * r.passed);
			ck_assert_uint_eq(row->word_hops - before.word_hops,
			                  2 * CHANNELS * r.passed);
			ck_assert_uint_eq(row->path_hops - before.path_hops,
			                  r.passed > 0);
			ck_assert_uint_eq(row->calls - before.calls, 1);
		}
		kvcache_fini(&c);
		grid_fini(&g);
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

			ck_assert(c->k[l][ch * c->capacity + at] == want);
			ck_assert(c->v[l][at * CHANNELS + ch] == -want);
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

			ledger_init(&l);
			grid_init(&g, n, 1, 1, 1, 0, 0, (void *)&no_links, &l);
			kvcache_init(&c, &g, &heads, LAYERS, MOST_TOKENS);
			fill_first(&c, prompt);
			check_stored(&c);
			while (c.tokens < MOST_TOKENS) {
				append_next(&c);
				check_stored(&c);
			}
			kvcache_fini(&c);
			grid_fini(&g);
		}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kvcache");
	TCase *t = tcase_create("kvcache");

	tcase_add_test(t, arithmetic_follows_the_rule);
	tcase_add_test(t, every_pass_is_charged);
	tcase_add_test(t, one_rank_stores_every_token_once);
	suite_add_tcase(s, t);
	return run_suite(s);
}
