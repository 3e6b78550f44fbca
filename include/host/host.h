/* The host machine: its processors and memory, and this process's use of them.
 * The only user of hwloc. Not collective; no emulated figures. */
#ifndef WL_HOST_H
#define WL_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Seconds of a monotonic clock. */
double host_seconds(void);
/* Number of processing units (hwloc's PUs) of this host that may be used; at
 * least 1. */
int host_cores(void);

/* The set of processors that a process may run on, as the system numbers them;
 * numbers from HOST_PROCESSORS up are left out. */
#define HOST_PROCESSORS 4096
struct host_mask {
	uint64_t bits[HOST_PROCESSORS / 64];
};
/* The affinity mask of this process; empty if the system cannot tell. */
void host_mask(struct host_mask *m);

/* Where a process is bound: the socket and the core, hwloc's logical indices,
 * so that consecutive cores are close. -1: not bound to a single one. A process
 * that may run on the whole host is not bound. */
struct host_seat {
	int socket, core;
};
/* Sets seat[n] from the masks m[n] of n processes of this host. Returns
 * host_cores(). Discovering the topology takes tens of milliseconds, so one
 * process may do it for all. */
int host_seats(const struct host_mask *m, int n, struct host_seat *seat);
/* A hash of the processor's model name. */
uint64_t host_processor(void);
/* Peak resident set of this process so far, bytes. */
double host_peak_memory(void);
/* Physical memory of this host, bytes. */
double host_memory(void);
/* Memory that processes in this one's control groups can still allocate, bytes:
 * what the system has available, capped by the limits of the control groups,
 * which a batch system sets. 0: unknown. root: prefix of /proc and /sys, "" but
 * in tests. */
double host_free_memory(const char *root);
/* The host's name; static storage. */
const char *host_name(void);
/* Keeps freed memory in this process for reuse, but for the largest blocks:
 * faulting in a fresh page costs more than most steps do with it. Call once, at
 * the start. */
void host_keep_memory(void);
/* "hwloc 2.9.0" or the like; static storage. */
const char *host_hwloc_version(void);

#endif
