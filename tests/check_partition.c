/* Pure arithmetic, each against a slow count: partitions, both kinds of ring,
 * heads on columns, the choice of a rank grid. */
#include "config.h"
#include "base/partition.h"
#include "model/heads.h"
#include "host/mesh.h"
#include "grid/ring.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "suite.h"

/* Deals units to blocks in turn; size [parts] receives the blocks' units. */
static void deal(int units, int parts, int *size)
{
	for (int i = 0; i < parts; i++)
		size[i] = 0;
	for (int u = 0; u < units; u++)
		size[u % parts]++;
}

static void check_partition(const struct partition *p)
{
	int size[p->parts], at = 0;

	deal(p->n / p->unit, p->parts, size);
	for (int i = 0; i < p->parts; i++) {
		ck_assert_int_eq(partition_start(p, i), at);
		ck_assert_int_eq(partition_size(p, i), size[i] * p->unit);
		for (int j = 0; j < partition_size(p, i); j++)
			ck_assert_int_eq(partition_owner(p, at + j), i);
		at += partition_size(p, i);
	}
	ck_assert_int_eq(at, p->n);
	ck_assert_int_eq(partition_start(p, p->parts), p->n);
	ck_assert_int_eq(partition_max(p), size[0] * p->unit);
}

START_TEST(blocks_are_as_if_dealt)
{
	static const int unit[] = { 1, 2, 6 };

	for (int k = 0; k < 3; k++)
		for (int parts = 1; parts <= 24; parts++)
			for (int units = 0; units <= 50; units++) {
				struct partition p = { units * unit[k], unit[k],
				                  parts, false };

				check_partition(&p);
			}
	struct partition p = partition_of(7, 3);

	ck_assert_int_eq(p.unit, 1);
	ck_assert_int_eq(partition_size(&p, 0), 3);
}
END_TEST

START_TEST(large_partitions_do_not_overflow)
{
	struct partition p = partition_of(1 << 30, 1000);

	ck_assert_int_eq(partition_start(&p, 1000), 1 << 30);
	ck_assert_int_eq(partition_owner(&p, (1 << 30) - 1), 999);
	ck_assert_int_eq(partition_start(&p, 999) + partition_size(&p, 999),
	                 1 << 30);
}
END_TEST

/* ---- dispersed partitions ---- */

/* Limits of the partitions that are checked one by one. */
enum { MOST_UNITS = 50, MOST_PARTS = 36 };

/* Checks one dispersed partition by itself. */
static void check_dispersed(const struct partition *p)
{
	int units = p->n / p->unit, at = 0;
	int less = units / p->parts, larger = 0, foreign = 0;

	for (int i = 0; i < p->parts; i++) {
		int size = partition_size(p, i);

		ck_assert_int_eq(partition_start(p, i), at);
		/* Sizes differ by one unit at most. */
		ck_assert(size == less * p->unit ||
		          size == (less + 1) * p->unit);
		larger += size > less * p->unit;
		for (int j = 0; j < size; j++)
			foreign += partition_owner(p, at + j) != i;
		at += size;
		/* Larger blocks are evenly dispersed: the first i + 1 blocks
		 * have their share of them, rounded up. */
		int share = units % p->parts * (i + 1);

		ck_assert_int_eq(larger, (share + p->parts - 1) / p->parts);
	}
	ck_assert_int_eq(foreign, 0);
	ck_assert_int_eq(at, p->n);
	ck_assert_int_eq(partition_start(p, p->parts), p->n);
	ck_assert_int_eq(larger, partition_larger(p));
	/* Block 0 is one of the largest. */
	ck_assert_int_eq(partition_size(p, 0), (less + (larger > 0)) * p->unit);
	ck_assert_int_eq(partition_max(p), partition_size(p, 0));
}

