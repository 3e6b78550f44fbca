/* Multicasts along a line of cores, from a root outwards.
 *
 *   cores   first . . . root . . . last
 *             o <- o <- [*] -> o -> o
 *
 * All cores of a rank share one copy, so one message crosses each boundary
 * between ranks in each direction. Parts with different roots travel
 * together. Source: WaferLLM (OSDI'25), sections 5.4 and 6. */
#include "config.h"
#include "mpi_kernels/moves/reduce_chain.h"

#include <string.h>

/* The parts that arrive (in) or leave over the lower or upper end of this
 * rank's cores. Parts whose root is below the cut go upwards. */
static struct crossing passing(const struct line *l, const struct multicast *m,
                               bool upper, bool in)
{
	return (struct crossing){ m->first, m->last, line_cut(l, upper),
	                          upper == in };
}

static size_t end_words(const struct line *l, const struct multicast *m,
                        bool upper, bool in)
{
	struct crossing x = passing(l, m, upper, in);

	return crossing_words(&x, m->parts);
}

static void receive(struct line *l, const struct multicast *m, bool upper)
{
	const struct line_parts *p = m->parts;
	struct crossing x = passing(l, m, upper, true);
	enum dir from = upper ? l->upper : l->lower;
	const float *in = noc_take(l->noc, from, crossing_words(&x, p));
	float *data = m->data;

	for (int i = p->local.lo; i < p->local.hi; i++) {
		if (crosses(&x, p, i)) {
			memcpy(data, in, p->words[i] * sizeof *data);
			in += p->words[i];
		}
		data += p->words[i];
	}
	noc_release(l->noc, from);
}

static void pass_on(struct line *l, const struct multicast *m, bool upper,
                    int sent[2])
{
	const struct line_parts *p = m->parts;
	struct crossing x = passing(l, m, upper, false);
	enum dir to = upper ? l->upper : l->lower;
	size_t words = crossing_words(&x, p);
	float *out = noc_space(l->noc, to, words), *next = out;
	const float *data = m->data;

	for (int i = p->local.lo; i < p->local.hi; i++) {
		if (crosses(&x, p, i)) {
			memcpy(next, data, p->words[i] * sizeof *next);
			next += p->words[i];
		}
		data += p->words[i];
	}
	int ticket = noc_send(l->noc, to, out, words);

	if (words)
		sent[upper] = ticket;
}

/* What goes upwards depends only on what arrives from below, and vice versa.
 * The direction that waits for no message runs first. */
static void run_multicast(struct line *l, const struct multicast *m,
                          int sent[2])
{
	bool first_up = !end_words(l, m, false, true) ||
	                end_words(l, m, true, true);

	for (int k = 0; k < 2; k++) {
		bool up = k == 0 ? first_up : !first_up;

		receive(l, m, !up);
		pass_on(l, m, up, sent);
	}
}

void multicasts_run(struct line *l, const struct multicast *m, int n)
{
	int sent[2] = { NOC_NOTHING, NOC_NOTHING };
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);

	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < n; i++) {
			bool waits = end_words(l, &m[i], false, true) ||
			             end_words(l, &m[i], true, true);

			if (waits == (pass == 1))
				run_multicast(l, &m[i], sent);
		}
	noc_wait(l->noc, sent[0]);
	noc_wait(l->noc, sent[1]);
	profile_leave(l->profile, before);
}

static void charge_multicast(struct line *l, int first, int last,
                             const struct line_parts *parts, bool follows)
{
	struct charge c = { .calls = 1 };
	uint64_t span = line_hops(l, first, last), max = 0;

	for (int i = 0; i < parts->n && span; i++) {
		uint64_t words = cost_words(l->ledger, parts->words[i]);

		c.words += words;
		c.word_hops += words * span;
		max = words > max ? words : max;
	}
	if (c.words) {
		c.path_hops = follows ? 0 : span;
		c.stages = !follows;
		c.comm_cycles = cost_hops(l->ledger, c.path_hops) +
		                cost_wire(l->ledger, max) +
		                cost_stages(l->ledger, c.stages);
		ledger_link(l->ledger, l->axis, first, last, c.words);
	}
	ledger_charge(l->ledger, &c);
	ledger_route(l->ledger, ROUTE_ON(CAST, l->axis));
}

void line_multicast(struct line *l, int first, int last,
                    const struct line_parts *parts, float *data, bool follows)
{
	struct multicast m = { first, last, parts, data };

	charge_multicast(l, first, last, parts, follows);
	if (l->noc && line_touches(l, first, last))
		multicasts_run(l, &m, 1);
}

/* Charges messages of one root each to all cores of the line. hops: of the
 * longest path. */
static void charge_rooted(struct line *l, uint64_t hops, uint64_t messages,
                          struct wire_words wire)
{
	const struct ledger *account = l->ledger;
	uint64_t span = line_hops(l, 0, l->n - 1);
	uint64_t relays = cost_relays(account, hops);
	uint64_t stream = cost_wire(account, wire.max);
	struct charge c = { .calls = 1, .words = wire.all,
	                    .word_hops = wire.all * span, .path_hops = hops,
	                    .stages = 1 + relays };

	if (!wire.all)
		return;
	/* Each message has its own path and is set up as an exchange. Cores
	 * that forward in software read each message's head, then pass on all
	 * words. */
	c.setup_cycles = messages * cost_exchange(account);
	if (relays)
		c.relay_cycles = cost_stages(account, messages) + stream;
	c.comm_cycles = c.setup_cycles + c.relay_cycles +
	                cost_hops(account, hops) + stream +
	                cost_stages(account, c.stages);
	ledger_charge(l->ledger, &c);
	ledger_link(l->ledger, l->axis, 0, l->n - 1, wire.all);
	ledger_route_each(l->ledger, l->axis, l->n);
}

void line_broadcast(struct line *l, int root, float *data, size_t words,
                    struct wire_words wire)
{
	const struct line_parts parts = { 1, { 0, 1 }, &words, &root };
	uint64_t low = line_hops(l, 0, root);
	uint64_t high = line_hops(l, root, l->n - 1);
	struct multicast m = { 0, l->n - 1, &parts, data };

	if (l->n == 1)
		return;
	charge_rooted(l, low > high ? low : high, 1, wire);
	if (l->noc)
		multicasts_run(l, &m, 1);
}

void line_allgather(struct line *l, const struct line_parts *parts,
                    float *data, struct wire_words wire)
{
	struct multicast m = { 0, l->n - 1, parts, data };

	if (l->n == 1)
		return;
	charge_rooted(l, line_hops(l, 0, l->n - 1), l->n - 1, wire);
	if (l->noc)
		multicasts_run(l, &m, 1);
}
