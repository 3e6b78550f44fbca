/* Makes a report's tree of JSON values. "units" has the unit of each field, by
 * its name or by the last parts of its path ("links.x"). */
#include "config.h"
#include "report/report.h"

#include <math.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/h5file.h"
#include "host/host.h"
#include "report/json_tree.h"

/* --- Device, model, grids, request --- */

static const struct ledger *ledger(const struct report *r)
{
	return &r->account->inference->ledger;
}

json_t *report_device(const struct device *d, const char *const *changes)
{
	json_t *o = json_object(), *numbers = json_object();
	json_t *set = json_array();

	tree_put_text(o, "name", d->name);
	tree_put_text(o, "title", d->title);
	for (size_t i = 0; i < device_count(); i++) {
		json_t *n = json_object();

		tree_put_real(n, "value", device_value(d, i));
		tree_put_text(n, "unit", device_number(i)->unit);
		tree_put(numbers, device_number(i)->key, n);
	}
	tree_put(o, "numbers", numbers);
	for (; *changes; changes++)
		tree_append(set, tree_string(*changes));
	tree_put(o, "set", set);
	return o;
}

static json_t *model_of(const struct report *r)
{
	const struct model *m = r->account->inference->model;
	json_t *o = json_object();

	tree_put_text(o, "source", r->model_source);
	tree_put_int(o, "dim", m->dim);
	tree_put_int(o, "hidden_dim", m->hidden_dim);
	tree_put_int(o, "n_layers", m->n_layers);
	tree_put_int(o, "n_heads", m->n_heads);
	tree_put_int(o, "n_kv_heads", m->n_kv_heads);
	tree_put_int(o, "head_dim", m->head_dim);
	tree_put_int(o, "vocab_size", m->vocab_size);
	tree_put_int(o, "max_seq_len", m->max_seq_len);
	tree_put_bool(o, "tied", m->tied);
	tree_put_bool(o, "qkv_bias", m->qkv_bias);
	tree_put_int(o, "parameters", model_parameters(m));
	tree_put_text(o, "dtype", wl_type_name(ledger(r)->type));
	tree_put_bool(o, "kv_heads_full", r->options->kv_heads_full);
	return o;
}

static json_t *sides(int rows, int cols)
{
	json_t *o = json_object();

	tree_put_int(o, "rows", rows);
	tree_put_int(o, "cols", cols);
	return o;
}

static json_t *grid_of(const struct phase_account *p)
{
	json_t *o = sides(p->grid.rows, p->grid.cols);
	/* A phase that did not run has no memory to divide into regions. */
	bool known = p->regions_needed > 0 && p->peak.total > 0;

	tree_put_int(o, "regions", p->regions);
	tree_put(o, "regions_needed", known ? json_integer(p->regions_needed)
	                               : json_null());
	tree_put_int(o, "regions_held", p->regions_held);
	return o;
}

static json_t *grids_of(const struct report *r)
{
	const struct phase_account *phase = r->account->phase;
	json_t *o = json_object();

	tree_put(o, "prefill", grid_of(&phase[PHASE_PREFILL]));
	tree_put(o, "decode", grid_of(&phase[PHASE_DECODE]));
	tree_put(o, "ranks", sides(r->host.rank_rows, r->host.rank_cols));
	return o;
}

static json_t *system_of(const struct report *r)
{
	const struct system *s = r->system;
	json_t *o = json_object(), *groups = json_array();

	tree_put_text(o, "name", s->name);
	tree_put_bool(o, "line", s->line);
	tree_put_bool(o, "account_alone", s->baseline);
	tree_put_text(o, "gemm", s->baseline ? NULL : s->gemm->name);
	tree_put_text(o, "allreduce", s->baseline ? NULL : s->allreduce->name);
	for (int i = 0; i < OPTIONS_GROUPS && r->options->groups[i]; i++)
		tree_append(groups, json_integer(r->options->groups[i]));
	tree_put(o, "groups", groups);
	return o;
}

