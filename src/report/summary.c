#include "config.h"
#include "summary_parts.h"

#include <string.h>

#include "base/figure.h"

/* Most violations to show where the tables are not printed. */
#define FEW 6

void summary_heading(FILE *out, const char *text)
{
	fprintf(out, SUMMARY_PREFIX "%s\n", text);
}

/* --- What was run --- */

static void say_model(const struct report *r, FILE *out)
{
	const struct inference *w = r->account->inference;

	summary_say(out, "model", "%s%s, %s parameters, %s elements",
	            r->model_source, r->options->kv_heads_full
	            ? " with one head of full width" : "",
	            figure_words(model_parameters(w->model)).s,
	            wl_type_name(w->ledger.type));
}

static void say_device(const struct report *r, FILE *out)
{
	const struct device *d = r->account->inference->ledger.device;
	const char *const *set = r->options->set;
	struct wrap_list sets = { "" };

	for (; *set; set++)
		wrap_list_add(&sets, "%.100s", *set);
	summary_say(out, "device", "%s (%s), %.0fx%.0f cores at %s%s%s",
	            d->name, d->title, d->rows, d->cols,
	            figure_megahertz(d->clock).s, *sets.text ? ", set: " : "",
	            sets.text);
}

/* Names the system and its algorithms if they are not WaferLLM's defaults. */
static void say_system(const struct report *r, FILE *out)
{
	const struct system *s = r->system;
	bool named = r->options->gemm || r->options->allreduce;
	bool other = strcmp(s->name, system_name(0));

	if (other)
		summary_say(out, "system", "%s, %s", s->name, s->help);
	if (s->baseline)
		summary_say(out, "", "an account only: it computes no tokens");
	if (!s->baseline && (named || other))
		summary_say(out, "algorithms", "products by %s, sums by %s",
		            s->gemm->name, s->allreduce->name);
}

static void say_grids(const struct report *r, FILE *out)
{
	const struct auto_result *a = r->automatic;
	struct wrap_list grids = { "" }, why = { "" };

	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		const struct phase_account *f = summary_phase(r, p);
		char regions[24] = "";

		if (f->regions > 1)
			snprintf(regions, sizeof regions, " %d regions of",
			         f->regions);
		if (summary_has(r, p) && f->grid.rows)
			wrap_list_add(&grids, "%s%s %dx%d", phase_name(p),
			              regions, f->grid.rows, f->grid.cols);
	}
	if (*grids.text)
		summary_say(out, "core grids", "%s", grids.text);
	for (int i = 0; a && i < a->n_stopped; i++)
		if (a->stopped[i].count)
			wrap_list_add(&why, "%d %s", a->stopped[i].count,
			              a->stopped[i].why);
	if (a)
		summary_say(out, "grid search", "the fastest that fit, of %d "
		            "tried%s%s", a->tried, *why.text ? ": " : "",
		            why.text);
}

static void say_tokens(const struct report *r, FILE *out)
{
	int own = r->account->inference->model->max_seq_len;
	const char *end = r->host.ended_by;
	struct wrap_list more = { "" };

	wrap_list_add(&more, "%d in the prompt, %d new",
	              r->account->prompt_tokens, r->account->new_tokens);
	if (end && strcmp(end, "length"))
		wrap_list_add(&more, "ended by: %s", end);
	if (r->options->no_account)
		wrap_list_add(&more, "no account");
	summary_say(out, "tokens", "%s", more.text);
	if (r->context != own)
		summary_say(out, "context", "%d tokens (the model's: %d)",
		            r->context, own);
}

static void say_run(const struct report *r, FILE *out)
{
	summary_heading(out, r->host.dry
	                ? "What was run (dry run: no weights, no text)"
	                : "What was run");
	say_model(r, out);
	if (!r->options->no_account) {
		say_device(r, out);
		say_system(r, out);
		say_grids(r, out);
	}
	say_tokens(r, out);
}

/* --- Emulated time and energy --- */

static void say_energy(const struct report *r, FILE *out)
{
	const struct device *d = r->account->inference->ledger.device;
	double rated = 0, counted = 0;
	int n = r->account->new_tokens;

	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		rated += summary_phase(r, p)->energy.envelope;
		counted += report_bottom_up(&summary_phase(r, p)->energy);
	}
	summary_say(out, "energy", "%s, %s per new token, at the rated %s",
	            figure_joules(rated).s, figure_joules(rated / n).s,
	            figure_watts(d->power).s);
	summary_say(out, "", "%s, %s per new token, counted by operation",
	            figure_joules(counted).s, figure_joules(counted / n).s);
}

static void say_answer(const struct report *r, FILE *out)
{
	const struct account *a = r->account;
	const struct phase_account *first = summary_phase(r, PHASE_PREFILL);
	const struct phase_account *next = summary_phase(r, PHASE_DECODE);

	summary_heading(out, a->n_violations
	                ? "Emulated time and energy, as if no limit were "
	                  "violated"
	                : "Emulated time and energy");
	summary_say(out, "first token", "after %s (prefill, %s tokens/s)",
	            figure_seconds(first->seconds).s,
	            figure_rate(first->tokens_per_s).s);
	if (next->tokens)
		summary_say(out, "decode", "%s tokens/s, %s per token",
		            figure_rate(next->tokens_per_s).s,
		            figure_seconds(next->seconds / next->tokens).s);
	summary_say(out, "whole request", "%s, %s new tokens/s",
	            figure_seconds(a->seconds).s,
	            figure_rate(a->tokens_per_s_request).s);
	say_energy(r, out);
}

/* --- What is wrong --- */

/* Prints a violation, whose text starts with a letter of PLMR, with a word for
 * the letter. */
static void say_violation(const char *text, FILE *out)
{
	static const struct { char letter; const char *words; } lacks[] = {
		{ 'P', "cores" }, { 'M', "memory" }, { 'R', "router paths" } };

	for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++)
		if (text[0] == lacks[i].letter && text[1] == ':') {
			summary_say(out, "violation", "%s%s", lacks[i].words,
			            text + 1);
			return;
		}
	summary_say(out, "violation", "%s", text);
}

static bool has_tables(const struct report *r)
{
	return !r->options->no_account && (r->host.dry || r->options->verbose);
}

static void say_violations(const struct report *r, FILE *out)
{
	const struct account *a = r->account;
	int n = a->n_violations, shown = n;

	if (!n) {
		summary_heading(out, "What is wrong: nothing, the device can "
		                "do all of this");
		return;
	}
	if (!has_tables(r) && n > FEW)
		shown = FEW;
	summary_heading(out, "What is wrong: the device cannot do this");
	for (int i = 0; i < shown; i++)
		say_violation(a->violation[i].text, out);
	if (shown < n)
		summary_say(out, "", "and %d more, which --verbose shows",
		            n - shown);
}

void summary_print(const struct report *r, FILE *out)
{
	say_run(r, out);
	if (!r->options->no_account) {
		say_answer(r, out);
		summary_limits(r, out);
		say_violations(r, out);
	}
	summary_host(r, out);
	if (has_tables(r))
		summary_tables(r, out);
	if (r->profile)
		profile_print(r->profile, out);
}
