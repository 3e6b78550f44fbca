#include "config.h"
#include "report/summary.h"

#include <string.h>

#include "base/figure.h"
#include "base/row.h"

/* Continuation lines of a long row start below its second column. */
#define INDENT 11

/* Text of a table; lines after the first are indented. */
#define say(out, ...) \
	wrap_print(&(struct wrap){ out, SUMMARY_PREFIX, INDENT }, NULL, \
	           __VA_ARGS__)

static void say_row(FILE *out, const char *name, const char *const cell[],
                    const int width[], int n)
{
	struct row row = { 0 };

	row_add(&row, -10, "%s", name);
	for (int i = 0; i < n; i++)
		row_add(&row, width[i], "%s", cell[i]);
	say(out, "%s", row.text);
}

/* --- Phases --- */

#define PHASES_COLUMNS 7

static const int phases_width[PHASES_COLUMNS] = { 8, 7, 9, 9, 8, 10, 9 };

/* One phase, or the whole request. */
struct phase_row {
	const char *name;
	int tokens; /* 0: none */
	double cycles, compute_cycles, seconds, tokens_per_s;
	double envelope, bottom_up; /* joules */
};

static void say_phase(FILE *out, const struct phase_row *r)
{
	struct figure tokens = { "-" };

	if (r->tokens)
		snprintf(tokens.s, sizeof tokens.s, "%d", r->tokens);
	say_row(out, r->name, (const char *const[PHASES_COLUMNS]){
		tokens.s, figure_count(r->cycles, "").s,
		figure_seconds(r->seconds).s, figure_rate(r->tokens_per_s).s,
		figure_percent(r->compute_cycles, r->cycles).s,
		figure_joules(r->envelope).s, figure_joules(r->bottom_up).s },
		phases_width, PHASES_COLUMNS);
}

static void say_phases(const struct report *r, FILE *out)
{
	const struct account *a = r->account;
	struct phase_row all = { .name = "request", .tokens = a->new_tokens,
	                         .seconds = a->seconds,
	                         .tokens_per_s = a->tokens_per_s_request };

	say(out, "Emulated phases; compute is a share of the cycles, energy "
	    "is at rated power, and counted by operation");
	say_row(out, "phase", (const char *const[PHASES_COLUMNS]){
		"tokens", "cycles", "time", "tokens/s", "compute", "energy",
		"counted" }, phases_width, PHASES_COLUMNS);
	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct phase_account *f = summary_phase(r, p);
		struct phase_row row = { phase_name(p), f->tokens,
			f->total.cycles, f->total.compute_cycles, f->seconds,
			f->tokens_per_s, f->energy.envelope,
			report_bottom_up(&f->energy) };

		if (summary_has(r, p))
			say_phase(out, &row);
		all.cycles += row.cycles;
		all.compute_cycles += row.compute_cycles;
		all.envelope += row.envelope;
		all.bottom_up += row.bottom_up;
	}
	say_phase(out, &all);
}

/* --- Cores --- */

#define GRIDS_COLUMNS 7

static const int grids_width[GRIDS_COLUMNS] = { 10, 8, 7, 6, 15, 7, 7 };

static void say_grid(const struct report *r, enum phase p, FILE *out)
{
	const struct phase_account *f = summary_phase(r, p);
	const struct device *d = r->account->inference->ledger.device;
	char cores[24], regions[16], needed[16] = "none", held[16];
	char sram[100], routes[32];

	snprintf(cores, sizeof cores, "%dx%d", f->grid.rows, f->grid.cols);
	snprintf(regions, sizeof regions, "%d", f->regions);
	if (f->regions_needed)
		snprintf(needed, sizeof needed, "%d", f->regions_needed);
	snprintf(held, sizeof held, "%d", f->regions_held);
	snprintf(sram, sizeof sram, "%s/%s", figure_count(f->core_bytes, "").s,
	         figure_count(device_usable_sram(d), "B").s);
	snprintf(routes, sizeof routes, "%d/%.0f", f->paths, d->routes);
	say_row(out, phase_name(p), (const char *const[GRIDS_COLUMNS]){
		cores, regions, needed, held, sram, routes,
		figure_percent(f->cores_busy, 1).s }, grids_width,
		GRIDS_COLUMNS);
}

static void say_grids(const struct report *r, FILE *out)
{
	say(out, "Emulated cores; layers are shared by regions: used, needed "
	    "to hold the model, and held by the wafer; memory and router paths "
	    "are those of the fullest core / of any core; busy is the mean "
	    "core's work as a share of the busiest one's");
	say_row(out, "phase", (const char *const[GRIDS_COLUMNS]){
		"grid", "regions", "needed", "held", "memory", "paths",
		"busy" }, grids_width, GRIDS_COLUMNS);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		if (summary_has(r, p) && summary_phase(r, p)->grid.rows)
			say_grid(r, p, out);
}

