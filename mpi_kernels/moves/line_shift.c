/* The ring shift of tiles: the two-hop ring, or Cannon's with its way home.
 *
 *   6 cores:  0 -> 2 -> 4 -> 5 -> 3 -> 1 -> 0
 *             0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 0
 *
 * Through the cut between two neighbouring cores passes exactly one tile of a
 * line each way, on either ring. A rank therefore exchanges one message with
 * each neighbour, holding one tile of each of its lines; inside the rank tiles
 * change place by pointer. A tile whose way leads over a rank arrives there
 * and is sent on.
 *
 * Source: WaferLLM (OSDI'25), Algorithm 1 and section 5.3. */
#include "config.h"
#include "grid/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/cost.h"
#include "grid/ring.h"
#include "mpi_kernels/moves/shift.h"

/* The step that line q takes: +1, -1, or 0 when it stays. */
static int step_of(const signed char *steps, int q)
{
	return steps ? steps[q] : 1;
}

static const struct ring_route *route(const struct tiles *t, int step)
{
	return &t->path->route[step > 0];
}

static bool own_place(const struct tiles *t, int p)
{
	return p >= t->path->local.lo && p < t->path->local.hi;
}

/* Tiles of some lines that leave their cores, and the hops they make: those
 * that hold larger blocks of the ring's dimension, and all. */
struct moves {
	uint64_t large, all, large_hops, all_hops;
};

/* Their words and word hops. across: items of the lines' fixed block. */
static void add_moves(const struct tiles *t, const struct moves *m, int across,
                      struct charge *c)
{
	const struct ledger *l = t->grid->ledger;
	int unit = t->ring.unit;
	uint64_t size = (uint64_t)(partition_max(&t->ring) -
	                           (partition_larger(&t->ring) ? unit : 0)) *
	                across;
	uint64_t less = cost_words(l, size);
	uint64_t more = cost_words(l, size + (uint64_t)unit * across);

	c->words += m->large * more + (m->all - m->large) * less;
	c->word_hops += m->large_hops * more +
	                (m->all_hops - m->large_hops) * less;
}

/* Lines that move alike: those at ring positions lo..hi (of a line among as
 * many as the ring has places) in direction dir, of which each stands at
 * `shift` away from home, or, apart, at its position + shift. */
struct movers {
	int dir, lo, hi, shift;
	bool apart;
};

/* Which lines move in a step: at most two sets of movers, or, none given, by
 * steps (NULL: all forwards). */
struct going {
	const signed char *steps;
	struct movers movers[2];
	int n;
	bool turning;        /* to skew, or to unskew */
};

/* Whether all lines stand as one says who knows only skewed and turned, and
 * every position has one. */
static bool is_regular(const struct tiles *t)
{
	return !t->skew && !t->fixed.dispersed &&
	       grid_lines(t->grid, t->axis) == t->path->n;
}

/* All lines, forwards. */
static struct going all_going(const struct tiles *t)
{
	struct going g = { .n = is_regular(t) };

	g.movers[0] = (struct movers){ 1, 0, t->path->n - 1, -t->turned,
	                               t->skewed };
	return g;
}

/* Adds those of the movers who are at ring positions lo..hi. */
static void add_movers(const struct tiles *t, const struct movers *m, int lo,
                       int hi, struct moves *sum)
{
	const struct ring_sums *s = ring_sums(t->path, m->dir, &t->ring);
	int n = t->path->n;

	lo = lo > m->lo ? lo : m->lo;
	hi = hi < m->hi ? hi : m->hi;
	if (lo > hi)
		return;
	uint64_t lines = hi - lo + 1;
	int off = ((m->apart ? lo : 0) + m->shift + n) % n;

	sum->all += lines * s->moves[n];
	sum->all_hops += lines * s->hops[n];
	sum->large += m->apart ? ring_sum(s->moves_before, n, off, lines)
	                       : lines * s->moves[off];
	sum->large_hops += m->apart ? ring_sum(s->hops_before, n, off, lines)
	                            : lines * s->hops[off];
}

