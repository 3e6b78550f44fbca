/* Charges of kernels on a core grid without data, against the work of every
 * single core: the slowest determines the cycles. The moves within a kernel are
 * charged on a second grid; mpi_line tests them. Without MPI. */
#include "config.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/attention.h"
#include "mpi_kernels/products/gemm.h"
#include "mpi_kernels/products/gemmt.h"
#include "mpi_kernels/products/gemv.h"
#include "mpi_kernels/norm.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "made_device.h"
#include "made_model.h"
#include "mpi_kernels/moves/shift.h"
#include "suite.h"

enum { CASES = 60, MOST = 16 };

/* A core grid and its account. */
struct place {
	struct ledger ledger;
	struct grid grid;
};

static void open_place_on(struct place *p, const struct device *d, int rows,
                          int cols, enum wl_type type)
{
	ledger_init(&p->ledger, d, type, MOST);
	grid_init(&p->grid, rows, cols, 1, 1, 0, 0, NULL, &p->ledger);
}

static void open_place(struct place *p, int rows, int cols, enum wl_type type)
{
	open_place_on(p, &made_device, rows, cols, type);
}

static void close_place(struct place *p)
{
	for (int i = 0; i < NSRAM; i++)
		ck_assert_uint_eq(p->ledger.allocated[i], 0);
	grid_fini(&p->grid);
	ledger_fini(&p->ledger);
}

/* The charges since the last call. */
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
#include "device/counters.def"
}

static uint64_t max(uint64_t a, uint64_t b)
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

/* A message of elements over some hops. */
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
	struct partition m, k, n;
};

/* Elements of all tiles in words, and of the largest. */
static void add_tiles(const struct gemm_case *c, const struct partition *rows,
                      const struct partition *columns, uint64_t *words,
                      uint64_t *largest)
{
	for (int i = 0; i < c->side * c->side; i++) {
		uint64_t n = (uint64_t)partition_size(rows, i / c->side) *
		             partition_size(columns, i % c->side);

		*words += words_of(c->type, n);
		*largest = max(*largest, n);
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
		int m = partition_size(&c->m, i / side),
		    n = partition_size(&c->n, i % side);
		uint64_t work = 0;

		for (int k = 0; k < side; k++) {
			work += m * n * partition_size(&c->k, k);
			step = max(step, gemm_time(c->type, m, n,
			                            partition_size(&c->k, k)));
		}
		b.busiest = max(b.busiest, work);
	}
	/* Empty blocks of k take no time, whichever step they come in. */
	if (c->k.n < side)
		step = (gemm_time(c->type, partition_size(&c->m, 0),
		                  partition_size(&c->n, 0), c->k.n) +
		        side - 1) /
		       side;
	b.compute_cycles = side * step;
	add_tiles(c, &c->m, &c->k, &words, &largest[0]);
	add_tiles(c, &c->k, &c->n, &words, &largest[1]);
	wire = exchange_time(c->type, hops, max(largest[0], largest[1]));
	if (side > 1) {
		b.calls += 2 * side;
		b.words = side * words;
		/* Both operands move at the same time. */
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
			partition_of(dice_throw(&d, 1, 40), side),
			partition_of(dice_throw(&d, 1, 40), side),
			partition_of(dice_throw(&d, 1, 40), side) };
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
		ck_assert_uint_eq(p.ledger.sram[0][0],
		                  tiles_core_bytes(&tc) +
		                  2 * tiles_core_bytes(&ta) +
		                  2 * tiles_core_bytes(&tb));
		tiles_fini(&tc);
		tiles_fini(&tb);
		tiles_fini(&ta);
		close_place(&p);
	}
}
END_TEST

/* ---- products on any grid, by any algorithm ---- */

/* A made-up device whose routers hold few paths: where a path of its own for
 * each core of a line is wanted, software has to send on after this many hops.
 */
enum { STRETCH = 3 };

static struct device few_routes(void)
{
	struct device d = made_device;

	d.routes = 2 * STRETCH + 1;
	return d;
}

/* [m][k] by [k][n]: m on the rows, n on the columns, k in as many blocks as
 * both sides divide. each: blocks on a core of a line of x, of y. */
