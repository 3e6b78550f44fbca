#include "config.h"
#include "summary.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

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
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	while (*s) {
		int n = piece(s, WIDTH - indent);

		fprintf(out, PREFIX "%*s%.*s\n", indent, "", n, s);
		s += n;
		s += strspn(s, " ");
		indent = INDENT;
	}
}

/* A figure as text: three digits, and a prefix to its unit. */
struct text {
	char s[32];
};

static struct text si(double v, const char *unit)
{
	static const char *const prefix[] = { "p", "n", "u", "m", "", "k", "M",
	                                      "G", "T", "P", "E" };
	size_t at = 4;
	struct text t;
	int digits;

	while (v >= 999.5 && at + 1 < sizeof prefix / sizeof *prefix) {
		v /= 1000;
		at++;
	}
	while (v > 0 && v < 0.9995 && at > 0) {
		v *= 1000;
		at--;
	}
	digits = v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
	if (at == 4 && v == floor(v))
		digits = 0;
	snprintf(t.s, sizeof t.s, "%.*f%s%s%s", digits, v,
	         *prefix[at] || *unit ? " " : "", prefix[at], unit);
	return t;
}

/* A dash where there is none. */
static struct text some(double v, const char *unit)
{
	return v > 0 ? si(v, unit) : (struct text){ "-" };
}

static struct text percent(double part, double all)
{
	struct text t = { "-" };

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
	const struct ledger *l = &r->account->wafer->ledger;
	const char *const *set = r->options->set;
	int own = r->account->wafer->model->max_seq_len;
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

static void say_row(FILE *out, const char *name, const char *tokens,
                    const struct charge *c, double seconds, double rate,
                    double envelope, double bottom_up)
{
	say(out, "%-10s%8s%7s%9s%9s%8s%10s%9s", name, tokens,
	    si(c->cycles, "").s, si(seconds, "s").s, some(rate, "").s,
	    percent(c->compute_cycles, c->cycles).s, si(envelope, "J").s,
	    si(bottom_up, "J").s);
}

static void say_phases(const struct report *r, FILE *out)
{
	const struct account *a = r->account;
	struct charge all = { 0 };
	double envelope = 0, bottom_up = 0;
	char tokens[16];

	say(out, "%-10s%8s%7s%9s%9s%8s%10s%9s", "emulated", "tokens", "cycles",
	    "time", "tokens/s", "compute", "nameplate", "by work");
	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct phase_account *f = phase(r, p);
		double work = report_bottom_up(&f->energy);

		snprintf(tokens, sizeof tokens, "%d", f->tokens);
		if (has_run(r, p))
			say_row(out, phase_name(p), f->tokens ? tokens : "-",
			        &f->total, f->seconds, f->tokens_per_s,
			        f->energy.envelope, work);
		all.cycles += f->total.cycles;
		all.compute_cycles += f->total.compute_cycles;
		envelope += f->energy.envelope;
		bottom_up += work;
	}
	snprintf(tokens, sizeof tokens, "%d", a->new_tokens);
	say_row(out, "request", tokens, &all, a->seconds,
	        a->tokens_per_s_request, envelope, bottom_up);
}

static void say_grid(const struct report *r, enum phase p, FILE *out)
{
	const struct phase_account *f = phase(r, p);
	const struct device *d = r->account->wafer->ledger.device;
	char cores[24], needed[16] = "none", sram[72], routes[32];

	snprintf(cores, sizeof cores, "%dx%d", f->grid.rows, f->grid.cols);
	if (f->regions_needed)
		snprintf(needed, sizeof needed, "%d", f->regions_needed);
	snprintf(sram, sizeof sram, "%s/%s", si(f->core_bytes, "").s,
	         si(account_room(d), "B").s);
	snprintf(routes, sizeof routes, "%d/%.0f", f->paths, d->routes);
	say(out, "%-10s%10s%8d%8s%6d%15s%7s%6s", phase_name(p), cores,
	    f->regions, needed, f->regions_held, sram, routes,
	    percent(f->cores_busy, 1).s);
}

static void say_grids(const struct report *r, FILE *out)
{
	say(out, "%-10s%10s%8s%8s%6s%15s%7s%6s", "emulated", "cores",
	    "regions", "needed", "held", "SRAM per core", "routes", "busy");
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		if (has_run(r, p) && phase(r, p)->grid.rows)
			say_grid(r, p, out);
}

/* --- Where the cycles go --- */

/* The operator with the most cycles among those that are not in `done`, a set
 * of bits 1 << op. */
static enum op next_op(const struct charge *row, unsigned done)
{
	enum op most = NOPS;

	for (int op = 0; op < NOPS; op++)
		if (!(done & 1u << op) &&
		    (most == NOPS || row[op].cycles > row[most].cycles))
			most = op;
	return most;
}

/* As many of the phase's operators as a line has room for. */
static void say_operators(const struct report *r, enum phase p, FILE *out)
{
	const struct charge *row = r->account->wafer->ledger.row[p];
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
		snprintf(t.s, sizeof t.s, "%.1f%% < %.0f%%", 100 * w.figure,
		         100 * w.limit);
	else if (w.applies)
		snprintf(t.s, sizeof t.s, "%.9s > %.12s", si(w.figure, "").s,
		         si(w.limit, unit[letter]).s);
	return t;
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

static void say_limits(const struct report *r, FILE *out)
{
	const struct account *a = r->account;

	if (a->new_tokens > 1 && !r->system->baseline)
		say(out, "emulated decode holds %lld more tokens by shift, %lld"
		    " by concatenation", (long long)a->longest_shift,
		    (long long)a->longest_concat);
	for (int i = 0; i < a->n_violations; i++)
		say(out, "violation: %s", a->violation[i].text);
}

/* --- The host --- */

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
	char decode[40] = "";

	if (!h->dry)
		say(out, "host: load %.2f s, prefill %.2f s, transition %.2f s,"
		    " decode %.2f s", h->load, h->prefill, h->transition,
		    h->decode);
	if (decoded > 0 && h->decode > 0)
		snprintf(decode, sizeof decode, ", decode %.1f tokens/s",
		         decoded / h->decode);
	if (!h->dry && h->prefill > 0)
		say(out, "host: prefill %.1f tokens/s%s",
		    r->account->prompt_tokens / h->prefill, decode);
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
	fflush(out);
}
