/* CRC-32 as zlib has it, the checksum of a checkpoint's arrays: by libdeflate,
 * several times as fast, where the build has it. */
#ifndef WL_CRC_H
#define WL_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The sum of what crc is the sum of (0: nothing) and n bytes behind it. Not
 * collective. */
uint32_t wl_crc32(uint32_t crc, const void *data, size_t n);

/* The sum of two pieces, one behind the other, by their sums and the bytes of
 * the second. */
uint32_t wl_crc32_join(uint32_t crc, uint32_t next, uint64_t bytes);

/* "zlib VERSION", and a second line: "libdeflate VERSION", or none. */
const char *wl_crc32_libraries(void);

#endif
