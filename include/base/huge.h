/* Large blocks of memory, for weights and their buffers. Requests huge pages:
 * one TLB entry then maps 2 MiB instead of 4 KiB. */
#ifndef WL_HUGE_H
#define WL_HUGE_H

#include <stddef.h>

/* Like wl_malloc, aligned to a cache line; free with huge_free. NULL may be
 * freed. Not collective. */
void *huge_malloc(size_t count, size_t size);
void huge_free(void *block);

#endif