/* The moves of the first `lines` lines: on the interleaved ring even ones are
 * at positions from 0 on, odd ones before it (ring.h). */
static struct moves moves_of(const struct tiles *t, const struct going *g,
                             int lines)
{
	int n = t->path->n, odd = t->path->kind == RING_NATURAL ? 0 : lines / 2;
	struct moves sum = { 0 };

	for (int i = 0; i < g->n; i++) {
		add_movers(t, &g->movers[i], 0, lines - odd - 1, &sum);
		add_movers(t, &g->movers[i], n - odd, n - 1, &sum);
	}
	return sum;
}

/* Line by line: moves [whether their fixed block is the larger]. */
static void count_lines(const struct tiles *t, const signed char *steps,
                        struct moves moves[2])
{
	int n = t->path->n, max = partition_max(&t->fixed);
	/* Most steps go one way. */
	const struct ring_sums *sums[] = {
		steps ? ring_sums(t->path, -1, &t->ring) : NULL,
		ring_sums(t->path, 1, &t->ring) };

	for (int q = 0; q < grid_lines(t->grid, t->axis); q++) {
		int step = step_of(steps, q);
		const struct ring_sums *s = sums[step > 0];
		struct moves *m = &moves[partition_size(&t->fixed, q) == max];

		if (!step)
			continue;
		m->large += s->moves[tiles_line_skew(t, q)];
		m->all += s->moves[n];
		m->large_hops += s->hops[tiles_line_skew(t, q)];
		m->all_hops += s->hops[n];
	}
}

/* Words and word hops of one step of all lines: of those with a larger fixed
 * block, and the others. */
static void add_lines(const struct tiles *t, const struct going *g,
                      struct charge *c)
{
	int lines = grid_lines(t->grid, t->axis),
	    max = partition_max(&t->fixed);
	int larger = partition_larger(&t->fixed);
	struct moves moves[2] = { { 0 } };

	/* With data what moves is counted, line by line. Without, the same is
	 * summed by stretches: that a dry run's account equals the real run's
	 * is what holds the two together. */
	if (g->n && t->grid->dry) {
		moves[1] = moves_of(t, g, larger ? larger : lines);
		moves[0] = moves_of(t, g, lines);
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

/* Every cut of a line is crossed by one tile each way. */
static void charge_links(const struct tiles *t, uint64_t word_hops)
{
	const struct line *l = tiles_line(t);
	int cuts = l->n - 1;

	ledger_link(l->ledger, l->axis, 0, cuts, word_hops / cuts);
	ledger_link(l->ledger, l->axis, 0, 1, word_hops % cuts);
}

/* Whether any words move. */
static bool charge_shift(struct tiles *t, const struct going *g, bool set_up)
{
	const struct line *l = tiles_line(t);
	struct charge c = { .calls = 1 };

	if (l->n < 2 || !ledger_listens(l->ledger))
		return false;
	add_lines(t, g, &c);
	if (c.words) {
		uint64_t words = cost_words(l->ledger, tiles_max_elements(t));

		c.path_hops = set_up ? route(t, 1)->longest : 0;
		c.setup_cycles = set_up ? cost_exchange(l->ledger) : 0;
		c.comm_cycles = c.setup_cycles +
		                cost_hops(l->ledger, c.path_hops) +
		                cost_wire(l->ledger, words);
		charge_links(t, c.word_hops);
	}
	ledger_charge(l->ledger, &c);
	/* Half the ring's steps, at most, go against it: to skew. */
	ledger_route(l->ledger, ROUTE_ON(RING, l->axis));
	if (g->turning)
		ledger_route(l->ledger, ROUTE_ON(BACK, l->axis));
	return c.words > 0;
}

/* Bytes of the message that crosses the cut at one end of the own cores: a
 * tile of each moving line. */
static size_t message_bytes(const struct tiles_shift *s, bool upper, bool up)
{
	struct range lines = tiles_own_lines(s->t);
	size_t bytes = 0;

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = step_of(s->steps, q);

		if (step)
			bytes += tiles_bytes_at(
				s->t, q, route(s->t, step)->from[upper][up]);
	}
	return bytes;
}

/* Of a message of so many bytes. */
static size_t whole_words(size_t bytes)
{
	return (bytes + 3) / 4;
}

/* Whether all that leaves over one end is here. */
static bool can_pack(const struct tiles_shift *s, bool upper)
{
	struct range lines = tiles_own_lines(s->t);

	for (int q = lines.lo; q < lines.hi && !s->arrived[!upper]; q++) {
		int step = step_of(s->steps, q);

		if (step && !own_place(s->t,
		                       route(s->t, step)->from[upper][upper]))
			return false;
	}
	return true;
}

/* Fills the message that leaves over one end: own tiles, and those that came
 * in over the other end and only pass through. */
static void pack(const struct tiles_shift *s, bool upper, char *out)
{
	struct range lines = tiles_own_lines(s->t);
	const char *in = s->in[!upper];

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = step_of(s->steps, q);
		const struct ring_route *r = route(s->t, step);
		int p = r->from[upper][upper];

		if (!step)
			continue;
		size_t bytes = tiles_bytes_at(s->t, q, p);

		if (own_place(s->t, p))
			memcpy(out, *tiles_slot(s->t, q, p), bytes);
		else
			memcpy(out, in, bytes);
		out += bytes;
		if (s->arrived[!upper])
			in += tiles_bytes_at(s->t, q, r->from[!upper][upper]);
	}
}

