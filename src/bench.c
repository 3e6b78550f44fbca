/* The verb bench: chooses algorithms, runs the kernel by each, and shows them
 * beside each other. */
#include "config.h"
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allreduce.h"
#include "fail.h"
#include "host.h"
#include "report.h"
#include "scalapack.h"

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

/* Bytes of operands and results on the hosts, and of what they are made from. */
static double host_bytes(const struct bench *b)
{
	const struct options *o = b->options;
	double m = or_one(b->m), k = or_one(b->k), n = or_one(b->n);

	return b->kernel->words
	       ? 4.0 * o->words * o->grid.rows * (o->grid.cols + 1.0)
	       : 8 * (m * k + k * n + m * n);
}

/* Whether the kernel cuts a dimension in the blocks of gemm.h. */
static bool cuts_blocks(const struct bench_kernel *k)
{
	return !strncmp(k->name, "gemm", 4);
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
	struct grid g = { .rows = o->grid.rows, .cols = o->grid.cols };

	/* The ledger counts in 64 bits. */
	if (or_one(b->m) * or_one(b->k) * or_one(b->n) > 1e17)
		return wl_error_set(err, "bench %s: -m, -k and -n are "
		                    "too large together", k->name);
	if (!o->dry_run && host_bytes(b) > host_memory())
		return wl_error_set(err, "bench %s: %s need %.0f MiB, this "
		                    "host has %.0f (--dry-run needs none)",
		                    k->name, sizes, host_bytes(b) / (1 << 20),
		                    host_memory() / (1 << 20));
	if (cuts_blocks(k) && gemm_blocks(&g) > GEMM_MOST_BLOCKS)
		return wl_error_set(err, GEMM_BLOCKS_REFUSAL, g.rows, g.cols,
		                    gemm_blocks(&g), GEMM_MOST_BLOCKS);
	return 0;
}

static bool has_scalapack(const struct bench_kernel *k)
{
	return !strcmp(k->name, "gemm");
}

/* The place of a name, of len characters, among the kernel's algorithms. */
static int find_algorithm(const struct bench_kernel *k, const char *name,
                          size_t len, size_t *choice, struct wl_error *err)
{
	char text[64] = "", known[256] = "";
	const struct allreduce *alias;

	snprintf(text, sizeof text, "%.*s", (int)len, name);
	alias = k->algorithm(0).name == allreduce_at(0)->name
	        ? allreduce_find(text) : NULL;
	for (size_t i = 0; i < k->count(); i++) {
		size_t at = strlen(known);

		*choice = i;
		if (!strcmp(k->algorithm(i).name, alias ? alias->name : text))
			return 0;
		snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
		         k->algorithm(i).name);
	}
	*choice = BENCH_HOST_ONLY;
	if (has_scalapack(k) && !strcmp(text, BENCH_SCALAPACK))
		return 0;
	return wl_error_set(err, "option --algo: \"%s\" is not one of %s, all, list",
	                    text, known);
}

/* The chosen algorithms, which the caller frees; their number in *n. NULL and
 * err when a name is wrong. */
static size_t *choose(const struct options *o, const struct bench_kernel *k,
                      size_t *n, struct wl_error *err)
{
	const char *names = o->algo ? o->algo : k->usual;
	size_t *list = wl_malloc(strlen(names) + k->count() + 1, sizeof *list);

	*n = 0;
	for (; !strcmp(names, "all") && *n < k->count(); ++*n)
		list[*n] = *n;
	while (!*n || *names == ',') {
		size_t len;

		names += *n > 0;
		len = strcspn(names, ",");
		if (find_algorithm(k, names, len, &list[*n], err)) {
			free(list);
			return NULL;
		}
		++*n;
		names += len;
	}
	return list;
}

/* ---- one kernel ---- */

/* 0: the kernel has none of that name. */
static int size_of(const struct bench_kernel *k, char name, int size)
{
	return strchr(k->sizes, name) ? size : 0;
}

