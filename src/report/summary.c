#include "config.h"
#include "report/summary.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/printable.h"
#include "base/row.h"

#define PREFIX "waferllm: "
#define WIDTH (80 - (int)sizeof PREFIX + 1)
/* Where a long line goes on: below the second column of the tables. */
#define INDENT 11

/* --- Lines and figures --- */

/* How much of s goes on a line of at most `width` columns: up to a comma, else
 * up to a blank, else all of the width. */
static int piece(const char *s, int width)
{
	int n = strlen(s), comma = 0, blank = 0;

	if (n <= width)
		return n;
	for (int i = 1; i <= width; i++) {
		if (s[i] != ' ')
			continue;
		blank = i;
		if (strchr(",;:", s[i - 1]))
			comma = i;
	}
	/* Not within a UTF-8 character. */
	while (width > 1 && ((unsigned char)s[width] & 0xc0) == 0x80)
		width--;
	/* A piece that is all too short wastes the line. */
	if (comma > width / 3)
		return comma;
	return blank ? blank : width;
}

/* One line, and more where it is too long. */
__attribute__((format(printf, 2, 3)))
static void say(FILE *out, const char *fmt, ...)
{
	char text[4096], *s = text;
	int indent = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printable_mask(text);
	while (*s) {
		int n = piece(s, WIDTH - indent);

		fprintf(out, PREFIX "%*s%.*s\n", indent, "", n, s);
		s += n;
		s += strspn(s, " ");
		indent = INDENT;
	}
}

/* A figure as text, with three digits. */
struct text {
	char s[48];
};

/* Plain digits up to six of them, then a power of ten. */
static struct text plain(double v, const char *unit)
{
	int digits = v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
	const char *gap = *unit ? " " : "";
	struct text t;

	if (v == 0 || (v < 999999.5 && v == floor(v)))
		snprintf(t.s, sizeof t.s, "%.0f%s%s", v, gap, unit);
	else if (v >= 999999.5 || v < 0.9995)
		snprintf(t.s, sizeof t.s, "%#.3g%s%s", v, gap, unit);
	else
		snprintf(t.s, sizeof t.s, "%.*f%s%s", digits, v, gap, unit);
	return t;
}

/* With a prefix to its unit from that of 1000^low to that of 1000^high. */
static struct text prefixed(double v, const char *unit, int low, int high)
{
	static const char *const prefix[] = { "p", "n", "u", "m", "", "k", "M",
	                                      "G", "T" };
	const int one = 4;
	double scaled = v;
	struct text t;
	int at = 0, digits;

	for (; scaled >= 999.5 && at <= high; at++)
		scaled /= 1000;
	for (; scaled > 0 && scaled < 0.9995 && at > low; at--)
		scaled *= 1000;
	if (at == 0 || at > high)
		return plain(v, unit);
	digits = scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
	snprintf(t.s, sizeof t.s, "%.*f %s%s", digits, scaled,
	         prefix[one + at], unit);
	return t;
}

/* Whole numbers: cycles, bytes, routes. */
static struct text count(double v, const char *unit)
{
	return prefixed(v, unit, 0, 4);
}

/* A dash where there is none. */
static struct text rate(double v)
{
	return v > 0 ? prefixed(v, "", 0, 3) : (struct text){ "-" };
}

static struct text seconds(double v)
{
	return prefixed(v, "s", -4, 0);
}

static struct text joules(double v)
{
	return prefixed(v, "J", -4, 3);
}

static struct text percent(double part, double all)
{
	struct text t = { "-" };

	if (part > 0 && part < 0.0005 * all)
		return (struct text){ "<0.1%" };
	if (all > 0)
		snprintf(t.s, sizeof t.s, "%.1f%%", 100 * part / all);
	return t;
}

/* --- What was run --- */

static const struct phase_account *phase(const struct report *r, enum phase p)
{
	return &r->account->phase[p];
}

static bool has_run(const struct report *r, enum phase p)
{
	return phase(r, p)->total.cycles > 0;
}

