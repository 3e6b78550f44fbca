/* The verb bench: chooses algorithms, runs the kernel by each, and shows them
 * beside each other. */
#include "config.h"
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/streams.h"
#include "bench/scalapack.h"
#include "host/host.h"
#include "report/report.h"

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
		bench_print(b, r, n, options_tables(o));
	if (streams_check(err))
		return -1;
	if (o->report) {
		json_t *tree = bench_tree(b, r, n, seconds, ranks);

		rc = report_save(tree, o->report, err);
		json_decref(tree);
	}
	for (size_t i = 0; i < n && !rc && o->strict; i++)
		rc = refuse_violation(b, &r[i], err);
	return rc;
}

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

	if (bench_set_up(b, o, &s->device, o->dry_run ? NULL : &s->mesh,
	                 s->err))
		return -1;
	s->choice = bench_choose(o, b->kernel, &s->n, s->err);
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
	if (s->bench.kernel->blocks && !s->o->quiet)
		gemm_warn_blocks(s->o->grid);
}

static void run_dry(struct session *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct bench *b = &s->bench;

		bench_start(b, s->choice[i]);
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
	s->mesh.share = !s->o->no_shared_memory;
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
			rc = bench_run_scalapack(&s->bench, &s->result[i],
			                         s->err);
		else
			s->result[i] = bench_run_data(&s->bench, s->choice[i]);
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
	if (s->leader && k && k->scalapack)
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
		             host_seconds() - s->start,
		             o->dry_run ? 1 : s->size, s->err);
	rc = mesh_agree(MPI_COMM_WORLD, rc, s->err);
	if (!rc && s->leader)
		refuse_errors(s);
	return rc;
}

int bench_run(const struct options *o, struct wl_error *err)
{
	struct session s = { .o = o, .err = err, .start = host_seconds() };
	int rank, rc;

	if (options_bench_host(o))
		return bench_speed_run(o, err);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &s.size);
	s.leader = rank == 0;
	rc = run_session(&s);
	free(s.result);
	free(s.choice);
	return rc;
}
