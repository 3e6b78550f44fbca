/* The two-hop ring shift of tiles.
 *
 *   ring on 6 cores:  0 -> 2 -> 4 -> 5 -> 3 -> 1 -> 0
 *
 * Through the cut between two neighbouring cores passes exactly one tile of a
 * line each way. A rank therefore exchanges one message with each neighbour,
 * holding one tile of each of its lines; inside the rank tiles change place
 * by pointer. A tile whose two hops step over a rank one core wide arrives
 * there and is sent on.
 *
 * Source: WaferLLM (OSDI'25), Algorithm 1 and section 5.3. */
#include "config.h"
#include "tiles.h"

#include <string.h>

#include "fail.h"
#include "ring.h"

/* The step that line q takes: +1, -1, or 0 when it stays. */
static int step_of(const signed char *steps, int q)
{
	return steps ? steps[q] : 1;
}

static const struct ring_route *route(const struct tiles *t, int step)
{
	return &tiles_line(t)->ring[step > 0];
}

/* Words times hops of one step on a line whose tiles are `off` steps from
 * home, per item of the fixed dimension; one table for each direction, made
 * once. */
static const uint64_t *hop_table(struct tiles *t, int step)
{
	int n = tiles_line(t)->n;
	const int *hops = route(t, step)->hops;
	uint64_t **table = &t->word_hops[step > 0], size[n];

	if (*table)
		return *table;
	*table = wl_calloc(n, sizeof **table);
	for (int k = 0; k < n; k++)
		size[k] = part_size(&t->ring, ring_core(k, n));
	for (int off = 0; off < n; off++)
		for (int k = 0; k < n; k++)
			(*table)[off] +=
				hops[k] *
				size[k + off < n ? k + off : k + off - n];
	return *table;
}

static void charge_shift(struct tiles *t, const signed char *steps)
{
	const struct line *l = tiles_line(t);
	int lines = grid_lines(t->grid, t->axis);
	struct charge c = { .calls = 1 };

	for (int q = 0; q < lines && l->n > 1; q++) {
		uint64_t across = part_size(&t->fixed, q);
		int step = step_of(steps, q);

		if (!step)
			continue;
		c.words += across * t->ring.n;
		c.word_hops += across * hop_table(t, step)[t->off[q]];
		c.path_hops = l->n > 2 ? 2 : 1;
	}
	ledger_charge(l->ledger, &c);
}

/* Words of the message that crosses the cut at one end of the own cores: a
 * tile of each moving line. */
static size_t message_words(const struct tiles_shift *s, bool upper, bool up)
{
	struct range lines = tiles_own_lines(s->t);
	size_t words = 0;

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = step_of(s->steps, q);

		if (step)
			words += tiles_size(s->t, q,
			                    route(s->t, step)->from[upper][up]);
	}
	return words;
}

/* Fills the message that leaves over one end: own tiles, and those that came
 * in over the other end and only pass through. Returns false when it needs
 * what has not arrived. */
static bool pack(const struct tiles_shift *s, bool upper, float *out)
{
	const struct line *l = tiles_line(s->t);
	struct range lines = tiles_own_lines(s->t);
	const float *in = s->in[!upper];

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = step_of(s->steps, q);
		const struct ring_route *r = route(s->t, step);
		int p = r->from[upper][upper];

		if (!step)
			continue;
		size_t words = tiles_size(s->t, q, p);

		if (line_has(l, p))
			memcpy(out, *tiles_slot(s->t, q, p),
			       words * sizeof *out);
		else if (s->arrived[!upper])
			memcpy(out, in, words * sizeof *out);
		else
			return false;
		out += words;
		if (s->arrived[!upper])
			in += tiles_size(s->t, q, r->from[!upper][upper]);
	}
	return true;
}

/* Sends over the upper or lower end if that was not done and can be. */
static void try_send(struct tiles_shift *s, bool upper)
{
	struct line *l = tiles_line(s->t);

	if (line_cut(l, upper) < 0 || s->sent[upper])
		return;
	size_t words = message_words(s, upper, upper);
	float *out = line_buffer(l, upper ? LINE_OUT_UPPER : LINE_OUT_LOWER,
	                         words);

	if (!pack(s, upper, out))
		return;
	s->send[upper] = noc_send(l->noc, upper ? l->upper : l->lower, out,
	                          words);
	s->sent[upper] = true;
}