static void say_what(const struct report *r, FILE *out)
{
	const struct ledger *l = &r->account->inference->ledger;
	const char *const *set = r->options->set;
	int own = r->account->inference->model->max_seq_len;
	char sets[1024] = "", context[80] = "";
	size_t at = 0;

	if (r->context != own)
		snprintf(context, sizeof context, ", context %d (the model's: "
		         "%d)", r->context, own);
	for (; *set && at < sizeof sets; set++)
		at += snprintf(sets + at, sizeof sets - at, ", %s", *set);
	say(out, "prompt %d tokens, new %d tokens%s%s",
	    r->account->prompt_tokens, r->account->new_tokens, context,
	    r->host.dry ? ", dry run" : "");
	say(out, "emulated: %s%s, %s elements, on %s (%s)%s", r->model_source,
	    r->options->kv_heads_full ? " with one head of full width" : "",
	    wl_type_name(l->type), l->device->name, l->device->title, sets);
}

/* What is not WaferLLM's own way. */
static void say_system(const struct report *r, FILE *out)
{
	const struct system *s = r->system;

	if (s->baseline)
		say(out, "emulated: system %s, %s: an account alone, which "
		    "computes no tokens", s->name, s->help);
	else if (strcmp(s->name, "waferllm"))
		say(out, "emulated: system %s, %s; products by %s, sums by %s",
		    s->name, s->help, s->gemm->name, s->allreduce->name);
	else if (r->options->gemm || r->options->allreduce)
		say(out, "emulated: products by %s, sums by %s", s->gemm->name,
		    s->allreduce->name);
}

static void say_choice(const struct report *r, FILE *out)
{
	const struct auto_result *a = r->automatic;
	char why[1024] = "";
	size_t at = 0;

	if (!a)
		return;
	for (int i = 0; i < a->n_stopped && at < sizeof why; i++)
		if (a->stopped[i].count)
			at += snprintf(why + at, sizeof why - at, "%s %d %s",
			               at ? "," : "; stopped:",
			               a->stopped[i].count, a->stopped[i].why);
	say(out, "grids: the best of %d tried%s", a->tried, why);
}

/* --- Tables --- */

static void say_row(FILE *out, const char *name, const char *const cell[],
                    const int width[], int n)
{
	struct row row = { 0 };

	row_add(&row, -10, "%s", name);
	for (int i = 0; i < n; i++)
		row_add(&row, width[i], "%s", cell[i]);
	say(out, "%s", row.text);
}

/* Of the table of phases: tokens, cycles, time, tokens/s, compute, joules by
 * the device's power and by work. */
#define PHASES_COLUMNS 7

static const int phases_width[PHASES_COLUMNS] = { 8, 7, 9, 9, 8, 10, 9 };

/* One phase, or all. */
struct phase_row {
	const char *name;
	int tokens; /* 0: it has none */
	double cycles, compute_cycles, seconds, tokens_per_s;
	double envelope, bottom_up; /* joules */
};

static void say_phase(FILE *out, const struct phase_row *r)
{
	struct text tokens = { "-" };

	if (r->tokens)
		snprintf(tokens.s, sizeof tokens.s, "%d", r->tokens);
	say_row(out, r->name, (const char *const[PHASES_COLUMNS]){
		tokens.s, count(r->cycles, "").s, seconds(r->seconds).s,
		rate(r->tokens_per_s).s,
		percent(r->compute_cycles, r->cycles).s,
		joules(r->envelope).s, joules(r->bottom_up).s },
		phases_width, PHASES_COLUMNS);
}

static void say_phases(const struct report *r, FILE *out)
{
	const struct account *a = r->account;
	struct phase_row all = { .name = "request", .tokens = a->new_tokens,
	                         .seconds = a->seconds,
	                         .tokens_per_s = a->tokens_per_s_request };

	say_row(out, "emulated", (const char *const[PHASES_COLUMNS]){
		"tokens", "cycles", "time", "tokens/s", "compute", "nameplate",
		"by work" }, phases_width, PHASES_COLUMNS);
	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct phase_account *f = phase(r, p);
		struct phase_row row = { phase_name(p), f->tokens,
			f->total.cycles, f->total.compute_cycles, f->seconds,
			f->tokens_per_s, f->energy.envelope,
			report_bottom_up(&f->energy) };

		if (has_run(r, p))
			say_phase(out, &row);
		all.cycles += row.cycles;
		all.compute_cycles += row.compute_cycles;
		all.envelope += row.envelope;
		all.bottom_up += row.bottom_up;
	}
	say_phase(out, &all);
}

/* Of the table of grids: cores, regions, regions needed and held, bytes of a
 * core, its routes, cores busy. */
