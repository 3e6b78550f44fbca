#include "config.h"
#include "launch.h"

#include <stdlib.h>
#include <unistd.h>

/* A whole number above 0; 0: it is none. */
static int whole(const char *text)
{
	char *end;
	long v = text ? strtol(text, &end, 10) : 0;

	return v < 1 || v > 1 << 24 || *end ? 0 : (int)v;
}

/* The entry of one node in Slurm's list of counts, "8(x2),4": two nodes of 8,
 * then one of 4. 0: there is none. */
static int count_of_node(const char *list, int node)
{
	while (list && *list) {
		char *end;
		long count = strtol(list, &end, 10), times = 1;

		if (end == list || count < 1 || count > 1 << 24)
			return 0;
		if (end[0] == '(' && end[1] == 'x') {
			times = strtol(end + 2, &end, 10);
			if (*end++ != ')')
				return 0;
		}
		if (node < times)
			return (int)count;
		node -= (int)times;
		list = *end == ',' ? end + 1 : NULL;
	}
	return 0;
}

int launch_local_ranks(void)
{
	const char *node = getenv("SLURM_NODEID"), *list;
	int ranks = whole(getenv("OMPI_COMM_WORLD_LOCAL_SIZE"));

	/* In a batch script itself this is more than there are: no harm. */
	if (ranks || !getenv("SLURM_PROCID") || !node)
		return ranks;
	list = getenv("SLURM_STEP_TASKS_PER_NODE");
	return count_of_node(list ? list : getenv("SLURM_TASKS_PER_NODE"),
	                     atoi(node));
}

int launch_processors(void)
{
	long here = sysconf(_SC_NPROCESSORS_ONLN);
	int given = whole(getenv("SLURM_CPUS_ON_NODE"));

	if (here < 1)
		here = 1;
	return given && given < here ? given : (int)here;
}

double launch_patience(void)
{
	return getenv("OMPI_COMM_WORLD_SIZE") ? 0.8 : 10;
}

void launch_prepare(void)
{
	/* Nothing here shares a file pointer, and Open MPI's lockedfile leaves
	 * a file beside each one that is opened, after a copy of its name into
	 * too short a buffer. */
	setenv("OMPI_MCA_sharedfp", "^lockedfile", 0);
	if (launch_local_ranks() > launch_processors())
		setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}
