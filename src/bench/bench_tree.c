/* The report of a bench: results[] has one row for each algorithm that ran. */
#include "config.h"
#include "bench/bench.h"

#include "report/json_tree.h"
#include "report/report.h"

/* The emulated figures; absent for what was not emulated. */
static void put_emulated(json_t *row, const struct bench_result *r)
{
	json_t *plmr = json_object();

	report_put_counters(row, &r->charge);
	tree_put_real(row, "seconds", r->seconds);
	tree_put_int(row, "sram_peak_bytes", r->sram_bytes);
	tree_put_int(row, "routes", r->routes);
	tree_put_real(row, "efficiency", r->efficiency);
	tree_put_real(row, "peak_share", r->peak_share);
	report_put_plmr(plmr, r->plmr);
	tree_put(row, "plmr", plmr);
}

static json_t *result_of(const struct bench *b, const struct bench_result *r)
{
	const struct options *o = b->options;
	json_t *row = json_object();

	tree_put_text(row, "kernel", o->kernel);
	tree_put_text(row, "algo", r->algorithm);
	tree_put_bool(row, "emulated", r->emulated);
	tree_put_int(row, "rows", o->grid.rows);
	tree_put_int(row, "cols", o->grid.cols);
	tree_put_int(row, "m", b->m);
	tree_put_int(row, "k", b->k);
	tree_put_int(row, "n", b->n);
	tree_put_int(row, "vector_words", o->words);
	tree_put_int(row, "shift_hops", o->hops);
	tree_put_text(row, "dtype",
	              wl_type_name(o->type < 0 ? WL_F16 : o->type));
	if (r->emulated)
		put_emulated(row, r);
	if (!o->dry_run) {
		tree_put_real(row, "host_seconds", r->host_median);
		tree_put_real(row, "host_seconds_least", r->host_min);
		tree_put_some(row, "host_gflops", r->host_gflops);
	}
	if (o->check) {
		tree_put_real(row, "error", r->error);
		tree_put_real(row, "error_allowed", r->allowed);
	}
	return row;
}

json_t *bench_tree(const struct bench *b, const struct bench_result *r,
                   size_t n, double seconds, int ranks)
{
	json_t *root = json_object(), *results = json_array();
	json_t *host = json_object();

	tree_put_text(root, "format", "waferllm bench report");
	tree_put_int(root, "format_version", 1);
	tree_put(root, "device", report_device(b->device, b->options->set));
	for (size_t i = 0; i < n; i++)
		tree_append(results, result_of(b, &r[i]));
	tree_put(root, "results", results);
	tree_put_int(host, "ranks", ranks);
	tree_put_real(host, "seconds", seconds);
	tree_put(host, "versions", report_versions());
	tree_put(root, "host", host);
	tree_put(root, "options", report_options(b->options));
	return root;
}
