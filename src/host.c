#include "config.h"
#include "host.h"

#include <hwloc.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
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

int host_cores(void)
{
	hwloc_topology_t topology;
	int cores = 1;

	if (hwloc_topology_init(&topology))
		return cores;
	if (!hwloc_topology_load(topology))
		cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
	hwloc_topology_destroy(topology);
	return cores < 1 ? 1 : cores;
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

const char *host_hwloc_version(void)
{
	static char text[32];
	unsigned v = hwloc_get_api_version();

	snprintf(text, sizeof text, "hwloc %u.%u.%u", v >> 16, v >> 8 & 255,
	         v & 255);
	return text;
}

/* Bytes from which on a block is mapped by itself: as large as glibc takes. */
#define MAPPED_BLOCK (32 << 20)
/* What the heap grows by, in addresses: less than a huge page could not be one.
 */
#define HEAP_STEP (64 << 20)

void host_keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, MAPPED_BLOCK);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_TOP_PAD, HEAP_STEP);
#endif
}
