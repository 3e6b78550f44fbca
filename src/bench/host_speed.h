/* The limits of the host for one process: how fast it reads memory, and how
 * many fp32 operations it does when nothing has to be fetched. Nothing
 * emulated, no MPI. */
#ifndef WL_HOST_SPEED_H
#define WL_HOST_SPEED_H

#include <stddef.h>

/* A multiple of this many bytes is read. */
#define HOST_SPEED_BYTES 256

/* Memory to read, all of it touched, in large pages where there are such;
 * free it with free(). */
void *host_speed_buffer(size_t bytes);
/* Reads all of it once. */
void host_speed_read(const void *buffer, size_t bytes);

/* Multiply-adds in registers, about 12e9 operations; returns how many. */
double host_speed_compute(void);
/* The vector unit that does them, "AVX-512" or the like; static storage. */
const char *host_speed_unit(void);

#endif
