#include "config.h"
#include "base/huge.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

/* Smallest block for which huge pages are requested, bytes. */
#define LARGE_MIN ((size_t)64 << 10)
#define LINE 64
#define HUGE_PAGE ((uintptr_t)2 << 20)

/* Requests huge pages; must precede the first touch. Covers the heap from the
 * block to its end, because malloc's header of the next block touches the page
 * after this one. A failure does no harm: the pages stay small. */
static void request_huge_pages(char *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
	char *first = block - (uintptr_t)block % HUGE_PAGE;
	char *heap = sbrk(0), *end = block + bytes;

	madvise(first, (end < heap ? heap : end) - first, MADV_HUGEPAGE);
#endif
}

/* Aligned by hand, with malloc's pointer stored in front of the block: glibc
 * cannot reuse the space of a freed aligned block for another aligned block of
 * the same size. */
void *huge_malloc(size_t count, size_t size)
{
	if (size && count > (SIZE_MAX - 2 * LINE) / size)
		wl_die("out of memory: %zu x %zu bytes", count, size);
	size_t bytes = count * size + 2 * LINE;
	void *whole = malloc(bytes);

	if (!whole)
		wl_die("out of memory: %zu x %zu bytes", count, size);
	void **block = (void **)(((uintptr_t)whole / LINE + 2) * LINE);

	block[-1] = whole;
	if (bytes >= LARGE_MIN)
		request_huge_pages(whole, bytes);
	return block;
}

void huge_free(void *block)
{
	if (block)
		free(((void **)block)[-1]);
}
