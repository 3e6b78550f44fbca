/* Large blocks of memory: weights, and what they move through. They wish for
 * huge pages, of which a processor finds the place of 2 MiB as fast as that of
 * 4 KiB. */
#ifndef WL_HUGE_H
#define WL_HUGE_H

#include <stddef.h>

/* As wl_malloc, to be freed with huge_free. Not collective. */
void *huge_malloc(size_t count, size_t size);
void huge_free(void *block);

#endif