void tiles_shift_start(struct tiles_shift *s, struct tiles *t,
                       const signed char *steps)
{
	struct line *l = tiles_line(t);

	WL_ASSERT(!l->shifting);
	*s = (struct tiles_shift){ .t = t, .steps = steps };
	charge_shift(t, steps);
	if (t->grid->dry || l->n == 1)
		return;
	l->shifting = true;
	for (int upper = 0; upper <= 1; upper++) {
		s->recv[upper] = s->send[upper] = NOC_NOTHING;
		if (line_cut(l, upper) < 0)
			continue;
		size_t words = message_words(s, upper, !upper);

		s->in[upper] = line_buffer(l, upper ? LINE_IN_UPPER
		                                    : LINE_IN_LOWER, words);
		s->recv[upper] = noc_recv(l->noc, upper ? l->upper : l->lower,
		                          s->in[upper], words);
	}
	for (int upper = 0; upper <= 1; upper++)
		try_send(s, upper);
}

/* Gives the tiles of line q their new cores inside the rank. The slots of the
 * tiles that left become those of the tiles that come. */
static void permute(struct tiles_shift *s, int q)
{
	const struct line *l = tiles_line(s->t);
	const struct ring_route *r = route(s->t, step_of(s->steps, q));
	int left = 0, first = l->mine.lo, w = range_size(l->mine);
	float *now[w], *gone[2];

	for (int i = 0; i < w; i++) {
		float *tile = *tiles_slot(s->t, q, first + i);

		if (line_has(l, r->to[i]))
			now[r->to[i] - first] = tile;
		else
			gone[left++] = tile;
	}
	for (int upper = 0; upper <= 1; upper++)
		if (line_has(l, r->arrives[upper][!upper]))
			now[r->arrives[upper][!upper] - first] = gone[--left];
	for (int i = 0; i < w; i++)
		*tiles_slot(s->t, q, first + i) = now[i];
}

/* Puts the tiles that a neighbour sent into their new slots. */
static void unpack(struct tiles_shift *s, bool upper)
{
	const struct line *l = tiles_line(s->t);
	struct range lines = tiles_own_lines(s->t);
	const float *in = s->in[upper];

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = step_of(s->steps, q);
		/* off[q] tells of after the step: look where it went. */
		int to = route(s->t, step)->arrives[upper][!upper];

		if (!step)
			continue;
		size_t words = tiles_size(s->t, q, to);

		if (line_has(l, to))
			memcpy(*tiles_slot(s->t, q, to), in,
			       words * sizeof *in);
		in += words;
	}
}

/* Waits for the neighbours' tiles, sends what passes through, and gives the
 * own ones their new cores. */
static void receive(struct tiles_shift *s)
{
	struct line *l = tiles_line(s->t);
	struct range lines = tiles_own_lines(s->t);

	for (int upper = 0; upper <= 1; upper++) {
		noc_wait(l->noc, s->recv[upper]);
		s->arrived[upper] = true;
		try_send(s, !upper);
	}
	for (int q = lines.lo; q < lines.hi; q++)
		if (step_of(s->steps, q))
			permute(s, q);
}

void tiles_shift_finish(struct tiles_shift *s)
{
	struct tiles *t = s->t;
	struct line *l = tiles_line(t);
	int lines = grid_lines(t->grid, t->axis);

	if (l->shifting)
		receive(s);
	for (int q = 0; q < lines; q++)
		t->off[q] = (t->off[q] - step_of(s->steps, q) + l->n) % l->n;
	if (!l->shifting)
		return;
	for (int upper = 0; upper <= 1; upper++)
		if (line_cut(l, upper) >= 0)
			unpack(s, upper);
	for (int upper = 0; upper <= 1; upper++)
		noc_wait(l->noc, s->send[upper]);
	l->shifting = false;
}

/* Turns every line q until it is ring_pos(q) steps from home, or home, each
 * the shorter way and all at once. */
static void turn(struct tiles *t, bool skewed)
{
	int n = tiles_line(t)->n, lines = grid_lines(t->grid, t->axis);
	signed char steps[lines];
	bool any = true;

	while (any) {
		any = false;
		for (int q = 0; q < lines; q++) {
			int want = skewed ? ring_pos(q, lines) % n : 0;
			int back = (want - t->off[q] + n) % n;

			steps[q] = !back ? 0 : back <= n - back ? -1 : 1;
			any |= back;
		}
		struct tiles_shift s;

		if (!any)
			break;
		tiles_shift_start(&s, t, steps);
		tiles_shift_finish(&s);
	}
}

void tiles_skew(struct tiles *t)
{
	turn(t, true);
}

void tiles_unskew(struct tiles *t)
{
	turn(t, false);
}
