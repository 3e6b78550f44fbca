/* The host machine: what it is and what this process took from it. The only
 * user of hwloc. Never emulated figures. */
#ifndef WL_HOST_H
#define WL_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Seconds of a clock that only goes forward. */
double host_seconds(void);
/* Processing units of this host; at least 1. */
int host_cores(void);
/* A number that stands for the processor's type (model name). */
uint64_t host_processor(void);
/* Most memory that this process has had in use so far, bytes. */
double host_peak_memory(void);
/* Memory of this host, bytes. */
double host_memory(void);
/* What this process frees stays with it, for its next use, but for the largest
 * blocks: a page that comes fresh from the system costs more than what most
 * steps do with it. Once, at the start. */
void host_keep_memory(void);
/* "hwloc 2.9.0" or the like; static storage. */
const char *host_hwloc_version(void);

#endif
