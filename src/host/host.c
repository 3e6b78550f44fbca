/* CPU_ALLOC, for processor sets of any size */
#define _GNU_SOURCE
#include "config.h"
#include "host/host.h"

#include <hwloc.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double host_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

void host_mask(struct host_mask *m)
{
	static const size_t size = CPU_ALLOC_SIZE(HOST_PROCESSORS);
	cpu_set_t *set = CPU_ALLOC(HOST_PROCESSORS);

	memset(m, 0, sizeof *m);
	if (!set)
		return;
	if (sched_getaffinity(0, size, set) == 0)
		for (int i = 0; i < HOST_PROCESSORS; i++)
			if (CPU_ISSET_S(i, size, set))
				m->bits[i / 64] |= (uint64_t)1 << i % 64;
	CPU_FREE(set);
}

/* The logical index of the object of the type that contains the whole set; -1:
 * no single one does. */
static int covering(hwloc_topology_t t, hwloc_obj_type_t type,
                    hwloc_const_cpuset_t set)
{
	hwloc_obj_t o = hwloc_get_obj_covering_cpuset(t, set);

	while (o && o->type != type)
		o = o->parent;
	return o ? (int)o->logical_index : -1;
}

static struct host_seat find_seat(hwloc_topology_t t, const struct host_mask *m)
{
	struct host_seat s = { -1, -1 };
	hwloc_cpuset_t set = hwloc_bitmap_alloc();

	for (int i = 0; set && i < HOST_PROCESSORS; i++)
		if (m->bits[i / 64] >> i % 64 & 1)
			hwloc_bitmap_set(set, i);
	if (set && !hwloc_bitmap_iszero(set) &&
	    !hwloc_bitmap_isincluded(hwloc_topology_get_allowed_cpuset(t),
	                             set)) {
		s.socket = covering(t, HWLOC_OBJ_PACKAGE, set);
		s.core = covering(t, HWLOC_OBJ_CORE, set);
	}
	hwloc_bitmap_free(set);
	return s;
}

int host_seats(const struct host_mask *m, int n, struct host_seat *seat)
{
	hwloc_topology_t topology;
	int cores = 1;

	for (int i = 0; i < n; i++)
		seat[i] = (struct host_seat){ -1, -1 };
	if (hwloc_topology_init(&topology))
		return cores;
	if (!hwloc_topology_load(topology)) {
		cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
		for (int i = 0; i < n; i++)
			seat[i] = find_seat(topology, &m[i]);
	}
	hwloc_topology_destroy(topology);
	return cores < 1 ? 1 : cores;
}

int host_cores(void)
{
	return host_seats(NULL, 0, NULL);
}

uint64_t host_processor(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	uint64_t hash = 14695981039346656037u; /* FNV-1a, 64 bits */
	char line[256];

	while (f && fgets(line, sizeof line, f)) {
		if (strncmp(line, "model name", 10))
			continue;
		for (const char *p = line; *p; p++)
			hash = (hash ^ (unsigned char)*p) * 1099511628211u;
		break;
	}
	if (f)
		fclose(f);
	return hash;
}

double host_peak_memory(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return 1024.0 * use.ru_maxrss;
}

double host_memory(void)
{
	return (double)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

/* The number that follows `word` in the first line of a file that begins with
 * it ("": any line); -1: there is none. */
static double read_number(const char *path, const char *word)
{
	FILE *f = fopen(path, "r");
	char line[256];
	double v = -1;

	while (f && v < 0 && fgets(line, sizeof line, f)) {
		size_t n = strlen(word);

		if (strncmp(line, word, n) == 0 &&
		    sscanf(line + n, "%lf", &v) != 1)
			v = -1;
	}
	if (f)
		fclose(f);
	return v;
}

/* The minimum of limit and those of a control group and its ancestors. file:
 * where a group's limit is, which depends on the version of control groups.
 * Overwrites group. */
static double group_limit(const char *base, char *group, const char *file,
                          double limit)
{
	for (;;) {
		char path[PATH_MAX];
		char *slash = strrchr(group, '/');

		if (snprintf(path, sizeof path, "%s%s/%s", base, group, file) <
		    (int)sizeof path) {
			double v = read_number(path, "");

			if (v >= 0 && v < limit)
				limit = v;
		}
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* The minimum of limit and those of this process's control groups. Lines of
 * /proc/self/cgroup read "0::/group" in version 2, "9:memory:/group" in
 * version 1. */
static double limit_by_groups(const char *root, double limit)
{
	char path[PATH_MAX], line[PATH_MAX];

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof line, f)) {
		char *kind = strchr(line, ':');
		char *group = kind ? strchr(kind + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (strcmp(kind, ":") == 0) {
			snprintf(path, sizeof path, "%s/sys/fs/cgroup", root);
			limit = group_limit(path, group, "memory.max", limit);
		} else if (strstr(kind, "memory")) {
			snprintf(path, sizeof path, "%s/sys/fs/cgroup/memory",
			         root);
			limit = group_limit(path, group,
			                    "memory.limit_in_bytes", limit);
		}
	}
	if (f)
		fclose(f);
	return limit;
}

double host_free_memory(const char *root)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/proc/meminfo", root);
	double kib = read_number(path, "MemAvailable:");

	return kib < 0 ? 0 : limit_by_groups(root, 1024 * kib);
}

const char *host_name(void)
{
	static char name[256];

	if (gethostname(name, sizeof name - 1))
		snprintf(name, sizeof name, "a host");
	return name;
}

const char *host_hwloc_version(void)
{
	static char text[32];
	unsigned v = hwloc_get_api_version();

	snprintf(text, sizeof text, "hwloc %u.%u.%u", v >> 16, v >> 8 & 255,
	         v & 255);
	return text;
}

/* Blocks from this size up get a mapping of their own: glibc's maximum. */
#define MAPPED_BLOCK (32 << 20)
/* Bytes by which the heap grows: many huge pages, so that it can have some. */
#define HEAP_STEP (64 << 20)

void host_keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, MAPPED_BLOCK);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_TOP_PAD, HEAP_STEP);
#endif
}