struct product {
	enum wl_type type;
	int rows, cols, blocks, each[2];
	struct partition m, n, k;
	uint64_t m_most, n_most, k_most; /* of the largest blocks */
};

/* The expected charge. */
struct bill {
	struct charge c;
	uint64_t link[2][MOST];   /* words over each cut, by axis */
	uint64_t paths;
};

static uint64_t largest_of(const struct partition *p)
{
	uint64_t largest = 0;

	for (int i = 0; i < p->parts; i++)
		largest = max(largest, partition_size(p, i));
	return largest;
}

static struct product throw_product(struct dice *d)
{
	struct product p = { .type = throw_type(d),
	                     .rows = dice_throw(d, 1, 8),
	                     .cols = dice_throw(d, 1, 8) };

	if (dice_throw(d, 0, 2) == 0)
		p.cols = p.rows;
	for (p.blocks = p.rows; p.blocks % p.cols; p.blocks += p.rows)
		;
	p.each[AXIS_X] = p.blocks / p.cols;
	p.each[AXIS_Y] = p.blocks / p.rows;
	p.m = partition_of(dice_throw(d, 1, 40), p.rows);
	p.n = partition_of(dice_throw(d, 1, 40), p.cols);
	p.k = (struct partition){ dice_throw(d, 1, 90), 1, p.blocks,
	                     p.rows != p.cols };
	p.m_most = largest_of(&p.m);
	p.n_most = largest_of(&p.n);
	p.k_most = largest_of(&p.k);
	return p;
}

/* Multiply-adds: of all cores, and of the one with the most of them. */
static void add_work(struct bill *b, enum wl_type type, uint64_t macs,
                     uint64_t busiest)
{
	b->c.calls++;
	b->c.macs += macs;
	b->c.busiest += busiest;
	b->c.sram_bytes += 3 * macs * size_of(type);
}

/* One exchange of those that run at the same time. */
struct exchange {
	uint64_t setup, wire, hops, stages, relay;
};

/* Exchanges along both axes overlapped with arithmetic, which hides the time on
 * the links but not the cores' own work. */
static void add_step(struct bill *b, uint64_t arithmetic,
                     const struct exchange e[2])
{
	b->c.compute_cycles += arithmetic;
	b->c.comm_cycles += max(e[0].setup, e[1].setup) +
	                    e[0].relay + e[1].relay +
	                    longer_by(max(e[0].wire, e[1].wire), arithmetic);
	b->c.path_hops += max(e[0].hops, e[1].hops);
	b->c.stages += max(e[0].stages, e[1].stages);
}

/* A message along an axis, link by link. */
static void send(struct bill *b, enum axis axis, int from, int to,
                 uint64_t words)
{
	for (int p = from; p < to; p++)
		b->link[axis][p] += words;
	for (int p = to; p < from; p++)
		b->link[axis][p] += words;
	b->c.words += from == to ? 0 : words;
	b->c.word_hops += abs(to - from) * words;
}

/* Tiles on a ring of places: the block at [line][place]. */
enum { MOST_PLACES = 64 };

struct round {
	enum axis axis;
	enum wl_type type;
	const struct partition *ring, *fixed;
	int each, ring_of[MOST_PLACES], block[MOST][MOST_PLACES];
	uint64_t longest, largest; /* hops of an edge, elements of a tile */
};

static void list_ring(enum ring_kind kind, int n, int *ring)
{
	int k = 0;

	for (int p = 0; kind == RING_NATURAL && p < n; p++)
		ring[k++] = p;
	for (int p = 0; kind != RING_NATURAL && p < n; p += 2)
		ring[k++] = p;
	for (int p = n - 1 - n % 2; k < n; p -= 2)
		ring[k++] = p;
}

/* Largest number of items on a core, which has that many adjacent places, at
 * any time during a turn. */
static uint64_t held_most(const int *ring_of, int each,
                          const struct partition *p)
{
	uint64_t fullest = 0;
	int n = p->parts, at[MOST_PLACES];

	for (int i = 0; i < n; i++)
		at[ring_of[i]] = i;
	for (int turned = 0; turned < n; turned++)
		for (int core = 0; core < n / each; core++) {
			uint64_t held = 0;

			for (int i = core * each; i < (core + 1) * each; i++)
				held += partition_size(
					p, ring_of[(at[i] + turned) % n]);
			fullest = max(fullest, held);
		}
	return fullest;
}