/* What does not depend on the algorithm. */
static int set_up(struct bench *b, const struct options *o,
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

/* An empty ledger, and the grid over the ranks that there are. */
static void start(struct bench *b, size_t choice)
{
	const struct options *o = b->options;
	const struct mesh *m = b->mesh;
	struct rxc grid = o->grid;

	b->choice = choice;
	ledger_init(&b->ledger, b->device, o->type < 0 ? WL_F16 : o->type,
	            grid.rows > grid.cols ? grid.rows : grid.cols);
	if (m)
		b->noc = noc_new(m->cart, m->crowded);
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

	if (set_up(b, o, d, NULL, err))
		return -1;
	if (!name)
		name = b->kernel->usual;
	if (find_algorithm(b->kernel, name, strlen(name), &choice, err))
		return -1;
	start(b, choice);
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

/* ---- with data ---- */

static int compare_seconds(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The slowest rank's seconds of each time; their median and least. */
static void note_times(const struct bench *b, double *seconds,
                       struct bench_result *r)
{
	int n = b->options->repeat;
	double operations = b->kernel->operations ? b->kernel->operations(b) : 0;

	MPI_Allreduce(MPI_IN_PLACE, seconds, n, MPI_DOUBLE, MPI_MAX,
	              b->mesh->control);
	qsort(seconds, n, sizeof *seconds, compare_seconds);
	r->host_least = seconds[0];
	r->host_median = (seconds[n / 2] + seconds[(n - 1) / 2]) / 2;
	r->host_gflops = operations / r->host_median / 1e9;
}

/* The kernel by one algorithm, `repeat` times, of which the first is charged.
 * Collective over the mesh. */
static struct bench_result run_emulated(struct bench *b, size_t choice)
{
	int repeat = b->options->repeat;
	double *seconds = wl_malloc(repeat, sizeof *seconds);
	double error = 0, allowed = 0;
	struct bench_result r;

	start(b, choice);
	for (int i = 0; i < repeat; i++) {
		b->kernel->open(b);
		MPI_Barrier(b->mesh->control);
		seconds[i] = -host_seconds();
		b->kernel->run(b);
		seconds[i] += host_seconds();
		if (i == 0 && b->options->check)
			error = b->kernel->error(b, &allowed);
		b->kernel->close(b);
		ledger_mute(&b->ledger, true);
	}
	r = bench_result(b);
	note_times(b, seconds, &r);
	free(seconds);
	r.allowed = allowed;
	MPI_Allreduce(&error, &r.error, 1, MPI_DOUBLE, MPI_MAX,
	              b->mesh->control);
	bench_fini(b);
	return r;
}

static float element_a(void *of, int row, int column)
{
	const struct bench *b = of;

	return bench_element(0, (int64_t)row * b->k + column);
}

static float element_b(void *of, int row, int column)
{
	const struct bench *b = of;

	return bench_element(1, (int64_t)row * b->n + column);
}

/* Where ScaLAPACK's result is gathered to be judged: all of C, in which each
 * rank fills its own elements. */
struct judged {
	struct bench *b;
	float *c;
};

static float judged_a(void *of, int row, int column)
{
	return element_a(((struct judged *)of)->b, row, column);
}

static float judged_b(void *of, int row, int column)
{
	return element_b(((struct judged *)of)->b, row, column);
}

static void judged_keep(void *of, int row, int column, float value)
{
	struct judged *j = of;

	j->c[(size_t)row * j->b->n + column] = value;
}

static float judged_c(void *of, int row, int column)
{
	const struct judged *j = of;

	return j->c[(size_t)row * j->b->n + column];
}

/* Judges a share of C's rows on each rank, once all have all of it. */
static void judge_scalapack(struct bench *b, struct judged *j,
                            struct bench_result *r)
{
	struct part rows = part_of(b->m, b->mesh->rows * b->mesh->cols);
	int rank = b->mesh->row * b->mesh->cols + b->mesh->col;
	double error;

	for (int i = 0; i < b->m; i++)
		MPI_Allreduce(MPI_IN_PLACE, j->c + (size_t)i * b->n, b->n,
		              MPI_FLOAT, MPI_SUM, b->mesh->control);
	error = bench_gemm_error(b, part_range(&rows, (struct range){
			rank, rank + 1 }), (struct range){ 0, b->n }, judged_c,
			j, &r->allowed);
	MPI_Allreduce(&error, &r->error, 1, MPI_DOUBLE, MPI_MAX,
	              b->mesh->control);
}

/* The same product by ScaLAPACK, for the host's speed alone. */
static int run_scalapack(struct bench *b, struct bench_result *r,
                         struct wl_error *err)
{
	const struct options *o = b->options;
	struct judged j = { b, NULL };
	struct scalapack_gemm g = { b->mesh->rows, b->mesh->cols, b->m, b->k,
	                            b->n, judged_a, judged_b,
	                            o->check ? judged_keep : NULL, &j };
	double *seconds = wl_malloc(o->repeat, sizeof *seconds);
	int rc;

	*r = (struct bench_result){ .algorithm = BENCH_SCALAPACK };
	if (o->check)
		j.c = wl_calloc((size_t)b->m * b->n, sizeof *j.c);
	rc = scalapack_gemm(b->mesh->control, &g, o->repeat, seconds, err);
	if (!rc) {
		note_times(b, seconds, r);
		if (o->check)
			judge_scalapack(b, &j, r);
	}
	free(seconds);
	free(j.c);
	return rc;
}

/* ---- what is shown ---- */

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

static void print_emulated(const struct bench_result *r)
{
	const struct charge *c = &r->charge;
	char plmr[NPLMR + 1];

	letters(r, plmr);
	printf("%12llu %12llu %12llu %4.0f%% %4.0f%% %8llu %5d %4s",
	       (unsigned long long)c->cycles,
	       (unsigned long long)c->compute_cycles,
	       (unsigned long long)c->comm_cycles, 100 * r->efficiency,
	       100 * r->peak_share, (unsigned long long)r->sram_bytes,
	       r->routes, plmr);
}

static void print(const struct bench *b, const struct bench_result *results,
                  size_t n)
{
	const struct options *o = b->options;

	printf("bench %s, %dx%d cores, emulated on %s, %s elements\n"
	       "%-11s %12s %12s %12s %5s %5s %8s %5s %4s", b->kernel->name,
	       o->grid.rows, o->grid.cols, b->device->name,
	       wl_type_name(o->type < 0 ? WL_F16 : o->type), "algorithm",
	       "cycles", "compute", "exchange", "eff.", "peak", "bytes",
	       "paths", "PLMR");
	if (!o->dry_run)
		printf("  %12s %8s", "host seconds", "GFLOP/s");
	if (o->check)
		printf(" %9s %9s", "error", "allowed");
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		const struct bench_result *r = &results[i];

		printf("%-11s ", r->algorithm);
		if (r->emulated)
			print_emulated(r);
		else
			printf("%12s %12s %12s %5s %5s %8s %5s %4s", "-", "-",
			       "-", "-", "-", "-", "-", "-");
		if (!o->dry_run)
			printf("  %12.6f %8.2f", r->host_median,
			       r->host_gflops);
		if (o->check)
			printf(" %9.2e %9.2e", r->error, r->allowed);
		putchar('\n');
	}
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
		return wl_error_set(err, "option --strict: M: %s: core (0,0) "
		                    "holds %.0f bytes of %.0f", r->algorithm,
		                    m->figure, m->limit);
	if (p->applies && !p->ok)
		return wl_error_set(err, "option --strict: R: %s: core (0,0) "
		                    "needs %.0f router paths of %.0f",
		                    r->algorithm, p->figure, p->limit);
	return 0;
}

/* The leader's last part. */
static int deliver(const struct bench *b, const struct bench_result *r,
                   size_t n, double seconds, int ranks, struct wl_error *err)
{
	const struct options *o = b->options;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		if (r[i].overflow)
			return wl_error_set(err, "bench: so large a kernel "
			                    "cannot be counted in 64 bits");
	if (!o->quiet)
		print(b, r, n);
	fflush(stdout);
	if (o->report) {
		json_t *tree = bench_tree(b, r, n, seconds, ranks);

		rc = report_save(tree, o->report, err);
		json_decref(tree);
	}
	for (size_t i = 0; i < n && !rc && o->strict; i++)
		rc = refuse_violation(b, &r[i], err);
	return rc;
}

/* ---- the verb ---- */

/* What all ranks do, or, of a dry run, one. */
struct session {
	const struct options *o;
	struct device device;
	struct mesh mesh;
	struct bench bench;
	size_t *choice, n;
	struct bench_result *result; /* [n] */
	struct wl_error *err;
	bool leader;
	int size;                    /* ranks of the world */
	double start;                /* host seconds */
};

/* The leader's look at all that can be wrong. */
static int prepare(struct session *s)
{
	const struct options *o = s->o;

	if (o->report && report_check_path(o->report, s->err))
		return -1;
	return device_open(o->device, o->set, &s->device, s->err);
}

/* Every rank comes to the same answer. */
static int choose_algorithms(struct session *s)
{
	const struct options *o = s->o;
	struct bench *b = &s->bench;

	if (set_up(b, o, &s->device, o->dry_run ? NULL : &s->mesh, s->err))
		return -1;
	s->choice = choose(o, b->kernel, &s->n, s->err);
	if (!s->choice)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		if (s->choice[i] != BENCH_HOST_ONLY)
			continue;
		if (o->dry_run)
			return wl_error_set(s->err, "option --algo: "
			                    "scalapack excludes --dry-run: it "
			                    "runs on the host alone");
		if (!scalapack_built())
			return wl_error_set(s->err, "option --algo: scalapack: "
			                    "this waferllm was built without "
			                    "ScaLAPACK");
	}
	return 0;
}

static void warn_of_blocks(const struct session *s)
{
	struct grid g = { .rows = s->o->grid.rows, .cols = s->o->grid.cols };
	int blocks = gemm_blocks(&g);

	if (!cuts_blocks(s->bench.kernel) || s->o->quiet ||
	    blocks <= GEMM_MANY_BLOCKS)
		return;
	fprintf(stderr, GEMM_BLOCKS_WARNING "\n", g.rows, g.cols, blocks);
	fflush(stderr);
}

static void run_dry(struct session *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct bench *b = &s->bench;

		start(b, s->choice[i]);
		b->kernel->open(b);
		b->kernel->run(b);
		b->kernel->close(b);
		s->result[i] = bench_result(b);
		bench_fini(b);
	}
}

