/* The host machine: what it is and what this process took from it. The only
 * user of hwloc. Never emulated figures. */
#ifndef WL_HOST_H
#define WL_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Seconds of a clock that only goes forward. */
double host_seconds(void);
/* Processing units of this host that may be used; at least 1. */
int host_cores(void);

/* The processors that a process may run on, by the system's numbers; those
 * beyond are left out. */
#define HOST_PROCESSORS 4096
struct host_mask {
	uint64_t bits[HOST_PROCESSORS / 64];
};
/* Of this process; empty where the system does not say. */
void host_mask(struct host_mask *m);

/* What a process is bound to: the socket, and the core, from 0, near ones in a
 * row; -1: to none, it may run on several. A process that may run on all of
 * the host is bound to nothing. */
struct host_seat {
	int socket, core;
};
/* The seats of n processes of this host, and what host_cores() gives. Looking
 * at a host takes tens of milliseconds: one process may do it for others. */
int host_seats(const struct host_mask *m, int n, struct host_seat *seat);
/* A number that stands for the processor's type (model name). */
uint64_t host_processor(void);
/* Most memory that this process has had in use so far, bytes. */
double host_peak_memory(void);
/* Memory of this host, bytes. */
double host_memory(void);
/* What of it this process and those beside it can still have, bytes: by the
 * system's count, and no more than the limits of its control groups, which a
 * batch system sets. 0: the system does not say. root: what stands before
 * /proc and /sys, "" but in tests. */
double host_free_memory(const char *root);
/* The host's name; static storage. */
const char *host_name(void);
/* What this process frees stays with it, for its next use, but for the largest
 * blocks: a page that comes fresh from the system costs more than what most
 * steps do with it. Once, at the start. */
void host_keep_memory(void);
/* "hwloc 2.9.0" or the like; static storage. */
const char *host_hwloc_version(void);

#endif
