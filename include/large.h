/* Large blocks of memory: weights, and what they move through. They lie close
 * together in a few regions of huge pages, and what one gives back the next
 * one gets: the system zeroes a page when it is first used, which takes as long
 * as filling it, and a page of 2 MiB takes as long to find as one of 4 KiB. */
#ifndef WL_LARGE_H
#define WL_LARGE_H

#include <stddef.h>

/* As wl_malloc and wl_calloc, but to be freed with large_free. Small blocks
 * are theirs. Not collective. */
void *large_malloc(size_t count, size_t size);
void *large_calloc(size_t count, size_t size);
/* NULL: nothing. */
void large_free(void *p);

#endif