/* --- Operators --- */

/* The operators that take at least half a percent of the phase's cycles. */
static void say_operators(const struct report *r, enum phase p, FILE *out)
{
	const struct charge *row = r->account->inference->ledger.row[p];
	double unit = summary_phase(r, p)->total.cycles / 100.0;
	char text[64 * NOPS];
	unsigned done = 0;
	size_t at;

	at = snprintf(text, sizeof text, "%-10s", phase_name(p));
	for (int i = 0; i < NOPS; i++) {
		enum op op = summary_largest(row, done);

		if (row[op].cycles < unit / 2)
			break;
		at += snprintf(text + at, sizeof text - at,
		               "%s %s %.0f (%.0f+%.0f)", i ? "," : "",
		               op_name(op), row[op].cycles / unit,
		               row[op].compute_cycles / unit,
		               row[op].comm_cycles / unit);
		done |= 1u << op;
	}
	say(out, "%s", text);
}

static void say_cycles(const struct report *r, FILE *out)
{
	say(out, "Emulated cycles by operator, %% of the phase: all (compute + "
	    "exchange)");
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		if (summary_has(r, p))
			say_operators(r, p, out);
}

/* --- PLMR --- */

/* The factor by which a figure misses its limit; at most 1: it is ok. */
static double excess(const struct verdict *v, enum plmr letter)
{
	if (!v->applies)
		return 0;
	return letter == PLMR_P ? v->limit / v->figure : v->figure / v->limit;
}

/* "43.1 k > 43.0 kB"; all digits if three do not show the difference. */
static struct figure compare_counts(double figure, double limit,
                                    const char *unit)
{
	struct figure t, f = figure_count(figure, "");
	struct figure l = figure_count(limit, "");

	if (!strcmp(f.s, l.s))
		snprintf(t.s, sizeof t.s, "%.10g > %.10g %s", figure, limit,
		         unit);
	else if (unit[1])
		snprintf(t.s, sizeof t.s, "%.9s > %.9s %.9s", f.s, l.s, unit);
	else
		snprintf(t.s, sizeof t.s, "%.9s > %.19s", f.s,
		         figure_count(limit, unit).s);
	return t;
}

/* "40.0% < 50%"; more digits if one decimal does not show the difference. */
static struct figure compare_shares(double share, double limit)
{
	int digits = 100 * share < 100 * limit - 0.05 ? 1 : 4;
	struct figure t;

	snprintf(t.s, sizeof t.s, "%.*f%% < %.3g%%", digits, 100 * share,
	         100 * limit);
	return t;
}

/* The figure and limit of the operator that misses the letter's limit by most,
 * which is returned in *worst; "ok", leaving *worst, if there is none. */
static struct figure judge(const struct report *r, enum phase p,
                           enum plmr letter, enum op *worst)
{
	static const char *const unit[NPLMR] = { "%", "cycles", "B", "paths" };
	struct verdict v[NPLMR], w = { 0 };
	struct figure t = { "ok" };

	for (int op = 0; op < NOPS; op++)
		if (account_verdict(r->account, p, op, v) && !v[letter].ok &&
		    v[letter].applies &&
		    (!w.applies || excess(&v[letter], letter) >
		                   excess(&w, letter))) {
			w = v[letter];
			*worst = op;
		}
	if (w.applies && letter == PLMR_P)
		return compare_shares(w.figure, w.limit);
	return w.applies ? compare_counts(w.figure, w.limit, unit[letter]) : t;
}

static void say_plmr(const struct report *r, FILE *out)
{
	static const char *const demand[NPLMR] = {
		[PLMR_P] = "parallelism", [PLMR_L] = "latency",
		[PLMR_M] = "memory", [PLMR_R] = "routes" };

	say(out, "Emulated operators and the PLMR device model: ok, or the "
	    "operator that misses the limit by most");
	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		char text[512];
		size_t at = snprintf(text, sizeof text, "%-10s", phase_name(p));

		if (!summary_has(r, p))
			continue;
		for (int k = 0; k < NPLMR; k++) {
			enum op worst = NOPS;
			struct figure t = judge(r, p, k, &worst);

			at += snprintf(text + at, sizeof text - at,
			               "%s %s %s%s%s", k ? "," : "", demand[k],
			               worst < NOPS ? op_name(worst) : "",
			               worst < NOPS ? " " : "", t.s);
		}
		say(out, "%s", text);
	}
}

void summary_tables(const struct report *r, FILE *out)
{
	say_phases(r, out);
	say_grids(r, out);
	say_cycles(r, out);
	say_plmr(r, out);
}
