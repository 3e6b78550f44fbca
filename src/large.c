#include "config.h"
#include "large.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fail.h"

/* From so many bytes on a block is large. */
#define LARGE_LEAST ((size_t)64 << 10)
/* Blocks begin at multiples. */
#define LARGE_ALIGN ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)
/* A region's bytes, unless a block needs more. What no block has used takes
 * addresses only. */
#define REGION_BYTES ((size_t)64 << 20)

/* A part of a region: a block, or a hole between two. What is known of them
 * lies elsewhere, so that looking for a place touches none of their pages. */
struct extent {
	struct extent *prev, *next;
	size_t at, bytes;
	bool hole;
};

struct region {
	struct region *next;
	char *base;
	size_t bytes;
	size_t used;     /* what lies behind was never written: zeros */
	struct extent *first;
};

static struct region *regions;

/* Sanitizers watch over malloc's blocks. */
#if defined __SANITIZE_ADDRESS__
#define WATCHED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifndef WATCHED
#define WATCHED 0
#endif

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static bool is_small(size_t count, size_t size)
{
	return WATCHED || !size || count < LARGE_LEAST / size ||
	       count > SIZE_MAX / 2 / size;
}

static struct extent *extent_new(size_t at, size_t bytes)
{
	struct extent *p = wl_calloc(1, sizeof *p);

	p->at = at;
	p->bytes = bytes;
	p->hole = true;
	return p;
}

/* Addresses that begin at a huge page. */
static char *map(size_t bytes)
{
	char *p = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		wl_die("out of memory: %zu bytes", bytes);
	size_t before = -(uintptr_t)p % HUGE_PAGE;

	if (before)
		munmap(p, before);
	if (before < HUGE_PAGE)
		munmap(p + before + bytes, HUGE_PAGE - before);
	/* A wish: without it pages are small. */
	madvise(p + before, bytes, MADV_HUGEPAGE);
	return p + before;
}

static struct region *region_new(size_t least)
{
	struct region *r = wl_calloc(1, sizeof *r), **last = &regions;

	r->bytes = least > REGION_BYTES ? round_up(least, HUGE_PAGE)
	                                : REGION_BYTES;
	r->base = map(r->bytes);
	r->first = extent_new(0, r->bytes);
	while (*last)
		last = &(*last)->next;
	return *last = r;
}

/* The first hole with room, in any region. */
static struct extent *find_hole(struct region **r, size_t bytes)
{
	for (*r = regions; *r; *r = (*r)->next)
		for (struct extent *p = (*r)->first; p; p = p->next)
			if (p->hole && p->bytes >= bytes)
				return p;
	*r = region_new(bytes);
	return (*r)->first;
}

/* Leaves what p has beyond bytes as a hole of its own. */
static void cut(struct extent *p, size_t bytes)
{
	if (p->bytes == bytes)
		return;
	struct extent *rest = extent_new(p->at + bytes, p->bytes - bytes);

	rest->prev = p;
	rest->next = p->next;
	if (p->next)
		p->next->prev = rest;
	p->next = rest;
	p->bytes = bytes;
}

/* Makes two holes, one behind the other, one. */
static void join(struct extent *p)
{
	struct extent *next = p ? p->next : NULL;

	if (!next || !p->hole || !next->hole)
		return;
	p->bytes += next->bytes;
	p->next = next->next;
	if (p->next)
		p->next->prev = p;
	free(next);
}

static void *take(size_t count, size_t size, bool zeroed)
{
	size_t bytes = round_up(count * size, LARGE_ALIGN), end;
	struct region *r;
	struct extent *p = find_hole(&r, bytes);

	cut(p, bytes);
	p->hole = false;
	end = p->at + bytes;
	if (zeroed && r->used > p->at)
		memset(r->base + p->at, 0,
		       (r->used < end ? r->used : end) - p->at);
	r->used = r->used > end ? r->used : end;
	return r->base + p->at;
}

void *large_malloc(size_t count, size_t size)
{
	return is_small(count, size) ? wl_malloc(count, size)
	                             : take(count, size, false);
}

void *large_calloc(size_t count, size_t size)
{
	return is_small(count, size) ? wl_calloc(count, size)
	                             : take(count, size, true);
}

/* Where the pointer to the region that p lies in is kept; NULL: in none. */
static struct region **find_region(const char *p)
{
	for (struct region **r = &regions; *r; r = &(*r)->next)
		if (p >= (*r)->base && p < (*r)->base + (*r)->bytes)
			return r;
	return NULL;
}

/* Gives the memory of a region without blocks back. */
static void drop_if_empty(struct region **at)
{
	struct region *r = *at;

	if (!r->first->hole || r->first->next)
		return;
	*at = r->next;
	munmap(r->base, r->bytes);
	free(r->first);
	free(r);
}

void large_free(void *block)
{
	char *at = block;
	struct region **r = at ? find_region(at) : NULL;

	if (!r) {
		free(block);
		return;
	}
	struct extent *p = (*r)->first;

	while (p->at != (size_t)(at - (*r)->base))
		p = p->next;
	p->hole = true;
	join(p);
	join(p->prev);
	drop_if_empty(r);
}