static void start_round(struct round *r, enum ring_kind kind, enum axis axis,
                        int each, bool skewed, enum wl_type type,
                        const struct partition *ring,
                        const struct partition *fixed)
{
	int n = ring->parts, lines = fixed->parts;

	*r = (struct round){ .axis = axis, .type = type, .ring = ring,
	                     .fixed = fixed, .each = each };
	list_ring(kind, n, r->ring_of);
	for (int q = 0; q < lines; q++) {
		int first = 0;

		/* Line q stands as the place does that is as far along. */
		while (skewed && r->ring_of[first] != q * n / lines)
			first++;
		for (int i = 0; i < n; i++)
			r->block[q][r->ring_of[i]] =
				r->ring_of[(i + first) % n];
	}
	for (int i = 0; i < n; i++)
		r->longest = max(r->longest, abs(r->ring_of[i] / each -
			r->ring_of[(i + 1) % n] / each));
	r->largest = largest_of(ring) * largest_of(fixed);
}

/* All tiles move one place on. */
static struct exchange go_on(struct bill *b, struct round *r)
{
	int n = r->ring->parts;
	uint64_t before = b->c.words;

	b->c.calls += n > r->each; /* more than one core */
	for (int q = 0; q < r->fixed->parts; q++) {
		int now[MOST_PLACES];

		for (int i = 0; i < n; i++) {
			int p = r->ring_of[i], to = r->ring_of[(i + 1) % n];
			int held = r->block[q][p];

			now[to] = held;
			send(b, r->axis, p / r->each, to / r->each,
			     words_of(r->type, (uint64_t)partition_size(r->ring,
			              held) * partition_size(r->fixed, q)));
		}
		memcpy(r->block[q], now, sizeof now);
	}
	if (b->c.words == before)
		return (struct exchange){ 0 };
	return (struct exchange){
		.setup = 101, .hops = r->longest,
		.wire = exchange_time(r->type, r->longest, r->largest) };
}

/* A core's tiles, and a second place for one that comes, or for one from
 * either side, where a core has more places than one. */
static uint64_t round_bytes(const struct round *r)
{
	return (held_most(r->ring_of, r->each, r->ring) *
	        largest_of(r->fixed) + (r->each > 1 ? 2 : 1) * r->largest) *
	       size_of(r->type);
}

/* Whether the products of a step find matching blocks on every core. */
static bool blocks_meet(const struct product *p, const struct round *a,
                        const struct round *b)
{
	for (int y = 0; y < p->rows; y++)
		for (int x = 0; x < p->cols; x++)
			if (a->block[y][x * a->each] !=
			    b->block[x][y * b->each])
				return false;
	return true;
}

/* MeshGEMM and Cannon's algorithm. */
/* A step's share of a turn in which empty blocks take no time. */
static uint64_t shared_time(const struct partition *blocks, uint64_t each)
{
	uint64_t full = 0;

	for (int i = 0; i < blocks->parts; i++)
		full += partition_size(blocks, i) > 0;
	return (uint64_t)ceil((double)each * full / blocks->parts);
}

static uint64_t round_bill(const struct product *p, enum ring_kind kind,
                           struct bill *b)
{
	bool mean = p->rows != p->cols || p->k.n < p->blocks;
	uint64_t k = mean ? (uint64_t)p->k.n : p->k_most;
	uint64_t arithmetic = gemm_time(p->type, p->m_most, p->n_most, k);

	if (mean)
		arithmetic = (arithmetic + p->blocks - 1) / p->blocks;
	struct round of_a, of_b;

	start_round(&of_a, kind, AXIS_X, p->each[AXIS_X], true, p->type, &p->k,
	            &p->m);
	start_round(&of_b, kind, AXIS_Y, p->each[AXIS_Y], true, p->type, &p->k,
	            &p->n);
	for (int step = 0; step < p->blocks; step++) {
		ck_assert(blocks_meet(p, &of_a, &of_b));
		const struct exchange e[2] = { go_on(b, &of_a),
		                               go_on(b, &of_b) };

		add_step(b, arithmetic, e);
	}
	b->paths = (p->cols > 1 ? 3 : 0) + (p->rows > 1 ? 3 : 0);
	return round_bytes(&of_a) + round_bytes(&of_b);
}

