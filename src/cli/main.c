#include "config.h"
#include "choices.h"

#include <jansson.h>
#include <limits.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/datafile.h"
#include "base/options.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/streams.h"
#include "bench/bench.h"
#include "bench/scalapack.h"
#include "host/h5file.h"
#include "host/host.h"
#include "host/launch.h"
#include "host/mesh.h"
#include "import/import.h"
#include "run/device_show.h"
#include "run/info.h"
#include "run/run.h"
#include "run/shape_show.h"
#include "simd/simd.h"
#include "text/pretokenizer.h"

static int print_version(void)
{
	char mpi[MPI_MAX_LIBRARY_VERSION_STRING], data[PATH_MAX];
	bool found = datafile_folder(data);
	int len;

	MPI_Get_library_version(mpi, &len);
	mpi[strcspn(mpi, "\n,")] = '\0';
	printf("waferllm %s\n%s\nHDF5 %s\n%s\njansson %s\n%s\n%s\n"
	       "%sScaLAPACK\nSIMD %s\ndata %s%s\n", PACKAGE_VERSION, mpi,
	       h5file_version(), host_hwloc_version(), JANSSON_VERSION,
	       wl_crc32_libraries(), pretokenizer_libraries(),
	       scalapack_built() ? "" : "no ", simd_name(simd_level()),
	       found ? "" : "in none of ", data);
	return 0;
}

/* Prints the error, if there is one. Returns the exit status. */
static int conclude(int rc, struct wl_error *err)
{
	int status;

	if (!rc)
		rc = streams_check(err);
	status = rc ? err->status : 0;
	if (status)
		fprintf(stderr, "waferllm: %s\n", err->text);
	fflush(stderr);
	return status;
}

/* Executes a verb that needs no MPI. */
static int serial_verb(const struct options *o, struct wl_error *err)
{
	struct import_options import = {
		.source = o->source, .dest = o->dest,
		.tokenizer = o->tokenizer, .random_shape = o->random_shape,
		.type = o->type, .seed = o->seed, .quiet = o->quiet };

	if (o->help) {
		options_help(stdout, o->verb_named ? o->verb : NVERBS);
		return 0;
	}
	if (o->version || (o->verb == VERB_INFO && !o->model))
		return print_version();
	if (o->verb == VERB_INFO)
		return info_print(o->model, stdout, err);
	if (o->verb == VERB_DEVICE)
		return o->named ? device_show(o->named, o->set, stdout, err)
		                : device_list(stdout, err);
	if (o->verb == VERB_SHAPE)
		return o->named ? shape_show(o->named, stdout, err)
		                : shape_list(stdout, err);
	return import_run(&import, err);
}

/* If a launcher has started several processes, only the first does the work. */
static int run_serial(int rc, const struct options *o, struct wl_error *err)
{
	if (launch_task() > 0) {
		/* One of the others says so, to users who expected N runs. */
		if (!rc && launch_task() == 1 && !o->help && !o->version &&
		    !o->quiet)
			fprintf(stderr, "%s: done once, by the first process\n",
			        options_verb(o->verb)->name);
		return 0;
	}
	signals_catch(0);
	signals_catch_crashes();
	return conclude(rc ? rc : serial_verb(o, err), err);
}

/* Executes a verb under MPI. All ranks exit together, after the leader has
 * printed the error: if another rank failed first, mpirun would kill the leader
 * and its message would be lost. */
static int run_verb(int rc, const struct options *o, struct wl_error *err)
{
	int rank, ranks, status = 0, signal_got = 0;

	signals_catch(o->verb == VERB_RUN && !o->dry_run ? launch_patience()
	                                                 : 0);
	/* A closed pipe then fails the write instead, so that no partial file
	 * is left. */
	signal(SIGPIPE, SIG_IGN);
	launch_prepare();
	if (launch_check_limits(err))
		return conclude(-1, err);
	MPI_Init(NULL, NULL);
	signals_catch_crashes();
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (!rc && ranks == 1)
		rc = launch_check_alone(err);
	if (!rc && o->verb == VERB_RUN)
		rc = run(o, &signal_got, err);
	else if (!rc)
		rc = bench_run(o, err);
	if (rc && o->verb == VERB_RUN)
		options_suggest_verb(o, err);
	if (ranks == 1 && launch_task() > 0) {
		/* Launchers kill all tasks when one fails: let the first print
		 * the reason. */
		sleep(2);
		status = WL_EXIT_USER;
	} else if (rank == 0)
		status = conclude(rc, err);
	if (status == 0 && signal_got == SIGTERM && rank == 0)
		status = 128 + SIGTERM;
	mesh_join(MPI_COMM_WORLD);
	MPI_Finalize();
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	struct wl_error err;
	int rc;

	name_choices();
	streams_open();
	host_keep_memory();
	rc = options_parse(argc, argv, &o, &err);
	for (size_t i = 0; i < options_inputs(); i++)
		output_spare(options_input(&o, i));
	if (o.help || o.version ||
	    (o.verb != VERB_RUN && o.verb != VERB_BENCH))
		return run_serial(rc, &o, &err);
	return run_verb(rc, &o, &err);
}
