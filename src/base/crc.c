#include "config.h"
#include "base/crc.h"

#include <stdio.h>
#include <zlib.h>

#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#define LIBDEFLATE LIBDEFLATE_VERSION_STRING
#else
#define LIBDEFLATE "none"
#endif

uint32_t wl_crc32(uint32_t crc, const void *data, size_t n)
{
	/* data may be NULL, which both libraries treat as a request for the
	 * initial value. */
	if (n == 0)
		return crc;
#ifdef HAVE_LIBDEFLATE
	return libdeflate_crc32(crc, data, n);
#else
	return crc32_z(crc, data, n);
#endif
}

uint32_t wl_crc32_join(uint32_t crc, uint32_t next, uint64_t bytes)
{
	return crc32_combine(crc, next, bytes);
}

const char *wl_crc32_libraries(void)
{
	static char text[64];

	snprintf(text, sizeof text, "zlib %s\nlibdeflate %s", zlibVersion(),
	         LIBDEFLATE);
	return text;
}
