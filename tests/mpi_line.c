/* Every move along rows and columns of cores, on random core grids and every
 * rank grid, against a slow serial computation of the whole line on each rank.
 * Sums must have the same bits as in the stated order: (own + higher side) +
 * lower side, in the chains of each all-reduce.
 *
 * A move's charge is compared with a bill that is counted message by message
 * and hop by hop: all counters, the words over every link, routes.
 *
 * The host profile attributes a move's time to exchange and waiting, and goes
 * back to the previous kind afterwards. */
/* ranks: 1 4 6 9 16 */
/* full-ranks: 64 */
#include "config.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "simd/convert.h"
#include "mpi_kernels/moves/line.h"
#include "host/profile.h"
#include "mpi_kernels/moves/relayout.h"
#include "mpi_kernels/moves/shift.h"
#include "grid/gemv_matrix.h"
#include "grid/tiles.h"

#include <stdlib.h>

#include "base/error.h"
#include "grid/layout.h"
#include "lab.h"

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static float *floats(size_t n)
{
	return wl_calloc(n, sizeof(float));
}

/* The lines across the axis that this rank holds. */
static struct range across(const struct grid *g, enum axis axis)
{
	return axis == AXIS_X ? g->y.local : g->x.local;
}

static enum wl_type throw_type(struct lab *lab)
{
	return (enum wl_type)dice_throw(&lab->dice, WL_F32, WL_BF16);
}

static enum axis throw_axis(struct lab *lab)
{
	return dice_throw(&lab->dice, 0, 1) ? AXIS_X : AXIS_Y;
}

static bool is_mine(const struct line *l, int core)
{
	return core >= l->local.lo && core < l->local.hi;
}

/* ---- bills ---- */

/* The expected charge of a move. */
struct bill {
	const struct lab *lab;
	enum axis axis;
	struct charge c;
	unsigned routes;                /* bits of enum route_kind */
	uint64_t link[2][LAB_CORES];    /* words over each cut, by axis */
};

static struct bill bill_of(const struct lab *lab, enum axis axis)
{
	return (struct bill){ .lab = lab, .axis = axis, .c.calls = 1 };
}

/* Words of 32 bits that n elements take. */
static uint64_t words_of(const struct lab *lab, uint64_t n)
{
	return lab->ledger.type == WL_F32 ? n : (n + 1) / 2;
}

static uint64_t cycles(double exact)
{
	return (uint64_t)ceil(exact);
}

/* Cycles of a stream of words, of hops, of stages. */
static uint64_t wire(uint64_t words)
{
	return cycles(words * 4 / made_device.link_bytes);
}

static uint64_t way(uint64_t hops)
{
	return cycles(hops * made_device.hop_cycles);
}

static uint64_t stages(uint64_t n)
{
	return cycles(n * made_device.stage_cycles);
}

