/* Moves that are relayed rank by rank: a step of the KV cache to the rank
 * below, a vector's blocks to the first rank, rows between any two cores, and
 * boxes of a matrix from old owners to new ones. A rank on the path takes out
 * what is addressed to it and forwards the rest. */
#include "config.h"
#include "mpi_kernels/moves/line.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"

/* Limit of a message, bytes of matrix rows; one row always fits. */
#define RELAY_BYTES ((size_t)256 << 10)

void line_charge_pass(struct line *l, int first, int last,
                      struct wire_words wire)
{
	struct ledger *account = l->ledger;
	struct charge c = { .calls = 1, .words = (last - first) * wire.all,
	                    .path_hops = line_hops(l, first, first + 1),
	                    .stages = 1 };

	/* A core receives one message while it sends another. */
	ledger_alloc(account, SRAM_BUFFERS, 8 * wire.max);
	ledger_free(account, SRAM_BUFFERS, 8 * wire.max);
	c.word_hops = c.words * c.path_hops;
	c.comm_cycles = cost_relay(account) + cost_hops(account, c.path_hops) +
	                2 * cost_wire(account, wire.max);
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

static void charge_gather(struct line *l, const struct partition *p)
{
	struct charge c = { .calls = 1 };

	for (int i = 1; i < l->n; i++) {
		uint64_t hops = line_hops(l, i, 0);
		uint64_t words = cost_words(l->ledger, partition_size(p, i));

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

void line_gather(struct line *l, const struct partition *p, const float *own,
                 float *all)
{
	charge_gather(l, p);
	if (!l->noc || !own)
		return;

	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);
	/* This rank's blocks, followed by those from the ranks above. */
	struct range local = partition_range(p, l->local);
	size_t near = range_size(local), far = p->n - local.hi;
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
	/* All rows of one direction cross the link at the end they start from.
	 */
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
	                cost_wire(l->ledger, wire.max * (rows[0] > rows[1]
	                                                  ? rows[0] : rows[1]));
	ledger_charge(l->ledger, &c);
}

/* Rows of one message, so that messages stay small. */
#define ROUTE_ROWS 256

/* Those of rows [first, last) that go up, or down. */
struct route {
	const int *from, *to;
	float *const *row;
	size_t words;
	int first, last;
	bool up;
};

/* Whether row i crosses the link below a core. */
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

/* Copies rows for this rank from message `in` to their destination, and rows
 * that pass through or start here to message `out`. Both messages are in order
 * of the rows. entry, exit: cores above the links that they cross. */
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
	int entry = r->up ? l->local.lo : l->local.hi;
	int exit = r->up ? l->local.hi : l->local.lo;
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

/* Boxes that move in one direction. The message over a boundary between ranks
 * has the boxes from givers before it to takers beyond it, ordered by giver,
 * then by taker; of each box only the rows k in `rows`. */
struct relay {
	struct line *l;
	const struct box *from, *to;
	const struct matrix_view *source, *sink;
	struct range rows;
	bool up;
	int ticket;          /* of the message in flight */
};

static struct box relay_box(const struct relay *r, int giver, int taker)
{
	struct box b = box_intersect(r->from[giver], r->to[taker]);

	b.k = range_intersect(b.k, r->rows);
	return b;
}

/* Bytes of all boxes from giver a to takers from rank `border` on, in the
 * relay's direction. */
static size_t bytes_beyond(const struct relay *r, int a, int border)
{
	size_t elements = 0;

	for (int b = border; b >= 0 && b < r->l->nranks; b += r->up ? 1 : -1)
		elements += box_elements(relay_box(r, a, b));
	return elements * r->source->size;
}

/* Copies boxes for this rank from message `in` to the sink, and boxes that pass
 * through or start here to message `out`. */
static void relay_sort(const struct relay *r, const char *in, char *out)
{
	int me = r->l->rank, step = r->up ? 1 : -1, n = r->l->nranks;
	size_t size = r->source->size;

	for (int a = r->up ? 0 : n - 1; a != me; a += step)
		for (int b = me; b >= 0 && b < n; b += step) {
			struct box what = relay_box(r, a, b);
			size_t bytes = box_elements(what) * size;

			/* With false, copy only reads the message. */
			if (b == me && bytes)
				r->sink->copy(r->sink, what,
				              (void *)(uintptr_t)in, false);
			else if (bytes) {
				memcpy(out, in, bytes);
				out += bytes;
			}
			in += bytes;
		}
	for (int b = me + step; b >= 0 && b < n; b += step) {
		struct box what = relay_box(r, me, b);

		if (box_elements(what))
			r->source->copy(r->source, what, out, true);
		out += box_elements(what) * size;
	}
}

static void relay_run(struct relay *r)
{
	struct line *l = r->l;
	int step = r->up ? 1 : -1, next = l->rank + step;
	enum dir from = r->up ? l->lower : l->upper;
	enum dir to = r->up ? l->upper : l->lower;
	size_t in = 0, out = 0; /* bytes, then words */

	for (int a = r->up ? 0 : l->nranks - 1; a != next; a += step) {
		if (a != l->rank)
			in += bytes_beyond(r, a, l->rank);
		out += bytes_beyond(r, a, next);
	}
	in = (in + 3) / 4;
	out = (out + 3) / 4;
	const char *message = noc_take(l->noc, from, in);
	char *onward = noc_space(l->noc, to, out);

	relay_sort(r, message, onward);
	noc_release(l->noc, from);
	/* One message is in flight while the next is composed. */
	noc_wait(l->noc, r->ticket);
	r->ticket = noc_send(l->noc, to, onward, out);
}

/* Rows k that any rank gives. step: as many rows at a time as let a message
 * stay in the host core's cache. */
static struct range given_rows(const struct line *l, const struct box *from,
                            size_t size, int *step)
{
	struct range k = from[0].k, n = from[0].n;

	for (int i = 1; i < l->nranks; i++) {
		k.lo = from[i].k.lo < k.lo ? from[i].k.lo : k.lo;
		k.hi = from[i].k.hi > k.hi ? from[i].k.hi : k.hi;
		n.lo = from[i].n.lo < n.lo ? from[i].n.lo : n.lo;
		n.hi = from[i].n.hi > n.hi ? from[i].n.hi : n.hi;
	}
	size_t rows = RELAY_BYTES / (range_size(n) * size + 1);

	*step = rows < 1 ? 1 : rows > INT_MAX / 2 ? INT_MAX / 2 : (int)rows;
	return k;
}

/* First up, then down. The last rank goes the other way round, because it waits
 * for no message before it sends down. Both ends thus start at once, and the
 * messages of either direction travel from rank to rank. */
static void relay_both(struct relay r[2], struct range rows)
{
	bool last = r->l->rank == r->l->nranks - 1;

	for (int i = 0; i <= 1; i++) {
		struct relay *next = &r[last ? i : !i];

		next->rows = rows;
		relay_run(next);
	}
}

void line_relay_boxes(struct line *l, const struct box *from,
                      const struct box *to, const struct matrix_view *source,
                      const struct matrix_view *sink)
{
	if (!l->noc)
		return;

	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);
	struct relay r[2]; /* down, up */
	int step;
	struct range k = given_rows(l, from, source->size, &step);

	for (int up = 0; up <= 1; up++)
		r[up] = (struct relay){ l, from, to, source, sink, k, up,
		                        NOC_NOTHING };
	for (; l->nranks > 1 && k.lo < k.hi; k.lo += step) {
		struct range rows = { k.lo, k.lo + step };

		relay_both(r, range_intersect(rows, k));
	}
	/* The boxes that stay here, while the last messages are in flight. */
	matrix_view_move(source, sink,
	                 box_intersect(from[l->rank], to[l->rank]));
	noc_wait(l->noc, r[0].ticket);
	noc_wait(l->noc, r[1].ticket);
	profile_leave(l->profile, before);
}