START_TEST(dispersed_blocks_are_even)
{
	static const int unit[] = { 1, 2, 6 };

	for (int k = 0; k < 3; k++)
		for (int parts = 1; parts <= MOST_PARTS; parts++)
			for (int units = 0; units <= MOST_UNITS; units++)
				check_dispersed(&(struct partition){
					units * unit[k], unit[k], parts,
					true });
}
END_TEST

/* Every `each` blocks of the finer partition make one block of the coarser. */
static void check_refines(const struct partition *fine,
                          const struct partition *coarse)
{
	int each = fine->parts / coarse->parts, wrong = 0;

	ck_assert_int_eq(fine->parts % coarse->parts, 0);
	for (int i = 0; i <= coarse->parts; i++)
		wrong += partition_start(coarse, i) !=
		         partition_start(fine, i * each);
	for (int i = 0; i < coarse->parts; i++) {
		struct range r = partition_range(fine, (struct range){
			i * each, (i + 1) * each });

		wrong += r.lo != partition_start(coarse, i) ||
		         range_size(r) != partition_size(coarse, i);
	}
	for (int item = 0; item < fine->n; item++)
		wrong += partition_owner(fine, item) / each !=
		         partition_owner(coarse, item);
	ck_assert_msg(wrong == 0, "%d items in units of %d: %d blocks do not "
	              "make %d", fine->n, fine->unit, fine->parts,
	              coarse->parts);
}

START_TEST(dispersed_cuts_refine_those_of_all_divisors)
{
	for (int parts = 1; parts <= 60; parts++)
		for (int coarse = 1; coarse <= parts; coarse++)
			for (int units = 0; parts % coarse == 0 &&
			     units <= 70; units++) {
				struct partition a = { 2 * units, 2, parts,
					               true };
				struct partition b = { 2 * units, 2, coarse,
					               true };

				check_refines(&a, &b);
			}
}
END_TEST

static int common_multiple(int a, int b)
{
	int m = a;

	while (m % b)
		m += a;
	return m;
}

/* The purpose of dispersed partitions: with as many blocks as the least common
 * multiple of a grid's sides, no block is split between cores of either axis.
 * Partitions with the larger blocks first do not have this property. */
START_TEST(dispersed_cuts_refine_both_sides_of_a_grid)
{
	struct partition a = { 9, 1, 6, false }, b = { 9, 1, 3, false };

	for (int rows = 1; rows <= 16; rows++)
		for (int cols = 1; cols <= 16; cols++)
			for (int n = 0; n <= 101; n += 7) {
				int blocks = common_multiple(rows, cols);
				struct partition all = { n, 1, blocks, true };
				struct partition y = { n, 1, rows, true };
				struct partition x = { n, 1, cols, true };

				check_refines(&all, &y);
				check_refines(&all, &x);
			}
	ck_assert_int_ne(partition_start(&a, 2), partition_start(&b, 1));
}
END_TEST

/* Both kinds are the same when the parts divide the units. */
START_TEST(dispersed_or_not_even_cuts_are_the_same)
{
	for (int parts = 1; parts <= 24; parts++)
		for (int each = 0; each <= 5; each++) {
			struct partition a = { each * parts, 1, parts, false };
			struct partition b = { each * parts, 1, parts, true };

			for (int i = 0; i <= parts; i++)
				ck_assert_int_eq(partition_start(&a, i),
				                 partition_start(&b, i));
		}
}
END_TEST

START_TEST(large_dispersed_partitions_do_not_overflow)
{
	const int n = 1 << 30, parts = (1 << 20) - 1;
	struct partition p = { n, 1, parts, true }, q = { n, 1, 1023, true };

	ck_assert_int_eq(partition_start(&p, parts), n);
	ck_assert_int_eq(partition_owner(&p, n - 1), parts - 1);
	ck_assert_int_eq(partition_size(&p, parts - 1), n / parts);
	ck_assert_int_eq(partition_max(&p), n / parts + 1);
	/* 1023 divides 2^20 - 1. */
	ck_assert_int_eq(partition_start(&p, parts / 1023 * 1000),
	                 partition_start(&q, 1000));
	for (int i = 0; i < parts; i += 4999)
		ck_assert_int_eq(partition_owner(&p, partition_start(&p, i)),
		                 i);
}
END_TEST

