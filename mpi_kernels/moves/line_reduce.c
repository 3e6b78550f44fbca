/* Reductions along a line of cores, neighbour by neighbour.
 *
 *   cores   first . . . root . . . last
 *             o -> o -> [*] <- o <- o
 *
 * A rank runs the part of a chain on its own cores; where the chain crosses to
 * a neighbour rank, one message carries the partial sum. Sides that wait for no
 * message are sent first, so that the ranks work in parallel.
 *
 * Source: WaferLLM (OSDI'25), section 6. */
#include "config.h"
#include "mpi_kernels/moves/reduce_chain.h"

#include <string.h>

#include "base/error.h"

/* sum = the better of a and own, pair by pair; sum may be a. */
static void combine_argmax(float *sum, const float *a, const float *own,
                           size_t n)
{
	for (size_t i = 0; i < n; i += 2) {
		int32_t x, y;

		memcpy(&x, &a[i + 1], sizeof x);
		memcpy(&y, &own[i + 1], sizeof y);
		const float *best = line_argmax_before(own[i], y, a[i], x)
		                    ? own : a;

		memmove(&sum[i], &best[i], 2 * sizeof *sum);
	}
}

/* sum = a op own; sum may be a. */
static void combine(enum line_op op, float *sum, const float *a,
                    const float *own, size_t n)
{
	switch (op) {
	case LINE_ADD:
		for (size_t i = 0; i < n; i++)
			sum[i] = a[i] + own[i];
		break;
	case LINE_MAXIMUM:
		for (size_t i = 0; i < n; i++)
			sum[i] = own[i] > a[i] ? own[i] : a[i];
		break;
	case LINE_ARGMAX:
		combine_argmax(sum, a, own, n);
		break;
	}
}

/* The parts whose sums enter (in) or leave this rank upwards (their root is
 * above) or downwards. */
static struct crossing flow(const struct line *l, const struct reduce_chain *c,
                            bool up, bool in)
{
	return (struct crossing){ reduce_chain_core(c, 0),
		                  reduce_chain_core(c, c->n - 1),
		                  line_cut(l, up != in), up };
}

static size_t flow_words(const struct line *l, const struct reduce_chain *c,
                         bool up, bool in)
{
	struct crossing x = flow(l, c, up, in);

	return crossing_words(&x, c->parts);
}

/* sum = the partial sum of a part that arrived (came; NULL: none), plus this
 * rank's members below its root (up) or above it. at: the part's offset in a
 * core's vector. */
static void add_members(const struct line *l, const struct reduce_chain *c,
                        bool up, int part, size_t at, const float *came,
                        float *sum)
{
	size_t n = c->parts->words[part];
	int root = c->parts->root[part];

	for (int j = 0; j < c->n; j++) {
		int p = reduce_chain_core(c, up ? j : c->n - 1 - j);

		if (!line_has(l, p) || (up ? root <= p : root >= p))
			continue;
		const float *own = c->value + (p - c->base) * c->stride + at;

		if (came)
			combine(c->op, sum, came, own, n);
		else
			memcpy(sum, own, n * sizeof *sum);
		came = sum;
	}
	if (came && came != sum)
		memcpy(sum, came, n * sizeof *sum);
}

/* Runs one side of a chain on this rank: receives partial sums, adds this
 * rank's members and sends them on; sums whose root is here stay in the side's
 * buffer. Returns the ticket of the message sent. */
static int run_flow(struct line *l, const struct reduce_chain *c, bool up)
{
	const struct line_parts *parts = c->parts;
	const struct crossing in = flow(l, c, up, true),
	                      out = flow(l, c, up, false);
	enum dir from = up ? l->lower : l->upper,
	         to = up ? l->upper : l->lower;
	size_t come = crossing_words(&in, parts),
	       go = crossing_words(&out, parts), at = 0;
	float *sum = line_buffer(l, up ? LINE_SUM_LOWER : LINE_SUM_UPPER,
	                         line_parts_words(parts));
	const float *message = noc_take(l->noc, from, come);
	float *onward = noc_space(l->noc, to, go), *next = onward;

	for (int i = parts->local.lo; i < parts->local.hi; i++) {
		bool enters = crosses(&in, parts, i);
		bool leaves = crosses(&out, parts, i);

		add_members(l, c, up, i, at, enters ? message : NULL,
		            leaves ? next : sum + at);
		message += enters ? parts->words[i] : 0;
		next += leaves ? parts->words[i] : 0;
		at += parts->words[i];
	}
	noc_release(l->noc, from);
	return noc_send(l->noc, to, onward, go);
}

