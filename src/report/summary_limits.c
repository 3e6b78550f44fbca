#include "config.h"
#include "summary_parts.h"

#include "base/figure.h"
#include "device/cost.h"

/* Operators in the terms of transformer models. */
static const char *const op_words[NOPS] = {
	[OP_EMBED] = "token embedding",
	[OP_NORM] = "RMS norms",
	[OP_QKV] = "query, key, value products",
	[OP_ROPE] = "rotary positions",
	[OP_KV_SHIFT] = "KV cache balancing",
	[OP_SCORES] = "query times key",
	[OP_SOFTMAX] = "attention softmax",
	[OP_VALUES] = "attention times value",
	[OP_OUTPUT] = "attention output product",
	[OP_FFN_UP] = "feed-forward gate and up",
	[OP_FFN_ACT] = "activation function",
	[OP_FFN_DOWN] = "feed-forward down",
	[OP_HEAD] = "vocabulary product",
	[OP_CHOOSE] = "choice of the token",
	[OP_UNSKEW] = "weights back in place",
	[OP_RELAYOUT] = "new layout for decode",
	[OP_HANDOVER] = "pass to the next region",
};

enum op summary_largest(const struct charge row[NOPS], unsigned done)
{
	enum op largest = NOPS;

	for (int op = 0; op < NOPS; op++)
		if (!(done & 1u << op) &&
		    (largest == NOPS || row[op].cycles > row[largest].cycles))
			largest = op;
	return largest;
}

/* Divides a phase's cycles into arithmetic, exchange and start-up, which
 * ledger_op charges for each run of an operator; names the largest operator. */
static void say_cycles(const struct report *r, enum phase p, FILE *out)
{
	const struct ledger *l = &r->account->inference->ledger;
	const struct charge *c = &summary_phase(r, p)->total;
	const struct wrap w = { out, SUMMARY_PREFIX, SUMMARY_INDENT };
	double start = (double)c->runs * cost_operator_start(l);
	enum op op = summary_largest(l->row[p], 0);
	char label[SUMMARY_INDENT + 1];

	if (start > c->comm_cycles)
		start = c->comm_cycles;
	snprintf(label, sizeof label, "  %s", phase_name(p));
	wrap_print(&w, label, "%s arithmetic, %s exchange, %s start-up",
	           figure_percent(c->compute_cycles, c->cycles).s,
	           figure_percent(c->comm_cycles - start, c->cycles).s,
	           figure_percent(start, c->cycles).s);
	wrap_print(&w, "", "largest: %s (%s), %s", op_words[op], op_name(op),
	           figure_percent(l->row[p][op].cycles, c->cycles).s);
}

/* Each phase's share of the time. */
static void say_time(const struct report *r, FILE *out)
{
	struct wrap_list share = { "" };

	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct phase_account *a = summary_phase(r, p);

		if (summary_has(r, p))
			wrap_list_add(&share, "%s %s", phase_name(p),
			              figure_percent(a->seconds,
			                             r->account->seconds).s);
	}
	summary_say(out, "time", "%s", share.text);
}

/* Peak memory and router paths of the fullest core, each with the phase in
 * which it occurs. */
static void say_fullest(const struct report *r, FILE *out)
{
	const struct device *d = r->account->inference->ledger.device;
	enum phase full = PHASE_PREFILL, routed = PHASE_PREFILL;

	for (int p = PHASE_PREFILL + 1; p < NPHASES; p++) {
		if (summary_phase(r, p)->core_bytes >
		    summary_phase(r, full)->core_bytes)
			full = p;
		if (summary_phase(r, p)->paths >
		    summary_phase(r, routed)->paths)
			routed = p;
	}
	summary_say(out, "memory", "%s of %s in the fullest core (%s)",
	            figure_count(summary_phase(r, full)->core_bytes, "B").s,
	            figure_count(device_usable_sram(d), "B").s,
	            phase_name(full));
	summary_say(out, "router paths", "%d of %.0f in the fullest core (%s)",
	            summary_phase(r, routed)->paths, d->routes,
	            phase_name(routed));
}

/* Load balance: mean work of a core / work of the busiest core. */
static void say_balance(const struct report *r, FILE *out)
{
	struct wrap_list busy = { "" };

	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct phase_account *a = summary_phase(r, p);

		if (summary_has(r, p) && a->grid.rows)
			wrap_list_add(&busy, "%s %s", phase_name(p),
			              figure_percent(a->cores_busy, 1).s);
	}
	if (*busy.text)
		summary_say(out, "load balance", "%s (mean to busiest core)",
		            busy.text);
}

void summary_limits(const struct report *r, FILE *out)
{
	const struct account *a = r->account;

	summary_heading(out, "What limits it");
	say_time(r, out);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		if (summary_has(r, p) && p != PHASE_TRANSITION)
			say_cycles(r, p, out);
	say_balance(r, out);
	say_fullest(r, out);
	if (a->new_tokens > 1 && !r->system->baseline)
		summary_say(out, "KV cache", "room for %lld new tokens (%lld "
		            "without rebalancing)", (long long)a->longest_shift,
		            (long long)a->longest_concat);
}
