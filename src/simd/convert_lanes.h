/* Conversions of whole vectors, for one level of lanes.h. */
#ifndef WL_CONVERT_LANES_H
#define WL_CONVERT_LANES_H

#include "lanes.h"

/* Convert as many whole vectors as n elements fill; return the number of
 * elements converted. size: bytes of a stored element. */
LANES_INLINE size_t widen(float *dst, const char *src, size_t n,
                          const size_t size, lanes_load *load)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		lanes_put(dst + i, load(src + i * size));
	return i;
}

LANES_INLINE size_t narrow(char *dst, const float *src, size_t n,
                           const size_t size, lanes_store *store)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		store(dst + i * size, lanes_f32(src + i));
	return i;
}

#define MAKE_WIDEN(name, load, store, bytes)                                  \
	LANES_TARGET static size_t name(float *dst, const void *src, size_t n) \
	{                                                                     \
		return widen(dst, src, n, bytes, load);                       \
	}
#define MAKE_NARROW(name, load, store, bytes)                                 \
	LANES_TARGET static size_t name(void *dst, const float *src, size_t n) \
	{                                                                     \
		return narrow(dst, src, n, bytes, store);                     \
	}

LANES_TYPES(MAKE_WIDEN, widen)
LANES_TYPES(MAKE_NARROW, narrow)

#endif
