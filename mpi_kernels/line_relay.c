/* Moves that pass through whole ranks: a step of the KV cache to the rank
 * below, a vector's blocks to the first rank, and boxes of a matrix from old
 * owners to new ones. Everything goes neighbour by neighbour; a rank in
 * between takes what is its own and sends the rest on. */
#include "config.h"
#include "line.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "large.h"

void line_charge_pass(struct line *l, int first, int last,
                      struct wire_words wire)
{
	struct ledger *account = l->ledger;
	struct charge c = { .calls = 1, .words = (last - first) * wire.all,
	                    .path_hops = line_hops(l, first, first + 1),
	                    .stages = 1 };

	/* One comes in while one goes out. */
	ledger_hold(account, SRAM_BUFFERS, 8 * wire.most);
	ledger_release(account, SRAM_BUFFERS, 8 * wire.most);
	c.word_hops = c.words * c.path_hops;
	c.comm_cycles = cost_relay(account) + cost_hops(account, c.path_hops) +
	                2 * cost_wire(account, wire.most);
	ledger_charge(account, &c);
	ledger_link(account, l->axis, first, last, wire.all);
	ledger_route(account, ROUTE_ON(CHAIN, l->axis));
}

void line_pass_down(struct line *l, const void *send, void *recv,
                    size_t words)
{
	int in = NOC_NOTHING, out = NOC_NOTHING;

	if (!l->noc)
		return;
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	if (recv)
		in = noc_recv(l->noc, l->upper, recv, words);
	if (send)
		out = noc_send(l->noc, l->lower, send, words);
	noc_wait(l->noc, in);
	noc_wait(l->noc, out);
	profile_leave(l->profile, before);
}

static void charge_gather(struct line *l, const struct part *p)
{
	struct charge c = { .calls = 1 };

	for (int i = 1; i < l->n; i++) {
		uint64_t hops = line_hops(l, i, 0);
		uint64_t words = cost_words(l->ledger, part_size(p, i));

		c.words += words;
		c.word_hops += words * hops;
		if (words)
			c.path_hops = c.stages = hops;
		ledger_link(l->ledger, l->axis, 0, i, words);
	}
	c.comm_cycles = cost_hops(l->ledger, c.path_hops) +
	                cost_stages(l->ledger, c.stages) +
	                cost_wire(l->ledger, c.words);
	ledger_charge(l->ledger, &c);
}

void line_gather(struct line *l, const struct part *p, const float *own,
                 float *all)
{
	charge_gather(l, p);
	if (!l->noc || !own)
		return;

	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);
	/* This rank's blocks, and behind them those from above. */
	struct range mine = part_range(p, l->mine);
	size_t near = range_size(mine), far = p->n - mine.hi;
	float *block =
		l->rank ? noc_space(l->noc, l->lower, near + far) : all;

	memcpy(block, own, near * sizeof *block);
	if (l->rank + 1 < l->nranks)
		noc_recv_now(l->noc, l->upper, block + near, far);
	if (l->rank)
		noc_wait(l->noc, noc_send(l->noc, l->lower, block, near + far));
	profile_leave(l->profile, before);
}

static void charge_route(struct line *l, int n, const int *to,
                         struct wire_words wire)
{
	struct charge c = { .calls = 1 };
	/* All rows of a direction cross the cut at the end it comes from. */
	uint64_t rows[2] = { 0, 0 };

	for (int i = 0; i < n && l->n > 1; i++) {
		uint64_t low = line_hops(l, 0, to[i]);
		uint64_t high = line_hops(l, to[i], l->n - 1);
		bool up = low > high;
		uint64_t hops = up ? low : high;

		c.words += wire.all;
		c.word_hops += hops * wire.all;
		c.path_hops = hops > c.path_hops ? hops : c.path_hops;
		rows[up]++;
		ledger_link(l->ledger, l->axis, up ? 0 : to[i],
		            up ? to[i] : l->n - 1, wire.all);
	}
	c.stages = c.path_hops;
	c.comm_cycles = cost_hops(l->ledger, c.path_hops) +
	                cost_stages(l->ledger, c.stages) +
	                cost_wire(l->ledger, wire.most * (rows[0] > rows[1]
	                                                  ? rows[0] : rows[1]));
	ledger_charge(l->ledger, &c);
}

/* Rows that travel together, so that messages stay small. */
#define ROUTE_ROWS 256

/* Rows [first, last) that go one way. */
struct route {
	const int *from, *to;
	float *const *row;
	size_t words;
	int first, last;
	bool up;
};

/* Whether row i crosses the boundary below core `core`. */
static bool row_crosses(const struct route *r, int i, int core)
{
	return r->up ? r->from[i] < core && r->to[i] >= core
	             : r->from[i] >= core && r->to[i] < core;
}

static size_t route_words(const struct route *r, int core)
{
	size_t words = 0;

	for (int i = r->first; i < r->last; i++)
		if (row_crosses(r, i, core))
			words += r->words;
	return words;
}

/* Takes from the message `in` what is this rank's; what passes through, and
 * this rank's own, goes to `out`; both in order of the rows. */
static void sort_rows(const struct route *r, int entry, int exit,
                      const float *in, float *out)
{
	size_t bytes = r->words * sizeof *out;

	for (int i = r->first; i < r->last; i++) {
		bool enters = row_crosses(r, i, entry);

		if (row_crosses(r, i, exit)) {
			memcpy(out, enters ? in : r->row[i], bytes);
			out += r->words;
		} else if (enters)
			memcpy(r->row[i], in, bytes);
		if (enters)
			in += r->words;
	}
}

