/* The re-layout: every element goes along x to the rank column of its new core,
 * then along y to the rank row.
 *
 *   from    rank (r, c)
 *   middle  rank (r, c')     line_relay_boxes on x
 *   to      rank (r', c')    line_relay_boxes on y
 *
 * Where k and n keep their axes ("straight"), each axis moves one dimension by
 * itself. Where they change axes ("turned"), a core's elements spread over a
 * whole line. */
#include "config.h"
#include "mpi_kernels/moves/relayout.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/huge.h"
#include "device/cost.h"
#include "mpi_kernels/moves/line.h"

/* --- What a re-layout costs --- */

/* What one dimension's move along one axis costs. An item is a single index of
 * the dimension. */
struct drift {
	uint64_t stay;       /* items that keep their core */
	uint64_t hops;       /* sum over all items */
	uint64_t far;        /* hops of the item that moves farthest */
	uint64_t busiest;    /* items over the busiest link, one way */
};

/* A run of n items that starts with item `first`: partition a has all of them
 * in block `from`, partition b in block `to`. n 0 ends the iteration. */
struct run {
	int first, from, to;
	uint64_t n;
};

/* The longest run that starts with an item. */
static struct run run_at(const struct partition *a, const struct partition *b,
                         int item)
{
	struct run r = { .first = item };

	if (item >= a->n)
		return r;
	r.from = partition_owner(a, item);
	r.to = partition_owner(b, item);
	int end_a = partition_start(a, r.from + 1),
	    end_b = partition_start(b, r.to + 1);

	r.n = (end_a < end_b ? end_a : end_b) - item;
	return r;
}

static struct run run_first(const struct partition *a,
                            const struct partition *b)
{
	return run_at(a, b, 0);
}

static struct run run_next(const struct partition *a, const struct partition *b,
                           const struct run *r)
{
	return run_at(a, b, r->first + (int)r->n);
}

/* Moves items along the line from their cores in a to those in b. words: of one
 * item, summed over all parallel lines. cross[up][c]: change in the number of
 * items over the link above core c, against the link below it. */
static struct drift drift_of(struct line *l, const struct partition *a,
                             const struct partition *b, uint64_t words)
{
	struct drift d = { 0 };
	int cores = a->parts > b->parts ? a->parts : b->parts;
	int64_t *cross[2], now[2] = { 0, 0 };

	for (int up = 0; up <= 1; up++)
		cross[up] = wl_calloc(cores, sizeof **cross);
	for (struct run r = run_first(a, b); r.n; r = run_next(a, b, &r)) {
		int from = r.from, to = r.to;
		int lo = from < to ? from : to, hi = from < to ? to : from;
		uint64_t hops = line_hops(l, from, to);

		d.hops += r.n * hops;
		d.stay += hops ? 0 : r.n;
		d.far = hops > d.far ? hops : d.far;
		cross[from < to][lo] += r.n;
		cross[from < to][hi] -= r.n;
		ledger_link(l->ledger, l->axis, lo, hi, r.n * words);
	}
	for (int c = 0; c < cores; c++)
		for (int up = 0; up <= 1; up++) {
			now[up] += cross[up][c];
			if ((uint64_t)now[up] > d.busiest)
				d.busiest = now[up];
		}
	free(cross[0]);
	free(cross[1]);
	return d;
}

/* Sets hops, stages and cycles for both axes. far: hops of the farthest element
 * on x and y, each of which ends at a core that forwards in software. busy:
 * elements over the busiest link of x and y. A word starts along y as soon as
 * its way along x ends, so both axes' links are busy at the same time. */
static void add_axes(const struct ledger *l, struct charge *c,
                     const uint64_t far[2], const uint64_t busy[2])
{
	uint64_t max = busy[0] > busy[1] ? busy[0] : busy[1];

	c->path_hops = c->stages = far[0] + far[1];
	c->comm_cycles = cost_hops(l, c->path_hops) +
	                 cost_stages(l, c->stages) +
	                 cost_wire(l, cost_words(l, max));
}

/* Sets them for the drifts of k and n. The x axis moves first: meanwhile
 * the dimension on y has its old partition; when y moves, the one on x has its
 * new one. */
static void add_drifts(const struct layout *from, const struct layout *to,
                       const struct drift *dk, const struct drift *dn,
                       struct charge *c)
{
	const struct layout *k_at = from->transposed ? from : to;
	const struct layout *n_at = from->transposed ? to : from;
	const uint64_t far[] = { dk->far, dn->far };
	const uint64_t busy[] = { dk->busiest * partition_max(&k_at->n),
	                          dn->busiest * partition_max(&n_at->k) };

	add_axes(from->grid->ledger, c, far, busy);
}

/* The charge when k and n keep their axes. */
static struct charge straight_charge(const struct layout *from,
                                     const struct layout *to)
{
	struct grid *g = from->grid;
	const struct ledger *l = g->ledger;
	struct line *kl = from->transposed ? &g->x : &g->y;
	struct line *nl = from->transposed ? &g->y : &g->x;
	uint64_t k = from->k.n, n = from->n.n;
	uint64_t k_words = cost_words(l, n), n_words = cost_words(l, k);
	struct drift dk = drift_of(kl, &from->k, &to->k, k_words);
	struct drift dn = drift_of(nl, &from->n, &to->n, n_words);
	struct charge c = {
		.calls = 1, .words = cost_words(l, k * n - dk.stay * dn.stay),
		.word_hops = dk.hops * k_words + dn.hops * n_words };

	add_drifts(from, to, &dk, &dn, &c);
	return c;
}