static uint64_t meshgemm_bill(const struct product *p, struct bill *b)
{
	return round_bill(p, RING_INTERLEAVE, b);
}

static uint64_t cannon_bill(const struct product *p, struct bill *b)
{
	return round_bill(p, RING_NATURAL, b);
}

/* Elements along the lines of an axis, k items of k on each: from one core to
 * all others, or from all. hops: the longest way. */
static struct exchange rooted(struct bill *b, const struct product *p,
                              enum axis axis, int hops, int messages, int k)
{
	const struct partition *across = axis == AXIS_X ? &p->m : &p->n;
	int cores = axis == AXIS_X ? p->cols : p->rows;
	uint64_t all = 0, longest = 0;
	int sent_on = 0; /* by software */

	for (int at = STRETCH; at < hops; at += STRETCH)
		sent_on++;
	for (int q = 0; q < across->parts; q++) {
		uint64_t words = words_of(p->type, (uint64_t)k *
		                          partition_size(across, q));

		all += words;
		longest = max(longest, words);
	}
	if (cores == 1 || !all)
		return (struct exchange){ 0 };
	b->c.calls++;
	b->c.words += all;
	b->c.word_hops += all * (cores - 1);
	for (int cut = 0; cut + 1 < cores; cut++)
		b->link[axis][cut] += all;
	struct exchange e = {
		.setup = 101 * messages, .hops = hops, .stages = 1 + sent_on,
		.wire = exchange_time(WL_F32, hops, longest) +
		        (uint64_t)ceil((1 + sent_on) * 17.25) };

	if (sent_on)
		e.relay = (uint64_t)ceil(messages * 17.25) +
		          (uint64_t)ceil(longest * 2.5);
	return e;
}

static uint64_t rooted_paths(const struct product *p)
{
	return (p->cols > 1 ? p->cols : 0) + (p->rows > 1 ? p->rows : 0);
}

/* Own tiles of A and B. */
static uint64_t home_bytes(const struct product *p)
{
	int ring[MOST_PLACES];

	list_ring(RING_INTERLEAVE, p->blocks, ring);
	return (p->m_most * held_most(ring, p->each[AXIS_X], &p->k) +
	        p->n_most * held_most(ring, p->each[AXIS_Y], &p->k)) *
	       size_of(p->type);
}

static int farther_end(int root, int cores)
{
	return root > cores - 1 - root ? root : cores - 1 - root;
}

/* The product of block i of k. */
static uint64_t summa_time(const struct product *p, int i)
{
	uint64_t k = partition_size(&p->k, i);

	return k ? gemm_time(p->type, p->m_most, p->n_most,
	                     p->rows == p->cols ? p->k_most : k) : 0;
}

static uint64_t summa_bill(const struct product *p, struct bill *b)
{
	const struct exchange none[2] = { { 0 } };

	for (int i = 0; i < p->blocks; i++) {
		int x = i / p->each[AXIS_X], y = i / p->each[AXIS_Y];
		int k = partition_size(&p->k, i);
		const struct exchange e[2] = {
			rooted(b, p, AXIS_X, farther_end(x, p->cols), 1, k),
			rooted(b, p, AXIS_Y, farther_end(y, p->rows), 1, k) };

		/* Those of block 0 with nothing to hide behind. */
		add_step(b, i ? summa_time(p, i - 1) : 0, e);
	}
	add_step(b, summa_time(p, p->blocks - 1), none);
	b->paths = rooted_paths(p);
	/* A panel in hand and one that comes. */
	return home_bytes(p) + 2 * (p->m_most + p->n_most) * p->k_most *
	                       size_of(p->type);
}

static uint64_t allgather_bill(const struct product *p, struct bill *b)
{
	const struct exchange none[2] = { { 0 } }, e[2] = {
		rooted(b, p, AXIS_X, p->cols - 1, p->cols - 1, p->k.n),
		rooted(b, p, AXIS_Y, p->rows - 1, p->rows - 1, p->k.n) };

	add_step(b, 0, e);
	add_step(b, gemm_time(p->type, p->m_most, p->n_most, p->k.n), none);
	b->paths = rooted_paths(p);
	return home_bytes(p) + (p->m_most + p->n_most) * p->k.n *
	                       size_of(p->type);
}