static json_t *request_of(const struct report *r)
{
	json_t *o = json_object();

	tree_put_int(o, "prompt_tokens", r->account->prompt_tokens);
	tree_put_int(o, "new_tokens", r->account->new_tokens);
	tree_put_int(o, "context", r->context);
	tree_put_bool(o, "dry_run", r->host.dry);
	tree_put_text(o, "ended_by", r->host.ended_by);
	return o;
}

/* --- Phases --- */

void report_put_counters(json_t *o, const struct charge *c)
{
#define WL_COUNTER(field, unit, help) tree_put_int(o, #field, c->field);
#include "device/counters.def"
}

static json_t *operator_of(const struct ledger *l, enum phase p, enum op op)
{
	const struct charge *c = &l->row[p][op];
	struct energy e = account_energy(l, c);
	json_t *o = json_object();

	tree_put_text(o, "operator", op_name(op));
	report_put_counters(o, c);
	tree_put_real(o, "seconds", account_seconds(l, c));
	tree_put_int(o, "sram_peak_bytes", l->sram[p][op]);
	tree_put_int(o, "routes", ledger_paths(l, p, op));
	tree_put_real(o, "energy_j", e.envelope);
	tree_put_real(o, "energy_bottom_up_j", report_bottom_up(&e));
	return o;
}

static json_t *operators_of(const struct report *r, enum phase p)
{
	const struct ledger *l = ledger(r);
	json_t *a = json_array();

	for (int op = 0; op < NOPS; op++)
		if (l->row[p][op].runs || l->row[p][op].calls)
			tree_append(a, operator_of(l, p, op));
	return a;
}

static json_t *energy_of(const struct energy *e)
{
	json_t *o = json_object();

	tree_put_real(o, "envelope_j", e->envelope);
	tree_put_real(o, "bottom_up_j", report_bottom_up(e));
	tree_put_real(o, "arithmetic_j", e->mac);
	tree_put_real(o, "sram_j", e->sram);
	tree_put_real(o, "links_j", e->link);
	tree_put_real(o, "static_j", e->idle);
	return o;
}

static json_t *sram_of(const struct report *r, enum phase p)
{
	const struct phase_account *a = &r->account->phase[p];
	bool in_operator = ledger(r)->row[p][a->peak.op].runs > 0;
	json_t *o, *held;

	if (!a->peak.total)
		return json_null();
	o = json_object();
	held = json_object();
	tree_put_int(o, "peak_bytes", a->peak.total);
	tree_put(o, "region_bytes", a->grid.rows ? json_integer(a->core_bytes)
	                                    : json_null());
	tree_put_int(o, "room_bytes",
	             (int64_t)device_usable_sram(ledger(r)->device));
	tree_put_text(o, "operator", in_operator ? op_name(a->peak.op) : NULL);
	for (int i = 0; i < NSRAM; i++)
		tree_put_int(held, sram_name(i), a->peak.allocated[i]);
	tree_put(o, "held", held);
	return o;
}

/* Words that cross each of the n - 1 cuts between neighbouring cores of lines
 * along the axis, which have n cores. */
static json_t *cuts_of(const struct report *r, enum phase p, enum axis axis,
                       int n)
{
	uint64_t *words = wl_malloc(n, sizeof *words);
	json_t *a = json_array();

	ledger_links(ledger(r), p, axis, n - 1, words);
	for (int i = 0; i < n - 1; i++)
		tree_append(a, json_integer(words[i]));
	free(words);
	return a;
}

/* Traffic over the links. The transition uses both grids, whose first cores are
 * the same, so its extent is the larger of each side. */
static json_t *links_of(const struct report *r, enum phase p)
{
	const struct inference *w = r->account->inference;
	int rows = w->prefill.rows, cols = w->prefill.cols;
	json_t *o;

	if (p == PHASE_LOAD)
		return json_null();
	if (p == PHASE_DECODE || (p == PHASE_TRANSITION &&
	                          w->decode.rows > rows))
		rows = w->decode.rows;
	if (p == PHASE_DECODE || (p == PHASE_TRANSITION &&
	                          w->decode.cols > cols))
		cols = w->decode.cols;
	o = json_object();
	tree_put(o, "x", cuts_of(r, p, AXIS_X, cols));
	tree_put(o, "y", cuts_of(r, p, AXIS_Y, rows));
	tree_put_int(o, "lines_x", rows);
	tree_put_int(o, "lines_y", cols);
	return o;
}

