/* The verb bench, host: the limits of this machine, on all ranks at once. */
#include "config.h"
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/streams.h"
#include "host/host.h"
#include "host/mesh.h"
#include "host_speed.h"
#include "report/json_tree.h"
#include "report/report.h"

/* What a rank reads at most, far more than a core's caches; times that it
 * reads it in a pass; and the part of a host's memory that its ranks may use
 * for that. */
#define MOST_BYTES (256 << 20)
#define SWEEPS 4
#define MEMORY_PART 0.25

struct speed {
	int ranks, cores;
	size_t bytes;         /* that each rank reads */
	void *buffer;
	double operations;    /* of a pass, this rank's */
	/* All ranks together. */
	double read, compute; /* bytes, operations per second */
};

/* Ranks and cores, and how much to read; the same on all ranks. */
static void look_around(struct speed *s)
{
	MPI_Comm host;
	double room;
	int ranks, rank;

	MPI_Comm_size(MPI_COMM_WORLD, &s->ranks);
	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0,
	                    MPI_INFO_NULL, &host);
	MPI_Comm_size(host, &ranks);
	MPI_Comm_rank(host, &rank);
	MPI_Comm_free(&host);
	s->cores = rank == 0 ? host_cores() : 0;
	MPI_Allreduce(MPI_IN_PLACE, &s->cores, 1, MPI_INT, MPI_SUM,
	              MPI_COMM_WORLD);
	room = host_memory() * MEMORY_PART / ranks;
	MPI_Allreduce(MPI_IN_PLACE, &room, 1, MPI_DOUBLE, MPI_MIN,
	              MPI_COMM_WORLD);
	s->bytes = room < MOST_BYTES ? (size_t)room : MOST_BYTES;
	s->bytes -= s->bytes % HOST_SPEED_BYTES;
}

static void read_pass(struct speed *s)
{
	for (int i = 0; i < SWEEPS; i++)
		host_speed_read(s->buffer, s->bytes);
}

static void compute_pass(struct speed *s)
{
	s->operations = host_speed_compute();
}

/* The best of some passes: seconds from when the first rank begins, until the
 * last is done. A rank's own time alone would leave out that it had the
 * machine to itself while others did not run. */
static double best_seconds(struct speed *s, void (*pass)(struct speed *s),
                           int passes)
{
	double best = 0;

	for (int i = 0; i < passes; i++) {
		double seconds;

		MPI_Barrier(MPI_COMM_WORLD);
		seconds = -host_seconds();
		pass(s);
		MPI_Barrier(MPI_COMM_WORLD);
		seconds += host_seconds();
		MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX,
		              MPI_COMM_WORLD);
		best = i == 0 || seconds < best ? seconds : best;
	}
	return best;
}

static void measure(struct speed *s, int passes)
{
	double bytes, seconds;

	look_around(s);
	bytes = (double)s->bytes * SWEEPS * s->ranks;
	s->buffer = host_speed_buffer(s->bytes);
	s->read = bytes / best_seconds(s, read_pass, passes);
	free(s->buffer);
	seconds = best_seconds(s, compute_pass, passes);
	/* Processors may differ, and so what each did. */
	MPI_Allreduce(MPI_IN_PLACE, &s->operations, 1, MPI_DOUBLE, MPI_SUM,
	              MPI_COMM_WORLD);
	s->compute = s->operations / seconds;
}

static void print_figure(const char *what, double value, const char *unit,
                         int ranks, FILE *out)
{
	fprintf(out, "%-17s %10.2f %-8s %10.2f a rank\n", what, value, unit,
	        value / ranks);
}

static void print(const struct speed *s, FILE *out)
{
	fprintf(out,
	        "bench host, %d rank%s on %d cores%s, %zu MiB a rank, %s\n",
	        s->ranks, s->ranks > 1 ? "s" : "", s->cores,
	        s->ranks > s->cores ? " (oversubscribed)" : "",
	        s->bytes >> 20, host_speed_unit());
	print_figure("memory read", s->read / 1e9, "GB/s", s->ranks, out);
	print_figure("fp32 peak", s->compute / 1e9, "GFLOP/s", s->ranks, out);
}

static json_t *host_of(const struct speed *s, double seconds)
{
	json_t *o = json_object();

	tree_put_int(o, "ranks", s->ranks);
	tree_put_int(o, "cores", s->cores);
	tree_put_real(o, "seconds", seconds);
	tree_put_int(o, "read_bytes_per_rank", s->bytes);
	tree_put_real(o, "read_gb_per_s", s->read / 1e9);
	tree_put_text(o, "fp32_unit", host_speed_unit());
	tree_put_real(o, "fp32_gflops", s->compute / 1e9);
	tree_put(o, "versions", report_versions());
	return o;
}

static json_t *tree_of(const struct speed *s, const struct options *o,
                       double seconds)
{
	json_t *root = json_object(), *units = json_object();

	tree_put_text(root, "format", "waferllm host report");
	tree_put_int(root, "format_version", 1);
	tree_put(root, "host", host_of(s, seconds));
	tree_put(root, "options", report_options(o));
	tree_put_text(units, "ranks", "ranks");
	tree_put_text(units, "cores", "cores, host");
	tree_put_text(units, "seconds", "s, host");
	tree_put_text(units, "read_bytes_per_rank", "bytes, host");
	tree_put_text(units, "read_gb_per_s", "1e9 bytes/s, host, all ranks");
	tree_put_text(units, "fp32_gflops",
	              "1e9 operations/s, host, all ranks");
	tree_put(root, "units", units);
	return root;
}

/* The leader's last part. */
static int deliver(const struct speed *s, const struct options *o,
                   double seconds, struct wl_error *err)
{
	json_t *tree;
	int rc;

	if (!o->quiet)
		print(s, options_tables(o));
	if (streams_check(err))
		return -1;
	if (!o->report)
		return 0;
	tree = tree_of(s, o, seconds);
	rc = report_save(tree, o->report, err);
	json_decref(tree);
	return rc;
}

int bench_speed_run(const struct options *o, struct wl_error *err)
{
	double start = host_seconds();
	struct speed s = { 0 };
	int rank, rc;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	rc = rank == 0 && o->report ? report_check_path(o->report, err) : 0;
	if (mesh_agree(MPI_COMM_WORLD, rc, err))
		return -1;
	measure(&s, o->repeat);
	rc = rank == 0 ? deliver(&s, o, host_seconds() - start, err) : 0;
	return mesh_agree(MPI_COMM_WORLD, rc, err);
}
