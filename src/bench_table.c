/* The results of a bench beside each other, for people. */
#include "config.h"
#include "bench.h"

#include <stdio.h>

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

static void print_emulated(const struct bench_result *r, FILE *out)
{
	const struct charge *c = &r->charge;
	char plmr[NPLMR + 1];

	letters(r, plmr);
	fprintf(out, "%12llu %12llu %12llu %4.0f%% %4.0f%% %8llu %5d %4s",
	        (unsigned long long)c->cycles,
	        (unsigned long long)c->compute_cycles,
	        (unsigned long long)c->comm_cycles, 100 * r->efficiency,
	        100 * r->peak_share, (unsigned long long)r->sram_bytes,
	        r->routes, plmr);
}

void bench_print(const struct bench *b, const struct bench_result *results,
                 size_t n, FILE *out)
{
	const struct options *o = b->options;

	fprintf(out, "bench %s, %dx%d cores, emulated on %s, %s elements\n"
	        "%-11s %12s %12s %12s %5s %5s %8s %5s %4s", b->kernel->name,
	        o->grid.rows, o->grid.cols, b->device->name,
	        wl_type_name(o->type < 0 ? WL_F16 : o->type), "algorithm",
	        "cycles", "compute", "exchange", "eff.", "peak", "bytes",
	        "paths", "PLMR");
	if (!o->dry_run)
		fprintf(out, "  %12s %8s", "host seconds", "GFLOP/s");
	if (o->check)
		fprintf(out, " %9s %9s", "error", "allowed");
	fputc('\n', out);
	for (size_t i = 0; i < n; i++) {
		const struct bench_result *r = &results[i];

		fprintf(out, "%-11s ", r->algorithm);
		if (r->emulated)
			print_emulated(r, out);
		else
			fprintf(out, "%12s %12s %12s %5s %5s %8s %5s %4s", "-",
			        "-", "-", "-", "-", "-", "-", "-");
		if (!o->dry_run)
			fprintf(out, "  %12.6f %8.2f", r->host_median,
			        r->host_gflops);
		if (o->check)
			fprintf(out, " %9.2e %9.2e", r->error, r->allowed);
		fputc('\n', out);
	}
}