static json_t *phase_of(const struct report *r, enum phase p)
{
	const struct phase_account *a = &r->account->phase[p];
	bool counts = p == PHASE_PREFILL || p == PHASE_DECODE;
	json_t *o = json_object();

	tree_put(o, "tokens", counts ? json_integer(a->tokens) : json_null());
	tree_put_int(o, "cycles", a->total.cycles);
	tree_put_int(o, "compute_cycles", a->total.compute_cycles);
	tree_put_int(o, "comm_cycles", a->total.comm_cycles);
	tree_put_real(o, "seconds", a->seconds);
	tree_put_some(o, "tokens_per_s", a->tokens_per_s);
	tree_put_real(o, "energy_j", a->energy.envelope);
	tree_put(o, "energy", energy_of(&a->energy));
	tree_put(o, "sram", sram_of(r, p));
	tree_put_int(o, "routes", a->paths);
	tree_put_some(o, "cores_busy", a->cores_busy);
	tree_put(o, "operators", operators_of(r, p));
	tree_put(o, "links", links_of(r, p));
	return o;
}

static void put_phases(json_t *root, const struct report *r)
{
	const struct account *a = r->account;
	json_t *phases = json_object();
	double envelope = 0, bottom_up = 0;

	for (int p = 0; p < NPHASES; p++)
		tree_put(phases, phase_name(p), phase_of(r, p));
	for (int p = PHASE_PREFILL; p < NPHASES; p++) {
		envelope += a->phase[p].energy.envelope;
		bottom_up += report_bottom_up(&a->phase[p].energy);
	}
	tree_put(root, "phases", phases);
	tree_put_real(root, "seconds", a->seconds);
	tree_put_some(root, "tokens_per_s_request", a->tokens_per_s_request);
	tree_put_real(root, "energy_j", envelope);
	tree_put_real(root, "energy_bottom_up_j", bottom_up);
}

/* --- Verdicts --- */

static json_t *kv_of(const struct report *r)
{
	const struct account *a = r->account;
	json_t *o;

	if (a->new_tokens < 2)
		return json_null();
	o = json_object();
	tree_put_text(o, "policy", a->inference->kv_policy == KV_SHIFT ? "shift"
	                                                      : "concat");
	tree_put_int(o, "longest_shift", a->longest_shift);
	tree_put_int(o, "longest_concat", a->longest_concat);
	return o;
}

static json_t *verdict_of(const struct verdict *v, const char *unit)
{
	json_t *o;

	if (!v->applies)
		return json_null();
	o = json_object();
	tree_put_bool(o, "ok", v->ok);
	tree_put_real(o, "figure", v->figure);
	tree_put_real(o, "limit", v->limit);
	tree_put_text(o, "unit", unit);
	return o;
}

void report_put_plmr(json_t *o, const struct verdict v[NPLMR])
{
	static const struct {
		const char *letter, *unit;
	} column[NPLMR] = {
		[PLMR_P] = { "P", "fraction" },
		[PLMR_L] = { "L", "cycles" },
		[PLMR_M] = { "M", "bytes" },
		[PLMR_R] = { "R", "routes" },
	};

	for (int i = 0; i < NPLMR; i++)
		tree_put(o, column[i].letter,
		         verdict_of(&v[i], column[i].unit));
}

static json_t *plmr_of(const struct report *r)
{
	json_t *a = json_array();

	for (int i = 0; i < NPHASES * NOPS; i++) {
		enum phase p = i / NOPS;
		enum op op = i % NOPS;
		struct verdict v[NPLMR];
		json_t *o;

		if (!account_verdict(r->account, p, op, v))
			continue;
		o = json_object();
		tree_put_text(o, "phase", phase_name(p));
		tree_put_text(o, "operator", op_name(op));
		report_put_plmr(o, v);
		tree_append(a, o);
	}
	return a;
}

