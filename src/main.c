#include "config.h"

#include <jansson.h>
#include <limits.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "crc.h"
#include "datafile.h"
#include "h5file.h"
#include "host.h"
#include "import.h"
#include "info.h"
#include "launch.h"
#include "mesh.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "scalapack.h"
#include "signals.h"
#include "simd.h"
#include "words.h"

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
	       wl_crc32_libraries(), words_libraries(),
	       scalapack_built() ? "" : "no ", simd_name(simd_level()),
	       found ? "" : "in none of ", data);
	return 0;
}

static int complain(const struct wl_error *err)
{
	fprintf(stderr, "waferllm: %s\n", err->text);
	fflush(stderr);
	return err->status;
}

/* Import and info: one process, no MPI. */
static int serial_verb(const struct options *o, struct wl_error *err)
{
	struct import_options import = {
		.source = o->source, .dest = o->dest,
		.tokenizer = o->tokenizer, .random_shape = o->random_shape,
		.type = o->type, .seed = o->seed, .quiet = o->quiet };

	if (o->verb == VERB_INFO)
		return info_print(o->model, stdout, err);
	return import_run(&import, err);
}

/* All ranks leave together, after the leader has spoken: if another were
 * first, mpirun would kill the leader and its line would be lost. */
static int run_verb(int rc, const struct options *o, struct wl_error *err)
{
	int rank, status = 0, signal_got = 0;

	/* A reader that is gone shows as a failed write, so that nothing is
	 * left half-written. */
	signal(SIGPIPE, SIG_IGN);
	launch_prepare();
	MPI_Init(NULL, NULL);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	if (!rc && o->verb == VERB_RUN)
		rc = run(o, &signal_got, err);
	else if (!rc)
		rc = bench_run(o, err);
	if (rc && rank == 0)
		status = complain(err);
	else if (rank == 0 && signal_got == SIGTERM)
		status = 128 + SIGTERM;
	mesh_join(MPI_COMM_WORLD);
	MPI_Finalize();
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	struct wl_error err;
	int rc = options_parse(argc, argv, &o, &err);

	if (!rc && (o.version ||
	            (o.verb == VERB_INFO && !o.model && !o.help)))
		return print_version();
	if (!rc && o.help) {
		bool verb_named = argc > 2;

		options_help(stdout, verb_named ? o.verb : NVERBS);
		return 0;
	}
	for (size_t i = 0; i < options_inputs(); i++)
		output_spare(options_input(&o, i));
	signals_catch(o.verb == VERB_RUN && !o.dry_run ? launch_patience() : 0);
	host_keep_memory();
	if (o.verb == VERB_RUN || o.verb == VERB_BENCH)
		return run_verb(rc, &o, &err);
	if (rc || serial_verb(&o, &err))
		return complain(&err);
	return 0;
}
