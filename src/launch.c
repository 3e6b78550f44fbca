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

/* srun's name for what is no step of tasks begins here: a batch script, an
 * interactive shell. */
#define SLURM_NO_STEP 0xfffffff0

/* Tasks of srun's step; 0: this is none of them. A batch script, too, has
 * SLURM_PROCID and the job's SLURM_NTASKS. */
static int step_tasks(void)
{
	const char *step = getenv("SLURM_STEP_ID");
	int tasks = whole(getenv("SLURM_STEP_NUM_TASKS"));

	if (!step || !getenv("SLURM_PROCID") ||
	    strtoul(step, NULL, 10) >= SLURM_NO_STEP)
		return 0;
	return tasks ? tasks : whole(getenv("SLURM_NTASKS"));
}

/* How launchers tell their tasks how many there are, and which one each is;
 * first those that others start. */
static const struct launcher {
	const char *name, *tasks, *task;
} launchers[] = {
	{ "the mpirun of another Open MPI", "OMPI_COMM_WORLD_SIZE",
	  "OMPI_COMM_WORLD_RANK" },
	{ "the launcher of MVAPICH", "MV2_COMM_WORLD_SIZE",
	  "MV2_COMM_WORLD_RANK" },
	{ "the launcher of another MPI", "PMI_SIZE", "PMI_RANK" },
	{ "srun", NULL, "SLURM_PROCID" },
};

/* The innermost launcher, and how many tasks it has started; NULL: there is
 * none. */
static const struct launcher *find_launcher(int *tasks)
{
	for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
		const struct launcher *l = &launchers[i];

		*tasks = l->tasks ? whole(getenv(l->tasks)) : step_tasks();
		if (*tasks)
			return l;
	}
	return NULL;
}

int launch_task(void)
{
	int tasks;
	const struct launcher *l = find_launcher(&tasks);

	return l && tasks > 1 ? whole(getenv(l->task)) : 0;
}

int launch_check_alone(struct wl_error *err)
{
	int tasks;
	const struct launcher *l = find_launcher(&tasks);

	if (!l || tasks == 1)
		return 0;
	return wl_error_set(err, "%s has started %d tasks, but to Open MPI each"
	                    " is a job of its own: use srun --mpi=pmix, or"
	                    " Open MPI's mpirun", l->name, tasks);
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
	if (launch_local_ranks() > launch_processors())
		setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}