/* The rank grid, and what is said when it leaves ranks out. */
static void lay_out_ranks(struct session *s)
{
	int rows, cols;

	mesh_choose(s->size, s->o->grid.rows, s->o->grid.cols, &rows, &cols);
	mesh_init(&s->mesh, MPI_COMM_WORLD, rows, cols);
	if (!s->leader || s->o->quiet || rows * cols == s->size)
		return;
	fprintf(stderr, "waferllm: " MESH_IDLE_NOTE "\n",
	        s->size - rows * cols, s->size, rows, cols);
	fflush(stderr);
}

/* With data, on the ranks of the mesh; the rest sleep. */
static int run_ranks(struct session *s)
{
	int rc = 0;

	lay_out_ranks(s);
	for (size_t i = 0; s->mesh.active && !rc && i < s->n; i++) {
		if (s->choice[i] == BENCH_HOST_ONLY)
			rc = run_scalapack(&s->bench, &s->result[i], s->err);
		else
			s->result[i] = run_emulated(&s->bench, s->choice[i]);
	}
	mesh_fini(&s->mesh);
	mesh_join(MPI_COMM_WORLD);
	return rc;
}

/* An algorithm that computes something else is a fault of ours. */
static void refuse_errors(const struct session *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->result[i].allowed > 0 &&
		    !(s->result[i].error <= s->result[i].allowed))
			wl_die("bench %s, %s: the error is %g of the terms, "
			       "roundings allow %g", s->bench.kernel->name,
			       s->result[i].algorithm, s->result[i].error,
			       s->result[i].allowed);
}