START_TEST(ranges_meet_item_by_item)
{
	const int n = 6;

	for (int code = 0; code < n * n * n * n; code++) {
		struct range a = { code % n, code / n % n };
		struct range b = { code / n / n % n, code / n / n / n };
		struct range both = range_intersect(a, b);
		int common = 0;

		for (int i = 0; i < n; i++) {
			bool in = i >= a.lo && i < a.hi && i >= b.lo &&
			          i < b.hi;

			common += in;
			ck_assert_int_eq(in, i >= both.lo && i < both.hi);
		}
		ck_assert_int_eq(range_size(both), common);
	}
}
END_TEST

START_TEST(ranges_of_blocks_are_their_items)
{
	struct partition p = { 22, 2, 4, false }; /* 6 6 6 4 */

	for (int lo = 0; lo <= 4; lo++)
		for (int hi = lo; hi <= 4; hi++) {
			struct range blocks = { lo, hi };
			struct range r = partition_range(&p, blocks);
			int items = 0;

			for (int i = lo; i < hi; i++)
				items += partition_size(&p, i);
			ck_assert_int_eq(r.lo, partition_start(&p, lo));
			ck_assert_int_eq(range_size(r), items);
		}
}
END_TEST

static int at_most(int a, int b)
{
	return a < b ? a : b;
}

static int at_least(int a, int b)
{
	return a > b ? a : b;
}

/* WaferLLM (OSDI'25), Algorithm 1 as printed, n >= 3: the core that core i
 * sends to. */
static int interleave_send(int i, int n)
{
	if (i == n - 1 && n % 2)
		return n - 2;
	return i % 2 ? at_least(i - 2, 0) : at_most(i + 2, n - 1);
}

static int interleave_receive(int i, int n)
{
	if (i == 0)
		return 1;
	if (i == n - 1 && n % 2 == 0)
		return n - 2;
	return i % 2 ? at_most(i + 2, n - 1) : at_least(i - 2, 0);
}

START_TEST(ring_is_algorithm_1)
{
	for (int n = 3; n <= 200; n++)
		for (int i = 0; i < n; i++) {
			int to = ring_next(i, 1, n);

			ck_assert_int_eq(to, interleave_send(i, n));
			ck_assert_int_eq(ring_next(i, -1, n),
			                 interleave_receive(i, n));
			ck_assert_int_le(abs(to - i), 2);
		}
}
END_TEST

START_TEST(ring_visits_every_core_once)
{
	for (int n = 1; n <= 200; n++) {
		bool seen[200] = { false };
		int core = 0;

		for (int k = 0; k < n; k++) {
			ck_assert(!seen[core]);
			seen[core] = true;
			ck_assert_int_eq(ring_pos(core, n), k);
			ck_assert_int_eq(ring_core(k, n), core);
			core = ring_next(core, 1, n);
		}
		ck_assert_int_eq(core, 0);
	}
	ck_assert_int_eq(ring_next(0, 1, 1), 0);
	ck_assert_int_eq(ring_next(0, -1, 1), 0);
	ck_assert_int_eq(ring_next(1, -1, 2), 0);
}
END_TEST

/* The natural ring step by step; the interleaved one equals the functions for
 * it alone. */
