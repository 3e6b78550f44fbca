#include "config.h"
#include "host/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Parses a positive integer; 0: it is none, or text is NULL. */
static int whole(const char *text)
{
	char *end;
	long v = text ? strtol(text, &end, 10) : 0;

	return v < 1 || v > 1 << 24 || *end ? 0 : (int)v;
}

/* Size of the shared-memory files that Open MPI 4.1 creates for one process. */
#define MPI_FILE_BYTES (4 << 20)

/* From here up, Slurm's step ids stand for batch scripts and interactive shells
 * rather than for steps that srun launched. */
#define SLURM_NO_STEP 0xfffffff0

/* Number of tasks of the srun step that this process belongs to; 0: none. A
 * batch script has SLURM_PROCID and the job's SLURM_NTASKS, too. */
static int step_tasks(void)
{
	const char *step = getenv("SLURM_STEP_ID");
	int tasks = whole(getenv("SLURM_STEP_NUM_TASKS"));

	if (!step || !getenv("SLURM_PROCID") ||
	    strtoul(step, NULL, 10) >= SLURM_NO_STEP)
		return 0;
	return tasks ? tasks : whole(getenv("SLURM_NTASKS"));
}

/* The variables in which launchers tell a task the number of tasks and its own
 * number; innermost launchers first. */
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

/* The innermost launcher and its number of tasks; NULL: there is none. */
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

int launch_check_limits(struct wl_error *err)
{
	struct rlimit files;
	int tasks;

	if (find_launcher(&tasks) || getrlimit(RLIMIT_FSIZE, &files) ||
	    files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= MPI_FILE_BYTES)
		return 0;
	return wl_error_set(err, "files are limited to %llu bytes (ulimit -f),"
	                    " of which Open MPI needs %d",
	                    (unsigned long long)files.rlim_cur, MPI_FILE_BYTES);
}

/* The count of one node in a list like Slurm's "8(x2),4", two nodes of 8 and
 * one of 4; 0: not in the list. */
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

	/* In the batch script itself this is too many, which does no harm. */
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

/* --- Where output ends up --- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The parent of a process; 0: unknown. */
static int parent_of(int process)
{
	char path[40], line[512], *end;
	size_t n = 0;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", process);
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fread(line, 1, sizeof line - 1, f);
	fclose(f);
	line[n] = '\0';
	/* The program's name, in parentheses, may contain any character. */
	end = strrchr(line, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* A descriptor of the process that forwards this one's output. */
struct outlet {
	int process;
	char path[40];
	struct stat file;
};

/* Finds where descriptor fd is forwarded to: the same descriptor of the nearest
 * ancestor in which it is a different file. Scripts in between have the same
 * file as this process. False: unknown. */
static bool find_outlet(int fd, struct outlet *o)
{
	struct stat own;

	if (fstat(fd, &own))
		return false;
	for (int p = getppid(); p > 1; p = parent_of(p)) {
		o->process = p;
		snprintf(o->path, sizeof o->path, "/proc/%d/fd/%d", p, fd);
		if (stat(o->path, &o->file))
			return false;
		if (!same_file(&o->file, &own))
			return true;
	}
	return false;
}

static bool is_terminal(const struct outlet *o)
{
	bool is = false;
	int fd;

	/* Not a pipe: opening one would add a writer to it. */
	if (!S_ISCHR(o->file.st_mode))
		return false;
	fd = open(o->path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		is = isatty(fd);
		close(fd);
	}
	return is;
}

/* Whether mpirun was told to write each rank's streams to files. */
static bool splits_output(int process)
{
	char path[40], *arg = NULL;
	size_t size = 0;
	bool splits = getenv("OMPI_MCA_orte_output_filename");
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/cmdline", process);
	f = fopen(path, "r");
	if (!f)
		return true;
	while (!splits && getdelim(&arg, &size, '\0', f) > 0)
		splits = strstr(arg, "output-filename") ||
		         strstr(arg, "output_filename") ||
		         !strcmp(arg, "--output");
	free(arg);
	fclose(f);
	return splits;
}

/* Under mpirun, which does not preserve the order between the rank's
 * pseudo-terminal and its pipe: if both streams end up in the same place, sends
 * both through the pseudo-terminal. */
static struct launch_streams launched_streams(void)
{
	struct launch_streams s = { .shared = true };
	struct outlet out, err;
	bool passes;

	if (!find_outlet(STDOUT_FILENO, &out))
		return s;
	passes = isatty(STDOUT_FILENO) && !splits_output(out.process);
	s.terminal = passes && is_terminal(&out);
	if (!find_outlet(STDERR_FILENO, &err))
		return s;
	s.shared = same_file(&out.file, &err.file);
	if (s.shared && passes && out.process == err.process)
		dup2(STDOUT_FILENO, STDERR_FILENO);
	return s;
}

/* Whether another launcher (srun, Hydra) forwards the output. */
static bool is_launched(void)
{
	return getenv("SLURM_STEP_ID") || getenv("PMI_RANK") ||
	       getenv("PMIX_RANK");
}

static struct launch_streams find_streams(void)
{
	struct launch_streams s = { .terminal = isatty(STDOUT_FILENO) };
	struct stat out, err;

	if (getenv("OMPI_COMM_WORLD_SIZE"))
		return launched_streams();
	s.shared = is_launched() || fstat(STDOUT_FILENO, &out) ||
	           fstat(STDERR_FILENO, &err) || same_file(&out, &err);
	return s;
}

/* Set by launch_prepare. */
static struct launch_streams streams;

struct launch_streams launch_streams(void)
{
	return streams;
}

void launch_prepare(void)
{
	streams = find_streams();
	/* This program uses no shared file pointers, and Open MPI's lockedfile
	 * component copies the name of each opened file into a buffer that may
	 * be too short, and leaves a file beside it. */
	setenv("OMPI_MCA_sharedfp", "^lockedfile", 0);
	if (launch_local_ranks() > launch_processors())
		setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}