/* Adds both sides' sums to the parts whose root is on this rank. */
static void add_to_roots(struct line *l, const struct reduce_chain *c)
{
	size_t at = 0;

	for (int i = c->parts->local.lo; i < c->parts->local.hi; i++) {
		size_t n = c->parts->words[i];
		int root = c->parts->root[i];

		if (line_has(l, root)) {
			float *own = c->value + (root - c->base) * c->stride +
			             at;

			if (root < reduce_chain_core(c, c->n - 1))
				combine(c->op, own, own,
				        l->buffer[LINE_SUM_UPPER] + at, n);
			if (root > reduce_chain_core(c, 0))
				combine(c->op, own, own,
				        l->buffer[LINE_SUM_LOWER] + at, n);
		}
		at += n;
	}
}

/* Runs both sides of a chain, first the one that waits for no message. */
static void run_chain(struct line *l, const struct reduce_chain *c, int sent[2])
{
	bool first_up = !flow_words(l, c, true, true) ||
	                flow_words(l, c, false, true);

	for (int k = 0; k < 2; k++) {
		bool up = k == 0 ? first_up : !first_up;
		int ticket = run_flow(l, c, up);

		if (ticket != NOC_NOTHING)
			sent[up] = ticket;
	}
	add_to_roots(l, c);
}

void reduce_chains_run(struct line *l, const struct reduce_chain *chains, int n)
{
	int sent[2] = { NOC_NOTHING, NOC_NOTHING };
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	WL_ASSERT(!l->shifting);
	/* First the chains that wait for no message: a neighbour may wait for
	 * theirs. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < n; i++) {
			const struct reduce_chain *c = &chains[i];
			bool waits = flow_words(l, c, false, true) ||
			             flow_words(l, c, true, true);

			if (waits == (pass == 1))
				run_chain(l, c, sent);
		}
	noc_wait(l->noc, sent[0]);
	noc_wait(l->noc, sent[1]);
	profile_leave(l->profile, before);
}

static void charge_reduce(struct line *l, int first, int last,
                          const struct line_parts *parts)
{
	struct charge c = { .calls = 1 };
	uint64_t span = line_hops(l, first, last), max = 0, ways = 0, n = 0;

	for (int i = 0; i < parts->n && span; i++) {
		uint64_t low = line_hops(l, first, parts->root[i]);
		uint64_t high = line_hops(l, parts->root[i], last);
		uint64_t words = cost_words(l->ledger, parts->words[i]);
		uint64_t path = low > high ? low : high;

		if (!words)
			continue;
		c.words += words * (last - first);
		c.word_hops += words * span;
		c.path_hops = path > c.path_hops ? path : c.path_hops;
		max = words > max ? words : max;
		ways += path;
		n++;
	}
	if (n) {
		c.comm_cycles = cost_hops(l->ledger, (ways + n - 1) / n) +
		                cost_wire(l->ledger, max);
		ledger_link(l->ledger, l->axis, first, last,
		            c.words / (last - first));
	}
	ledger_charge(l->ledger, &c);
	ledger_route(l->ledger, ROUTE_ON(CHAIN, l->axis));
}

void line_reduce(struct line *l, int first, int last,
                 const struct line_parts *parts, enum line_op op,
                 float *value, size_t stride)
{
	charge_reduce(l, first, last, parts);
	if (l->noc && line_touches(l, first, last))
		reduce_chains_run(
			l,
			&(struct reduce_chain){ NULL, first, last - first + 1,
		                                parts, op, value, stride,
		                                line_base(l, first) },
			1);
}