static json_t *violations_of(const struct report *r)
{
	json_t *a = json_array();

	for (int i = 0; i < r->account->n_violations; i++)
		tree_append(a, tree_string(r->account->violation[i].text));
	return a;
}

static json_t *auto_of(const struct report *r)
{
	json_t *o, *stopped;

	if (!r->automatic)
		return json_null();
	o = json_object();
	stopped = json_object();
	tree_put_int(o, "tried", r->automatic->tried);
	for (int i = 0; i < r->automatic->n_stopped; i++)
		tree_put_int(stopped, r->automatic->stopped[i].why,
		        r->automatic->stopped[i].count);
	tree_put(o, "stopped", stopped);
	return o;
}

/* --- Host and options --- */

json_t *report_versions(void)
{
	char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
	json_t *o = json_object();
	int len;

	MPI_Get_library_version(mpi, &len);
	mpi[strcspn(mpi, "\n,")] = '\0';
	tree_put_text(o, "waferllm", PACKAGE_VERSION);
	tree_put_text(o, "mpi", mpi);
	tree_put_text(o, "hdf5", h5file_version());
	tree_put_text(o, "hwloc", host_hwloc_version());
	tree_put_text(o, "jansson", JANSSON_VERSION);
	return o;
}

static void put_rate(json_t *o, const char *key, int tokens, double seconds,
                     bool dry)
{
	tree_put_some(o, key, !dry && seconds > 0 ? tokens / seconds : 0);
}

/* Edges of the rank grid: all, those between nodes and between sockets, and how
 * many these would be with ranks placed in rank order. */
static json_t *edges_of(const struct seating *s)
{
	json_t *o = json_object();

	tree_put_int(o, "all", s->cut.edges);
	tree_put_int(o, "between_nodes", s->cut.node);
	tree_put_int(o, "between_sockets", s->cut.socket);
	tree_put_int(o, "between_nodes_in_order", s->cut_in_order.node);
	tree_put_int(o, "between_sockets_in_order", s->cut_in_order.socket);
	return o;
}

static json_t *host_of(const struct report *r)
{
	const struct account *a = r->account;
	const struct host_times *h = &r->host;
	json_t *o = json_object();

	tree_put_int(o, "ranks", h->ranks);
	tree_put_int(o, "nodes", h->seating.nodes);
	tree_put_text(o, "binding", mesh_binding_name(h->seating.binding));
	tree_put(o, "edges", edges_of(&h->seating));
	tree_put_real(o, "seconds", h->seconds);
	tree_put_real(o, "load_seconds", h->load);
	tree_put_real(o, "prefill_seconds", h->prefill);
	tree_put_real(o, "transition_seconds", h->transition);
	tree_put_real(o, "decode_seconds", h->decode);
	put_rate(o, "prefill_tokens_per_s", a->prompt_tokens, h->prefill,
	         h->dry);
	put_rate(o, "decode_tokens_per_s", a->new_tokens - 1, h->decode,
	         h->dry);
	tree_put_int(o, "peak_memory_bytes", (int64_t)h->peak_memory);
	tree_put(o, "profile", report_profile(r->profile));
	tree_put(o, "versions", report_versions());
	return o;
}

static json_t *option_value(const struct option_value *v)
{
	/* 2^53: a double represents every integer up to it. */
	const double whole = 9007199254740992.0;

	switch (v->kind) {
	case OPTION_FLAG:
		return json_boolean(v->flag);
	case OPTION_NUMBER:
		if (v->number == floor(v->number) && fabs(v->number) <= whole)
			return json_integer((json_int_t)v->number);
		return tree_real(v->number);
	case OPTION_TEXT:
		return tree_string(v->text);
	case OPTION_NONE:
		break;
	}
	return json_null();
}

