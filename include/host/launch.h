/* What launchers (mpirun, srun) put in the environment: the number of tasks
 * they started, on this host and in all; and where this process's output goes.
 * Not collective. */
#ifndef WL_LAUNCH_H
#define WL_LAUNCH_H

#include <stdbool.h>

#include "base/error.h"

/* Makes Open MPI yield the processor while it waits, if the launcher has
 * started more ranks on this host than it has processors: otherwise each
 * message costs milliseconds of polling until the scheduler switches ranks.
 * mpirun notices this only if its slot counts are right, srun never does.
 * Settings of the user take precedence. Also determines launch_streams. Call
 * before MPI_Init; changes the environment. */
void launch_prepare(void);

/* Number of ranks that the launcher started on this host, from Open MPI's or
 * Slurm's environment; 0: unknown. */
int launch_local_ranks(void);

/* Number of processors that these ranks share, at least 1: the host's, or those
 * that Slurm allocated to the job. */
int launch_processors(void);

/* This process's number among the tasks of its launcher; 0 for a single task or
 * without a launcher. Of nested launchers, the innermost counts. For verbs that
 * do not use MPI. */
int launch_task(void);

/* Call where MPI_COMM_WORLD has one rank. 0; or -1 and err, which says what to
 * do, if a launcher started several such tasks: then MPI does not support the
 * launcher, and each task would repeat all the work. */
int launch_check_alone(struct wl_error *err);
/* Refuses a file size limit (ulimit -f) under which MPI_Init of a process
 * without a launcher fails and leaves behind a daemon that fills the memory.
 * Call before MPI_Init. 0, or -1 and err. */
int launch_check_limits(struct wl_error *err);

/* Seconds from SIGTERM until the process should exit by itself. mpirun sends
 * SIGKILL after one second, Slurm after thirty by default. A job that has lost
 * a rank cannot finish its token and waits that long for nothing. */
double launch_patience(void);

/* Where standard output and standard error end up. */
struct launch_streams {
	bool terminal; /* standard output is known to be on a terminal */
	bool shared;   /* both go to the same place, or that is unknown */
};

/* As launch_prepare found them. mpirun gives each rank a pseudo-terminal and
 * forwards its output, so on mpirun's host the descriptors of mpirun decide; if
 * both are the same file, launch_prepare redirects standard error to the rank's
 * pseudo-terminal, too, which keeps the order of the two streams. On other
 * hosts, and with --output-filename, `terminal` is false, so that files receive
 * the bytes unchanged. */
struct launch_streams launch_streams(void);

#endif