/* Discards all earlier charges. */
static void start_over(struct place *p)
{
	charged(p);
	p->ledger.sram[0][0] = 0;
	p->ledger.routes[0][0] = 0;
	memset(p->ledger.source_paths[0][0], 0,
	       sizeof p->ledger.source_paths[0][0]);
	for (int a = 0; a < 2; a++)
		memset(p->ledger.link[0][a], 0, MOST * sizeof(uint64_t));
}

/* Links of the axes that are `shared` may each be off by what a step's words
 * leave when they are spread evenly over all cuts. */
static void check_place(struct place *p, struct bill *b, uint64_t bytes,
                        const bool shared[2], int steps)
{
	uint64_t link[MOST], all = 0;
	struct charge got = charged(p);

	b->c.cycles = b->c.compute_cycles + b->c.comm_cycles;
	check_same(&got, &b->c);
	for (int a = 0; a < 2; a++) {
		uint64_t slack = shared[a] ? (uint64_t)steps * MOST : 0;

		ledger_links(&p->ledger, 0, a, MOST, link);
		for (int i = 0; i < MOST; i++) {
			all += link[i];
			ck_assert_uint_le(link[i], b->link[a][i] + slack);
			ck_assert_uint_ge(link[i] + slack, b->link[a][i]);
		}
	}
	ck_assert_uint_eq(all, got.word_hops);
	ck_assert_int_eq(ledger_paths(&p->ledger, 0, 0), b->paths);
	ck_assert_uint_eq(p->ledger.sram[0][0], bytes);
}

static void try_product(struct dice *d, const struct gemm_algorithm *alg,
                        uint64_t (*bill)(const struct product *p,
                                         struct bill *b))
{
	const bool shared[2] = { alg->skewed, alg->skewed };
	struct product p = throw_product(d);
	struct device few = few_routes();
	bool uneven = p.rows != p.cols;
	struct tiles a, b, c;
	struct place at;
	struct bill want = { 0 };

	open_place_on(&at, &few, p.rows, p.cols, p.type);
	ck_assert_int_eq(gemm_blocks(&at.grid), p.blocks);
	ck_assert_int_eq(gemm_disperses(alg, &at.grid), uneven);
	tiles_init(&a, &at.grid, AXIS_X,
	           (struct partition){ p.k.n, 1, p.cols, uneven }, p.m,
	           SRAM_ACTIVATIONS);
	gemm_weights_init(alg, &b, &at.grid, WL_F32,
	                  (struct partition){ p.k.n, 1, p.rows, uneven }, p.n,
	                  SRAM_WEIGHTS);
	tiles_init(&c, &at.grid, AXIS_X, p.n, p.m, SRAM_ACTIVATIONS);
	charged(&at);
	gemm_align(alg, &a);
	/* What is cut finer stays where it is. */
	if (!alg->skewed)
		ck_assert_uint_eq(charged(&at).calls, 0);
	start_over(&at);
	alg->run(&(struct gemm){ &a, &b, &c });
	add_work(&want, p.type, (uint64_t)p.m.n * p.n.n * p.k.n,
	         p.m_most * p.n_most * p.k.n);
	uint64_t bytes = bill(&p, &want) +
	                 p.m_most * p.n_most * size_of(p.type);

	check_place(&at, &want, bytes, shared, p.blocks);
	tiles_fini(&c);
	tiles_fini(&b);
	tiles_fini(&a);
	close_place(&at);
}

START_TEST(products_charge)
{
	const struct {
		const char *name;
		uint64_t (*bill)(const struct product *p, struct bill *b);
	} all[] = { { "meshgemm", meshgemm_bill }, { "cannon", cannon_bill },
	            { "summa", summa_bill }, { "allgather", allgather_bill } };
	struct dice d = { .key = 41 };

	ck_assert_uint_eq(gemm_count(), sizeof all / sizeof *all);
	for (size_t i = 0; i < gemm_count(); i++)
		for (int j = 0; j < 2 * CASES; j++) {
			ck_assert_str_eq(gemm_at(i)->name, all[i].name);
			try_product(&d, gemm_at(i), all[i].bill);
		}
}
END_TEST

