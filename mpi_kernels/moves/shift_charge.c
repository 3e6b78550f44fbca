/* The cost of a step of the ring shift.
 *
 * With data, the tiles that leave their cores are counted line by line. A dry
 * run computes the same sums from groups of lines that move alike, in constant
 * time. The tests compare the ledgers of both. */
#include "config.h"
#include "shift_charge.h"

#include "device/cost.h"
#include "grid/ring.h"

/* Tiles of some lines that leave their cores, and the hops that they make: all,
 * and of these the ones with a larger block of the ring's dimension. */
struct tile_moves {
	uint64_t large, all, large_hops, all_hops;
};

/* Adds their words and word hops. fixed: items of the lines' fixed block. */
static void add_moves(const struct tiles *t, const struct tile_moves *m,
                      int fixed, struct charge *c)
{
	const struct ledger *l = t->grid->ledger;
	int unit = t->ring.unit;
	int small = partition_max(&t->ring) -
	            (partition_larger(&t->ring) ? unit : 0);
	uint64_t words = cost_words(l, (uint64_t)small * fixed);
	uint64_t large_words = cost_words(l, (uint64_t)(small + unit) * fixed);

	c->words += m->large * large_words + (m->all - m->large) * words;
	c->word_hops += m->large_hops * large_words +
	                (m->all_hops - m->large_hops) * words;
}

bool shift_is_regular(const struct tiles *t)
{
	return !t->off && !t->fixed.dispersed &&
	       grid_lines(t->grid, t->axis) == t->path->n;
}

struct shift_lines shift_all_lines(const struct tiles *t)
{
	struct shift_lines g = { .n = shift_is_regular(t) };

	g.group[0] = (struct shift_group){ 1, 0, t->path->n - 1, -t->turned,
	                                   t->skewed };
	return g;
}

/* Lines up to half the ring away go one way, the others the other way. */
bool shift_turn_lines(const struct tiles *t, int i, bool skewed,
                      struct shift_lines *g)
{
	int n = t->path->n, half = skewed ? n / 2 : (n - 1) / 2;
	int dir = skewed ? -1 : 1;

	g->group[0] = (struct shift_group){ dir, i + 1, half, -dir * i,
	                                    !skewed };
	g->group[1] = (struct shift_group){ -dir, half + 1, n - 1 - i, dir * i,
	                                    !skewed };
	g->n = 2;
	return i < half || half + i < n - 1;
}

/* Adds the moves of those lines of the group that are at ring positions
 * lo..hi. */
static void add_group(const struct tiles *t, const struct shift_group *m,
                      int lo, int hi, struct tile_moves *sum)
{
	const struct ring_sums *s = ring_sums(t->path, m->dir, &t->ring);
	int n = t->path->n;

	lo = lo > m->lo ? lo : m->lo;
	hi = hi < m->hi ? hi : m->hi;
	if (lo > hi)
		return;
	uint64_t lines = hi - lo + 1;
	int off = ((m->skewed ? lo : 0) + m->off + n) % n;

	sum->all += lines * s->moves[n];
	sum->all_hops += lines * s->hops[n];
	sum->large += m->skewed ? ring_sum(s->moves_before, n, off, lines)
	                        : lines * s->moves[off];
	sum->large_hops += m->skewed ? ring_sum(s->hops_before, n, off, lines)
	                             : lines * s->hops[off];
}

/* The moves of the first `lines` lines, by groups. On the interleaved ring the
 * even lines have positions 0, 1, ..., the odd ones n - 1, n - 2, ... */
static struct tile_moves group_moves(const struct tiles *t,
                                     const struct shift_lines *g, int lines)
{
	int n = t->path->n, odd = t->path->kind == RING_NATURAL ? 0 : lines / 2;
	struct tile_moves sum = { 0 };

	for (int i = 0; i < g->n; i++) {
		add_group(t, &g->group[i], 0, lines - odd - 1, &sum);
		add_group(t, &g->group[i], n - odd, n - 1, &sum);
	}
	return sum;
}

/* Counts line by line. moves: [0] of lines with a smaller fixed block, [1] with
 * a larger one. */
static void count_lines(const struct tiles *t, const signed char *steps,
                        struct tile_moves moves[2])
{
	int n = t->path->n, max = partition_max(&t->fixed);
	/* Without steps all lines go forwards. */
	const struct ring_sums *sums[] = {
		steps ? ring_sums(t->path, -1, &t->ring) : NULL,
		ring_sums(t->path, 1, &t->ring) };

	for (int q = 0; q < grid_lines(t->grid, t->axis); q++) {
		int step = shift_of_line(steps, q);
		const struct ring_sums *s = sums[step > 0];
		struct tile_moves *m =
			&moves[partition_size(&t->fixed, q) == max];

		if (!step)
			continue;
		m->large += s->moves[tiles_off(t, q)];
		m->all += s->moves[n];
		m->large_hops += s->hops[tiles_off(t, q)];
		m->all_hops += s->hops[n];
	}
}

/* Adds words and word hops of one step of all lines. */
static void add_lines(const struct tiles *t, const struct shift_lines *g,
                      struct charge *c)
{
	int lines = grid_lines(t->grid, t->axis),
	    max = partition_max(&t->fixed);
	int larger = partition_larger(&t->fixed);
	struct tile_moves moves[2] = { { 0 } };

	if (g->n && t->grid->dry) {
		moves[1] = group_moves(t, g, larger ? larger : lines);
		moves[0] = group_moves(t, g, lines);
		moves[0].large -= moves[1].large;
		moves[0].all -= moves[1].all;
		moves[0].large_hops -= moves[1].large_hops;
		moves[0].all_hops -= moves[1].all_hops;
	} else
		count_lines(t, g->steps, moves);
	add_moves(t, &moves[1], max, c);
	if (larger)
		add_moves(t, &moves[0], max - t->fixed.unit, c);
}

/* Every link of a line carries one tile each way. */
static void charge_links(const struct tiles *t, uint64_t word_hops)
{
	const struct line *l = tiles_line(t);
	int links = l->n - 1;

	ledger_link(l->ledger, l->axis, 0, links, word_hops / links);
	ledger_link(l->ledger, l->axis, 0, 1, word_hops % links);
}

bool shift_charge(const struct tiles *t, const struct shift_lines *g,
                  bool set_up)
{
	const struct line *l = tiles_line(t);
	struct charge c = { .calls = 1 };

	if (l->n < 2 || !ledger_listens(l->ledger))
		return false;
	add_lines(t, g, &c);
	if (c.words) {
		uint64_t words = cost_words(l->ledger, tiles_capacity(t));

		c.path_hops = set_up ? shift_route(t, 1)->longest : 0;
		c.setup_cycles = set_up ? cost_exchange(l->ledger) : 0;
		c.comm_cycles = c.setup_cycles +
		                cost_hops(l->ledger, c.path_hops) +
		                cost_wire(l->ledger, words);
		charge_links(t, c.word_hops);
	}
	ledger_charge(l->ledger, &c);
	ledger_route(l->ledger, ROUTE_ON(RING, l->axis));
	/* A turn moves some lines against the ring. */
	if (g->turning)
		ledger_route(l->ledger, ROUTE_ON(BACK, l->axis));
	return c.words > 0;
}

uint64_t shift_buffer_bytes(const struct tiles *t)
{
	return cost_bytes(t->grid->ledger, tiles_capacity(t) *
	                  (t->path->per_core > 1 ? 2 : 1));
}
