/* What kernels charge on a core grid without data, against what every single
 * core does: the slowest sets the pace. The moves inside are charged by
 * themselves on a grid beside: mpi_line looks at those. Without MPI. */
#include "config.h"
#include "attention.h"
#include "gemm.h"
#include "gemv.h"
#include "norm.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "made_device.h"
#include "made_model.h"
#include "suite.h"

enum { CASES = 60, MOST = 16 };

/* A core grid and its account. */
struct place {
	struct ledger ledger;
	struct grid grid;
};

static void open_place(struct place *p, int rows, int cols, enum wl_type type)
{
	ledger_init(&p->ledger, &made_device, type, MOST);
	grid_init(&p->grid, rows, cols, 1, 1, 0, 0, NULL, &p->ledger);
}

static void close_place(struct place *p)
{
	for (int i = 0; i < NSRAM; i++)
		ck_assert_uint_eq(p->ledger.held[i], 0);
	grid_fini(&p->grid);
	ledger_fini(&p->ledger);
}

/* What was charged since the last call. */
static struct charge charged(struct place *p)
{
	struct charge *row = &p->ledger.row[0][0], c = *row;

	*row = (struct charge){ 0 };
	return c;
}

static void check_same(const struct charge *got, const struct charge *want)
{
#define WL_COUNTER(field, unit, help)                                         \
	ck_assert_msg(got->field == want->field, #field " is %llu, not %llu", \
	              (unsigned long long)got->field,                         \
	              (unsigned long long)want->field);
#include "counters.def"
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static enum wl_type throw_type(struct dice *d)
{
	return (enum wl_type)dice_throw(d, WL_F32, WL_BF16);
}

/* ---- one core's time, with made_device's numbers ---- */

static int size_of(enum wl_type type)
{
	return type == WL_F32 ? 4 : 2;
}

static uint64_t words_of(enum wl_type type, uint64_t n)
{
	return (n * size_of(type) + 3) / 4;
}

static uint64_t vector(enum wl_type type, uint64_t n)
{
	return 5 + (n * size_of(type) + 11) / 12;
}

static uint64_t gemm_time(enum wl_type type, int m, int n, int k)
{
	return m && n ? k * (29 + n * vector(type, m)) : 0;
}

static uint64_t gemv_time(enum wl_type type, int k, int n)
{
	return n ? k * vector(type, n) : 0;
}

/* A message of elements that goes some hops. */
static uint64_t exchange_time(enum wl_type type, int hops, uint64_t n)
{
	return (uint64_t)ceil(hops * 3.5) +
	       (uint64_t)ceil(words_of(type, n) * 2.5);
}

static uint64_t longer_by(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* ---- products ---- */

struct gemm_case {
	enum wl_type type;
	int side;
	struct part m, k, n;
};

/* Elements of all tiles in words, and of the largest. */
static void add_tiles(const struct gemm_case *c, const struct part *rows,
                      const struct part *columns, uint64_t *words,
                      uint64_t *largest)
{
	for (int i = 0; i < c->side * c->side; i++) {
		uint64_t n = (uint64_t)part_size(rows, i / c->side) *
		             part_size(columns, i % c->side);

		*words += words_of(c->type, n);
		*largest = most(*largest, n);
	}
}

static struct charge gemm_bill(const struct gemm_case *c)
{
	int hops = c->side > 2 ? 2 : 1, side = c->side;
	struct charge b = { .calls = 1 };
	uint64_t step = 0, wire = 0, words = 0, largest[2] = { 0, 0 };

	b.macs = (uint64_t)c->m.n * c->k.n * c->n.n;
	b.sram_bytes = 3 * b.macs * size_of(c->type);
	for (int i = 0; i < side * side; i++) {
		int m = part_size(&c->m, i / side), n = part_size(&c->n,
		                                                  i % side);
		uint64_t work = 0;

		for (int k = 0; k < side; k++) {
			work += m * n * part_size(&c->k, k);
			step = most(step, gemm_time(c->type, m, n,
			                            part_size(&c->k, k)));
		}
		b.busiest = most(b.busiest, work);
	}
	b.compute_cycles = side * step;
	add_tiles(c, &c->m, &c->k, &words, &largest[0]);
	add_tiles(c, &c->k, &c->n, &words, &largest[1]);
	wire = exchange_time(c->type, hops, most(largest[0], largest[1]));
	if (side > 1) {
		b.calls += 2 * side;
		b.words = side * words;
		/* Both operands go at the same time. */
		b.path_hops = side * hops;
		b.comm_cycles = side * (101 + longer_by(wire, step));
	}
	b.cycles = b.compute_cycles + b.comm_cycles;
	return b;
}

START_TEST(gemm_charges)
{
	struct dice d = { .key = 31 };

	for (int i = 0; i < CASES; i++) {
		int side = dice_throw(&d, 1, 7);
		struct gemm_case c = { throw_type(&d), side,
			part_of(dice_throw(&d, 1, 40), side),
			part_of(dice_throw(&d, 1, 40), side),
			part_of(dice_throw(&d, 1, 40), side) };
		struct charge want = gemm_bill(&c), got;
		struct tiles ta, tb, tc;
		struct place p;

		open_place(&p, side, side, c.type);
		tiles_init(&ta, &p.grid, AXIS_X, c.k, c.m, SRAM_ACTIVATIONS);
		tiles_init(&tb, &p.grid, AXIS_Y, c.k, c.n, SRAM_WEIGHTS);
		tiles_init(&tc, &p.grid, AXIS_X, c.n, c.m, SRAM_ACTIVATIONS);
		tiles_skew(&ta);
		tiles_set_skewed(&tb);
		charged(&p);
		gemm_mesh(&(struct gemm){ &ta, &tb, &tc });
		got = charged(&p);
		want.word_hops = got.word_hops; /* those of shifts */
		check_same(&got, &want);
		/* Both operands have a second place for what comes in. */
		ck_assert_uint_eq(p.ledger.sram[0][0], tiles_bytes(&tc) +
		                  2 * (tiles_bytes(&ta) + tiles_bytes(&tb)));
		tiles_fini(&tc);
		tiles_fini(&tb);
		tiles_fini(&ta);
		close_place(&p);
	}
}
END_TEST

/* Exchange cycles and all else of an all-reduce along an axis of elements or
 * words by line. */
static struct charge allreduce(const struct place *p, enum axis axis,
                               const uint64_t *words)
{
	struct place beside;
	struct line_segment all = { .first = 0 };
	struct charge c;

	open_place(&beside, p->grid.rows, p->grid.cols, p->ledger.type);
	for (int i = 0; i < grid_lines(&p->grid, axis); i++) {
		all.wire.all += words[i];
		all.wire.most = most(all.wire.most, words[i]);
	}
	struct line *l = grid_line(&beside.grid, axis);

	all.last = l->n - 1;
	line_allreduce(l, 1, &all, LINE_ADD);
	c = charged(&beside);
	close_place(&beside);
	return c;
}

static void throw_place(struct dice *d, struct place *p)
{
	open_place(p, dice_throw(d, 1, 8), dice_throw(d, 1, 8),
	           throw_type(d));
}

START_TEST(gemv_charges)
{
	struct dice d = { .key = 32 };

	for (int i = 0; i < CASES; i++) {
		bool turned = dice_throw(&d, 0, 1);
		enum axis axis = turned ? AXIS_X : AXIS_Y;
		int n = dice_throw(&d, 1, 3), k = dice_throw(&d, 1, 40);
		struct layout l[3];
		struct place p;
		struct slab s;

		throw_place(&d, &p);
		int lines = grid_lines(&p.grid, axis), width = 0;
		int cores = grid_line(&p.grid, axis)->n;
		uint64_t words[MOST] = { 0 }, held, columns[MOST] = { 0 };
		struct part ks = part_of(k, cores);
		int k_most = (k + cores - 1) / cores;

		for (int j = 0; j < n; j++) {
			int of = dice_throw(&d, 1, 30);

			l[j] = (struct layout){ &p.grid, ks,
			                        part_of(of, lines), turned };
			for (int q = 0; q < lines; q++)
				columns[q] += part_size(&l[j].n, q);
			width += of;
		}
		for (int q = 0; q < lines; q++)
			words[q] = words_of(p.ledger.type, columns[q]);
		slab_init(&s, l, n, SRAM_WEIGHTS);
		held = k_most * columns[0] * size_of(p.ledger.type);
		ck_assert_uint_eq(p.ledger.held[SRAM_WEIGHTS], held);
		gemv_tree(&s, NULL, NULL);

		struct charge want = allreduce(&p, axis, words);
		struct charge got = charged(&p);

		want.calls++;
		want.macs = (uint64_t)k * width;
		want.busiest = k_most * columns[0];
		want.sram_bytes = 3 * want.macs * size_of(p.ledger.type);
		want.compute_cycles = 307 + gemv_time(p.ledger.type, k_most,
		                                      columns[0]);
		want.cycles += want.compute_cycles;
		check_same(&got, &want);
		/* Its own sum, and another's that comes in. */
		ck_assert_uint_eq(p.ledger.sram[0][0], held + 8 * words[0]);
		slab_fini(&s);
		close_place(&p);
	}
}
END_TEST

/* ---- norms and the choice ---- */

/* Operations on each of n elements of a line, the same on all lines. */
static void add_line_work(struct charge *c, const struct place *p, int ops,
                          int n, int cores, int lines)
{
	int block = (n + cores - 1) / cores;

	c->ops = (uint64_t)ops * n * lines;
	c->busiest = ops * block;
	c->sram_bytes = 3 * c->ops * size_of(p->ledger.type);
	c->compute_cycles = ops * vector(p->ledger.type, block);
	c->cycles += c->compute_cycles;
}

START_TEST(norm_and_choice_charge)
{
	struct dice d = { .key = 33 };

	for (int i = 0; i < CASES; i++) {
		enum axis axis = dice_throw(&d, 0, 1) ? AXIS_X : AXIS_Y;
		int n = dice_throw(&d, 1, 50);
		uint64_t one[MOST], two[MOST];
		struct place p;

		for (int q = 0; q < MOST; q++) {
			one[q] = 1;
			two[q] = 2;
		}
		throw_place(&d, &p);
		struct line *l = grid_line(&p.grid, axis);
		int lines = grid_lines(&p.grid, axis);
		struct part part = part_of(n, l->n);
		struct charge want = allreduce(&p, axis, one), got;

		/* A square, a product with the root and one with the weight. */
		norm_vector(&p.grid, axis, &part, 1e-5, NULL, NULL, NULL);
		got = charged(&p);
		add_line_work(&want, &p, 3, n, l->n, lines);
		check_same(&got, &want);

		/* A look, and a change of mind; value and id travel. */
		argmax_vector(&p.grid, axis, &part, NULL);
		got = charged(&p);
		want = allreduce(&p, axis, two);
		add_line_work(&want, &p, 2, n, l->n, lines);
		check_same(&got, &want);
		close_place(&p);
	}
}
END_TEST

START_TEST(norm_of_rows_charges)
{
	struct dice d = { .key = 34 };

	for (int i = 0; i < CASES; i++) {
		int m = dice_throw(&d, 1, 40), n = dice_throw(&d, 1, 40);
		uint64_t words[MOST];
		struct tiles x, y;
		struct place p;

		throw_place(&d, &p);
		struct part rows = part_of(m, p.grid.rows);
		int row = part_size(&rows, 0);
		int column = (n + p.grid.cols - 1) / p.grid.cols;

		for (int q = 0; q < p.grid.rows; q++)
			words[q] = words_of(p.ledger.type,
			                    part_size(&rows, q));
		tiles_init(&x, &p.grid, AXIS_X, part_of(n, p.grid.cols), rows,
		           SRAM_ACTIVATIONS);
		y = x;
		norm_tiles(&x, 1e-5, NULL, &y);

		struct charge want = allreduce(&p, AXIS_X, words);
		struct charge got = charged(&p);

		want.ops = 3 * (uint64_t)m * n;
		want.busiest = 3 * row * column;
		want.sram_bytes = 3 * want.ops * size_of(p.ledger.type);
		want.compute_cycles = 3 * row * vector(p.ledger.type, column);
		want.cycles += want.compute_cycles;
		check_same(&got, &want);
		tiles_fini(&x);
		close_place(&p);
	}
}
END_TEST

/* ---- attention ---- */

struct attention {
	struct place p, beside;
	struct heads h;
	struct part tokens;
	struct tiles q, k, o, moving; /* moving: on the grid beside */
	struct scores s;
	int ring[MOST], group, most_heads;
};

static void attention_open(struct attention *a, struct dice *d)
{
	struct model m = made_shape(d);
	int rows = dice_throw(d, 1, 8), cols = dice_throw(d, 1, 8), k = 0;
	struct grid *g = &a->p.grid;

	open_place(&a->p, rows, cols, throw_type(d));
	open_place(&a->beside, rows, cols, a->p.ledger.type);
	a->h = heads_of(&m, cols);
	a->group = m.n_heads / m.n_kv_heads;
	a->tokens = part_of(dice_throw(d, 1, 40), rows);
	for (int y = 0; y < rows; y += 2)
		a->ring[k++] = y;
	for (int y = rows - 1 - rows % 2; y > 0; y -= 2)
		a->ring[k++] = y;
	a->most_heads = 0;
	for (int x = 0; x < cols; x++) {
		int here = 0;

		for (int i = 0; i < a->h.n_kv; i++)
			here += range_size(heads_channels(&a->h, i, x)) > 0;
		a->most_heads = here > a->most_heads ? here : a->most_heads;
	}
	tiles_init(&a->q, g, AXIS_X, a->h.q, a->tokens, SRAM_ACTIVATIONS);
	tiles_init(&a->o, g, AXIS_X, a->h.q, a->tokens, SRAM_ACTIVATIONS);
	tiles_init(&a->k, g, AXIS_Y, a->tokens, a->h.kv, SRAM_KV);
	tiles_init(&a->moving, &a->beside.grid, AXIS_Y, a->tokens, a->h.kv,
	           SRAM_KV);
	scores_init(&a->s, g, &a->h, a->tokens);
	charged(&a->p);
}

static void attention_close(struct attention *a)
{
	scores_fini(&a->s);
	tiles_fini(&a->moving);
	tiles_fini(&a->k);
	tiles_fini(&a->o);
	tiles_fini(&a->q);
	close_place(&a->beside);
	close_place(&a->p);
}

/* What each row has to do with its block in one step, for head i: parts of a
 * move along the head's columns. */
static struct line_parts step_parts(const struct attention *a, int i, int step,
                                    size_t *words, int *root)
{
	int rows = a->p.grid.rows, first = heads_first(&a->h, i);
	int columns = heads_last(&a->h, i) - first + 1;

	for (int k = 0; k < rows; k++) {
		int y = a->ring[k];
		int b = a->ring[(k - step + rows) % rows];

		words[y] = (size_t)a->group * part_size(&a->tokens, y) *
		           part_size(&a->tokens, b);
		root[y] = first + b % columns;
	}
	return (struct line_parts){ rows, { 0, rows }, words, root };
}

/* A turn of a step: K or V goes on while products run. In S V the heads'
 * multicasts run too. Returns the step's cycles of exchange that show. */
static struct charge turn_bill(struct attention *a, uint64_t product,
                               bool casts, int step)
{
	struct ledger *l = &a->beside.ledger;
	struct tiles_shift shift;

	ledger_together(l);
	ledger_charge(l, &(struct charge){ .compute_cycles = product });
	tiles_shift_start(&shift, &a->moving, NULL);
	for (int i = 0; i < a->h.n_kv && casts; i++) {
		size_t words[MOST];
		int root[MOST];
		struct line_parts parts = step_parts(a, i, step, words, root);

		line_multicast(&a->beside.grid.x, heads_first(&a->h, i),
		               heads_last(&a->h, i), &parts, NULL, step > 0);
	}
	ledger_join(l);
	tiles_shift_finish(&shift);
	return charged(&a->beside);
}

/* The heads' reductions of a step, side by side: the longest counts. */
static struct charge reduce_bill(struct attention *a, int step)
{
	struct charge sum = { 0 };

	for (int i = 0; i < a->h.n_kv; i++) {
		size_t words[MOST];
		int root[MOST];
		struct line_parts parts = step_parts(a, i, step, words, root);
		struct charge c;

		line_reduce(&a->beside.grid.x, heads_first(&a->h, i),
		            heads_last(&a->h, i), &parts, LINE_ADD, NULL, 0);
		c = charged(&a->beside);
		sum.calls += c.calls;
		sum.words += c.words;
		sum.word_hops += c.word_hops;
		sum.path_hops = most(sum.path_hops, c.path_hops);
		sum.stages = most(sum.stages, c.stages);
		sum.cycles = sum.comm_cycles = most(sum.cycles, c.cycles);
	}
	return sum;
}

static void add(struct charge *sum, const struct charge *c)
{
#define WL_COUNTER(field, unit, help) sum->field += c->field;
#include "counters.def"
}

/* Multiply-adds of the unmasked product: every core all tokens. */
static struct charge product_bill(const struct attention *a)
{
	uint64_t n = a->tokens.n;
	struct charge c = { .calls = 1, .macs = n * n * a->h.q.n };

	c.sram_bytes = 3 * c.macs * size_of(a->p.ledger.type);
	for (int x = 0; x < a->p.grid.cols; x++)
		for (int y = 0; y < a->p.grid.rows; y++)
			c.busiest = most(c.busiest, n * part_size(&a->tokens,
			                 y) * part_size(&a->h.q, x));
	return c;
}

START_TEST(scores_charge)
{
	struct dice d = { .key = 35 };

	for (int i = 0; i < CASES; i++) {
		struct attention a;

		attention_open(&a, &d);
		struct charge want = product_bill(&a), got, c;
		int block = part_max(&a.tokens);
		uint64_t product = a.group *
			gemm_time(a.p.ledger.type, block, block,
			          part_max(&a.h.kv));

		for (int step = 0; step < a.p.grid.rows; step++) {
			c = turn_bill(&a, product, false, step);
			add(&want, &c);
			c = reduce_bill(&a, step);
			add(&want, &c);
		}
		attention_scores(&a.s, &a.q, &a.k);
		got = charged(&a.p);
		check_same(&got, &want);
		attention_close(&a);
	}
}
END_TEST

/* The fullest column's heads share its channels: one product for each. */
START_TEST(values_charge)
{
	struct dice d = { .key = 36 };

	for (int i = 0; i < CASES; i++) {
		struct attention a;

		attention_open(&a, &d);
		struct charge want = product_bill(&a), got, c;
		int block = part_max(&a.tokens), heads = a.most_heads;
		uint64_t product = a.group * heads *
			gemm_time(a.p.ledger.type, block,
			          (part_max(&a.h.kv) + heads - 1) / heads,
			          block);

		for (int step = 0; step < a.p.grid.rows; step++) {
			c = turn_bill(&a, product, true, step);
			add(&want, &c);
		}
		attention_values(&a.s, &a.k, &a.o);
		got = charged(&a.p);
		check_same(&got, &want);
		attention_close(&a);
	}
}
END_TEST

/* Tokens on the longest row of a column's tile of any head. */
static int longest_row(const struct attention *a)
{
	int longest = 0;

	for (int i = 0; i < a->h.n_kv; i++) {
		int columns = heads_last(&a->h, i) - heads_first(&a->h, i) + 1;

		for (int x = 0; x < columns; x++) {
			int n = 0;

			for (int b = x; b < a->tokens.parts; b += columns)
				n += part_size(&a->tokens, b);
			longest = n > longest ? n : longest;
		}
	}
	return longest;
}

/* Every score is scaled, masked, compared, made an exponential, summed and
 * divided; a maximum and a sum of every row go along the head. */
START_TEST(softmax_charges)
{
	struct dice d = { .key = 37 };

	for (int i = 0; i < CASES; i++) {
		struct attention a;
		struct charge got, want = { 0 };

		attention_open(&a, &d);
		enum wl_type type = a.p.ledger.type;
		struct line_segment s[MOST];
		uint64_t rows = (uint64_t)a.most_heads * a.group *
		                part_max(&a.tokens);
		int n = longest_row(&a);

		ck_assert_uint_eq(a.p.ledger.held[SRAM_ACTIVATIONS],
		                  tiles_bytes(&a.q) + tiles_bytes(&a.o) +
		                  rows * n * size_of(type));
		memset(s, 0, sizeof s);
		for (int k = 0; k < a.h.n_kv; k++) {
			s[k].first = heads_first(&a.h, k);
			s[k].last = heads_last(&a.h, k);
			for (int y = 0; y < a.tokens.parts; y++) {
				uint64_t words = words_of(type, a.group *
					part_size(&a.tokens, y));

				s[k].wire.all += words;
				s[k].wire.most = most(s[k].wire.most, words);
			}
		}
		for (int k = 0; k < 2; k++)
			line_allreduce(&a.beside.grid.x, a.h.n_kv, s,
			               LINE_ADD);
		want = charged(&a.beside);
		want.ops = (uint64_t)19 * a.tokens.n * a.tokens.n *
		           a.h.n_kv * a.group;
		want.busiest = 19 * rows * n;
		want.sram_bytes = 3 * want.ops * size_of(type);
		want.compute_cycles = 19 * rows * vector(type, n);
		want.cycles += want.compute_cycles;
		attention_softmax(&a.s);
		got = charged(&a.p);
		check_same(&got, &want);
		attention_close(&a);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("charges");
	TCase *t = tcase_create("kernels");

	tcase_add_test(t, gemm_charges);
	tcase_add_test(t, gemv_charges);
	tcase_add_test(t, norm_and_choice_charge);
	tcase_add_test(t, norm_of_rows_charges);
	tcase_add_test(t, scores_charge);
	tcase_add_test(t, values_charge);
	tcase_add_test(t, softmax_charges);
	suite_add_tcase(s, t);
	return run_suite(s);
}