/* C = A B^T: what each row's sum in a step costs, along x. n is what is cut in
 * blocks here, and k lies on the columns. */
static void add_row_sums(struct bill *b, const struct product *p,
                         const struct partition *blocks, const struct round *r)
{
	uint64_t longest = 0, far = 0, ways = 0, rows = 0;

	b->c.calls++;
	for (int y = 0; y < p->rows; y++) {
		int block = r->block[0][y * r->each];
		int root = block / p->each[AXIS_X];
		uint64_t words = words_of(
			p->type, (uint64_t)partition_size(&p->m, y) *
					 partition_size(blocks, block));

		if (p->cols == 1 || !words)
			continue;
		/* All other cores' sums come link by link. */
		for (int x = 0; x < root; x++)
			send(b, AXIS_X, x, x + 1, words);
		for (int x = p->cols - 1; x > root; x--)
			send(b, AXIS_X, x, x - 1, words);
		longest = max(longest, words);
		far = max(far, farther_end(root, p->cols));
		ways += farther_end(root, p->cols);
		rows++;
	}
	if (!rows)
		return;
	b->c.path_hops += far;
	b->c.comm_cycles += (uint64_t)ceil((ways + rows - 1) / rows * 3.5) +
	                    (uint64_t)ceil(longest * 2.5);
}

static void try_gemmt(struct dice *d, const struct gemmt_algorithm *alg)
{
	const bool shared[2] = { false, true };
	struct product p = throw_product(d);
	bool uneven = p.rows != p.cols;
	struct partition n = p.k,
			 k = partition_of(dice_throw(d, 1, 40), p.cols);
	uint64_t n_most = p.k_most, k_most = largest_of(&k);
	struct partition c_n = { n.n, 1, p.cols, uneven };
	struct tiles ta, tb, tc;
	struct place at;
	struct bill want = { 0 };
	struct round r;

	open_place(&at, p.rows, p.cols, p.type);
	tiles_init(&ta, &at.grid, AXIS_X, k, p.m, SRAM_ACTIVATIONS);
	tiles_init_on(&tb, &at.grid, AXIS_Y, alg->ring, WL_F32, n, k,
	              SRAM_WEIGHTS);
	tiles_init(&tc, &at.grid, AXIS_X, c_n, p.m, SRAM_ACTIVATIONS);
	start_over(&at);
	gemmt_run(&(struct gemmt){ &ta, &tb, &tc });
	add_work(&want, p.type, (uint64_t)p.m.n * k.n * n.n,
	         p.m_most * k_most * n.n);
	start_round(&r, alg->ring, AXIS_Y, p.each[AXIS_Y], false, p.type, &n,
	            &k);
	for (int step = 0; step < p.blocks; step++) {
		struct round now = r;
		const struct exchange e[2] = { { 0 }, go_on(&want, &r) };

		add_step(&want, gemm_time(p.type, p.m_most, n_most, k_most),
		         e);
		add_row_sums(&want, &p, &n, &now);
	}
	want.paths = 4 + (p.rows > 1 ? 3 : 0);
	check_place(&at, &want, round_bytes(&r) + size_of(p.type) *
	            (p.m_most * k_most + p.m_most * largest_of(&c_n) +
	             p.m_most * n_most), shared, p.blocks);
	tiles_fini(&tc);
	tiles_fini(&tb);
	tiles_fini(&ta);
	close_place(&at);
}

START_TEST(transposed_products_charge)
{
	const struct {
		const char *name;
		enum ring_kind ring;
	} all[] = { { "meshgemm-t", RING_INTERLEAVE },
	            { "cannon-t", RING_NATURAL } };
	struct dice d = { .key = 42 };

	ck_assert_uint_eq(gemmt_count(), sizeof all / sizeof *all);
	for (size_t i = 0; i < gemmt_count(); i++) {
		ck_assert_str_eq(gemmt_at(i)->name, all[i].name);
		ck_assert_int_eq(gemmt_at(i)->ring, all[i].ring);
		for (int j = 0; j < 2 * CASES; j++)
			try_gemmt(&d, gemmt_at(i));
	}
}
END_TEST