START_TEST(rings_of_either_kind)
{
	for (int n = 1; n <= 100; n++)
		for (int i = 0; i < n; i++) {
			ck_assert_int_eq(ring_pos_of(RING_NATURAL, i, n), i);
			ck_assert_int_eq(ring_core_of(RING_NATURAL, i, n), i);
			ck_assert_int_eq(ring_next_of(RING_NATURAL, i, 1, n),
			                 i == n - 1 ? 0 : i + 1);
			ck_assert_int_eq(ring_next_of(RING_NATURAL, i, -1, n),
			                 i == 0 ? n - 1 : i - 1);
			ck_assert_int_eq(ring_pos_of(RING_INTERLEAVE, i, n),
			                 ring_pos(i, n));
			ck_assert_int_eq(ring_core_of(RING_INTERLEAVE, i, n),
			                 ring_core(i, n));
			for (int step = -1; step <= 1; step += 2)
				ck_assert_int_eq(
					ring_next_of(RING_INTERLEAVE, i, step,
					             n),
					ring_next(i, step, n));
		}
}
END_TEST

/* One tile crosses each cut each way, which lets a rank exchange one message
 * with each neighbour. */
static void check_cuts(enum ring_kind kind, int n)
{
	for (int cut = 0; cut + 1 < n; cut++) {
		int up = 0, down = 0;

		for (int i = 0; i < n; i++) {
			int to = ring_next_of(kind, i, 1, n);

			up += i <= cut && to > cut;
			down += i > cut && to <= cut;
		}
		ck_assert_int_eq(up, 1);
		ck_assert_int_eq(down, 1);
	}
}

START_TEST(one_tile_crosses_each_cut_each_way)
{
	for (int n = 2; n <= 200; n++) {
		check_cuts(RING_INTERLEAVE, n);
		check_cuts(RING_NATURAL, n);
	}
}
END_TEST

/* Checks the columns of head g. column [n_kv * head_dim]: of each KV channel.
 */
static void check_head(const struct heads *h, const int *column, int g)
{
	int lo = g * h->head_dim, hi = lo + h->head_dim;

	ck_assert_int_eq(heads_first(h, g), column[lo]);
	ck_assert_int_eq(heads_last(h, g), column[hi - 1]);
	for (int x = 0; x < h->kv.parts; x++) {
		struct range r = heads_channels(h, g, x);
		int start = 0, on = 0, first = -1;

		for (int c = 0; c < h->kv.n; c++) {
			start += column[c] < x;
			if (column[c] != x || c < lo || c >= hi)
				continue;
			first = first < 0 ? c : first;
			on++;
		}
		ck_assert_int_eq(range_size(r), on);
		if (on)
			ck_assert_int_eq(start + r.lo, first);
	}
}

/* Checks which heads have a channel on columns [lo, hi). */
static void check_heads_on(const struct heads *h, const int *column, int lo,
                           int hi)
{
	struct range r = heads_on(h, (struct range){ lo, hi });

	for (int g = 0; g < h->n_kv; g++) {
		bool on = false;

		for (int c = 0; c < h->head_dim; c++) {
			int x = column[g * h->head_dim + c];

			on |= x >= lo && x < hi;
		}
		ck_assert_int_eq(on, g >= r.lo && g < r.hi);
	}
}

static void check_heads(int n_kv, int head_dim, int group, int cols)
{
	struct model m = { .n_heads = n_kv * group, .n_kv_heads = n_kv,
	                   .head_dim = head_dim };
	struct heads h = heads_of(&m, cols);
	int column[n_kv * head_dim], pairs[cols], c = 0;

	deal(n_kv * head_dim / 2, cols, pairs);
	for (int x = 0; x < cols; x++)
		for (int i = 0; i < 2 * pairs[x]; i++)
			column[c++] = x;
	ck_assert_int_eq(h.n_kv, n_kv);
	ck_assert_int_eq(h.head_dim, head_dim);
	ck_assert_int_eq(h.group, group);
	for (int x = 0; x < cols; x++) {
		ck_assert_int_eq(partition_size(&h.kv, x), 2 * pairs[x]);
		/* Each query channel is on the column of its key channel. */
		ck_assert_int_eq(partition_start(&h.q, x),
		                 group * partition_start(&h.kv, x));
		ck_assert_int_eq(partition_size(&h.q, x),
		                 group * partition_size(&h.kv, x));
	}
	for (int g = 0; g < n_kv; g++)
		check_head(&h, column, g);
	for (int lo = 0; lo < cols; lo++)
		for (int hi = lo + 1; hi <= cols; hi++)
			check_heads_on(&h, column, lo, hi);
}

