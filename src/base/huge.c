#include "config.h"
#include "base/huge.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

/* From so many bytes on a block is large. */
#define LARGE_LEAST ((size_t)64 << 10)
#define LINE 64
#define HUGE_PAGE ((uintptr_t)2 << 20)

/* A wish: without it pages are small. For all of the heap behind the block at
 * once: malloc writes behind it, and a huge page must be wished for before any
 * of it is written. */
static void wish_for_huge_pages(char *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
	char *first = block - (uintptr_t)block % HUGE_PAGE;
	char *heap = sbrk(0), *end = block + bytes;

	madvise(first, (end < heap ? heap : end) - first, MADV_HUGEPAGE);
#endif
}

/* Aligned by hand, with what malloc returned in front: where one of glibc's
 * aligned blocks was, no other one of its size finds room. */
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
	if (bytes >= LARGE_LEAST)
		wish_for_huge_pages(whole, bytes);
	return block;
}

void huge_free(void *block)
{
	if (block)
		free(((void **)block)[-1]);
}