/* On a line: A goes round where B lies by columns, C where it lies by rows. */
static void try_megatron(struct dice *d, bool by_rows)
{
	const bool shared[2] = { true, false };
	enum wl_type type = throw_type(d);
	int cores = dice_throw(d, 1, MOST - 1);
	struct partition m = partition_of(dice_throw(d, 1, 40), 1);
	struct partition k = partition_of(dice_throw(d, 1, 60), cores);
	struct partition n = partition_of(dice_throw(d, 1, 60), cores);
	struct partition whole = partition_of(by_rows ? n.n : k.n, 1);
	uint64_t k_most = largest_of(&k), n_most = largest_of(&n);
	struct tiles ta, tb, tc;
	struct place at;
	const struct exchange none[2] = { { 0 } };
	struct bill want = { 0 };
	struct round r;

	open_place(&at, 1, cores, type);
	tiles_init(&ta, &at.grid, AXIS_X, k, m, SRAM_ACTIVATIONS);
	if (by_rows)
		tiles_init(&tb, &at.grid, AXIS_X, k, whole, SRAM_WEIGHTS);
	else
		gemm_weights_init(&gemm_megatron, &tb, &at.grid, WL_F32, whole,
		                  n, SRAM_WEIGHTS);
	tiles_init(&tc, &at.grid, AXIS_X, n, m, SRAM_ACTIVATIONS);
	start_over(&at);
	gemm_align(&gemm_megatron, &ta);
	ck_assert_uint_eq(charged(&at).calls, 0);
	gemm_megatron.run(&(struct gemm){ &ta, &tb, &tc });
	/* A core has all of k for its columns, or all columns for its k. */
	add_work(&want, type, (uint64_t)m.n * k.n * n.n,
	         by_rows ? m.n * k_most * n.n : m.n * k.n * n_most);
	start_round(&r, RING_INTERLEAVE, AXIS_X, 1, false, type,
	            by_rows ? &n : &k, &m);
	for (int step = 0; step < cores; step++) {
		const struct exchange e[2] = { go_on(&want, &r), { 0 } };

		uint64_t arithmetic = shared_time(by_rows ? &n : &k, gemm_time(
			type, m.n, n_most, k_most));

		/* Sums go on when they are done, operands before. */
		if (by_rows)
			add_step(&want, arithmetic, none);
		add_step(&want, by_rows ? 0 : arithmetic, e);
	}
	want.paths = cores > 1 ? 3 : 0;
	/* A second place for what goes round; the rest stays. */
	check_place(&at, &want, round_bytes(&r) + size_of(type) *
	            (by_rows ? m.n * k_most + k_most * n.n
	                     : m.n * n_most + n_most * k.n), shared, cores);
	tiles_fini(&tc);
	tiles_fini(&tb);
	tiles_fini(&ta);
	close_place(&at);
}

START_TEST(products_on_a_line_charge)
{
	struct dice d = { .key = 43 };

	for (int i = 0; i < 2 * CASES; i++)
		try_megatron(&d, i % 2);
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
		all.wire.max = max(all.wire.max, words[i]);
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
		struct gemv_matrix s;

		throw_place(&d, &p);
		int lines = grid_lines(&p.grid, axis), width = 0;
		int cores = grid_line(&p.grid, axis)->n;
		uint64_t words[MOST] = { 0 }, held, columns[MOST] = { 0 };
		struct partition ks = partition_of(k, cores);
		int k_most = (k + cores - 1) / cores;

		for (int j = 0; j < n; j++) {
			int of = dice_throw(&d, 1, 30);

			l[j] = (struct layout){ &p.grid, ks,
				                partition_of(of, lines),
				                turned };
			for (int q = 0; q < lines; q++)
				columns[q] += partition_size(&l[j].n, q);
			width += of;
		}
		for (int q = 0; q < lines; q++)
			words[q] = words_of(p.ledger.type, columns[q]);
		gemv_matrix_init(&s, l, n, WL_F32, SRAM_WEIGHTS);
		held = k_most * columns[0] * size_of(p.ledger.type);
		ck_assert_uint_eq(p.ledger.allocated[SRAM_WEIGHTS], held);
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
		gemv_matrix_fini(&s);
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
		struct partition part = partition_of(n, l->n);
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
		struct partition rows = partition_of(m, p.grid.rows);
		int row = partition_size(&rows, 0);
		int column = (n + p.grid.cols - 1) / p.grid.cols;

		for (int q = 0; q < p.grid.rows; q++)
			words[q] = words_of(p.ledger.type,
			                    partition_size(&rows, q));
		tiles_init(&x, &p.grid, AXIS_X, partition_of(n, p.grid.cols),
		           rows, SRAM_ACTIVATIONS);
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
	struct partition tokens;
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
	a->tokens = partition_of(dice_throw(d, 1, 40), rows);
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
	scores_init(&a->s, g, &a->h, WL_F32, a->tokens);
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

		words[y] = (size_t)a->group * partition_size(&a->tokens, y) *
		           partition_size(&a->tokens, b);
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

	ledger_overlap_begin(l);
	ledger_charge(l, &(struct charge){ .compute_cycles = product });
	tiles_shift_start(&shift, &a->moving, NULL);
	for (int i = 0; i < a->h.n_kv && casts; i++) {
		size_t words[MOST];
		int root[MOST];
		struct line_parts parts = step_parts(a, i, step, words, root);

		line_multicast(&a->beside.grid.x, heads_first(&a->h, i),
		               heads_last(&a->h, i), &parts, NULL, step > 0);
	}
	ledger_overlap_end(l);
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
		sum.path_hops = max(sum.path_hops, c.path_hops);
		sum.stages = max(sum.stages, c.stages);
		sum.cycles = sum.comm_cycles = max(sum.cycles, c.cycles);
	}
	return sum;
}

