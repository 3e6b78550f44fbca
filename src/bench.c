#include "config.h"
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "gemm.h"
#include "gemv.h"
#include "host.h"
#include "line.h"
#include "report.h"
#include "slab.h"
#include "tiles.h"

static void charge_gemm(struct bench *b)
{
	struct grid *g = &b->grid;
	struct part rows = part_of(b->m, g->rows);
	struct part inner = part_of(b->k, g->cols);
	struct part columns = part_of(b->n, g->cols);
	struct tiles a, w, c;

	tiles_init(&a, g, AXIS_X, inner, rows, SRAM_ACTIVATIONS);
	tiles_init(&w, g, AXIS_Y, inner, columns, SRAM_WEIGHTS);
	tiles_init(&c, g, AXIS_X, columns, rows, SRAM_ACTIVATIONS);
	tiles_set_skewed(&w);
	tiles_skew(&a);
	gemm_mesh(&(struct gemm){ &a, &w, &c });
	tiles_fini(&c);
	tiles_fini(&w);
	tiles_fini(&a);
}

static void charge_gemv(struct bench *b)
{
	struct grid *g = &b->grid;
	struct layout l = { g, part_of(b->k, g->rows),
	                    part_of(b->n, g->cols),
	                    false };
	struct slab w;

	slab_init(&w, &l, 1, SRAM_WEIGHTS);
	gemv_tree(&w, NULL, NULL);
	slab_fini(&w);
}

static void charge_allreduce(struct bench *b)
{
	struct grid *g = &b->grid;
	struct line_segment all = {
		.first = 0, .last = g->cols - 1,
		.wire = cost_lines(g->rows, b->options->words) };

	line_allreduce(&g->x, 1, &all, LINE_ADD);
}

static void charge_shift(struct bench *b)
{
	struct grid *g = &b->grid;
	struct part rows = part_of(b->m, g->rows);
	struct part columns = part_of(b->n, g->cols);
	struct wire_words tiles = cost_parts(&b->ledger, &rows,
	                                     part_max(&columns));

	for (int i = 0; i < b->options->hops && g->cols > 1; i++)
		line_charge_pass(&g->x, 0, g->cols - 1, tiles);
}

/* What each kernel needs: sizes (any of -m, -k, -n stands for those that are
 * not given), or the number that belongs to it alone. */
static const struct kernel {
	const char *name, *algorithm;
	void (*charge)(struct bench *b);
	bool sizes, words, hops;
} kernels[] = {
	{ "gemm", "meshgemm", charge_gemm, true, false, false },
	{ "gemv", "meshgemv", charge_gemv, true, false, false },
	{ "allreduce", "ktree", charge_allreduce, false, true, false },
	{ "shift", "relay", charge_shift, true, false, true },
};

static const struct kernel *find(const char *name, struct wl_error *err)
{
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (name && !strcmp(kernels[i].name, name))
			return &kernels[i];
	wl_error_set(err, "bench: \"%s\" is not one of gemm, gemv, "
	             "allreduce, shift", name ? name : "");
	return NULL;
}

/* A size as given, else as any of the others. */
static int size_or(int given, int any)
{
	return given ? given : any;
}

static int check_sizes(const struct bench *b, const struct kernel *k,
                       struct wl_error *err)
{
	const struct options *o = b->options;

	if (!o->grid.rows)
		return wl_error_set(err, "bench: --grid RxC is "
		                    "needed");
	if ((k->words && !o->words) || (k->hops && !o->hops))
		return wl_error_set(err, "bench %s: %s is needed",
		                    k->name, k->words ? "--words" : "--hops");
	if (k->sizes && !b->m)
		return wl_error_set(err, "bench %s: -m, -k or -n is "
		                    "needed", k->name);
	/* The ledger counts in 64 bits. */
	if ((double)b->m * b->k * b->n > 1e17)
		return wl_error_set(err, "bench %s: -m, -k and -n are "
		                    "too large together", k->name);
	return 0;
}

