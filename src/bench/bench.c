/* One kernel by one algorithm: what is asked for, its ledger and grid, what
 * came of it. */
#include "config.h"
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "host/host.h"

/* ---- what is asked for ---- */

/* A size as given, else as any of the others. */
static int size_or(int given, int any)
{
	return given ? given : any;
}

static double or_one(int size)
{
	return size ? size : 1;
}

/* Bytes of operands and results on the hosts, of what they are made from, and
 * of the tiles' places. */
static double host_bytes(const struct bench *b)
{
	const struct options *o = b->options;
	const struct grid g = { .rows = o->grid.rows, .cols = o->grid.cols };
	double m = or_one(b->m), k = or_one(b->k), n = or_one(b->n);
	double places = b->kernel->blocks ? gemm_blocks(&g) : 0;

	if (b->kernel->words)
		return 4.0 * o->words * g.rows * (g.cols + 1.0);
	return 8 * (m * k + k * n + m * n) +
	       2 * sizeof(float *) * places * (g.rows + g.cols);
}

/* Whether what is needed has been given. */
static int check_given(const struct bench *b, struct wl_error *err)
{
	const struct options *o = b->options;
	const struct bench_kernel *k = b->kernel;

	if (!o->grid.rows)
		return wl_error_set(err, "bench: --grid RxC is "
		                    "needed");
	if ((k->words && !o->words) || (k->hops && !o->hops))
		return wl_error_set(err, "bench %s: %s is needed",
		                    k->name, k->words ? "--words" : "--hops");
	if (*k->sizes && !o->m && !o->k && !o->n)
		return wl_error_set(err, "bench %s: -m, -k or -n is "
		                    "needed", k->name);
	return 0;
}

static int check_sizes(const struct bench *b, struct wl_error *err)
{
	const struct options *o = b->options;
	const struct bench_kernel *k = b->kernel;
	const char *sizes = k->words ? "--grid and --words" : "-m, -k and -n";

	/* The ledger counts in 64 bits. */
	if (or_one(b->m) * or_one(b->k) * or_one(b->n) > 1e17)
		return wl_error_set(err, "bench %s: -m, -k and -n are "
		                    "too large together", k->name);
	if (!o->dry_run && host_bytes(b) > host_memory())
		return wl_error_set(err, "bench %s: %s need %.0f MiB, this "
		                    "host has %.0f (--dry-run needs none)",
		                    k->name, sizes, host_bytes(b) / (1 << 20),
		                    host_memory() / (1 << 20));
	return k->blocks ? gemm_check_blocks(o->grid, err) : 0;
}

static bool is_name(const char *name, const char *text, size_t len)
{
	return name && strlen(name) == len && !strncmp(name, text, len);
}

/* Sets *choice to the index of a name, of len characters, among the kernel's
 * algorithms. */
static int find_algorithm(const struct bench_kernel *k, const char *name,
                          size_t len, size_t *choice, struct wl_error *err)
{
	char known[256] = "";

	for (size_t i = 0; i < k->count(); i++) {
		struct bench_algorithm a = k->algorithm(i);

		*choice = i;
		if (is_name(a.name, name, len) || is_name(a.alias, name, len))
			return 0;
		names_add(known, sizeof known, ", ", a.name);
	}
	*choice = BENCH_HOST_ONLY;
	if (k->scalapack && is_name(BENCH_SCALAPACK, name, len))
		return 0;
	return wl_error_set(err, "option --algo: \"%.*s\" is not one of %s, "
	                    "or, by itself, all, list",
	                    (int)(len < 64 ? len : 64), name, known);
}

static size_t *choose_all(const struct bench_kernel *k, size_t *n)
{
	size_t *list = wl_malloc(k->count(), sizeof *list);

	*n = k->count();
	for (size_t i = 0; i < *n; i++)
		list[i] = i;
	return list;
}