static void add(struct charge *sum, const struct charge *c)
{
#define WL_COUNTER(field, unit, help) sum->field += c->field;
#include "device/counters.def"
}

/* Multiply-adds of the unmasked product: every core all tokens. */
static struct charge product_bill(const struct attention *a)
{
	uint64_t n = a->tokens.n;
	struct charge c = { .calls = 1, .macs = n * n * a->h.q.n };

	c.sram_bytes = 3 * c.macs * size_of(a->p.ledger.type);
	for (int x = 0; x < a->p.grid.cols; x++)
		for (int y = 0; y < a->p.grid.rows; y++)
			c.busiest = max(c.busiest,
			                n * partition_size(&a->tokens, y) *
			                        partition_size(&a->h.q, x));
	return c;
}

START_TEST(scores_charge)
{
	struct dice d = { .key = 35 };

	for (int i = 0; i < CASES; i++) {
		struct attention a;

		attention_open(&a, &d);
		struct charge want = product_bill(&a), got, c;
		int block = partition_max(&a.tokens);
		uint64_t product = a.group *
			gemm_time(a.p.ledger.type, block, block,
			          partition_max(&a.h.kv));

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
		int block = partition_max(&a.tokens), heads = a.most_heads;
		uint64_t product = a.group * heads *
			gemm_time(a.p.ledger.type, block,
			          (partition_max(&a.h.kv) + heads - 1) / heads,
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
				n += partition_size(&a->tokens, b);
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
		                partition_max(&a.tokens);
		int n = longest_row(&a);

		ck_assert_uint_eq(a.p.ledger.allocated[SRAM_ACTIVATIONS],
		                  tiles_core_bytes(&a.q) +
		                  tiles_core_bytes(&a.o) +
		                  rows * n * size_of(type));
		memset(s, 0, sizeof s);
		for (int k = 0; k < a.h.n_kv; k++) {
			s[k].first = heads_first(&a.h, k);
			s[k].last = heads_last(&a.h, k);
			for (int y = 0; y < a.tokens.parts; y++) {
				uint64_t words = words_of(type, a.group *
					partition_size(&a.tokens, y));

				s[k].wire.all += words;
				s[k].wire.max = max(s[k].wire.max, words);
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
	tcase_add_test(t, products_charge);
	tcase_add_test(t, transposed_products_charge);
	tcase_add_test(t, products_on_a_line_charge);
	tcase_add_test(t, gemv_charges);
	tcase_add_test(t, norm_and_choice_charge);
	tcase_add_test(t, norm_of_rows_charges);
	tcase_add_test(t, scores_charge);
	tcase_add_test(t, values_charge);
	tcase_add_test(t, softmax_charges);
	suite_add_tcase(s, t);
	return run_suite(s);
}
