/* The ring shift of tiles, on the two-hop ring or on Cannon's ring, whose last
 * edge spans the line.
 *
 *   6 cores:  0 -> 2 -> 4 -> 5 -> 3 -> 1 -> 0
 *             0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 0
 *
 * On either ring, exactly one tile of a line crosses the cut between two
 * neighbouring cores each way. A rank therefore exchanges one message with each
 * neighbour, with one tile of each of its lines; inside the rank only pointers
 * move. A tile that has to cross a whole rank is received there and sent on.
 *
 * Source: WaferLLM (OSDI'25), Algorithm 1 and section 5.3. */
#include "config.h"
#include "grid/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mpi_kernels/moves/shift.h"
#include "shift_charge.h"

static bool is_local(const struct tiles *t, int p)
{
	return p >= t->path->local.lo && p < t->path->local.hi;
}

/* Bytes of the message over the cut at the upper or lower end of this rank's
 * cores, upwards or downwards: a tile of each moving line. */
static size_t message_bytes(const struct tiles_shift *s, bool upper, bool up)
{
	struct range lines = tiles_own_lines(s->t);
	size_t bytes = 0;

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = shift_of_line(s->steps, q);
		const struct ring_route *r = shift_route(s->t, step);

		if (step)
			bytes += tiles_bytes_at(s->t, q, r->from[upper][up]);
	}
	return bytes;
}

/* 32-bit words of a message of so many bytes. */
static size_t message_words(size_t bytes)
{
	return (bytes + 3) / 4;
}

/* Whether every tile that leaves over one end is already on this rank. */
static bool can_pack(const struct tiles_shift *s, bool upper)
{
	struct range lines = tiles_own_lines(s->t);

	for (int q = lines.lo; q < lines.hi && !s->arrived[!upper]; q++) {
		int step = shift_of_line(s->steps, q);
		const struct ring_route *r = shift_route(s->t, step);

		if (step && !is_local(s->t, r->from[upper][upper]))
			return false;
	}
	return true;
}

/* Fills the message that leaves over one end: this rank's tiles, and those that
 * arrived over the other end and only pass through. */
static void pack(const struct tiles_shift *s, bool upper, char *out)
{
	struct range lines = tiles_own_lines(s->t);
	const char *in = s->in[!upper];

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = shift_of_line(s->steps, q);
		const struct ring_route *r = shift_route(s->t, step);
		int p = r->from[upper][upper];

		if (!step)
			continue;
		size_t bytes = tiles_bytes_at(s->t, q, p);

		if (is_local(s->t, p))
			memcpy(out, *tiles_slot(s->t, q, p), bytes);
		else
			memcpy(out, in, bytes);
		out += bytes;
		if (s->arrived[!upper])
			in += tiles_bytes_at(s->t, q, r->from[!upper][upper]);
	}
}

/* Sends over the upper or lower end, unless that is done already or some of its
 * tiles have not arrived yet. */
static void try_send(struct tiles_shift *s, bool upper)
{
	struct line *l = tiles_line(s->t);
	enum dir to = upper ? l->upper : l->lower;

	if (line_cut(l, upper) < 0 || s->sent[upper] || !can_pack(s, upper))
		return;
	size_t words = message_words(message_bytes(s, upper, upper));
	char *out = noc_space(l->noc, to, words);

	pack(s, upper, out);
	s->send[upper] = noc_send(l->noc, to, out, words);
	s->sent[upper] = true;
}

/* Charges a step and starts its messages. set_up: as for shift_charge. Returns
 * whether any words move on the emulated device. */