/* Number of blocks of one size below and above a cut. */
struct blocks {
	uint64_t size, below, above;
};

/* Counts the blocks of the larger size (b[0]) and of the smaller (b[1]), all of
 * them above the cut. */
static void size_blocks(const struct partition *p, struct blocks b[2])
{
	uint64_t all = p->parts, larger = partition_larger(p);

	b[0] = (struct blocks){ partition_max(p), 0, larger ? larger : all };
	b[1] = (struct blocks){ partition_size(p, p->parts - 1), 0,
	                        larger ? all - larger : 0 };
}

/* Raises the cut past block c of the partition, if there is one. */
static void pass_block(const struct partition *p, int c, struct blocks b[2])
{
	if (c >= p->parts)
		return;
	int i = (uint64_t)partition_size(p, c) != b[0].size;

	b[i].below++;
	b[i].above--;
}

/* The last block that is not empty, or -1. */
static int last_block(const struct partition *p)
{
	return p->n ? partition_owner(p, p->n - 1) : -1;
}

/* Hops of the farthest pair of an item of a and an item of b. Block 0 is empty
 * only when the whole partition is. */
static uint64_t turned_far(struct line *l, const struct partition *a,
                           const struct partition *b)
{
	int last[2] = { last_block(a), last_block(b) };

	if (last[0] < 0 || last[1] < 0)
		return 0;
	return line_hops(l, 0, last[0] > last[1] ? last[0] : last[1]);
}

/* Word hops of all pairs of an item of a and an item of b between their cores,
 * summed link by link; far: hops of the farthest pair. The pairs of two blocks
 * make one message. */
static uint64_t cross_hops(struct line *l, const struct partition *a,
                           const struct partition *b, uint64_t *far)
{
	int cores = a->parts > b->parts ? a->parts : b->parts;
	struct blocks x[2], y[2];
	uint64_t sum = 0;

	size_blocks(a, x);
	size_blocks(b, y);
	*far = turned_far(l, a, b);
	for (int c = 0; c + 1 < cores; c++) {
		uint64_t words = 0;

		pass_block(a, c, x);
		pass_block(b, c, y);
		for (int i = 0; i < 2; i++)
			for (int j = 0; j < 2; j++)
				words += cost_words(l->ledger,
				                    x[i].size * y[j].size) *
				         (x[i].below * y[j].above +
				          x[i].above * y[j].below);
		sum += words * line_hops(l, c, c + 1);
		ledger_link(l->ledger, l->axis, c, c + 1, words);
	}
	return sum;
}

/* Items that are both in block a of p and in block b of q. */
static uint64_t common_items(const struct partition *p, int a,
                     const struct partition *q, int b)
{
	struct range r =
		range_intersect(partition_range(p, (struct range){ a, a + 1 }),
	                        partition_range(q, (struct range){ b, b + 1 }));

	return range_size(r);
}

/* First item above the cut between cores c and c + 1, or p->n. */
static int first_above(const struct partition *p, int c)
{
	return c + 1 < p->parts ? partition_start(p, c + 1) : p->n;
}

/* Elements of one line that cross the cut above core c, in the busier
 * direction. The line has all pairs of an item of `rows` and an item of `any`;
 * each pair moves between the item's core in `here` and its core in `any`. */
static uint64_t turn_crossing(struct range rows, const struct partition *here,
                              const struct partition *any, int c)
{
	struct range below = { 0, first_above(here, c) };
	uint64_t low = range_size(range_intersect(rows, below));
	uint64_t high = range_size(rows) - low;
	uint64_t any_low = first_above(any, c), any_high = any->n - any_low;
	uint64_t one = low * any_high, other = high * any_low;

	return one > other ? one : other;
}

/* Elements over the busiest link of an axis, one way, when k and n change axes.
 * lines: partition over the axis's parallel lines of the dimension that `here`
 * cuts along the line. A line's items are on a few neighbouring cores of
 * `here`: its busiest cut separates these, or is next to them, because
 * crossings only fall off from there outwards. */
static uint64_t busiest_turn(const struct partition *lines,
                             const struct partition *here,
                             const struct partition *any)
{
	int cores = here->parts > any->parts ? here->parts : any->parts;
	uint64_t max = 0;

	for (int i = 0; i < lines->parts; i++) {
		struct range r = partition_range(lines,
		                                 (struct range){ i, i + 1 });

		if (!range_size(r))
			continue;
		struct range cuts = { partition_owner(here, r.lo) - 1,
			              partition_owner(here, r.hi - 1) + 1 };

		cuts = range_intersect(cuts, (struct range){ 0, cores - 1 });
		for (int c = cuts.lo; c < cuts.hi; c++) {
			uint64_t n = turn_crossing(r, here, any, c);

			max = n > max ? n : max;
		}
	}
	return max;
}

