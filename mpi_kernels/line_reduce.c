/* Reductions along a line of cores, neighbour by neighbour.
 *
 *   cores   first . . . root . . . last
 *             o -> o -> [*] <- o <- o
 *
 * A rank runs the part of a chain that lies on its own cores; where the chain
 * crosses to a neighbour rank one message carries the partial sum. Sides that
 * wait for nobody are sent first, so that ranks work side by side.
 *
 * Source: WaferLLM (OSDI'25), section 6. */
#include "config.h"
#include "chain.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

static void combine_argmax(float *acc, const float *own, size_t n)
{
	for (size_t i = 0; i < n; i += 2) {
		int32_t a, b;

		memcpy(&a, &acc[i + 1], sizeof a);
		memcpy(&b, &own[i + 1], sizeof b);
		if (line_argmax_before(own[i], b, acc[i], a)) {
			acc[i] = own[i];
			memcpy(&acc[i + 1], &b, sizeof b);
		}
	}
}

/* acc = acc op own, element by element. */
static void combine(enum line_op op, float *acc, const float *own, size_t n)
{
	switch (op) {
	case LINE_ADD:
		for (size_t i = 0; i < n; i++)
			acc[i] += own[i];
		break;
	case LINE_MAXIMUM:
		for (size_t i = 0; i < n; i++)
			acc[i] = own[i] > acc[i] ? own[i] : acc[i];
		break;
	case LINE_ARGMAX:
		combine_argmax(acc, own, n);
		break;
	}
}

size_t parts_copy(int first, int last, const struct line_parts *p, int cut,
                  bool above, float *data, float *message, bool to_message)
{
	size_t at = 0, words = 0;

	if (cut < first || cut >= last)
		return 0;
	for (int i = p->mine.lo; i < p->mine.hi; i++) {
		size_t n = p->words[i];

		if ((p->root[i] > cut) == above) {
			if (message && to_message)
				memcpy(message + words, data + at,
				       n * sizeof *data);
			else if (message)
				memcpy(data + at, message + words,
				       n * sizeof *data);
			words += n;
		}
		at += n;
	}
	return words;
}

/* The parts whose sums cross a cut upwards (their root is above) or
 * downwards. */
static size_t copy_crossing(const struct chain *c, int cut, bool up,
                            float *acc, float *message, bool to_message)
{
	return parts_copy(c->core[0], c->core[c->n - 1], c->parts, cut, up, acc,
	                  message, to_message);
}

/* The cut at which a side's flow enters (in) or leaves this rank. */
static int flow_cut(const struct line *l, bool up, bool in)
{
	return line_cut(l, up != in);
}

static size_t flow_words(const struct line *l, const struct chain *c, bool up,
                         bool in)
{
	int cut = flow_cut(l, up, in);

	return cut < 0 ? 0 : copy_crossing(c, cut, up, NULL, NULL, true);
}

/* Adds the own member cores below (or above) the parts' roots to acc. */
static void add_members(const struct line *l, const struct chain *c, bool up,
                        float *acc)
{
	for (int j = 0; j < c->n; j++) {
		int at = up ? j : c->n - 1 - j, p = c->core[at];
		float *sum = acc;

		if (!line_has(l, p))
			continue;
		const float *own = c->value + (p - c->base) * c->stride;

		for (int i = c->parts->mine.lo; i < c->parts->mine.hi; i++) {
			size_t n = c->parts->words[i];
			int root = c->parts->root[i];

			if ((up ? root > p : root < p)) {
				if (j == 0)
					memcpy(sum, own, n * sizeof *sum);
				else
					combine(c->op, sum, own, n);
			}
			own += n;
			sum += n;
		}
	}
}

/* One side of a chain on this rank: receive, add the own members, pass on.
 * Returns the ticket of what was sent. */
static int run_flow(struct line *l, const struct chain *c, bool up)
{
	size_t in = flow_words(l, c, up, true),
	       out = flow_words(l, c, up, false);
	float *acc = line_buffer(l, up ? LINE_SUM_LOWER : LINE_SUM_UPPER,
	                         line_parts_words(c->parts));

	if (in) {
		float *message = line_buffer(l, up ? LINE_IN_LOWER
		                                   : LINE_IN_UPPER, in);

		noc_recv_now(l->noc, up ? l->lower : l->upper, message, in);
		copy_crossing(c, flow_cut(l, up, true), up, acc, message,
		              false);
	}
	add_members(l, c, up, acc);
	if (!out)
		return NOC_NOTHING;
	float *message = line_buffer(l, up ? LINE_OUT_UPPER : LINE_OUT_LOWER,
	                             out);

	copy_crossing(c, flow_cut(l, up, false), up, acc, message, true);
	return noc_send(l->noc, up ? l->upper : l->lower, message, out);
}

/* Adds both sides' sums to the parts whose root is one of this rank's. */
static void add_to_roots(struct line *l, const struct chain *c)
{
	size_t at = 0;

	for (int i = c->parts->mine.lo; i < c->parts->mine.hi; i++) {
		size_t n = c->parts->words[i];
		int root = c->parts->root[i];

		if (line_has(l, root)) {
			float *own = c->value + (root - c->base) * c->stride +
			             at;

			if (root < c->core[c->n - 1])
				combine(c->op, own,
				        l->buffer[LINE_SUM_UPPER] + at, n);
			if (root > c->core[0])
				combine(c->op, own,
				        l->buffer[LINE_SUM_LOWER] + at, n);
		}
		at += n;
	}
}

/* Runs both sides of a chain, the one that waits for nobody first. */
static void run_chain(struct line *l, const struct chain *c, int sent[2])
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

void chains_run(struct line *l, const struct chain *chains, int n)
{
	int sent[2] = { NOC_NOTHING, NOC_NOTHING };
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	WL_ASSERT(!l->shifting);
	/* First those that wait for nobody: a neighbour may wait for them. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < n; i++) {
			const struct chain *c = &chains[i];
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
	uint64_t span = line_hops(l, first, last), most = 0, ways = 0, n = 0;

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
		most = words > most ? words : most;
		ways += path;
		n++;
	}
	if (n) {
		c.comm_cycles = cost_hops(l->ledger, (ways + n - 1) / n) +
		                cost_wire(l->ledger, most);
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
	int n = last - first + 1;

	charge_reduce(l, first, last, parts);
	if (!l->noc || !line_touches(l, first, last))
		return;
	int *core = wl_malloc(n, sizeof *core);

	for (int i = 0; i < n; i++)
		core[i] = first + i;
	chains_run(l, &(struct chain){ core, n, parts, op, value, stride,
	                               line_base(l, first) }, 1);
	free(core);
}