/* Sends over the upper or lower end if that was not done and can be. */
static void try_send(struct tiles_shift *s, bool upper)
{
	struct line *l = tiles_line(s->t);
	enum dir to = upper ? l->upper : l->lower;

	if (line_cut(l, upper) < 0 || s->sent[upper] || !can_pack(s, upper))
		return;
	size_t words = whole_words(message_bytes(s, upper, upper));
	char *out = noc_space(l->noc, to, words);

	pack(s, upper, out);
	s->send[upper] = noc_send(l->noc, to, out, words);
	s->sent[upper] = true;
}

/* Bytes that come to a core in one step while its own go: a tile, or one from
 * either side where a core has more places than one. */
static uint64_t coming_bytes(const struct tiles *t)
{
	return cost_bytes(t->grid->ledger, tiles_max_elements(t) *
	                  (t->path->per_core > 1 ? 2 : 1));
}

/* Whether any words move, for the account. */
static bool start(struct tiles_shift *s, struct tiles *t,
                  const struct going *g, bool set_up)
{
	struct line *l = tiles_line(t);

	WL_ASSERT(!l->shifting);
	*s = (struct tiles_shift){ .t = t, .steps = g->steps };
	bool moves = charge_shift(t, g, set_up);

	ledger_alloc(l->ledger, SRAM_BUFFERS, coming_bytes(t));
	if (t->grid->dry || t->path->n == 1)
		return moves;
	l->shifting = true;
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	for (int upper = 0; upper <= 1; upper++) {
		s->send[upper] = NOC_NOTHING;
		s->words[upper] = line_cut(l, upper) < 0 ? 0 : whole_words(
			message_bytes(s, upper, !upper));
		noc_expect(l->noc, upper ? l->upper : l->lower,
		           s->words[upper]);
	}
	for (int upper = 0; upper <= 1; upper++)
		try_send(s, upper);
	profile_leave(l->profile, before);
	return moves;
}

void tiles_shift_start(struct tiles_shift *s, struct tiles *t,
                       const signed char *steps)
{
	struct going g = { .steps = steps, .turning = steps };

	if (!steps)
		g = all_going(t);
	start(s, t, &g, true);
}