#define GRIDS_COLUMNS 7

static const int grids_width[GRIDS_COLUMNS] = { 10, 8, 7, 6, 15, 7, 7 };

static void say_grid(const struct report *r, enum phase p, FILE *out)
{
	const struct phase_account *f = phase(r, p);
	const struct device *d = r->account->inference->ledger.device;
	char cores[24], regions[16], needed[16] = "none", held[16];
	char sram[100], routes[32];

	snprintf(cores, sizeof cores, "%dx%d", f->grid.rows, f->grid.cols);
	snprintf(regions, sizeof regions, "%d", f->regions);
	if (f->regions_needed)
		snprintf(needed, sizeof needed, "%d", f->regions_needed);
	snprintf(held, sizeof held, "%d", f->regions_held);
	snprintf(sram, sizeof sram, "%s/%s", count(f->core_bytes, "").s,
	         count(device_usable_sram(d), "B").s);
	snprintf(routes, sizeof routes, "%d/%.0f", f->paths, d->routes);
	say_row(out, phase_name(p), (const char *const[GRIDS_COLUMNS]){
		cores, regions, needed, held, sram, routes,
		percent(f->cores_busy, 1).s }, grids_width, GRIDS_COLUMNS);
}

static void say_grids(const struct report *r, FILE *out)
{
	say_row(out, "emulated", (const char *const[GRIDS_COLUMNS]){
		"cores", "regions", "needed", "held", "SRAM per core", "routes",
		"busy" }, grids_width, GRIDS_COLUMNS);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		if (has_run(r, p) && phase(r, p)->grid.rows)
			say_grid(r, p, out);
}

/* --- Where the cycles go --- */

/* The operator with the most cycles among those that are not in `done`, a set
 * of bits 1 << op. */
static enum op next_op(const struct charge *row, unsigned done)
{
	enum op max = NOPS;

	for (int op = 0; op < NOPS; op++)
		if (!(done & 1u << op) &&
		    (max == NOPS || row[op].cycles > row[max].cycles))
			max = op;
	return max;
}

/* As many of the phase's operators as a line has room for. */
static void say_operators(const struct report *r, enum phase p, FILE *out)
{
	const struct charge *row = r->account->inference->ledger.row[p];
	double unit = phase(r, p)->total.cycles / 100.0;
	char line[WIDTH + 1], one[64];
	unsigned done = 0;
	size_t at;

	at = snprintf(line, sizeof line, "%-10s", phase_name(p));
	for (int i = 0; i < NOPS; i++) {
		enum op op = next_op(row, done);
		size_t len = snprintf(one, sizeof one, "%s %s %.0f (%.0f+%.0f)",
		                      i ? "," : "", op_name(op),
		                      row[op].cycles / unit,
		                      row[op].compute_cycles / unit,
		                      row[op].comm_cycles / unit);

		if (row[op].cycles < unit / 2 || at + len >= sizeof line)
			break;
		at += sprintf(line + at, "%s", one);
		done |= 1u << op;
	}
	say(out, "%s", line);
}

static void say_cycles(const struct report *r, FILE *out)
{
	say(out, "emulated cycles by operator, %% of the phase: all (compute + "
	    "exchange)");
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		if (has_run(r, p) && p != PHASE_TRANSITION)
			say_operators(r, p, out);
}

/* --- PLMR --- */

/* How far a verdict is on the wrong side of its limit; above 1: not ok. */
static double excess(const struct verdict *v, enum plmr letter)
{
	if (!v->applies)
		return 0;
	return letter == PLMR_P ? v->limit / v->figure : v->figure / v->limit;
}

/* "43.1 k > 43.0 kB", or all digits where three do not tell them apart. */
static struct text compare_counts(double figure, double limit,
                                  const char *unit)
{
	struct text t, f = count(figure, ""), l = count(limit, "");

	if (strcmp(f.s, l.s))
		snprintf(t.s, sizeof t.s, "%.9s > %.19s", f.s,
		         count(limit, unit).s);
	else
		snprintf(t.s, sizeof t.s, "%.10g > %.10g %s", figure, limit,
		         unit);
	return t;
}

/* "40.0% < 50%", or more digits likewise. */
static struct text compare_shares(double share, double limit)
{
	int digits = 100 * share < 100 * limit - 0.05 ? 1 : 4;
	struct text t;

