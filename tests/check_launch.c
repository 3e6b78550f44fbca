/* The number of ranks on a host, from the launchers' environment variables. */
#include "config.h"
#include "host/launch.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

#define YIELD "OMPI_MCA_mpi_yield_when_idle"

static const char *const names[] = {
	"OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_PROCID", "SLURM_NODEID",
	"SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE",
	"SLURM_CPUS_ON_NODE", "OMPI_COMM_WORLD_SIZE", YIELD,
	"OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "SLURM_STEP_ID",
	"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS" };

static void forget(void)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
}

/* A step of srun. */
static void step(const char *node, const char *tasks)
{
	forget();
	setenv("SLURM_PROCID", "3", 1);
	setenv("SLURM_NODEID", node, 1);
	setenv("SLURM_STEP_TASKS_PER_NODE", tasks, 1);
}

START_TEST(launchers_tell)
{
	static const struct {
		const char *node, *tasks;
		int ranks;
	} c[] = {
		{ "0", "8", 8 }, { "1", "8", 0 },
		{ "0", "8(x2),4", 8 }, { "1", "8(x2),4", 8 },
		{ "2", "8(x2),4", 4 }, { "3", "8(x2),4", 0 },
		{ "1", "3,16(x100)", 16 }, { "100", "3,16(x100)", 16 },
		{ "101", "3,16(x100)", 0 }, { "0", "", 0 }, { "0", "x", 0 },
		{ "0", "-1", 0 }, { "1", "8(x2", 0 }, { "1", "8(y2)", 0 },
		{ "1", "8,", 0 }, { "0", "99999999999999999999", 0 },
	};

	forget();
	ck_assert_int_eq(launch_local_ranks(), 0);
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		step(c[i].node, c[i].tasks);
		ck_assert_msg(launch_local_ranks() == c[i].ranks, "%s of %s",
		              c[i].node, c[i].tasks);
	}
	/* Steps of older Slurm versions, and mpirun within a job. */
	step("0", "8");
	unsetenv("SLURM_STEP_TASKS_PER_NODE");
	setenv("SLURM_TASKS_PER_NODE", "5", 1);
	ck_assert_int_eq(launch_local_ranks(), 5);
	unsetenv("SLURM_PROCID");
	ck_assert_int_eq(launch_local_ranks(), 0);
	setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "7", 1);
	ck_assert_int_eq(launch_local_ranks(), 7);
	forget();
}
END_TEST

START_TEST(jobs_have_their_processors)
{
	int here = (int)sysconf(_SC_NPROCESSORS_ONLN);

	forget();
	ck_assert_int_eq(launch_processors(), here);
	setenv("SLURM_CPUS_ON_NODE", "1", 1);
	ck_assert_int_eq(launch_processors(), 1);
	setenv("SLURM_CPUS_ON_NODE", "100000", 1);
	ck_assert_int_eq(launch_processors(), here);
	setenv("SLURM_CPUS_ON_NODE", "many", 1);
	ck_assert_int_eq(launch_processors(), here);
	forget();
}
END_TEST

START_TEST(mpirun_has_little_patience)
{
	step("0", "8");
	ck_assert(launch_patience() > 5);
	setenv("OMPI_COMM_WORLD_SIZE", "8", 1);
	ck_assert(launch_patience() < 1);
	forget();
}
END_TEST

START_TEST(crowded_ranks_yield)
{
	step("0", "100000");
	launch_prepare();
	ck_assert_pstr_eq(getenv(YIELD), "1");
	step("0", "100000");
	setenv(YIELD, "0", 1);
	launch_prepare();
	ck_assert_pstr_eq(getenv(YIELD), "0");
	step("0", "2");
	setenv("SLURM_CPUS_ON_NODE", "1", 1);
	launch_prepare();
	ck_assert_pstr_eq(getenv(YIELD), "1");
	step("0", "1");
	launch_prepare();
	ck_assert_ptr_null(getenv(YIELD));
	forget();
	launch_prepare();
	ck_assert_ptr_null(getenv(YIELD));
}
END_TEST

/* Of tasks of srun in whose midst mpirun starts ranks, and so on. */
START_TEST(the_innermost_launcher_counts)
{
	struct wl_error err;

	forget();
	ck_assert_int_eq(launch_task(), 0);
	ck_assert_int_eq(launch_check_alone(&err), 0);
	step("0", "8");
	setenv("SLURM_NTASKS", "8", 1);
	/* A batch script. */
	ck_assert_int_eq(launch_task(), 0);
	ck_assert_int_eq(launch_check_alone(&err), 0);
	setenv("SLURM_STEP_ID", "4294967291", 1);
	ck_assert_int_eq(launch_check_alone(&err), 0);
	setenv("SLURM_STEP_ID", "0", 1);
	ck_assert_int_eq(launch_task(), 3);
	ck_assert_int_eq(launch_check_alone(&err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "srun --mpi=pmix"));
	setenv("SLURM_STEP_NUM_TASKS", "1", 1);
	ck_assert_int_eq(launch_task(), 0);
	ck_assert_int_eq(launch_check_alone(&err), 0);
	setenv("SLURM_STEP_NUM_TASKS", "8", 1);
	setenv("PMI_SIZE", "2", 1);
	setenv("PMI_RANK", "1", 1);
	ck_assert_int_eq(launch_task(), 1);
	ck_assert_int_eq(launch_check_alone(&err), -1);
	setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
	setenv("OMPI_COMM_WORLD_RANK", "0", 1);
	ck_assert_int_eq(launch_task(), 0);
	ck_assert_int_eq(launch_check_alone(&err), 0);
	forget();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("launch");
	TCase *t = tcase_create("launch");

	tcase_add_test(t, launchers_tell);
	tcase_add_test(t, jobs_have_their_processors);
	tcase_add_test(t, mpirun_has_little_patience);
	tcase_add_test(t, crowded_ranks_yield);
	tcase_add_test(t, the_innermost_launcher_counts);
	suite_add_tcase(s, t);
	return run_suite(s);
}