/* Gives the tiles of line q their new places inside the rank. The slots of the
 * tiles that left become those of the tiles that come. */
static void permute(struct tiles_shift *s, int q)
{
	const struct tiles *t = s->t;
	const struct ring_route *r = route(t, step_of(s->steps, q));
	int left = 0, first = t->path->local.lo, w = range_size(t->path->local);
	void *now[w], *gone[2];

	for (int i = 0; i < w; i++) {
		void *tile = *tiles_slot(t, q, first + i);

		if (own_place(t, r->to[i]))
			now[r->to[i] - first] = tile;
		else
			gone[left++] = tile;
	}
	for (int upper = 0; upper <= 1; upper++) {
		int arrives = r->arrives[upper][!upper];

		if (!own_place(t, arrives))
			continue;
		void *place = gone[--left];

		now[arrives - first] = t->kept ? tiles_kept_swap(t->kept, place)
		                               : place;
	}
	for (int i = 0; i < w; i++)
		*tiles_slot(t, q, first + i) = now[i];
}

/* Puts the tiles that a neighbour sent into their new slots. */
static void unpack(struct tiles_shift *s, bool upper)
{
	struct range lines = tiles_own_lines(s->t);
	const char *in = s->in[upper];

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = step_of(s->steps, q);
		/* skew[q] is already that after the step: look where the
		 * tile went. */
		int to = route(s->t, step)->arrives[upper][!upper];

		if (!step)
			continue;
		size_t bytes = tiles_bytes_at(s->t, q, to);

		if (own_place(s->t, to))
			memcpy(*tiles_slot(s->t, q, to), in, bytes);
		in += bytes;
	}
}

/* Waits for the neighbours' tiles, sends what passes through, and gives the
 * own ones their new cores. */
static void receive(struct tiles_shift *s)
{
	struct line *l = tiles_line(s->t);
	struct range lines = tiles_own_lines(s->t);

	for (int upper = 0; upper <= 1; upper++) {
		s->in[upper] = noc_take(l->noc, upper ? l->upper : l->lower,
		                        s->words[upper]);
		s->arrived[upper] = true;
		try_send(s, !upper);
	}
	for (int q = lines.lo; q < lines.hi; q++)
		if (step_of(s->steps, q))
			permute(s, q);
}

/* Takes in what came, and is done with what was sent. */
static void settle(struct tiles_shift *s)
{
	struct line *l = tiles_line(s->t);

	for (int upper = 0; upper <= 1; upper++) {
		if (line_cut(l, upper) >= 0)
			unpack(s, upper);
		noc_release(l->noc, upper ? l->upper : l->lower);
	}
	for (int upper = 0; upper <= 1; upper++)
		noc_wait(l->noc, s->send[upper]);
	l->shifting = false;
}

void tiles_shift_finish(struct tiles_shift *s)
{
	struct tiles *t = s->t;
	struct line *l = tiles_line(t);
	int lines = grid_lines(t->grid, t->axis);
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	ledger_free(l->ledger, SRAM_BUFFERS, coming_bytes(t));
	if (l->shifting)
		receive(s);
	if (!s->steps)
		tiles_step_all(t);
	for (int q = 0; s->steps && q < lines; q++)
		tiles_step(t, q, s->steps[q]);
	if (l->shifting)
		settle(s);
	profile_leave(l->profile, before);
}

/* One step of a turn, whose set-up is charged unless another step's message
 * takes these tiles along. Without steps there are no tiles: it is charged
 * alone. Whether any words move. */
static bool step(struct tiles *t, const struct going *g, bool set_up)
{
	struct ledger *l = t->grid->ledger;
	struct tiles_shift s;
	bool moves;

	if (!g->steps) {
		moves = charge_shift(t, g, set_up);
		ledger_alloc(l, SRAM_BUFFERS, coming_bytes(t));
		ledger_free(l, SRAM_BUFFERS, coming_bytes(t));
		return moves;
	}
	moves = start(&s, t, g, set_up);
	tiles_shift_finish(&s);
	return moves;
}