static void route_run(struct line *l, const struct route *r)
{
	int entry = r->up ? l->mine.lo : l->mine.hi;
	int exit = r->up ? l->mine.hi : l->mine.lo;
	size_t in = route_words(r, entry), out = route_words(r, exit);
	enum dir from = r->up ? l->lower : l->upper;
	enum dir to = r->up ? l->upper : l->lower;
	const float *message = noc_take(l->noc, from, in);
	float *onward = noc_space(l->noc, to, out);

	sort_rows(r, entry, exit, message, onward);
	noc_release(l->noc, from);
	noc_wait(l->noc, noc_send(l->noc, to, onward, out));
}

void line_route(struct line *l, int n, const int *from, const int *to,
                float *const *row, size_t words, struct wire_words wire)
{
	charge_route(l, n, to, wire);
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	for (int first = 0; first < n && l->noc; first += ROUTE_ROWS)
		for (int up = 0; up <= 1; up++) {
			struct route r = { from, to, row, words, first,
			                   first + ROUTE_ROWS, up };

			if (r.last > n)
				r.last = n;
			route_run(l, &r);
		}
	profile_leave(l->profile, before);
}

static struct box box_meet(struct box a, struct box b)
{
	return (struct box){ range_meet(a.k, b.k), range_meet(a.n, b.n) };
}

static size_t box_elements(struct box b)
{
	return (size_t)range_size(b.k) * range_size(b.n);
}

/* Boxes in one direction: those of ranks on this side of a boundary that have
 * takers beyond it, ordered by giver, then by taker. */
struct relay {
	struct line *l;
	const struct box *from, *to;
	size_t size;         /* bytes of an element */
	bool up;
};

/* Copies the part `what` of the box `whole` held in data to or from a dense
 * block. Returns the block's bytes. */
static size_t copy_box(const struct relay *r, struct box what,
                       struct box whole, char *data, char *block,
                       bool to_block)
{
	size_t bytes = range_size(what.n) * r->size;
	size_t pitch = range_size(whole.n) * r->size;
	char *row = data + (what.k.lo - whole.k.lo) * pitch +
	            (what.n.lo - whole.n.lo) * r->size;

	for (int k = what.k.lo; k < what.k.hi && bytes; k++) {
		if (to_block)
			memcpy(block, row, bytes);
		else
			memcpy(row, block, bytes);
		block += bytes;
		row += pitch;
	}
	return box_elements(what) * r->size;
}

/* Bytes of all boxes from giver a to takers beyond the rank `border` (it
 * included, seen in the relay's direction). */
static size_t bytes_beyond(const struct relay *r, int a, int border)
{
	size_t elements = 0;

	for (int b = border; b >= 0 && b < r->l->nranks; b += r->up ? 1 : -1)
		elements += box_elements(box_meet(r->from[a], r->to[b]));
	return elements * r->size;
}

/* Takes from message `in` what is this rank's, copies the rest, and this
 * rank's own gifts, to `out`. */
static void relay_sort(const struct relay *r, char *data, char *result,
                       char *in, char *out)
{
	int me = r->l->rank, step = r->up ? 1 : -1, n = r->l->nranks;

	for (int a = r->up ? 0 : n - 1; a != me; a += step)
		for (int b = me; b >= 0 && b < n; b += step) {
			struct box what = box_meet(r->from[a], r->to[b]);
			size_t bytes = box_elements(what) * r->size;

			if (b == me)
				copy_box(r, what, r->to[me], result, in, false);
			else {
				memcpy(out, in, bytes);
				out += bytes;
			}
			in += bytes;
		}
	for (int b = me + step; b >= 0 && b < n; b += step)
		out += copy_box(r, box_meet(r->from[me], r->to[b]),
		                r->from[me], data, out, true);
}

static void relay_run(const struct relay *r, char *data, char *result)
{
	struct line *l = r->l;
	int step = r->up ? 1 : -1, next = l->rank + step;
	size_t in = 0, out = 0; /* bytes, then words */

	for (int a = r->up ? 0 : l->nranks - 1; a != next; a += step) {
		if (a != l->rank)
			in += bytes_beyond(r, a, l->rank);
		out += bytes_beyond(r, a, next);
	}
	in = (in + 3) / 4;
	out = (out + 3) / 4;
	char *message = large_malloc(in, 4), *onward = large_malloc(out, 4);

	noc_recv_now(l->noc, r->up ? l->lower : l->upper, message, in);
	relay_sort(r, data, result, message, onward);
	noc_wait(l->noc, noc_send(l->noc, r->up ? l->upper : l->lower, onward,
	                          out));
	large_free(onward);
	large_free(message);
}

/* Copies what stays on this rank from its old box to its new one. */
static void keep_box(const struct relay *r, char *data, char *result)
{
	struct box old = r->from[r->l->rank], new = r->to[r->l->rank];
	struct box kept = box_meet(old, new);
	size_t bytes = range_size(kept.n) * r->size;

	for (int k = kept.k.lo; k < kept.k.hi && bytes; k++)
		memcpy(result + ((size_t)(k - new.k.lo) * range_size(new.n) +
		                 (kept.n.lo - new.n.lo)) * r->size,
		       data + ((size_t)(k - old.k.lo) * range_size(old.n) +
		               (kept.n.lo - old.n.lo)) * r->size, bytes);
}

void *line_relay_boxes(struct line *l, const struct box *from,
                       const struct box *to, size_t size, void *data)
{
	struct relay r = { l, from, to, size, false };

	if (!l->noc)
		return NULL;

	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);
	char *result = large_malloc(box_elements(to[l->rank]), size);

	keep_box(&r, data, result);
	for (int up = 0; up <= 1; up++) {
		r.up = up;
		relay_run(&r, data, result);
	}
	large_free(data);
	profile_leave(l->profile, before);
	return result;
}