json_t *report_options(const struct options *options)
{
	json_t *o = json_object();

	for (size_t i = 0; i < options_count(); i++) {
		struct option_value v;

		if (options_get(options, i, &v))
			tree_put(o, v.name, option_value(&v));
	}
	return o;
}

/* --- Units --- */

static const struct {
	const char *field, *unit;
} units[] = {
	{ "seconds", "s, emulated" },
	{ "tokens", "tokens" },
	{ "prompt_tokens", "tokens" },
	{ "new_tokens", "tokens" },
	{ "context", "tokens" },
	{ "tokens_per_s", "tokens/s, emulated" },
	{ "tokens_per_s_request", "tokens/s, emulated" },
	{ "energy_j", "J, rated power x seconds" },
	{ "energy_bottom_up_j", "J, sum over all operations" },
	{ "envelope_j", "J, rated power x seconds" },
	{ "bottom_up_j", "J, sum over all operations" },
	{ "arithmetic_j", "J" },
	{ "sram_j", "J" },
	{ "links_j", "J" },
	{ "static_j", "J" },
	{ "peak_bytes", "bytes of the fullest core" },
	{ "region_bytes", "bytes of the fullest core" },
	{ "room_bytes", "bytes of a core" },
	{ "held", "bytes of the fullest core" },
	{ "sram_peak_bytes", "bytes of the fullest core" },
	{ "routes", "router paths of a core" },
	{ "cores_busy", "fraction" },
	{ "links.x", "32-bit words across each cut, all rows" },
	{ "links.y", "32-bit words across each cut, all columns" },
	{ "lines_x", "rows of cores" },
	{ "lines_y", "columns of cores" },
	{ "rows", "cores" },
	{ "cols", "cores" },
	{ "ranks.rows", "ranks" },
	{ "ranks.cols", "ranks" },
	{ "regions", "regions" },
	{ "regions_needed", "regions" },
	{ "regions_held", "regions" },
	{ "longest_shift", "tokens" },
	{ "longest_concat", "tokens" },
	{ "tried", "candidates" },
	{ "stopped", "candidates" },
	{ "ranks", "ranks" },
	{ "nodes", "hosts with ranks of the grid" },
	{ "binding", "hardware that each rank is bound to, host" },
	{ "edges", "edges of the rank grid" },
	{ "host.seconds", "s, host" },
	{ "load_seconds", "s, host" },
	{ "prefill_seconds", "s, host" },
	{ "transition_seconds", "s, host" },
	{ "decode_seconds", "s, host" },
	{ "prefill_tokens_per_s", "tokens/s, host" },
	{ "decode_tokens_per_s", "tokens/s, host" },
	{ "peak_memory_bytes", "bytes of the largest rank, host" },
	{ "min_seconds", "s, host, minimum over the ranks" },
	{ "mean_seconds", "s, host, mean over the ranks" },
	{ "max_seconds", "s, host, maximum over the ranks" },
	{ "max_rank", "first rank with the maximum" },
#define WL_COUNTER(field, unit, help) { #field, unit[0] ? unit : "times" },
#include "device/counters.def"
};

static json_t *units_of(void)
{
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		tree_put_text(o, units[i].field, units[i].unit);
	return o;
}

json_t *report_tree(const struct report *r)
{
	json_t *root = json_object(), *options;

	tree_put_text(root, "format", "waferllm report");
	tree_put_int(root, "format_version", 1);
	tree_put(root, "device",
	         report_device(ledger(r)->device, r->options->set));
	tree_put(root, "model", model_of(r));
	tree_put(root, "system", system_of(r));
	tree_put(root, "grids", grids_of(r));
	tree_put(root, "request", request_of(r));
	put_phases(root, r);
	tree_put(root, "kv", kv_of(r));
	tree_put(root, "plmr", plmr_of(r));
	tree_put(root, "violations", violations_of(r));
	tree_put(root, "auto", auto_of(r));
	tree_put(root, "host", host_of(r));
	options = report_options(r->options);
	tree_put_text(options, "model", r->options->model);
	tree_put(root, "options", options);
	tree_put(root, "units", units_of());
	return root;
}