/* What is left of turn where its steps are accounted for already and there is
 * no data: where the tiles stand in the end, and the memory it took. */
static void turn_silently(struct tiles *t, int n, bool skewed)
{
	struct ledger *l = t->grid->ledger;
	int lines = grid_lines(t->grid, t->axis);

	for (int i = 0; i < n; i++) {
		bool moves = false;

		for (int q = 0; q < lines && !moves; q++)
			moves = tiles_line_skew(&t[i], q) !=
			        tiles_wanted_skew(&t[i], q, skewed);
		tiles_declare_skew(&t[i], skewed);
		if (!moves)
			continue;
		ledger_alloc(l, SRAM_BUFFERS, coming_bytes(&t[i]));
		ledger_free(l, SRAM_BUFFERS, coming_bytes(&t[i]));
	}
}

/* Who moves in step number i of a turn of tiles that stand at home, or skewed,
 * to be skewed, or at home: positions up to half the ring the one way, the
 * others the other way. False when all are there. */
static bool turn_movers(const struct tiles *t, int i, bool skewed,
                        struct going *g)
{
	int n = t->path->n, half = skewed ? n / 2 : (n - 1) / 2;
	int dir = skewed ? -1 : 1;

	g->movers[0] = (struct movers){ dir, i + 1, half, -dir * i, !skewed };
	g->movers[1] = (struct movers){ -dir, half + 1, n - 1 - i, dir * i,
	                                !skewed };
	g->n = 2;
	return i < half || half + i < n - 1;
}

/* The steps of the lines; false when all are there. */
static bool turn_steps(const struct tiles *t, bool skewed, signed char *steps)
{
	int places = t->path->n;
	bool any = false;

	for (int q = 0; q < grid_lines(t->grid, t->axis); q++) {
		int back = tiles_wanted_skew(t, q, skewed) -
		           tiles_line_skew(t, q);

		back = (back + places) % places;
		steps[q] = !back ? 0 : back <= places - back ? -1 : 1;
		any |= back;
	}
	return any;
}

/* Turns every line q of n tiled matrices until it is ring_pos(q) steps from
 * home, or home, each the shorter way and all at once. The matrices stand
 * alike. */
static void turn(struct tiles *t, int n, bool skewed)
{
	bool regular = is_regular(t) && !t->turned;
	signed char *steps = NULL;

	if (t->path->n == 1 || (regular && t->skewed == skewed))
		return;
	if (t->grid->dry && !ledger_listens(t->grid->ledger)) {
		turn_silently(t, n, skewed);
		return;
	}
	if (!t->grid->dry || !regular)
		steps = wl_malloc(grid_lines(t->grid, t->axis), sizeof *steps);
	for (int i = 0;; i++) {
		struct going g = { .steps = steps, .turning = true };
		bool set_up = true;

		if (regular && !turn_movers(t, i, skewed, &g))
			break;
		if (steps && !turn_steps(t, skewed, steps))
			break;
		for (int j = 0; j < n; j++)
			set_up &= !step(&t[j], &g, set_up);
	}
	for (int i = 0; i < n; i++)
		tiles_declare_skew(&t[i], skewed);
	free(steps);
}

bool tiles_skewed(const struct tiles *t)
{
	int lines = grid_lines(t->grid, t->axis);

	for (int q = 0; q < lines; q++)
		if (tiles_line_skew(t, q) != tiles_wanted_skew(t, q, true))
			return false;
	return true;
}

void tiles_set_skewed(struct tiles *t)
{
	tiles_declare_skew(t, true);
}

void tiles_skew(struct tiles *t)
{
	turn(t, 1, true);
}

void tiles_unskew(struct tiles *t)
{
	turn(t, 1, false);
}

void tiles_unskew_all(struct tiles *t, int n)
{
	turn(t, n, false);
}