static uint64_t more(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One message along the axis, link by link. */
static void bill_send_on(struct bill *b, enum axis axis, int from, int to,
                         uint64_t words)
{
	for (int p = from; p < to; p++)
		b->link[axis][p] += words;
	for (int p = from; p > to; p--)
		b->link[axis][p - 1] += words;
	b->c.word_hops += abs(to - from) * words;
}

static void bill_send(struct bill *b, int from, int to, uint64_t words)
{
	bill_send_on(b, b->axis, from, to, words);
	b->c.words += from == to ? 0 : words;
}

static void bill_route(struct bill *b, enum route_kind x, enum route_kind y)
{
	b->routes |= 1u << (b->axis == AXIS_X ? x : y);
}

static void check_counters(struct lab *lab, const struct charge *got,
                           const struct charge *want, const char *move)
{
	char what[128];

#define WL_COUNTER(field, unit, help)                                         \
	snprintf(what, sizeof what, "%s: " #field " is %llu, not %llu", move, \
	         (unsigned long long)got->field,                              \
	         (unsigned long long)want->field);                            \
	lab_check(lab, got->field == want->field, what, __func__, __LINE__);
#include "device/counters.def"
}

/* Compares all charges since the last call. cuts: number of links of a line
 * over which the move spreads the sum of their words evenly, so that only
 * bounds of each link's words are known; 0: every link's words are exact. */
static void check_bill(struct lab *lab, struct bill *b, const char *move,
                       int cuts)
{
	uint64_t got[2][LAB_CORES], sum = 0, min = UINT64_MAX, max = 0;
	unsigned routes = lab->ledger.routes[0][0];

	uint64_t calls = b->c.calls; /* each with a remainder of its own */

	for (int p = 0; p < cuts; p++) {
		min = less(min, b->link[b->axis][p]);
		max = more(max, b->link[b->axis][p]);
	}
	for (int a = 0; a < 2; a++) {
		ledger_links(&lab->ledger, 0, a, LAB_CORES, got[a]);
		for (int p = 0; p < LAB_CORES; p++) {
			sum += got[a][p];
			if (a == (int)b->axis && p < cuts &&
			    (min < max || calls > 1))
				CHECK(lab, got[a][p] + calls > min &&
				           got[a][p] < max + cuts * calls);
			else
				CHECK(lab, got[a][p] == b->link[a][p]);
		}
	}
	CHECK(lab, sum == b->c.word_hops);
	CHECK(lab, routes == b->routes);
	struct charge c = lab_charged(lab);

	b->c.cycles = b->c.compute_cycles + b->c.comm_cycles;
	check_counters(lab, &c, &b->c, move);
}

/* Sets the type of the charged elements for the next case. */
static void throw_charged(struct lab *lab)
{
	lab->ledger.type = (enum wl_type)dice_throw(&lab->dice, WL_F32,
	                                            WL_BF16);
}

/* ---- the ring shift ---- */

/* The ring as a list: 0 2 4 ... 5 3 1, or 0 1 2 ... */
static void list_ring(enum ring_kind kind, int n, int *ring)
{
	int k = 0;

	for (int p = 0; kind == RING_NATURAL && p < n; p++)
		ring[p] = p;
	if (kind == RING_NATURAL)
		return;
	for (int p = 0; p < n; p += 2)
		ring[k++] = p;
	for (int p = n - 1 - n % 2; p > 0; p -= 2)
		ring[k++] = p;
}

/* Tiles, and the expected blocks of the whole grid: block[q * n + p] is the
 * block at place p of line q, on core p / each. */
struct known {
	struct tiles t;
	int n, each, lines;
	int *ring, *block;
};

/* Chooses the number of places on each core of the ring. */
struct known_ring {
	enum ring_kind kind;
	int each;
};

static struct known_ring throw_ring(struct lab *lab)
{
	return (struct known_ring){
		dice_throw(&lab->dice, 0, 1) ? RING_NATURAL : RING_INTERLEAVE,
		dice_throw(&lab->dice, 0, 2) ? 1
		                             : dice_throw(&lab->dice, 2, 4) };
}

static float tile_word(const struct lab *lab, int q, int block, int i)
{
	return made_uniform(made_key(lab->key, q, block), i);
}

/* Element i of line q's tile with a block, rounded to the tiles' type. */
static float known_word(const struct lab *lab, const struct known *k, int q,
                        int block, int i)
{
	float x = tile_word(lab, q, block, i);

	wl_round(&x, k->t.type, 1);
	return x;
}

static char *known_element(const struct known *k, int q, int p, int i)
{
	return (char *)*tiles_slot(&k->t, q, p) + i * wl_type_size(k->t.type);
}

/* Elements of the tile with block b on line q. */
static uint64_t tile_elements(const struct known *k, int q, int b)
{
	return (uint64_t)partition_size(&k->t.ring, b) *
	       partition_size(&k->t.fixed, q);
}

/* Elements of the largest tile. */
static uint64_t largest_tile(const struct known *k)
{
	uint64_t max = 0;

	for (int i = 0; i < k->lines * k->n; i++)
		max = more(max, tile_elements(k, i / k->n, i % k->n));
	return max;
}

/* Bytes of SRAM that an emulated core uses as `what`. */
static void check_held(struct lab *lab, enum sram what, uint64_t elements)
{
	CHECK(lab, lab->ledger.allocated[what] ==
	           elements * (lab->ledger.type == WL_F32 ? 4 : 2));
}

/* While a move runs, a core has its own message and one that arrives. The peak
 * is reset before the move. */
static void check_exchange(struct lab *lab, uint64_t max)
{
	uint64_t held = 0;

	for (int i = 0; i < NSRAM; i++)
		held += lab->ledger.allocated[i];
	CHECK(lab, lab->ledger.sram[0][0] == held + 8 * max);
	CHECK(lab, lab->ledger.allocated[SRAM_BUFFERS] == 0);
}

static void known_init(struct lab *lab, struct known *k, struct grid *g,
                       enum axis axis, struct known_ring on)
{
	int n = grid_line(g, axis)->n * on.each, lines = grid_lines(g, axis);
	int unit = dice_throw(&lab->dice, 1, 2);
	struct partition ring = { unit * dice_throw(&lab->dice, 0, 3 * n), unit,
		                  n, dice_throw(&lab->dice, 0, 1) };
	int across_all = dice_throw(&lab->dice, 0, 2 * lines);
	struct partition fixed = partition_of(across_all, lines);

	*k = (struct known){ .n = n, .each = on.each, .lines = lines };
	k->ring = wl_malloc(n, sizeof *k->ring);
	k->block = wl_malloc((size_t)n * lines, sizeof *k->block);
	list_ring(on.kind, n, k->ring);
	for (int i = 0; i < n * lines; i++)
		k->block[i] = i % n;
	tiles_init_on(&k->t, g, axis, on.kind, throw_type(lab), ring, fixed,
	              SRAM_KV);
	for (int q = across(g, axis).lo; q < across(g, axis).hi; q++)
		for (int p = 0; p < n; p++) {
			int words = partition_size(&ring, p) *
			            partition_size(&fixed, q);

			for (int i = 0; i < words && is_mine(grid_line(g, axis),
			     p / on.each); i++) {
				float x = tile_word(lab, q, p, i);

				wl_from_f32(known_element(k, q, p, i), &x,
				            k->t.type, 1);
			}
		}
}

static void known_fini(struct known *k)
{
	tiles_fini(&k->t);
	free(k->ring);
	free(k->block);
}

/* Checks that all of this rank's tiles have the expected blocks. */
static void check_known(struct lab *lab, const struct known *k)
{
	const struct tiles *t = &k->t;
	struct range lines = across(t->grid, t->axis);
	struct range local = grid_line(t->grid, t->axis)->local;

	for (int q = lines.lo; q < lines.hi; q++)
		for (int p = local.lo * k->each; p < local.hi * k->each; p++) {
			int b = k->block[q * k->n + p];
			int ring = partition_size(&t->ring, b);
			int fixed = partition_size(&t->fixed, q), wrong = 0;
			int y = t->axis == AXIS_X ? q : p / k->each;
			int x = t->axis == AXIS_X ? p / k->each : q;
			bool first = p % k->each == 0;

			CHECK(lab, tiles_block(t, q, p) == b);
			CHECK(lab, tiles_place(t, q, b) == p);
			CHECK(lab, !first ||
			           tiles_ring_extent(t, y, x) == ring);
			CHECK(lab, !first ||
			           tiles_data(t, y, x) ==
			           *tiles_slot(t, q, p));
			CHECK(lab, tiles_fixed_extent(t, y, x) == fixed);
			CHECK(lab, tiles_elements_at(t, q, p) ==
			           (size_t)ring * fixed);
			for (int i = 0; i < ring * fixed; i++) {
				float x;

				wl_to_f32(&x, known_element(k, q, p, i),
				          t->type, 1);
				wrong += x != known_word(lab, k, q, b, i);
			}
			CHECK(lab, wrong == 0);
		}
}

/* Largest number of elements on a core at any time during a turn. */
static uint64_t most_held(const struct known *k)
{
	uint64_t fullest = 0, across = partition_max(&k->t.fixed);
	int at[k->n];

	for (int i = 0; i < k->n; i++)
		at[k->ring[i]] = i;
	for (int i = 0; i < k->n * (k->n / k->each); i++) {
		int turned = i % k->n, first = i / k->n * k->each;
		uint64_t held = 0;

		for (int p = first; p < first + k->each; p++)
			held += partition_size(&k->t.ring,
			                  k->ring[(at[p] + turned) % k->n]);
		fullest = more(fullest, held * across);
	}
	return fullest;
}

/* The longest edge of the ring, hops. */
static uint64_t longest_edge(const struct known *k)
{
	uint64_t longest = 0;

	for (int i = 0; i < k->n; i++)
		longest = more(longest, abs(k->ring[(i + 1) % k->n] / k->each -
		                            k->ring[i] / k->each));
	return longest;
}

/* Moves the expected blocks of every line one step and adds the step's cost.
 * shares: the tiles travel in another step's messages. */
static void step_known(struct known *k, const signed char *steps, bool shares,
                       struct bill *b)
{
	uint64_t before = b->c.words;

	for (int q = 0; q < k->lines; q++) {
		int step = steps ? steps[q] : 1, now[k->n];
		int *block = k->block + q * k->n;

		for (int i = 0; i < k->n; i++) {
			int p = k->ring[i];
			int to = k->ring[(i + step + k->n) % k->n];

			now[to] = block[p];
			if (p / k->each != to / k->each)
				bill_send(b, p / k->each, to / k->each,
				          words_of(b->lab, tile_elements(
						k, q, block[p])));
		}
		memcpy(block, now, sizeof now);
	}
	bill_route(b, ROUTE_RING_X, ROUTE_RING_Y);
	if (steps)
		bill_route(b, ROUTE_BACK_X, ROUTE_BACK_Y);
	if (b->c.words == before)
		return;
	/* The slowest core sets the pace: the longest edge, the largest tile.
	 * Tiles that share messages only make these longer. */
	b->c.comm_cycles += wire(words_of(b->lab, largest_tile(k)));
	if (shares)
		return;
	b->c.path_hops += longest_edge(k);
	b->c.comm_cycles += cycles(made_device.exchange_cycles) +
	                    way(longest_edge(k));
}

/* Patterns 0 and 1: all lines one way, or the other; 2 and 3: each line by
 * itself. */
static void throw_steps(struct lab *lab, int pattern, int lines,
                        signed char *steps)
{
	for (int q = 0; q < lines; q++)
		steps[q] = pattern == 0 ? 1 : pattern == 1 ? -1
		           : dice_throw(&lab->dice, -1, 1);
}

static void try_shift(struct lab *lab, struct grid *g)
{
	struct known k;

	lab_next(lab);
	known_init(lab, &k, g, throw_axis(lab), throw_ring(lab));
	check_held(lab, SRAM_KV, most_held(&k));
	for (int i = 0; i < 5; i++) {
		signed char steps[k.lines], *given = i == 4 ? NULL : steps;
		struct bill want = bill_of(lab, k.t.axis);
		struct tiles_shift s;

		throw_steps(lab, i, k.lines, steps);
		tiles_shift_start(&s, &k.t, given);
		/* Tiles may be read between start and finish. */
		check_known(lab, &k);
		check_held(lab, SRAM_BUFFERS, (k.each > 1 ? 2 : 1) *
		                              largest_tile(&k));
		tiles_shift_finish(&s);
		check_held(lab, SRAM_BUFFERS, 0);
		step_known(&k, given, false, &want);
		if (k.n == k.each)
			want = (struct bill){ .lab = lab };
		check_known(lab, &k);
		check_bill(lab, &want, "shift", k.n / k.each - 1);
	}
	known_fini(&k);
	lab_check_empty(lab);
}

/* The next step of each line, the shorter way round, until ring position i has
 * block number i + to[q]. False when all lines have arrived. */
static bool next_steps(const struct known *k, const int *to,
                       signed char *steps)
{
	bool any = false;

	for (int q = 0; q < k->lines; q++) {
		int has = k->block[q * k->n + k->ring[0]], at = 0;

		while (k->ring[at] != has)
			at++;
		int lacks = (to[q] - at + k->n) % k->n;

		/* A step along the ring brings the previous block. */
		steps[q] = lacks == 0 ? 0 : 2 * lacks <= k->n ? -1 : 1;
		any |= lacks > 0;
	}
	return any;
}

/* Turns n matrices with equal offsets in the same messages. */
static void turn_known(struct known *k, int n, const int *to, struct bill *b)
{
	signed char steps[k->lines];

	while (next_steps(k, to, steps)) {
		bool shared = false;

		for (int i = 0; i < n; i++) {
			uint64_t before = b->c.words;

			step_known(&k[i], steps, shared, b);
			shared |= b->c.words > before;
			b->c.calls++;
		}
	}
}

/* A bill of moves, of which there may be none. */
static struct bill bill_of_none(const struct lab *lab, enum axis axis)
{
	struct bill b = bill_of(lab, axis);

	b.c.calls = 0;
	return b;
}

static void try_skew(struct lab *lab, struct grid *g)
{
	struct known k;

	lab_next(lab);
	known_init(lab, &k, g, throw_axis(lab), throw_ring(lab));
	int skewed[k.lines], home[k.lines];
	struct bill want = bill_of_none(lab, k.t.axis);

	for (int q = 0; q < k.lines; q++) {
		skewed[q] = home[q] = 0;
		while (k.ring[skewed[q]] != q * k.n / k.lines)
			skewed[q]++;
	}
	/* Starts from an arbitrary offset. */
	signed char steps[k.lines];
	struct tiles_shift s;

	throw_steps(lab, 2, k.lines, steps);
	tiles_shift_start(&s, &k.t, steps);
	tiles_shift_finish(&s);
	step_known(&k, steps, false, &want);
	lab_charged(lab);
	want = bill_of_none(lab, k.t.axis);
	tiles_skew(&k.t);
	turn_known(&k, 1, skewed, &want);
	check_known(lab, &k);
	CHECK(lab, want.c.calls <= (uint64_t)k.n / 2);
	if (k.n == k.each)
		want = bill_of_none(lab, k.t.axis);
	check_bill(lab, &want, "skew", k.n / k.each - 1);
	tiles_skew(&k.t);
	CHECK(lab, lab_charged(lab).calls == 0);
	want = bill_of_none(lab, k.t.axis);
	tiles_unskew(&k.t);
	turn_known(&k, 1, home, &want);
	check_known(lab, &k);
	CHECK(lab, want.c.calls <= (uint64_t)k.n / 2);
	if (k.n == k.each)
		want = bill_of_none(lab, k.t.axis);
	check_bill(lab, &want, "unskew", k.n / k.each - 1);
	tiles_set_skewed(&k.t);
	for (int q = 0; q < k.lines; q++)
		for (int i = 0; i < k.n; i++)
			CHECK(lab, tiles_block(&k.t, q, k.ring[i]) ==
			           k.ring[(i + skewed[q]) % k.n]);
	known_fini(&k);
	lab_check_empty(lab);
}

/* Several matrices are unskewed in the same messages. */
static void try_unskew_all(struct lab *lab, struct grid *g)
{
	enum axis axis = throw_axis(lab);
	enum { MOST = 3 };
	struct known k[MOST];
	struct tiles t[MOST];
	struct known_ring on = throw_ring(lab);
	int n = dice_throw(&lab->dice, 1, MOST), lines = grid_lines(g, axis);
	int home[lines];

	lab_next(lab);
	memset(home, 0, sizeof home);
	for (int i = 0; i < n; i++) {
		known_init(lab, &k[i], g, axis, on);
		tiles_skew(&k[i].t);
		for (int j = 0; j < k[i].lines * k[i].n; j++)
			k[i].block[j] = tiles_block(&k[i].t, j / k[i].n,
			                            j % k[i].n);
		check_known(lab, &k[i]);
		t[i] = k[i].t;
	}
	lab_charged(lab);
	struct bill want = bill_of_none(lab, axis);

	tiles_unskew_all(t, n);
	turn_known(k, n, home, &want);
	for (int i = 0; i < n; i++) {
		k[i].t = t[i];
		check_known(lab, &k[i]);
		for (int j = 0; j < k[i].lines * k[i].n; j++)
			CHECK(lab, k[i].block[j] == j % k[i].n);
	}
	if (k[0].n == on.each)
		want = bill_of_none(lab, axis);
	check_bill(lab, &want, "unskew all", k[0].n / on.each - 1);
	for (int i = 0; i < n; i++)
		known_fini(&k[i]);
	lab_check_empty(lab);
}

/* ---- sums ---- */

/* Word i of core p's vector on one line. For LINE_ARGMAX pairs: few different
 * values, so that there are ties, now and then NaN, and ids in random order. */
static float line_word(const struct lab *lab, enum line_op op, int line, int p,
                       int i)
{
	uint64_t key = made_key(lab->key, line, p);
	int32_t id;
	float word;

	if (op != LINE_ARGMAX)
		return made_wild(key, i);
	if (i % 2 == 0)
		return made_mix(key + i) % 20 ? (float)(made_mix(key ^ i) % 3)
		                              : NAN;
	id = (int32_t)(made_mix(key ^ i) % 1000000);
	memcpy(&word, &id, sizeof word);
	return word;
}

static enum line_op throw_op(struct lab *lab)
{
	return (enum line_op)dice_throw(&lab->dice, LINE_ADD, LINE_ARGMAX);
}

/* acc = acc op x for one word, or one pair. */
static void combine_word(enum line_op op, float *acc, const float *x)
{
	int32_t a, b;

	if (op == LINE_ADD)
		*acc += *x;
	else if (op == LINE_MAXIMUM)
		*acc = fmaxf(*acc, *x);
	else {
		memcpy(&a, &acc[1], sizeof a);
		memcpy(&b, &x[1], sizeof b);
		/* A NaN counts as the largest of all. */
		float top = isnan(acc[0]) ? INFINITY : acc[0];
		float other = isnan(x[0]) ? INFINITY : x[0];

		if (other > top || (other == top && b < a))
			memcpy(acc, x, 2 * sizeof *x);
	}
}

/* Sums the words v[core[0..m)] into member number r: its own word, plus the
 * higher side summed from its far end, plus the lower side likewise. v: one
 * pair for each core. */
static void sum_chain(enum line_op op, float v[][2], const int *core, int m,
                      int r)
{
	float high[2], low[2], *own = v[core[r]];

	memcpy(high, v[core[m - 1]], sizeof high);
	memcpy(low, v[core[0]], sizeof low);
	for (int i = m - 2; i > r; i--)
		combine_word(op, high, v[core[i]]);
	for (int i = 1; i < r; i++)
		combine_word(op, low, v[core[i]]);
	if (r < m - 1)
		combine_word(op, own, high);
	if (r > 0)
		combine_word(op, own, low);
}

/* The words of all cores of a line at index i (even for LINE_ARGMAX). */
static void line_words(const struct lab *lab, enum line_op op, int line, int i,
                       int n, float v[][2])
{
	for (int p = 0; p < n; p++) {
		v[p][0] = line_word(lab, op, line, p, i);
		v[p][1] = line_word(lab, op, line, p, i + 1);
	}
}

/* The parts of a move, one for each parallel line. */
struct cut {
	struct line *l;
	struct line_parts parts;
	int first, last, lines;
	size_t *words;
	int *root;
	size_t own;          /* words of this rank's lines */
};

static void cut_init(struct lab *lab, struct cut *c, struct grid *g,
                     enum line_op op)
{
	enum axis axis = throw_axis(lab);
	struct range local = across(g, axis);

	*c = (struct cut){ .l = grid_line(g, axis),
	                   .lines = grid_lines(g, axis) };
	c->first = dice_throw(&lab->dice, 0, c->l->n - 1);
	c->last = dice_throw(&lab->dice, c->first, c->l->n - 1);
	c->words = wl_malloc(c->lines, sizeof *c->words);
	c->root = wl_malloc(c->lines, sizeof *c->root);
	for (int i = 0; i < c->lines; i++) {
		c->words[i] = dice_throw(&lab->dice, 0, 3) *
		              (op == LINE_ARGMAX ? 2 : 1);
		c->root[i] = dice_throw(&lab->dice, c->first, c->last);
		if (i >= local.lo && i < local.hi)
			c->own += c->words[i];
	}
	c->parts = (struct line_parts){ c->lines, local, c->words, c->root };
}

static void cut_fini(struct cut *c)
{
	free(c->words);
	free(c->root);
}

static bool same_bits(const float *a, const float *b, size_t n)
{
	return memcmp(a, b, n * sizeof *a) == 0;
}

/* Checks one line's vectors of this rank's cores after a reduction: sums on the
 * root, all else unchanged. at: the line's offset in a vector. */
static void check_reduced(struct lab *lab, const struct cut *c,
                          enum line_op op, int line, size_t at,
                          const float *value, size_t stride)
{
	int base = line_base(c->l, c->first), size = op == LINE_ARGMAX ? 2 : 1;
	int core[c->l->n];
	float v[c->l->n][2];

	for (int p = c->first; p <= c->last; p++)
		core[p - c->first] = p;
	for (size_t i = 0; i < c->words[line]; i += size) {
		line_words(lab, op, line, i, c->l->n, v);
		sum_chain(op, v, core, c->last - c->first + 1,
		          c->root[line] - c->first);
		for (int p = base; p <= c->last && is_mine(c->l, p); p++)
			CHECK(lab, same_bits(v[p], value + (p - base) * stride +
			                     at + i, size));
	}
}

static struct bill reduce_bill(const struct lab *lab, const struct cut *c)
{
	struct bill b = bill_of(lab, c->l->axis);
	uint64_t ways = 0, max = 0;
	int parts = 0;

	bill_route(&b, ROUTE_CHAIN_X, ROUTE_CHAIN_Y);
	for (int i = 0; i < c->lines && c->first < c->last; i++) {
		uint64_t words = words_of(lab, c->words[i]), far = 0;

		if (!words)
			continue;
		for (int p = c->first; p <= c->last; p++) {
			int to = p < c->root[i] ? p + 1
			         : p > c->root[i] ? p - 1 : p;

			/* A core sends the partial sum of its side over one
			 * link. */
			bill_send(&b, p, to, words);
			far = more(far, abs(p - c->root[i]));
		}
		b.c.path_hops = more(b.c.path_hops, far);
		max = more(max, words);
		ways += far;
		parts++;
	}
	/* The mean path of the lines, rounded up to whole hops. */
	if (parts)
		b.c.comm_cycles = way(ceil((double)ways / parts)) + wire(max);
	return b;
}

static void try_reduce(struct lab *lab, struct grid *g)
{
	enum line_op op = throw_op(lab);
	struct cut c;

	lab_next(lab);
	cut_init(lab, &c, g, op);
	size_t stride = c.own + dice_throw(&lab->dice, 0, 2), at = 0;
	int base = line_base(c.l, c.first);
	float *value = floats(stride * range_size(c.l->local));

	for (int q = c.parts.local.lo; q < c.parts.local.hi; q++) {
		for (int p = base; p <= c.last && is_mine(c.l, p); p++)
			for (size_t i = 0; i < c.words[q]; i++)
				value[(p - base) * stride + at + i] =
					line_word(lab, op, q, p, i);
		at += c.words[q];
	}
	line_reduce(c.l, c.first, c.last, &c.parts, op, value, stride);
	at = 0;
	for (int q = c.parts.local.lo; q < c.parts.local.hi; q++) {
		check_reduced(lab, &c, op, q, at, value, stride);
		at += c.words[q];
	}
	struct bill want = reduce_bill(lab, &c);

	check_bill(lab, &want, "reduce", 0);
	free(value);
	cut_fini(&c);
}

/* From one end of the span to the other, wherever the roots are. */
static struct bill multicast_bill(const struct lab *lab, const struct cut *c,
                                  bool follows)
{
	struct bill b = bill_of(lab, c->l->axis);
	uint64_t max = 0;

	bill_route(&b, ROUTE_CAST_X, ROUTE_CAST_Y);
	for (int i = 0; i < c->lines; i++) {
		uint64_t words = words_of(lab, c->words[i]);

		bill_send(&b, c->first, c->last, words);
		max = more(max, words);
	}
	if (!b.c.words)
		return b;
	b.c.comm_cycles = wire(max);
	/* Only the words of a multicast that follows another are charged. */
	if (follows)
		return b;
	b.c.path_hops = c->last - c->first;
	b.c.stages = 1;
	b.c.comm_cycles += stages(1) + way(b.c.path_hops);
	return b;
}

static void try_multicast(struct lab *lab, struct grid *g)
{
	bool follows = dice_throw(&lab->dice, 0, 1);
	struct cut c;

	lab_next(lab);
	cut_init(lab, &c, g, LINE_ADD);
	int lo = larger(c.first, c.l->local.lo);
	bool touches = lo <= c.last && is_mine(c.l, lo);
	float *data = floats(c.own), *to = data;

	for (int q = c.parts.local.lo; q < c.parts.local.hi; q++)
		for (size_t i = 0; i < c.words[q]; i++)
			*to++ = is_mine(c.l, c.root[q])
				? line_word(lab, LINE_ADD, q, 0, i) : -99;
	line_multicast(c.l, c.first, c.last, &c.parts, data, follows);
	to = data;
	for (int q = c.parts.local.lo; q < c.parts.local.hi; q++)
		for (size_t i = 0; i < c.words[q]; i++)
			CHECK(lab, *to++ == (touches
			      ? line_word(lab, LINE_ADD, q, 0, i) : -99));
	struct bill want = multicast_bill(lab, &c, follows);

	check_bill(lab, &want, "multicast", 0);
	free(data);
	cut_fini(&c);
}

/* ---- the all-reduce ---- */

enum { MOST_CORES = 128, MOST_LEVELS = 7 };

/* A level: chains of cores member[start[i]] to member[start[i + 1] - 1], of
 * which member[root[i]] has the sum. */
struct level {
	int chains, member[MOST_CORES], start[MOST_CORES + 1],
	    root[MOST_CORES];
};

/* A variant's reduction over m cores from `first` on: in ring order (ring),
 * else by levels of chains. */
struct plan {
	int first, m, levels, ring[MOST_CORES];
	struct level level[MOST_LEVELS];
	bool pairs;
};

/* n to the power (k - i) / k, rounded: cores that are left after i levels of a
 * K-tree over n cores. */
static int cores_left(int n, int k, int i)
{
	int left = 1;

	while (pow(left + 0.5, k) < pow(n, k - i))
		left++;
	return left;
}

/* Divides a level's m members into groups with roots in their middle. */
static void cut_level(struct level *v, int m, int groups)
{
	v->chains = groups < m ? groups : m;
	for (int i = 0; i <= v->chains; i++)
		v->start[i] = i * m / v->chains;
	for (int i = 0; i < v->chains; i++)
		v->root[i] = v->start[i] +
		             (v->start[i + 1] - v->start[i]) / 2;
}

/* groups: as on the line, of all levels but the last. */
static void plan_tree(struct plan *t, int levels, const int *groups)
{
	for (int i = 0; i < levels; i++) {
		struct level *v = &t->level[i], *below = v - 1;
		int left = i == levels - 1 ? 1 : groups[i] ? groups[i]
		           : cores_left(t->m, levels, i + 1);
		int m = i == 0 ? t->m : below->chains;

		for (int j = 0; j < m; j++)
			v->member[j] = i == 0 ? t->first + j
			               : below->member[below->root[j]];
		cut_level(v, m, left);
	}
	t->levels = levels;
}

/* Pairs of neighbours, then of those with the sums, until one core has the
 * total. The root of a pair is the core nearer to the middle, or the lower of
 * two at the same distance. */
static void plan_pairs(struct plan *t)
{
	int alive[MOST_CORES], n = t->m;

	t->pairs = true;
	for (int i = 0; i < n; i++)
		alive[i] = t->first + i;
	for (; n > 1 || !t->levels; t->levels++) {
		struct level *v = &t->level[t->levels];

		memcpy(v->member, alive, n * sizeof *alive);
		v->chains = 0;
		for (int i = 0; i < n; i += 2) {
			int off[2];

			for (int k = 0; k < 2; k++)
				off[k] = i + k < n
				         ? abs(2 * (v->member[i + k] - t->first)
				               - (t->m - 1)) : MOST_CORES;
			v->start[v->chains] = i;
			v->root[v->chains] = i + (off[1] < off[0]);
			alive[v->chains] = v->member[v->root[v->chains]];
			v->chains++;
		}
		v->start[v->chains] = n;
		n = v->chains;
	}
}

/* The steps of the line's variant, by its name. */
static void plan_init(struct plan *t, const struct line *l, int first, int m)
{
	const char *name = l->allreduce ? l->allreduce->name : "ktree";

	*t = (struct plan){ .first = first, .m = m };
	if (!strcmp(name, "ring")) {
		list_ring(RING_INTERLEAVE, m, t->ring);
		return;
	}
	if (!strcmp(name, "binary")) {
		plan_pairs(t);
		return;
	}
	plan_tree(t, !strcmp(name, "ktree4") ? 4 : !strcmp(name, "ktree3") ? 3
	          : !strcmp(name, "ktree") ? 2 : 1, l->groups);
	if (!strcmp(name, "pipeline"))
		t->level[0].root[0] = 0;
}

static int plan_top(const struct plan *t)
{
	const struct level *v = &t->level[t->levels - 1];

	return v->member[v->root[0]];
}

/* The sum of one word (pair) of every core; v is used up. */
static const float *sum_plan(const struct plan *t, enum line_op op,
                             float v[][2])
{
	for (int i = 0; i < t->levels; i++) {
		const struct level *w = &t->level[i];

		for (int j = 0; j < w->chains; j++)
			sum_chain(op, v, w->member + w->start[j],
			          w->start[j + 1] - w->start[j],
			          w->root[j] - w->start[j]);
	}
	if (t->levels)
		return v[plan_top(t)];
	/* Once around the ring. */
	float *sum = v[t->first];

	for (int k = 1; k < t->m; k++)
		combine_word(op, sum, v[t->first + t->ring[k]]);
	return sum;
}

/* The terms of a reduction, as Luczynski et al. (HPDC'24) count them. */
struct terms {
	uint64_t contention, energy, distance, depth;
};

/* A level's messages, each to the next member on the way to the root: added
 * to what a core took in (received) and to the terms, which count levels one
 * after the other. */
static void bill_level(struct bill *b, const struct level *v, uint64_t words,
                       int *received, struct terms *t)
{
	int depth = 0, distance = 0;

	for (int i = 0; i < v->chains; i++)
		for (int j = v->start[i]; j < v->start[i + 1]; j++) {
			int r = v->root[i], to = j < r ? j + 1 : j - 1;

			if (j == r)
				continue;
			bill_send(b, v->member[j], v->member[to], words);
			received[v->member[to]]++;
			t->energy += abs(v->member[j] - v->member[to]);
			depth = larger(depth, abs(j - r));
			distance = larger(distance, abs(v->member[j] -
			                                v->member[r]));
		}
	t->depth += depth;
	t->distance += distance;
}

/* Chains of a level, then the next ones, then a multicast. */
static void bill_chains(struct bill *b, const struct plan *t, uint64_t all,
                        uint64_t max)
{
	int received[MOST_CORES] = { 0 }, top = plan_top(t);
	int last = t->first + t->m - 1;
	struct terms up = { 0 };

	for (int i = 0; i < t->levels; i++)
		bill_level(b, &t->level[i], all, received, &up);
	for (int p = 0; p < MOST_CORES; p++)
		up.contention = more(up.contention, received[p]);
	bill_send(b, t->first, last, all);
	uint64_t spread = larger(top - t->first, last - top);
	uint64_t busy = ceil((double)(max * up.energy) / (t->m - 1));

	b->c.path_hops = up.distance + spread;
	b->c.stages = up.depth + 1;
	b->c.comm_cycles = more(wire(max * up.contention),
	                        wire(busy) + way(up.distance)) +
	                   stages(b->c.stages) + wire(max) + way(spread);
}

/* From ring position to ring position, twice around but for the last step of
 * each round, on links of which no two steps of a round need the same one. */
static void bill_ring(struct bill *b, const struct plan *t, uint64_t all,
                      uint64_t max)
{
	uint64_t hops[2] = { 0, 0 };

	for (int k = 0; k < 2 * (t->m - 1); k++) {
		int from = t->ring[k % t->m], to = t->ring[(k + 1) % t->m];

		bill_send(b, t->first + from, t->first + to, all);
		hops[k >= t->m - 1] += abs(from - to);
		b->c.stages++;
	}
	b->c.path_hops = hops[0] + hops[1];
	b->c.comm_cycles = wire(max) + way(hops[0]) + stages(b->c.stages) +
	                   wire(max) + way(hops[1]);
}

/* One all-reduce of `all` words, `most` on the line that has most, message by
 * message. */
static struct bill plan_bill(const struct lab *lab, enum axis axis,
                             const struct plan *t, uint64_t all, uint64_t max)
{
	struct bill b = bill_of(lab, axis);

	if (t->m == 1 || !all)
		return b;
	if (t->levels)
		bill_chains(&b, t, all, max);
	else
		bill_ring(&b, t, all, max);
	return b;
}

static void bill_routes(struct bill *b, const struct plan *t)
{
	static const enum route_kind kinds[][2] = {
		{ ROUTE_CHAIN_X, ROUTE_CHAIN_Y },
		{ ROUTE_ROOTS_X, ROUTE_ROOTS_Y },
		{ ROUTE_ROOTS2_X, ROUTE_ROOTS2_Y },
		{ ROUTE_ROOTS3_X, ROUTE_ROOTS3_Y },
	};

	for (int i = 0; i < t->levels && !t->pairs; i++)
		bill_route(b, kinds[i][0], kinds[i][1]);
	if (t->levels)
		bill_route(b, ROUTE_CAST_X, ROUTE_CAST_Y);
	else
		bill_route(b, ROUTE_RING_X, ROUTE_RING_Y);
}

/* All-reduces in parallel: the slowest determines the cycles. */
static void bill_beside(struct bill *sum, const struct bill *b)
{
	for (int p = 0; p < LAB_CORES; p++)
		sum->link[b->axis][p] += b->link[b->axis][p];
	sum->c.words += b->c.words;
	sum->c.word_hops += b->c.word_hops;
	sum->c.path_hops = more(sum->c.path_hops, b->c.path_hops);
	sum->c.stages = more(sum->c.stages, b->c.stages);
	sum->c.comm_cycles = more(sum->c.comm_cycles, b->c.comm_cycles);
}

/* Segments of a line that share end cores or leave gaps. */
enum { MOST_SEGMENTS = 8 };

struct sums {
	struct line *l;
	struct range local;       /* own parallel lines */
	int lines, n;
	enum line_op op;
	struct line_segment segment[MOST_SEGMENTS];
	int words[MOST_SEGMENTS];  /* of one line's vector; a line across with
	                              an odd number has one word (pair) more */
};

static int vector_words(const struct sums *a, int s, int line)
{
	return a->words[s] + (a->op == LINE_ARGMAX ? 2 : 1) * (line % 2);
}

static void segment_init(struct lab *lab, struct sums *a, int s)
{
	struct line_segment *seg = &a->segment[s];
	int base = line_base(a->l, seg->first);
	size_t at = 0;

	a->words[s] = dice_throw(&lab->dice, 0, 2) *
	              (a->op == LINE_ARGMAX ? 2 : 1);
	for (int q = 0; q < a->lines; q++) {
		uint64_t words = words_of(lab, vector_words(a, s, q));

		seg->wire.all += words;
		seg->wire.max = more(seg->wire.max, words);
		if (q >= a->local.lo && q < a->local.hi)
			seg->words += vector_words(a, s, q);
	}
	seg->stride = seg->words + dice_throw(&lab->dice, 0, 2);
	seg->value = floats(seg->stride * range_size(a->l->local));
	seg->result = floats(seg->words);
	for (int q = a->local.lo; q < a->local.hi; q++) {
		int n = vector_words(a, s, q);

		for (int p = base; p <= seg->last && is_mine(a->l, p); p++)
			for (int i = 0; i < n; i++)
				seg->value[(p - base) * seg->stride + at + i] =
					line_word(lab, a->op, q * 8 + s, p, i);
		at += n;
	}
}

static void check_segment(struct lab *lab, const struct sums *a, int s)
{
	const struct line_segment *seg = &a->segment[s];
	struct plan t;
	int base = line_base(a->l, seg->first);
	int size = a->op == LINE_ARGMAX ? 2 : 1;
	const float *result = seg->result;
	float v[a->l->n][2];

	if (base > seg->last || !is_mine(a->l, base))
		return;
	plan_init(&t, a->l, seg->first, seg->last - seg->first + 1);
	for (int q = a->local.lo; q < a->local.hi; q++)
		for (int i = 0; i < vector_words(a, s, q); i += size) {
			line_words(lab, a->op, q * 8 + s, i, a->l->n, v);
			CHECK(lab, same_bits(sum_plan(&t, a->op, v), result,
			                     size));
			result += size;
		}
}

/* From some core on, segments of all lengths, the odd one long. */
static void throw_segments(struct lab *lab, struct sums *a)
{
	int first = dice_throw(&lab->dice, 0, a->l->n / 2);

	while (first < a->l->n && a->n < MOST_SEGMENTS) {
		struct line_segment *s = &a->segment[a->n++];

		s->first = first;
		s->last = dice_throw(&lab->dice, first, a->l->n - 1);
		if (dice_throw(&lab->dice, 0, 2) && s->last > first + 4)
			s->last = first + 4;
		first = s->last + dice_throw(&lab->dice, 0, 3) / 2;
	}
	for (int i = 0; i < a->n; i++)
		segment_init(lab, a, i);
}

static struct bill sums_bill(const struct lab *lab, const struct sums *a)
{
	struct bill b = bill_of(lab, a->l->axis);

	for (int i = 0; i < a->n; i++) {
		const struct line_segment *s = &a->segment[i];
		struct plan t;

		plan_init(&t, a->l, s->first, s->last - s->first + 1);
		struct bill own = plan_bill(lab, a->l->axis, &t, s->wire.all,
		                            s->wire.max);

		bill_beside(&b, &own);
		bill_routes(&b, &t);
	}
	return b;
}

/* By one variant; NULL: by the line's default. */
static void try_variant(struct lab *lab, struct grid *g,
                        const struct allreduce *variant)
{
	enum axis axis = throw_axis(lab);
	struct sums a = { .l = grid_line(g, axis), .local = across(g, axis),
	                  .lines = grid_lines(g, axis),
	                  .op = throw_op(lab) };
	uint64_t max = 0;

	lab_next(lab);
	throw_segments(lab, &a);
	a.l->allreduce = variant;
	for (int i = 0; i < LINE_LEVELS_MAX - 1; i++)
		a.l->groups[i] = dice_throw(&lab->dice, 0, 1)
		                 ? dice_throw(&lab->dice, 1, a.l->n + 1) : 0;
	lab->ledger.sram[0][0] = 0;
	line_allreduce(a.l, a.n, a.segment, a.op);
	struct bill want = sums_bill(lab, &a);

	for (int i = 0; i < a.n; i++)
		max = more(max, a.segment[i].wire.max);
	check_exchange(lab, max);
	for (int i = 0; i < a.n; i++) {
		check_segment(lab, &a, i);
		free(a.segment[i].value);
		free(a.segment[i].result);
	}
	check_bill(lab, &want, variant ? variant->name : "all-reduce", 0);
	a.l->allreduce = NULL;
	memset(a.l->groups, 0, sizeof a.l->groups);
}

static void try_allreduce(struct lab *lab, struct grid *g)
{
	try_variant(lab, g, NULL);
	for (size_t i = 0; i < allreduce_count(); i++)
		try_variant(lab, g, allreduce_at(i));
}

/* ---- from each core to all others ---- */

/* Vectors from one core or several to all cores of a line. Their lengths differ
 * by parallel line, at random. */
struct redistribution {
	struct line *l;
	struct range local;
	int lines, length[LAB_CORES];
	size_t own;                /* of this rank's lines */
};

static struct redistribution throw_spread(struct lab *lab, struct grid *g)
{
	enum axis axis = throw_axis(lab);
	struct redistribution s = { .l = grid_line(g, axis),
		                    .local = across(g, axis),
		                    .lines = grid_lines(g, axis) };
	int max = dice_throw(&lab->dice, 0, 3); /* at times none at all */

	for (int q = 0; q < s.lines; q++) {
		s.length[q] = dice_throw(&lab->dice, 0, max);
		if (q >= s.local.lo && q < s.local.hi)
			s.own += s.length[q];
	}
	lab->ledger.source_paths[0][0][s.l->axis] = 0;
	return s;
}

/* Words over all lines when each carries that many vectors. */
static struct wire_words spread_wire(const struct lab *lab,
                                     const struct redistribution *s,
                                     int vectors)
{
	struct wire_words w = { 0, 0 };

	for (int q = 0; q < s->lines; q++) {
		uint64_t words = words_of(lab, (uint64_t)vectors *
		                          s->length[q]);

		w.all += words;
		w.max = more(w.max, words);
	}
	return w;
}

/* Fills or compares vector number i of this rank's lines. */
static void spread_words(struct lab *lab, const struct redistribution *s, int i,
                         float *data, bool compare)
{
	for (int q = s->local.lo; q < s->local.hi; q++)
		for (int j = 0; j < s->length[q]; j++, data++) {
			float word = made_uniform(made_key(lab->key, q, i), j);

			if (compare)
				CHECK(lab, *data == word);
			else
				*data = word;
		}
}

/* The bill of that many messages, given their longest path, with a path for
 * each core. */
static void check_spread(struct lab *lab, const struct redistribution *s,
                         int hops, int messages, struct wire_words w)
{
	struct bill want = bill_of_none(lab, s->l->axis);
	/* Cores that a router's paths reach, half of them for each axis. */
	int reach = (int)made_device.routes / 2, joints = 0;
	bool any = s->l->n > 1 && w.all > 0;

	while (any && hops > (joints + 1) * reach)
		joints++;
	CHECK(lab, lab->ledger.source_paths[0][0][s->l->axis] ==
	           (uint32_t)(any ? s->l->n : 0));
	for (int p = 0; any && p + 1 < s->l->n; p++) {
		want.link[want.axis][p] = w.all;
		want.c.word_hops += w.all;
	}
	if (any) {
		want.c.calls = 1;
		want.c.words = w.all;
		want.c.path_hops = hops;
		want.c.stages = 1 + joints;
		want.c.comm_cycles =
			messages * cycles(made_device.exchange_cycles) +
			way(hops) + wire(w.max) + stages(1 + joints);
	}
	if (joints) /* each message's head, and all words, by software */
		want.c.comm_cycles += stages(messages) + wire(w.max);
	check_bill(lab, &want, "from each core", 0);
}

static void try_broadcast(struct lab *lab, struct grid *g)
{
	lab_next(lab);
	struct redistribution s = throw_spread(lab, g);
	struct wire_words w = spread_wire(lab, &s, 1);
	int root = dice_throw(&lab->dice, 0, s.l->n - 1);
	float *data = floats(s.own);

	if (is_mine(s.l, root))
		spread_words(lab, &s, 0, data, false);
	line_broadcast(s.l, root, data, s.own, w);
	spread_words(lab, &s, 0, data, true);
	check_spread(lab, &s, larger(root, s.l->n - 1 - root), 1, w);
	free(data);
}

/* Any number of vectors, from cores in random order; a core may have several.
 */
static void try_allgather(struct lab *lab, struct grid *g)
{
	enum { MOST = 9 };

	lab_next(lab);
	struct redistribution s = throw_spread(lab, g);
	int n = dice_throw(&lab->dice, 0, MOST), root[MOST];
	struct wire_words w = spread_wire(lab, &s, n);
	float *data = floats(n * s.own);
	size_t words[MOST];

	for (int i = 0; i < n; i++) {
		words[i] = s.own;
		root[i] = dice_throw(&lab->dice, 0, s.l->n - 1);
		if (is_mine(s.l, root[i]))
			spread_words(lab, &s, i, data + i * s.own, false);
	}
	line_allgather(s.l, &(struct line_parts){ n, { 0, n }, words, root },
	               data, w);
	for (int i = 0; i < n; i++)
		spread_words(lab, &s, i, data + i * s.own, true);
	check_spread(lab, &s, s.l->n - 1, s.l->n - 1, w);
	free(data);
}

/* ---- relays ---- */

/* Word i of a message of rank `from` of the line; own: this rank's place on
 * the other axis. */
static float relay_word(const struct lab *lab, int from, int own, int i)
{
	return made_uniform(made_key(lab->key, from, own), i);
}

static int own_place(const struct grid *g, const struct line *l)
{
	return l == &g->x ? g->y.rank : g->x.rank;
}

static void try_pass_down(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	int words = dice_throw(&lab->dice, 1, 5), own = own_place(g, l);
	bool passes[l->nranks + 1]; /* rank i passes to i - 1 */
	float out[5], in[5] = { 0 };

	lab_next(lab);
	for (int i = 0; i <= l->nranks; i++)
		passes[i] = dice_throw(&lab->dice, 0, 1) && i > 0 &&
		            i < l->nranks;
	for (int i = 0; i < words; i++)
		out[i] = relay_word(lab, l->rank, own, i);
	line_pass_down(l, passes[l->rank] ? out : NULL,
	               passes[l->rank + 1] ? in : NULL, words);
	for (int i = 0; i < words; i++)
		CHECK(lab, in[i] == (passes[l->rank + 1]
		      ? relay_word(lab, l->rank + 1, own, i) : 0));
	CHECK(lab, lab_charged(lab).calls == 0);
}

/* Every core of a span passes a message to its lower neighbour. */
static void try_charge_pass(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	struct wire_words w = { .max = dice_throw(&lab->dice, 0, 9) };
	struct bill want = bill_of(lab, l->axis);
	int first = dice_throw(&lab->dice, 0, l->n - 1);
	int last = dice_throw(&lab->dice, first, l->n - 1);

	lab_next(lab);
	if (first == last)
		return;
	w.all = w.max * dice_throw(&lab->dice, 1, 4);
	lab->ledger.sram[0][0] = 0;
	line_charge_pass(l, first, last, w);
	check_exchange(lab, w.max);
	for (int p = last; p > first; p--)
		bill_send(&want, p, p - 1, w.all);
	bill_route(&want, ROUTE_CHAIN_X, ROUTE_CHAIN_Y);
	want.c.path_hops = want.c.stages = 1;
	/* Software on a core receives one message and sends another. */
	want.c.comm_cycles = cycles(made_device.relay_cycles) + way(1) +
	                     2 * wire(w.max);
	check_bill(lab, &want, "pass", 0);
}

static void try_gather(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	struct partition p =
		partition_of(dice_throw(&lab->dice, 0, 3 * l->n), l->n);
	struct range own = partition_range(&p, l->local);
	int place = own_place(g, l);
	bool takes_part = dice_throw(&lab->dice, 0, 3) != place % 4;
	float *local = floats(range_size(own)), *all = floats(p.n);
	struct bill want = bill_of(lab, l->axis);

	lab_next(lab);
	for (int i = own.lo; i < own.hi; i++)
		local[i - own.lo] = relay_word(lab, 0, place, i);
	line_gather(l, &p, takes_part ? local : NULL, all);
	for (int i = 0; i < p.n; i++)
		CHECK(lab, all[i] == (takes_part && l->rank == 0
		                      ? relay_word(lab, 0, place, i) : 0));
	for (int i = 0; i < l->n; i++) {
		int n = partition_size(&p, i);

		bill_send(&want, i, 0, words_of(lab, n));
		want.c.path_hops = more(want.c.path_hops, n ? i : 0);
	}
	want.c.stages = want.c.path_hops;
	want.c.comm_cycles = way(want.c.path_hops) + stages(want.c.stages) +
	                     wire(want.c.words);
	check_bill(lab, &want, "gather", 0);
	free(all);
	free(local);
}

static void try_route(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	/* At times more rows than one message takes. */
	int max = dice_throw(&lab->dice, 0, 3) ? 12 : 600;
	int n = dice_throw(&lab->dice, 0, max), place = own_place(g, l);
	size_t words = (place + dice_throw(&lab->dice, 0, 2)) % 3;
	const struct wire_words w = { 7, 3 };
	int from[600], to[600], rows_up = 0, rows_down = 0;
	float *rows = floats(n * words), *row[600];
	struct bill want = bill_of(lab, l->axis);

	lab_next(lab);
	for (int r = 0; r < n; r++) {
		from[r] = dice_throw(&lab->dice, 0, l->n - 1);
		to[r] = dice_throw(&lab->dice, 0, l->n - 1);
		row[r] = is_mine(l, from[r]) || is_mine(l, to[r])
		         ? rows + r * words : NULL;
		for (size_t i = 0; i < words && is_mine(l, from[r]); i++)
			rows[r * words + i] = relay_word(lab, r, place, i);
		/* From the farther end; from the last one when both are as far.
		 */
		int end = to[r] > l->n - 1 - to[r] ? 0 : l->n - 1;

		bill_send(&want, end, to[r], w.all);
		want.c.path_hops = more(want.c.path_hops, abs(end - to[r]));
		*(end ? &rows_down : &rows_up) += l->n > 1;
	}
	want.c.stages = want.c.path_hops;
	want.c.comm_cycles = way(want.c.path_hops) + stages(want.c.stages) +
	                     wire(w.max * larger(rows_up, rows_down));
	line_route(l, n, from, to, row, words, w);
	for (int r = 0; r < n; r++)
		for (size_t i = 0; i < words && is_mine(l, to[r]); i++)
			CHECK(lab, rows[r * words + i] ==
			           relay_word(lab, r, place, i));
	check_bill(lab, &want, "route", 0);
	free(rows);
}

static float matrix_word(const struct lab *lab, int own, int k, int n)
{
	return made_uniform(made_key(lab->key, own, k), n);
}

/* Cuts a k x n matrix into boxes at random places along k or n. */
static void throw_boxes(struct lab *lab, int k, int n, int boxes,
                        struct box *box)
{
	bool by_k = dice_throw(&lab->dice, 0, 1);
	int lo = 0, end = by_k ? k : n;

	for (int i = 0; i < boxes; i++) {
		int hi = i == boxes - 1 ? end
		         : dice_throw(&lab->dice, lo, lo + (end - lo) / 2);

		box[i] = (struct box){ { 0, k }, { 0, n } };
		*(by_k ? &box[i].k : &box[i].n) = (struct range){ lo, hi };
		lo = hi;
	}
}

static size_t box_size(const struct box *b)
{
	return (size_t)range_size(b->k) * range_size(b->n);
}

static void *fill_box(const struct lab *lab, const struct box *b, int own,
                      enum wl_type type)
{
	size_t size = wl_type_size(type);
	char *data = wl_malloc(box_size(b), size), *to = data;

	for (int k = b->k.lo; k < b->k.hi; k++)
		for (int n = b->n.lo; n < b->n.hi; n++, to += size) {
			float x = matrix_word(lab, own, k, n);

			wl_from_f32(to, &x, type, 1);
		}
	return data;
}

static void check_box(struct lab *lab, const struct box *b, int own,
                      enum wl_type type, const void *data)
{
	void *want = fill_box(lab, b, own, type);

	CHECK(lab, memcmp(data, want, box_size(b) * wl_type_size(type)) == 0);
	free(want);
}

/* A box that is given and one that is got. */
struct moved {
	struct matrix_view source, sink;
};

static struct moved moved_init(const struct lab *lab, const struct box *from,
                               const struct box *to, int own,
                               enum wl_type type)
{
	size_t size = wl_type_size(type);

	return (struct moved){
		matrix_view_dense(*from, size, fill_box(lab, from, own, type)),
		matrix_view_dense(*to, size, wl_malloc(box_size(to), size)) };
}

static void moved_fini(struct moved *m)
{
	free(m->source.matrix);
	free(m->sink.matrix);
}

static void try_relay_boxes(struct lab *lab, struct grid *g)
{
	struct line *l = grid_line(g, throw_axis(lab));
	/* Rarely more rows than one message takes. */
	bool long_one = !dice_throw(&lab->dice, 0, 9);
	int k = dice_throw(&lab->dice, 1, long_one ? 200 : 20);
	int n = dice_throw(&lab->dice, 1, long_one ? 3000 : 20);
	int own = own_place(g, l);
	struct box from[l->nranks], to[l->nranks];

	lab_next(lab);
	throw_boxes(lab, k, n, l->nranks, from);
	throw_boxes(lab, k, n, l->nranks, to);
	enum wl_type type = throw_type(lab);
	struct moved m = moved_init(lab, &from[l->rank], &to[l->rank], own,
	                            type);

	line_relay_boxes(l, from, to, &m.source, &m.sink);
	check_box(lab, &to[l->rank], own, type, m.sink.matrix);
	CHECK(lab, lab_charged(lab).calls == 0);
	moved_fini(&m);
}

static struct layout throw_layout(struct lab *lab, struct grid *g, int k,
                                  int n, int unit)
{
	bool turned = dice_throw(&lab->dice, 0, 1);
	bool spread = dice_throw(&lab->dice, 0, 1);

	return (struct layout){
		g, { k, unit, turned ? g->cols : g->rows, spread },
		{ n, unit, turned ? g->rows : g->cols, spread }, turned };
}

/* Element by element, first along x, then along y. */
struct journey {
	int x[2], y[2]; /* from, to */
};

static struct journey journey_of(const struct layout *from,
                                 const struct layout *to, int k, int n)
{
	int k0 = partition_owner(&from->k, k),
	    n0 = partition_owner(&from->n, n);
	int k1 = partition_owner(&to->k, k), n1 = partition_owner(&to->n, n);

	return (struct journey){
		.x = { from->transposed ? k0 : n0, to->transposed ? k1 : n1 },
		.y = { from->transposed ? n0 : k0, to->transposed ? n1 : k1 } };
}

/* Elements that travel together along one axis, from core to core: those of one
 * index, or, when the dimensions change axes, all of them. */
struct bundle {
	int from, to, elements;
};

static struct bundle *find_bundle(struct bundle *all, int *n, int key,
                                  const int ends[2])
{
	struct bundle *b = &all[key >= 0 ? key : ends[0] * LAB_CORES + ends[1]];

	*n = larger(*n, (int)(b - all) + 1);
	b->from = ends[0];
	b->to = ends[1];
	return b;
}

/* Elements over the busiest link of any line, one way: over[line][cut][up]. */
typedef int over_links[LAB_CORES][LAB_CORES][2];

static void count_links(over_links over, int line, const int ends[2])
{
	for (int p = ends[0]; p < ends[1]; p++)
		over[line][p][1]++;
	for (int p = ends[0]; p > ends[1]; p--)
		over[line][p - 1][0]++;
}

static int busiest_link(over_links over)
{
	int max = 0, *n = &over[0][0][0];

	for (int i = 0; i < 2 * LAB_CORES * LAB_CORES; i++)
		max = larger(max, n[i]);
	return max;
}

static struct bill relayout_bill(const struct lab *lab,
                                 const struct layout *from,
                                 const struct layout *to)
{
	static struct bundle bundle[2][LAB_CORES * LAB_CORES];
	static over_links over[2];
	struct bill b = bill_of(lab, AXIS_X);
	bool turned = from->transposed != to->transposed;
	int n_bundles[2] = { 0, 0 }, far[2] = { 0, 0 }, moved = 0;

	memset(bundle, 0, sizeof bundle);
	memset(over, 0, sizeof over);
	for (int k = 0; k < from->k.n; k++)
		for (int n = 0; n < from->n.n; n++) {
			struct journey j = journey_of(from, to, k, n);
			int on_x = from->transposed ? k : n;
			int on_y = k + n - on_x;

			find_bundle(bundle[0], &n_bundles[0], turned ? -1
			            : on_x, j.x)->elements++;
			find_bundle(bundle[1], &n_bundles[1], turned ? -1
			            : on_y, j.y)->elements++;
			far[0] = larger(far[0], abs(j.x[0] - j.x[1]));
			far[1] = larger(far[1], abs(j.y[0] - j.y[1]));
			count_links(over[0], j.y[0], j.x);
			count_links(over[1], j.x[1], j.y);
			moved += j.x[0] != j.x[1] || j.y[0] != j.y[1];
		}
	for (int axis = 0; axis <= 1; axis++)
		for (int i = 0; i < n_bundles[axis]; i++) {
			const struct bundle *u = &bundle[axis][i];

			bill_send_on(&b, axis, u->from, u->to,
			             words_of(lab, u->elements));
		}
	b.c.words = words_of(lab, moved);
	b.c.path_hops = b.c.stages = far[0] + far[1];
	b.c.comm_cycles = way(b.c.path_hops) + stages(b.c.stages) +
	                  wire(words_of(lab, larger(busiest_link(over[0]),
	                                            busiest_link(over[1]))));
	return b;
}

static void try_relayout(struct lab *lab, struct grid *g)
{
	struct grid other;
	int unit = dice_throw(&lab->dice, 1, 2);
	int k = unit * dice_throw(&lab->dice, 1, 20);
	int n = unit * dice_throw(&lab->dice, 1, 20);

	lab_next(lab);
	grid_init(&other, g->y.nranks + dice_throw(&lab->dice, 0, 5),
	          g->x.nranks + dice_throw(&lab->dice, 0, 5), g->y.nranks,
	          g->x.nranks, g->y.rank, g->x.rank, lab->noc, &lab->ledger);
	struct layout from = throw_layout(lab, g, k, n, unit);
	struct layout to = throw_layout(lab, &other, k, n, unit);
	struct box old = layout_own_box(&from), new = layout_own_box(&to);
	enum wl_type type = throw_type(lab);
	struct moved m = moved_init(lab, &old, &new, 0, type);

	relayout(&from, &to, &m.source, &m.sink);
	check_box(lab, &new, 0, type, m.sink.matrix);
	struct bill want = relayout_bill(lab, &from, &to);

	check_bill(lab, &want, from.transposed == to.transposed
	           ? "relayout" : "turning relayout", 0);
	moved_fini(&m);
	grid_fini(&other);
}

static void (*const moves[])(struct lab *lab, struct grid *g) = {
	try_shift, try_skew, try_unskew_all, try_reduce, try_multicast,
	try_broadcast, try_allgather, try_allreduce, try_pass_down,
	try_charge_pass, try_gather, try_route, try_relay_boxes, try_relayout,
};

/* Lines of many cores, on which trees have four levels and routers have fewer
 * paths than there are cores. */
static void try_long_lines(struct lab *lab, int rows, int cols)
{
	struct grid g;

	grid_init(&g, dice_throw(&lab->dice, larger(rows, 40), LAB_CORES),
	          dice_throw(&lab->dice, larger(cols, 40), LAB_CORES), rows,
	          cols, lab->mesh.row, lab->mesh.col, lab->noc, &lab->ledger);
	throw_charged(lab);
	try_allreduce(lab, &g);
	try_broadcast(lab, &g);
	try_allgather(lab, &g);
	grid_fini(&g);
}

/* After waiting, time is attributed to the interrupted kind again. */
static void try_waiting(struct lab *lab, struct profile *clock)
{
	enum profile_kind before = profile_enter(clock, PROFILE_EXCHANGE);
	int in = NOC_NOTHING, out = NOC_NOTHING;
	float word[2] = { 1, 0 };

	if (lab->mesh.col > 0)
		in = noc_recv(lab->noc, DIR_WEST, &word[1], 1);
	if (lab->mesh.col + 1 < lab->mesh.cols)
		out = noc_send(lab->noc, DIR_EAST, &word[0], 1);
	noc_wait(lab->noc, in);
	CHECK(lab, clock->kind == PROFILE_EXCHANGE);
	noc_wait(lab->noc, out);
	CHECK(lab, clock->kind == PROFILE_EXCHANGE);
	profile_leave(clock, before);
}

static void check_clock(struct lab *lab, struct profile *clock)
{
	const double *s = clock->times.seconds[PHASE_DECODE][OP_QKV];
	bool alone = lab->mesh.rows * lab->mesh.cols == 1;

	profile_stop(clock);
	CHECK(lab, s[PROFILE_COMPUTE] > 0);
	CHECK(lab, s[PROFILE_EXCHANGE] > 0);
	CHECK(lab, alone ? s[PROFILE_WAIT] == 0 : s[PROFILE_WAIT] > 0);
}

/* All moves on core grids of many sizes over one rank grid, the smallest and
 * the least square grids first. */
static void try_rank_grid(struct lab *lab, int rows, int cols, int grids)
{
	struct profile clock;

	lab_open(lab, MPI_COMM_WORLD, rows, cols);
	noc_profile(lab->noc, &clock);
	profile_start(&clock);
	profile_take(&clock, PHASE_DECODE, OP_QKV);
	for (int i = 0; i < grids; i++) {
		struct grid g;
		int more_rows = dice_throw(&lab->dice, 0, i < 9 ? i : 9);
		int more_cols = dice_throw(&lab->dice, 0, i < 9 ? i : 9);

		grid_init(&g, rows + more_rows, cols + more_cols, rows, cols,
		          lab->mesh.row, lab->mesh.col, lab->noc, &lab->ledger);
		g.x.profile = g.y.profile = &clock;
		for (size_t m = 0; m < sizeof moves / sizeof *moves; m++) {
			throw_charged(lab);
			moves[m](lab, &g);
			CHECK(lab, clock.kind == PROFILE_COMPUTE);
		}
		grid_fini(&g);
	}
	for (int i = 0; i < 3; i++)
		try_long_lines(lab, rows, cols);
	try_waiting(lab, &clock);
	check_clock(lab, &clock);
	lab_close(lab);
}

int main(int argc, char **argv)
{
	struct lab lab = { .dice.key = 2 };
	int size;

	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (int rows = 1; rows <= size; rows++)
		if (size % rows == 0)
			try_rank_grid(&lab, rows, size / rows,
			              size > 16 ? 10 : 60);
	int failed = lab_verdict(&lab, "mpi_line");

	MPI_Finalize();
	return failed;
}
