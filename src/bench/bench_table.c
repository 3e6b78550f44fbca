/* The results of a bench beside each other, for people. */
#include "config.h"
#include "bench/bench.h"

#include <stdint.h>
#include <stdio.h>

#include "base/row.h"
#include "base/wrap.h"

/* "PLMR" with a dot for each letter that fails. */
static void letters(const struct bench_result *r, char text[NPLMR + 1])
{
	static const char name[] = "PLMR";

	for (int i = 0; i < NPLMR; i++) {
		bool ok = !r->plmr[i].applies || r->plmr[i].ok;

		text[i] = ok ? name[i] : '.';
	}
	text[NPLMR] = '\0';
}

/* A share in percent; one that is not 0 does not look like it. */
static void add_share(struct row *row, double share)
{
	if (share > 0 && share < 0.005)
		row_add(row, 6, "<1%%");
	else
		row_add(row, 6, "%.0f%%", 100 * share);
}

static void add_count(struct row *row, int width, uint64_t n)
{
	row_add(row, width, "%llu", (unsigned long long)n);
}

static void add_emulated(struct row *row, const struct bench_result *r)
{
	const struct charge *c = &r->charge;
	char plmr[NPLMR + 1];

	letters(r, plmr);
	add_count(row, 13, c->cycles);
	add_count(row, 13, c->compute_cycles);
	add_count(row, 13, c->comm_cycles);
	add_share(row, r->efficiency);
	add_share(row, r->peak_share);
	add_count(row, 9, r->sram_bytes);
	row_add(row, 6, "%d", r->routes);
	row_add(row, 5, "%s", plmr);
}

/* The heads of the same columns, or dashes. */
static void add_words(struct row *row, const char *const word[8])
{
	static const int width[8] = { 13, 13, 13, 6, 6, 9, 6, 5 };

	for (int i = 0; i < 8; i++)
		row_add(row, width[i], "%s", word[i]);
}

static void print_head(const struct bench *b, FILE *out)
{
	static const char *const names[8] = {
		"cycles", "compute", "exchange", "busy", "peak", "bytes",
		"paths", "PLMR" };
	const struct options *o = b->options;
	struct row row = { 0 };

	fprintf(out, "bench %s on %dx%d emulated cores of %s (%s), %s "
	        "elements\n", b->kernel->name, o->grid.rows, o->grid.cols,
	        b->device->name, b->device->title,
	        wl_type_name(o->type < 0 ? WL_F16 : o->type));
	wrap_print(&(struct wrap){ out, "", 2 }, "", "cycles: the critical "
	           "path, compute and exchange together; busy: compute's share "
	           "of it; peak: share of what the vector units could do; "
	           "bytes, paths: memory and router paths of the fullest core; "
	           "PLMR: parallelism, latency, memory and routes, a dot where "
	           "the limit is missed");
	row_add(&row, -11, "algorithm");
	add_words(&row, names);
	if (!o->dry_run) {
		row_add(&row, 14, "host seconds");
		row_add(&row, 9, "GFLOP/s");
	}
	if (o->check) {
		row_add(&row, 10, "error");
		row_add(&row, 10, "allowed");
	}
	fprintf(out, "%s\n", row.text);
}

static void print_result(const struct options *o,
                         const struct bench_result *r, FILE *out)
{
	static const char *const none[8] = { "-", "-", "-", "-", "-", "-", "-",
	                                     "-" };
	struct row row = { 0 };

	row_add(&row, -11, "%s", r->algorithm);
	if (r->emulated)
		add_emulated(&row, r);
	else
		add_words(&row, none);
	if (!o->dry_run) {
		row_add(&row, 14, "%.6f", r->host_median);
		row_add(&row, 9, r->host_gflops < 0.995 ? "%.3g" : "%.2f",
		        r->host_gflops);
	}
	if (o->check) {
		row_add(&row, 10, "%.2e", r->error);
		row_add(&row, 10, "%.2e", r->allowed);
	}
	fprintf(out, "%s\n", row.text);
}

void bench_print(const struct bench *b, const struct bench_result *results,
                 size_t n, FILE *out)
{
	print_head(b, out);
	for (size_t i = 0; i < n; i++)
		print_result(b->options, &results[i], out);
}