	snprintf(t.s, sizeof t.s, "%.*f%% < %.3g%%", digits, 100 * share,
	         100 * limit);
	return t;
}

/* The letter, and what is wrong with the worst of the phase's kernels. */
static struct text judge(const struct report *r, enum phase p,
                         enum plmr letter, enum op *worst)
{
	static const char *const unit[NPLMR] = { "%", "cycles", "B", "routes" };
	struct verdict v[NPLMR], w = { 0 };
	struct text t = { "ok" };

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
	say(out, "emulated PLMR: ok, or the kernel that misses it most");
	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		char line[512];
		size_t at = snprintf(line, sizeof line, "%-10s", phase_name(p));

		if (!has_run(r, p))
			continue;
		for (int k = 0; k < NPLMR; k++) {
			enum op worst = NOPS;
			struct text t = judge(r, p, k, &worst);

			at += snprintf(line + at, sizeof line - at,
			               "%s %c %s%s%s", k ? "," : "", "PLMR"[k],
			               worst < NOPS ? op_name(worst) : "",
			               worst < NOPS ? " " : "", t.s);
		}
		say(out, "%s", line);
	}
}

/* Before the figures, which hold only for a device that can do it. */
static void say_violations(const struct report *r, FILE *out)
{
	const struct account *a = r->account;

	for (int i = 0; i < a->n_violations; i++)
		say(out, "violation: %s", a->violation[i].text);
	if (a->n_violations)
		say(out, "emulated: the figures below assume a device without "
		    "these limits");
}

static void say_limits(const struct report *r, FILE *out)
{
	const struct account *a = r->account;

	if (a->new_tokens > 1 && !r->system->baseline)
		say(out, "emulated decode holds %lld more tokens by shift, %lld"
		    " by concatenation", (long long)a->longest_shift,
		    (long long)a->longest_concat);
}

/* --- The host --- */

/* Tokens a second of the host, to a tenth; small ones to three digits. */
static struct text host_rate(double v)
{
	struct text t;

	snprintf(t.s, sizeof t.s, v < 0.9995 ? "%#.3g" : "%.1f", v);
	return t;
}

/* Where ranks run, and what stands between those that are neighbours. */
static void say_nodes(const struct seating *s, FILE *out)
{
	const struct edge_cut *c = &s->cut, *plain = &s->cut_in_order;

	say(out, "host: nodes %d; ranks bound to: %s", s->nodes,
	    mesh_binding_name(s->binding));
	if (plain->node || plain->socket)
		say(out, "host: of %ld neighbours %ld on two nodes (%ld as"
		    " ranks count), %ld sockets (%ld)", c->edges, c->node,
		    plain->node, c->socket, plain->socket);
}

static void say_host(const struct report *r, FILE *out)
{
	const struct host_times *h = &r->host;
	int decoded = r->account->new_tokens - 1;
	char decode[80] = "";

	if (!h->dry)
		say(out, "host: load %.2f s, prefill %.2f s, transition %.2f s,"
		    " decode %.2f s", h->load, h->prefill, h->transition,
		    h->decode);
	if (decoded > 0 && h->decode > 0)
		snprintf(decode, sizeof decode, ", decode %s tokens/s",
		         host_rate(decoded / h->decode).s);
	if (!h->dry && h->prefill > 0)
		say(out, "host: prefill %s tokens/s%s",
		    host_rate(r->account->prompt_tokens / h->prefill).s,
		    decode);
	say(out, "host: ranks %dx%d of %d, %.2f s; largest rank %.0f MiB",
	    h->rank_rows, h->rank_cols, h->ranks, h->seconds,
	    h->peak_memory / (1 << 20));
	if (h->ranks > 1)
		say_nodes(&h->seating, out);
}

static void say_account(const struct report *r, FILE *out)
{
	say_what(r, out);
	say_system(r, out);
	say_choice(r, out);
	say_violations(r, out);
	say_phases(r, out);
	say_grids(r, out);
	say_cycles(r, out);
	say_plmr(r, out);
	say_limits(r, out);
}

void summary_print(const struct report *r, FILE *out)
{
	if (r->options->no_account)
		say(out, "prompt %d tokens, new %d tokens, no account",
		    r->account->prompt_tokens, r->account->new_tokens);
	else
		say_account(r, out);
	say_host(r, out);
	if (r->profile)
		profile_print(r->profile, out);
}