START_TEST(heads_lie_where_their_channels_fall)
{
	static const int dim[] = { 2, 4, 6, 10, 16 };

	for (int n_kv = 1; n_kv <= 7; n_kv++)
		for (int d = 0; d < 5; d++)
			for (int group = 1; group <= 4; group++)
				for (int cols = 1; cols <= 17; cols++)
					check_heads(n_kv, dim[d], group, cols);
}
END_TEST

/* The better of two rank grids: more ranks, then squarer, then wider. */
static bool better(int r, int c, int rows, int cols)
{
	if (r * c != rows * cols)
		return r * c > rows * cols;
	if (abs(r - c) != abs(rows - cols))
		return abs(r - c) < abs(rows - cols);
	return c > cols;
}

static void check_choice(int n, int max_rows, int max_cols)
{
	int rows, cols;

	mesh_choose(n, max_rows, max_cols, &rows, &cols);
	ck_assert_int_ge(rows, 1);
	ck_assert_int_ge(cols, 1);
	ck_assert_int_le(rows, max_rows);
	ck_assert_int_le(cols, max_cols);
	ck_assert_int_le(rows * cols, n);
	for (int r = 1; r <= max_rows; r++)
		for (int c = 1; c <= max_cols && r * c <= n; c++)
			ck_assert(!better(r, c, rows, cols));
}

START_TEST(no_rank_grid_is_better_than_the_chosen)
{
	for (int n = 1; n <= 64; n++)
		for (int r = 1; r <= 16; r++)
			for (int c = 1; c <= 16; c++)
				check_choice(n, r, c);
	check_choice(61, 61, 61);
	check_choice(64, 61, 3);
}
END_TEST

START_TEST(known_rank_grids)
{
	static const struct {
		int ranks, max, rows, cols;
	} want[] = {
		{ 1, 16, 1, 1 }, { 2, 16, 1, 2 }, { 6, 16, 2, 3 },
		{ 61, 16, 6, 10 }, { 64, 16, 8, 8 }, { 64, 4, 4, 4 },
		{ 61, 61, 1, 61 }, { 5, 1, 1, 1 },
	};

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		int rows, cols;

		mesh_choose(want[i].ranks, want[i].max, want[i].max, &rows,
		            &cols);
		ck_assert_int_eq(rows, want[i].rows);
		ck_assert_int_eq(cols, want[i].cols);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("partition");
	TCase *t = tcase_create("partition");

	tcase_add_test(t, blocks_are_as_if_dealt);
	tcase_add_test(t, large_partitions_do_not_overflow);
	tcase_add_test(t, dispersed_blocks_are_even);
	tcase_add_test(t, dispersed_cuts_refine_those_of_all_divisors);
	tcase_add_test(t, dispersed_cuts_refine_both_sides_of_a_grid);
	tcase_add_test(t, dispersed_or_not_even_cuts_are_the_same);
	tcase_add_test(t, large_dispersed_partitions_do_not_overflow);
	tcase_add_test(t, ranges_meet_item_by_item);
	tcase_add_test(t, ranges_of_blocks_are_their_items);
	tcase_add_test(t, ring_is_algorithm_1);
	tcase_add_test(t, ring_visits_every_core_once);
	tcase_add_test(t, rings_of_either_kind);
	tcase_add_test(t, one_tile_crosses_each_cut_each_way);
	tcase_add_test(t, heads_lie_where_their_channels_fall);
	tcase_add_test(t, no_rank_grid_is_better_than_the_chosen);
	tcase_add_test(t, known_rank_grids);
	suite_add_tcase(s, t);
	return run_suite(s);
}
