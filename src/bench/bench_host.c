/* A kernel with data, timed on the host's ranks, and the same product by
 * ScaLAPACK. */
#include "config.h"
#include "bench/bench.h"

#include <stdlib.h>

#include "base/error.h"
#include "bench/scalapack.h"
#include "host/host.h"

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
	double operations =
		b->kernel->operations ? b->kernel->operations(b) : 0;

	MPI_Allreduce(MPI_IN_PLACE, seconds, n, MPI_DOUBLE, MPI_MAX,
	              b->mesh->control);
	qsort(seconds, n, sizeof *seconds, compare_seconds);
	r->host_min = seconds[0];
	r->host_median = (seconds[n / 2] + seconds[(n - 1) / 2]) / 2;
	r->host_gflops = operations / r->host_median / 1e9;
}

struct bench_result bench_run_data(struct bench *b, size_t choice)
{
	int repeat = b->options->repeat;
	double *seconds = wl_malloc(repeat, sizeof *seconds);
	double error = 0, allowed = 0;
	struct bench_result r;

	bench_start(b, choice);
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

/* Where ScaLAPACK's result is gathered to be judged: all of C, in which each
 * rank fills its own elements. */
struct judged {
	struct bench *b;
	float *c;
};

static float judged_a(void *of, int row, int column)
{
	const struct judged *j = of;

	return bench_element(0, (int64_t)row * j->b->k + column);
}

static float judged_b(void *of, int row, int column)
{
	const struct judged *j = of;

	return bench_element(1, (int64_t)row * j->b->n + column);
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
	struct partition rows =
		partition_of(b->m, b->mesh->rows * b->mesh->cols);
	int rank = b->mesh->row * b->mesh->cols + b->mesh->col;
	MPI_Comm comm;
	double error;

	/* No business of the wafer's, nor of its control plane. */
	MPI_Comm_dup(b->mesh->control, &comm);
	for (int i = 0; i < b->m; i++)
		MPI_Allreduce(MPI_IN_PLACE, j->c + (size_t)i * b->n, b->n,
		              MPI_FLOAT, MPI_SUM, comm);
	MPI_Comm_free(&comm);
	error = bench_gemm_error(b, partition_range(&rows, (struct range){
			rank, rank + 1 }), (struct range){ 0, b->n }, judged_c,
			j, &r->allowed);
	MPI_Allreduce(&error, &r->error, 1, MPI_DOUBLE, MPI_MAX,
	              b->mesh->control);
}

int bench_run_scalapack(struct bench *b, struct bench_result *r,
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