int bench_charge(struct bench *b, const struct options *o,
                 const struct device *d, struct wl_error *err)
{
	const struct kernel *kernel = find(o->kernel, err);
	int any = size_or(o->m, size_or(o->k, o->n));

	*b = (struct bench){ .options = o, .m = any,
	                     .k = size_or(o->k, any),
	                     .n = size_or(o->n, any) };
	if (!kernel || check_sizes(b, kernel, err))
		return -1;
	b->device = d;
	b->algorithm = kernel->algorithm;
	ledger_init(&b->ledger, d, o->type < 0 ? WL_F16 : o->type,
	            o->grid.rows);
	grid_init(&b->grid, o->grid.rows, o->grid.cols, 1, 1, 0, 0, NULL,
	          &b->ledger);
	b->grid.x.groups[0] = b->grid.y.groups[0] = o->groups;
	ledger_kernel(&b->ledger, BENCH_OP);
	kernel->charge(b);
	return 0;
}

void bench_fini(struct bench *b)
{
	if (!b->device)
		return;
	grid_fini(&b->grid);
	ledger_fini(&b->ledger);
	memset(b, 0, sizeof *b);
}

struct bench_result bench_result(const struct bench *b)
{
	const struct ledger *l = &b->ledger;
	struct bench_result r = { .charge = l->row[BENCH_PHASE][BENCH_OP] };
	const struct rxc grid = b->options->grid;
	double width = b->device->vector_bytes / wl_type_size(l->type);
	double cycles = r.charge.cycles;

	if (!account_plmr(l, BENCH_PHASE, BENCH_OP, grid,
	                  l->sram[BENCH_PHASE][BENCH_OP], r.plmr))
		return r;
	r.efficiency = r.charge.compute_cycles / cycles;
	r.peak_share = r.charge.macs / (cycles * grid.rows * grid.cols * width);
	return r;
}

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

static void print(const struct bench *b, const struct bench_result *r)
{
	const struct options *o = b->options;
	const struct charge *c = &r->charge;
	char plmr[NPLMR + 1];

	letters(r, plmr);
	printf("emulated on %s, %s elements\n"
	       "kernel    grid            cycles    compute   exchange  eff."
	       "  peak  bytes paths PLMR\n", b->device->name,
	       wl_type_name(b->ledger.type));
	printf("%-9s %4dx%-4d %12llu %10llu %10llu %4.0f%% %4.0f%% %6llu "
	       "%5d %s\n", o->kernel, o->grid.rows, o->grid.cols,
	       (unsigned long long)c->cycles,
	       (unsigned long long)c->compute_cycles,
	       (unsigned long long)c->comm_cycles, 100 * r->efficiency,
	       100 * r->peak_share,
	       (unsigned long long)b->ledger.sram[BENCH_PHASE][BENCH_OP],
	       ledger_paths(&b->ledger, BENCH_PHASE, BENCH_OP), plmr);
}

/* --strict: what the device cannot do. */
static int refuse_violation(const struct bench *b,
                            const struct bench_result *r, struct wl_error *err)
{
	const struct options *o = b->options;
	const struct verdict *m = &r->plmr[PLMR_M], *p = &r->plmr[PLMR_R];

	if (!account_regions_held(b->device, o->grid.rows, o->grid.cols))
		return wl_error_set(err, "option --strict: P: the device has "
		                    "%.0fx%.0f cores", b->device->rows,
		                    b->device->cols);
	if (m->applies && !m->ok)
		return wl_error_set(err, "option --strict: M: core (0,0) holds "
		                    "%.0f bytes of %.0f", m->figure, m->limit);
	if (p->applies && !p->ok)
		return wl_error_set(err, "option --strict: R: core (0,0) needs "
		                    "%.0f router paths of %.0f", p->figure,
		                    p->limit);
	return 0;
}

static int save(const struct bench *b, const struct bench_result *r,
                double seconds, struct wl_error *err)
{
	json_t *tree = bench_tree(b, r, seconds);
	int rc = report_save(tree, b->options->report, err);

	json_decref(tree);
	return rc;
}

int bench_run(const struct options *o, struct wl_error *err)
{
	struct device d;
	struct bench b;
	double start = host_seconds();
	int rc;

	if ((o->report && report_check_path(o->report, err)) ||
	    device_open(o->device, o->set, &d, err) ||
	    bench_charge(&b, o, &d, err))
		return -1;
	struct bench_result r = bench_result(&b);

	rc = b.ledger.overflow
	     ? wl_error_set(err, "bench: so large a kernel cannot be counted "
	                    "in 64 bits") : 0;
	if (!rc && !o->quiet)
		print(&b, &r);
	if (!rc && o->report)
		rc = save(&b, &r, host_seconds() - start, err);
	if (!rc && o->strict)
		rc = refuse_violation(&b, &r, err);
	bench_fini(&b);
	return rc;
}
