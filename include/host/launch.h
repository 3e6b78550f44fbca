/* What launchers say in the environment: how many tasks they have started, on
 * this host and in all; and where the output of this process goes. Not
 * collective. */
#ifndef WL_LAUNCH_H
#define WL_LAUNCH_H

#include <stdbool.h>

#include "base/error.h"

/* Tells Open MPI to give the processor away while it waits, if the launcher has
 * started more ranks here than there are processors for them: mpirun finds that
 * out for itself where the slots that it was told of are right, srun never
 * does, and ranks that poll in turns of the scheduler take milliseconds for a
 * message. What the user has set stays. Also records launch_streams. Before
 * MPI_Init; changes the environment. */
void launch_prepare(void);

/* How many ranks the launcher says to have started on this host; 0: it does
 * not say. From Open MPI's or Slurm's environment. */
int launch_local_ranks(void);

/* Processors that these ranks share, at least 1: those of the host, or what
 * Slurm gave of it to the job. */
int launch_processors(void);

/* This process's number among the tasks that one launcher has started; 0 where
 * there is one task, or no launcher. Of launchers that have started each other
 * the innermost counts. For verbs that do not use MPI. */
int launch_task(void);

/* For a process that MPI takes for the only rank. 0; or -1 and err, which names
 * the cure, if a launcher has started several such: then MPI and the launcher
 * do not know each other, and each task would do all of the work. */
int launch_check_alone(struct wl_error *err);
/* Refuses limits on the size of files under which MPI_Init of a process without
 * a launcher fails, and leaves a daemon behind that takes all memory. Before
 * MPI_Init. 0, or -1 and err. */
int launch_check_limits(struct wl_error *err);

/* Seconds that a process has between SIGTERM and SIGKILL: mpirun leaves one,
 * Slurm thirty unless a site has it otherwise, people as many as they like; of
 * a job that has lost a rank, which can come to no end in order, so many are
 * waited for in vain. */
double launch_patience(void);

/* Where standard output and standard error come out. */
struct launch_streams {
	bool terminal; /* standard output on a terminal, as far as is known */
	bool shared;   /* both in one place, or that cannot be told */
};

/* As launch_prepare found them. mpirun gives each rank a terminal and passes on
 * what is written there, wherever its own output goes; so for a rank on
 * mpirun's host mpirun's descriptors decide, and where both of them are one,
 * launch_prepare sends standard error through the rank's terminal, too, which
 * keeps the order. For a rank elsewhere, and with --output-filename, `terminal`
 * is false: a file gets the bytes as they are. */
struct launch_streams launch_streams(void);

#endif
