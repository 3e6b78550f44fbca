/* CRC-32 as in zlib, the checksum of a checkpoint's arrays. Computed by
 * libdeflate, which is several times faster, if built with it. */
#ifndef WL_CRC_H
#define WL_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Extends a checksum (0: of no bytes) by n bytes of data. Not collective. */
uint32_t wl_crc32(uint32_t crc, const void *data, size_t n);

/* The checksum of two consecutive pieces: crc is that of the first, next that
 * of the second, which has so many bytes. */
uint32_t wl_crc32_join(uint32_t crc, uint32_t next, uint64_t bytes);

/* Two lines, "zlib VERSION" and "libdeflate VERSION" or "libdeflate none";
 * static storage. */
const char *wl_crc32_libraries(void);

#endif