/* The charge when k and n change axes: element (k, n) moves from core
 * (y(k), x(n)) of one layout to core (y(n), x(k)) of the other, or back. */
static struct charge turned_charge(const struct layout *from,
                                   const struct layout *to)
{
	struct grid *g = from->grid;
	const struct partition *on_y = from->transposed ? &from->n : &from->k;
	const struct partition *on_x = from->transposed ? &from->k : &from->n;
	const struct partition *to_y = from->transposed ? &to->k : &to->n;
	const struct partition *to_x = from->transposed ? &to->n : &to->k;
	const struct ledger *l = g->ledger;
	uint64_t far[2], stay = 0;
	struct charge c = { .calls = 1 };

	c.word_hops = cross_hops(&g->x, on_x, to_x, &far[0]) +
	              cross_hops(&g->y, on_y, to_y, &far[1]);
	/* on_y and to_x partition one dimension, on_x and to_y the other. */
	for (struct run r = run_first(on_y, to_x); r.n;
	     r = run_next(on_y, to_x, &r))
		if (r.from < to_y->parts && r.to < on_x->parts)
			stay += r.n * common_items(on_x, r.to, to_y, r.from);
	c.words = cost_words(l, (uint64_t)from->k.n * from->n.n - stay);
	const uint64_t busy[] = { busiest_turn(on_y, to_x, on_x),
	                          busiest_turn(to_x, on_y, to_y) };

	add_axes(l, &c, far, busy);
	return c;
}

/* Lower bound of a drift between partitions over unequal numbers of cores. All
 * items of the cores that only the wider one has cross the link below those
 * cores, and the last item moves farthest of them. */
static struct drift drift_min(struct line *l, const struct partition *a,
                              const struct partition *b)
{
	const struct partition *wide = a->parts > b->parts ? a : b;
	const struct partition *narrow = a->parts > b->parts ? b : a;
	struct drift d = { 0 };

	if (!wide->n || wide->parts == narrow->parts)
		return d;
	d.busiest = wide->n - partition_start(wide, narrow->parts);
	d.far = line_hops(l, last_block(narrow), last_block(wide));
	return d;
}

uint64_t relayout_min_cycles(const struct layout *from, const struct layout *to)
{
	struct line *line = &from->grid->x;
	struct drift dk = drift_min(line, &from->k, &to->k);
	struct drift dn = drift_min(line, &from->n, &to->n);
	struct charge c = { 0 };

	if (from->transposed == to->transposed) {
		add_drifts(from, to, &dk, &dn, &c);
		return c.comm_cycles;
	}
	/* The pair of both dimensions' last items is at the far end of one
	 * axis before the move, or after it. */
	const uint64_t none[] = { 0, 0 }, far[] = {
		turned_far(line, &from->k, &to->n),
		turned_far(line, &from->n, &to->k) };

	add_axes(from->grid->ledger, &c, far, none);
	return c.comm_cycles;
}

/* --- The moves --- */

/* The box that rank (row, col) holds between the two moves: what rank row `row`
 * had before, cut to what rank column `col` gets. */
static struct box middle_box(const struct layout *from,
                             const struct layout *to, int row, int col)
{
	const struct range all = { 0, 1 << 30 };
	struct box had = layout_box(from, row, 0),
		   gets = layout_box(to, 0, col);

	if (from->transposed)
		had.k = all;
	else
		had.n = all;
	if (to->transposed)
		gets.n = (struct range){ 0, to->n.n };
	else
		gets.k = (struct range){ 0, to->k.n };
	return (struct box){ range_intersect(had.k, gets.k),
	                     range_intersect(had.n, gets.n) };
}

void relayout(const struct layout *from, const struct layout *to,
              const struct matrix_view *source, const struct matrix_view *sink)
{
	struct grid *g = from->grid;
	int rows = g->y.nranks, cols = g->x.nranks;
	struct box old[cols], across[cols], down[rows], new[rows];

	if (ledger_listens(g->ledger)) {
		struct charge c = from->transposed == to->transposed
			? straight_charge(from, to) : turned_charge(from, to);

		ledger_charge(g->ledger, &c);
	}
	if (g->dry)
		return;
	for (int j = 0; j < cols; j++) {
		old[j] = layout_box(from, g->y.rank, j);
		across[j] = middle_box(from, to, g->y.rank, j);
	}
	for (int i = 0; i < rows; i++) {
		down[i] = middle_box(from, to, i, g->x.rank);
		new[i] = layout_box(to, i, g->x.rank);
	}
	if (rows == 1) {
		line_relay_boxes(&g->x, old, across, source, sink);
		return;
	}
	if (cols == 1) {
		line_relay_boxes(&g->y, down, new, source, sink);
		return;
	}
	struct box own = across[g->x.rank];
	void *data = huge_malloc(box_elements(own), source->size);
	struct matrix_view middle = matrix_view_dense(own, source->size, data);

	line_relay_boxes(&g->x, old, across, source, &middle);
	line_relay_boxes(&g->y, down, new, &middle, sink);
	huge_free(data);
}
