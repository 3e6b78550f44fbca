/* Regular files, read by position. Not collective. */
#ifndef WL_FILE_H
#define WL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Opens a regular file for reading. Returns its descriptor, which the caller
 * closes, and its length in *bytes; -1 and err on failure. Does not wait for
 * the other end of a FIFO, which is refused as anything but a regular file. */
int file_open(const char *path, uint64_t *bytes, struct wl_error *err);

/* Reads n bytes at offset at; path is for messages. 0, or -1 and err: also
 * when the file ends before. */
int file_read(int fd, const char *path, uint64_t at, void *to, size_t n,
              struct wl_error *err);

/* All of a regular file that has at most so many bytes: *size bytes, which the
 * caller frees. NULL and err naming path otherwise. */
void *file_read_whole(const char *path, size_t max, size_t *size,
                      struct wl_error *err);

#endif
