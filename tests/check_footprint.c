/* Memory of a run against sums by hand, and what a made-up system says of its
 * memory and its limits. */
#include "config.h"
#include "src/run/footprint.h"
#include "host/host.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

/* 4 KV heads of 8, 8 query heads. */
static const struct model model = {
	.dim = 64, .hidden_dim = 100, .n_layers = 3, .n_heads = 8,
	.n_kv_heads = 4, .head_dim = 8, .vocab_size = 500,
	.max_seq_len = 100000, .tied = true };

/* Elements: embedding, and of a layer wq, wk, wv, wo, gate, up, down. */
enum { EMBEDDING = 64 * 500,
       ALL = EMBEDDING + 3 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 100) };

static double bytes(struct footprint f)
{
	f.model = &model;
	return footprint_of_rank(&f);
}

START_TEST(shares_add_up)
{
	struct footprint f = { .type = WL_F16, .prompt_tokens = 1,
		.new_tokens = 1, .prefill = { 8, 8 }, .decode = { 8, 8 },
		.ranks = { 1, 1 } };

	/* One token: nothing is re-laid. */
	double token = 4 * (2 * 64 + 2 * 100 + 3 * 2 * 32 + 8);

	ck_assert_double_eq_tol(bytes(f), 2 * ALL + token, 1);
	/* The embedding stands twice. */
	f.new_tokens = 2;
	ck_assert_double_eq_tol(bytes(f), 2 * (ALL + EMBEDDING), 1);
	f.type = WL_F32;
	ck_assert_double_eq_tol(bytes(f), 4 * (ALL + EMBEDDING), 1);
	/* 3 of 8 rows, 4 of 8 columns. */
	f.ranks = (struct rxc){ 3, 2 };
	ck_assert_double_eq_tol(bytes(f), 4 * (ALL + EMBEDDING) * 3 / 16.0, 1);
	f.row = 2;
	ck_assert_double_eq_tol(bytes(f), 4 * (ALL + EMBEDDING) * 2 / 16.0, 1);
	f.row = 0;
	/* Each phase has its own grid: 2 of 4 rows. */
	f.decode = (struct rxc){ 4, 8 };
	ck_assert_double_eq_tol(bytes(f), 4 * (ALL + EMBEDDING) / 4.0, 1);
	/* Cache of many tokens. */
	f.new_tokens = 90000;
	ck_assert_double_eq_tol(bytes(f), (4 * ALL + 4.0 * 3 * 2 * 32 * 90001) /
	                                  4, 1);
	/* Scores of a long prompt: L x L for each head. */
	f.prompt_tokens = 5000;
	f.new_tokens = 1;
	ck_assert_double_eq_tol(bytes(f), (4 * ALL + token * 5000 +
	                        4.0 * 8 * 5000 * 4999) * 3 / 16, 1);
}
END_TEST

/* A tree of files in a folder of its own. */
static char root[] = "/tmp/check_footprintXXXXXX";

static void put(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0777);
		*p = '/';
	}
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

START_TEST(limits_of_groups_count)
{
	char command[64];

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert(host_free_memory(root) == 0);
	put("proc/meminfo", "MemTotal: 900 kB\nMemFree: 5 kB\n");
	ck_assert(host_free_memory(root) == 0);
	put("proc/meminfo", "MemTotal: 900 kB\nMemAvailable:    700 kB\n");
	ck_assert(host_free_memory(root) == 700 * 1024);
	put("proc/self/cgroup", "0::/job/step\n");
	ck_assert(host_free_memory(root) == 700 * 1024);
	put("sys/fs/cgroup/job/step/memory.max", "max\n");
	ck_assert(host_free_memory(root) == 700 * 1024);
	put("sys/fs/cgroup/job/memory.max", "3000\n");
	ck_assert(host_free_memory(root) == 3000);
	put("sys/fs/cgroup/job/step/memory.max", "2000\n");
	ck_assert(host_free_memory(root) == 2000);
	put("sys/fs/cgroup/memory.max", "0\n");
	ck_assert(host_free_memory(root) == 0);
	put("proc/self/cgroup",
	    "5:cpu,cpuacct:/a\n4:memory:/b/c\n1:name=x:/\n");
	ck_assert(host_free_memory(root) == 700 * 1024);
	put("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "5000\n");
	ck_assert(host_free_memory(root) == 5000);
	put("proc/self/cgroup", "nonsense\n\n::\n");
	ck_assert(host_free_memory(root) >= 0);
	snprintf(command, sizeof command, "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(this_host_says_something)
{
	double left = host_free_memory("");

	ck_assert(left > 0 && left <= host_memory());
	ck_assert_int_gt(strlen(host_name()), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("footprint");
	TCase *t = tcase_create("footprint");

	tcase_add_test(t, shares_add_up);
	tcase_add_test(t, limits_of_groups_count);
	tcase_add_test(t, this_host_says_something);
	suite_add_tcase(s, t);
	return run_suite(s);
}
