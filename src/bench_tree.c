/* The report of a bench: results[] has one row for each kernel that ran. */
#include "config.h"
#include "bench.h"

#include "host.h"
#include "report.h"
#include "tree.h"

static json_t *result_of(const struct bench *b, const struct bench_result *r)
{
	const struct options *o = b->options;
	const struct ledger *l = &b->ledger;
	json_t *row = json_object(), *plmr = json_object();

	tree_put_text(row, "kernel", o->kernel);
	tree_put_text(row, "algo", b->algorithm);
	tree_put_int(row, "rows", o->grid.rows);
	tree_put_int(row, "cols", o->grid.cols);
	tree_put_int(row, "m", b->m);
	tree_put_int(row, "k", b->k);
	tree_put_int(row, "n", b->n);
	tree_put_int(row, "vector_words", o->words);
	tree_put_int(row, "shift_hops", o->hops);
	tree_put_text(row, "dtype", wl_type_name(l->type));
	report_put_counters(row, &r->charge);
	tree_put_real(row, "seconds", account_seconds(l, &r->charge));
	tree_put_int(row, "sram_peak_bytes", l->sram[BENCH_PHASE][BENCH_OP]);
	tree_put_int(row, "routes", ledger_paths(l, BENCH_PHASE, BENCH_OP));
	tree_put_real(row, "efficiency", r->efficiency);
	tree_put_real(row, "peak_share", r->peak_share);
	report_put_plmr(plmr, r->plmr);
	tree_put(row, "plmr", plmr);
	return row;
}

json_t *bench_tree(const struct bench *b, const struct bench_result *r,
                   double seconds)
{
	json_t *root = json_object(), *results = json_array();
	json_t *host = json_object();

	tree_put_text(root, "format", "waferllm bench report");
	tree_put_int(root, "format_version", 1);
	tree_put(root, "device", report_device(b->device, b->options->set));
	tree_append(results, result_of(b, r));
	tree_put(root, "results", results);
	tree_put_int(host, "ranks", 1);
	tree_put_real(host, "seconds", seconds);
	tree_put(host, "versions", report_versions());
	tree_put(root, "host", host);
	tree_put(root, "options", report_options(b->options));
	return root;
}