static bool start(struct tiles_shift *s, struct tiles *t,
                  const struct shift_lines *g, bool set_up)
{
	struct line *l = tiles_line(t);

	WL_ASSERT(!l->shifting);
	*s = (struct tiles_shift){ .t = t, .steps = g->steps };
	bool moves = shift_charge(t, g, set_up);

	ledger_alloc(l->ledger, SRAM_BUFFERS, shift_buffer_bytes(t));
	if (t->grid->dry || t->path->n == 1)
		return moves;
	l->shifting = true;
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	for (int upper = 0; upper <= 1; upper++) {
		s->send[upper] = NOC_NOTHING;
		s->words[upper] = line_cut(l, upper) < 0 ? 0 : message_words(
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
	struct shift_lines g = { .steps = steps, .turning = steps };

	if (!steps)
		g = shift_all_lines(t);
	start(s, t, &g, true);
}

/* Moves the tiles of line q to their new places inside the rank, by pointer.
 * Arriving tiles take the memory of those that leave. */
static void permute(struct tiles_shift *s, int q)
{
	const struct tiles *t = s->t;
	const struct ring_route *r = shift_route(t, shift_of_line(s->steps, q));
	int left = 0, first = t->path->local.lo, w = range_size(t->path->local);
	void *moved[w], *vacated[2];

	for (int i = 0; i < w; i++) {
		void *tile = *tiles_slot(t, q, first + i);

		if (is_local(t, r->to[i]))
			moved[r->to[i] - first] = tile;
		else
			vacated[left++] = tile;
	}
	for (int upper = 0; upper <= 1; upper++) {
		int arrives = r->arrives[upper][!upper];

		if (!is_local(t, arrives))
			continue;
		void *tile = vacated[--left];

		if (t->kept)
			tile = tiles_departed_swap(t->kept, tile);
		moved[arrives - first] = tile;
	}
	for (int i = 0; i < w; i++)
		*tiles_slot(t, q, first + i) = moved[i];
}

/* Copies the tiles that a neighbour sent into the memory of their places. */
static void unpack(struct tiles_shift *s, bool upper)
{
	struct range lines = tiles_own_lines(s->t);
	const char *in = s->in[upper];

	for (int q = lines.lo; q < lines.hi; q++) {
		int step = shift_of_line(s->steps, q);
		/* The offsets are those after the step, so that the tile is
		 * found by the place where it arrived. */
		int to = shift_route(s->t, step)->arrives[upper][!upper];

		if (!step)
			continue;
		size_t bytes = tiles_bytes_at(s->t, q, to);

		if (is_local(s->t, to))
			memcpy(*tiles_slot(s->t, q, to), in, bytes);
		in += bytes;
	}
}

/* Waits for the neighbours' messages, forwards what passes through, and moves
 * this rank's tiles to their new places. */
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
		if (shift_of_line(s->steps, q))
			permute(s, q);
}

/* Copies the arrived tiles out of the messages and completes the sends. */
static void complete(struct tiles_shift *s)
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

	ledger_free(l->ledger, SRAM_BUFFERS, shift_buffer_bytes(t));
	if (l->shifting)
		receive(s);
	if (!s->steps)
		tiles_step_all(t);
	for (int q = 0; s->steps && q < lines; q++)
		tiles_step(t, q, s->steps[q]);
	if (l->shifting)
		complete(s);
	profile_leave(l->profile, before);
}

/* One step of a turn. set_up: as for shift_charge. Without g->steps there is no
 * data and the step is only charged. Returns whether any words move. */
static bool step(struct tiles *t, const struct shift_lines *g, bool set_up)
{
	struct ledger *l = t->grid->ledger;
	struct tiles_shift s;
	bool moves;

	if (!g->steps) {
		moves = shift_charge(t, g, set_up);
		ledger_alloc(l, SRAM_BUFFERS, shift_buffer_bytes(t));
		ledger_free(l, SRAM_BUFFERS, shift_buffer_bytes(t));
		return moves;
	}
	moves = start(&s, t, g, set_up);
	tiles_shift_finish(&s);
	return moves;
}

/* A turn whose steps the ledger does not record, in a dry run: only the tiles'
 * final offsets and the peak of SRAM remain to be noted. */
static void turn_unrecorded(struct tiles *t, int n, bool skewed)
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
		ledger_alloc(l, SRAM_BUFFERS, shift_buffer_bytes(&t[i]));
		ledger_free(l, SRAM_BUFFERS, shift_buffer_bytes(&t[i]));
	}
}

/* Sets the next step of each line, the shorter way round the ring; false when
 * all lines have arrived. */
static bool turn_steps(const struct tiles *t, bool skewed, signed char *steps)
{
	int places = t->path->n;
	bool any = false;

	for (int q = 0; q < grid_lines(t->grid, t->axis); q++) {
		int back =
			tiles_wanted_skew(t, q, skewed) - tiles_line_skew(t, q);

		back = (back + places) % places;
		steps[q] = !back ? 0 : back <= places - back ? -1 : 1;
		any |= back;
	}
	return any;
}

/* Turns every line q of n tiled matrices, whose offsets are alike, until it is
 * ring_pos(q) steps away from home (skewed) or at home: all lines at once, each
 * the shorter way round. */
static void turn(struct tiles *t, int n, bool skewed)
{
	bool regular = shift_is_regular(t) && !t->turned;
	signed char *steps = NULL;

	if (t->path->n == 1 || (regular && t->skewed == skewed))
		return;
	if (t->grid->dry && !ledger_listens(t->grid->ledger)) {
		turn_unrecorded(t, n, skewed);
		return;
	}
	if (!t->grid->dry || !regular)
		steps = wl_malloc(grid_lines(t->grid, t->axis), sizeof *steps);
	for (int i = 0;; i++) {
		struct shift_lines g = { .steps = steps, .turning = true };
		bool set_up = true;

		if (regular && !shift_turn_lines(t, i, skewed, &g))
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