/* --algo list. */
static int list_algorithms(const struct session *s)
{
	const struct bench_kernel *k =
		bench_kernel_find(s->o->kernel, s->err);

	for (size_t i = 0; s->leader && k && i < k->count(); i++)
		printf("%-11s %s\n", k->algorithm(i).name,
		       k->algorithm(i).help);
	if (s->leader && k && has_scalapack(k))
		printf("%-11s %s\n", BENCH_SCALAPACK,
		       "psgemm on the host's ranks, nothing emulated");
	return k ? 0 : -1;
}

static int run_session(struct session *s)
{
	const struct options *o = s->o;
	int rc;

	if (o->algo && !strcmp(o->algo, "list"))
		return list_algorithms(s);

	if (mesh_agree(MPI_COMM_WORLD, s->leader ? prepare(s) : 0, s->err))
		return -1;
	MPI_Bcast(&s->device, sizeof s->device, MPI_BYTE, 0, MPI_COMM_WORLD);
	if (mesh_agree(MPI_COMM_WORLD, choose_algorithms(s), s->err))
		return -1;
	s->result = wl_calloc(s->n, sizeof *s->result);
	if (s->leader)
		warn_of_blocks(s);
	if (o->dry_run && s->leader)
		run_dry(s);
	rc = o->dry_run ? 0 : run_ranks(s);
	if (!rc && s->leader)
		rc = deliver(&s->bench, s->result, s->n,
		             host_seconds() - s->start, o->dry_run ? 1 : s->size,
		             s->err);
	rc = mesh_agree(MPI_COMM_WORLD, rc, s->err);
	if (!rc && s->leader)
		refuse_errors(s);
	return rc;
}

int bench_run(const struct options *o, struct wl_error *err)
{
	struct session s = { .o = o, .err = err, .start = host_seconds() };
	int rank, rc;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &s.size);
	s.leader = rank == 0;
	rc = run_session(&s);
	free(s.result);
	free(s.choice);
	return rc;
}