size_t *bench_choose(const struct options *o, const struct bench_kernel *k,
                     size_t *n, struct wl_error *err)
{
	const char *name = o->algo ? o->algo : k->usual;
	/* There are at most as many names as characters, and one more. */
	size_t *list = wl_malloc(strlen(name) + 1, sizeof *list), length;

	if (!strcmp(name, "all")) {
		free(list);
		return choose_all(k, n);
	}
	for (*n = 0; ; name += length + 1) {
		length = strcspn(name, ",");
		if (find_algorithm(k, name, length, &list[(*n)++], err)) {
			free(list);
			return NULL;
		}
		if (!name[length])
			return list;
	}
}

/* ---- one kernel ---- */

/* 0: the kernel has none of that name. */
static int size_of(const struct bench_kernel *k, char name, int size)
{
	return strchr(k->sizes, name) ? size : 0;
}

int bench_set_up(struct bench *b, const struct options *o,
                 const struct device *d, const struct mesh *mesh,
                 struct wl_error *err)
{
	int m = size_or(o->m, size_or(o->k, o->n)), k = size_or(o->k, m);

	*b = (struct bench){ .options = o, .device = d, .mesh = mesh,
	                     .kernel = bench_kernel_find(o->kernel, err) };
	if (!b->kernel || check_given(b, err))
		return -1;
	b->m = size_of(b->kernel, 'm', m);
	b->k = size_of(b->kernel, 'k', k);
	b->n = size_of(b->kernel, 'n', size_or(o->n, k));
	return check_sizes(b, err);
}

void bench_start(struct bench *b, size_t choice)
{
	const struct options *o = b->options;
	const struct mesh *m = b->mesh;
	struct rxc grid = o->grid;

	b->choice = choice;
	ledger_init(&b->ledger, b->device, o->type < 0 ? WL_F16 : o->type,
	            grid.rows > grid.cols ? grid.rows : grid.cols);
	if (m)
		b->noc = noc_new(m->cart, m->crowded, m->share);
	grid_init(&b->grid, grid.rows, grid.cols, m ? m->rows : 1,
	          m ? m->cols : 1, m ? m->row : 0, m ? m->col : 0, b->noc,
	          &b->ledger);
	_Static_assert(sizeof o->groups == sizeof b->grid.x.groups,
	               "--groups has a number for each level");
	memcpy(b->grid.x.groups, o->groups, sizeof o->groups);
	memcpy(b->grid.y.groups, o->groups, sizeof o->groups);
	ledger_kernel(&b->ledger, BENCH_OP);
}

void bench_fini(struct bench *b)
{
	if (!b->ledger.device)
		return;
	grid_fini(&b->grid);
	noc_free(b->noc);
	b->noc = NULL;
	ledger_fini(&b->ledger);
}

int bench_charge(struct bench *b, const struct options *o,
                 const struct device *d, const char *algorithm,
                 struct wl_error *err)
{
	const char *name = algorithm;
	size_t choice;

	if (bench_set_up(b, o, d, NULL, err))
		return -1;
	if (!name)
		name = b->kernel->usual;
	if (find_algorithm(b->kernel, name, strlen(name), &choice, err))
		return -1;
	bench_start(b, choice);
	b->kernel->open(b);
	b->kernel->run(b);
	b->kernel->close(b);
	return 0;
}

struct bench_result bench_result(const struct bench *b)
{
	const struct ledger *l = &b->ledger;
	const struct rxc grid = b->options->grid;
	struct bench_result r = {
		.algorithm = b->kernel->algorithm(b->choice).name,
		.emulated = true,
		.charge = l->row[BENCH_PHASE][BENCH_OP],
		.sram_bytes = l->sram[BENCH_PHASE][BENCH_OP],
		.routes = ledger_paths(l, BENCH_PHASE, BENCH_OP),
		.overflow = l->overflow };
	double width = b->device->vector_bytes / wl_type_size(l->type);
	double cycles = r.charge.cycles;

	r.seconds = account_seconds(l, &r.charge);
	if (!account_plmr(l, BENCH_PHASE, BENCH_OP, grid, r.sram_bytes,
	                  r.plmr))
		return r;
	r.efficiency = r.charge.compute_cycles / cycles;
	r.peak_share = r.charge.macs / (cycles * grid.rows * grid.cols * width);
	return r;
}
