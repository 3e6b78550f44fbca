/* Regular files, read by position. Not collective. */
#ifndef WL_FILE_H
#define WL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Opens a regular file for reading. Returns a descriptor, which the caller
 * closes, and sets *bytes to the file's length; -1 and err on failure. Anything
 * but a regular file is refused; a FIFO does not block. */
int file_open(const char *path, uint64_t *bytes, struct wl_error *err);

/* Reads n bytes from offset `at`; path is for messages. 0, or -1 and err, also
 * if the file ends before. */
int file_read(int fd, const char *path, uint64_t at, void *to, size_t n,
              struct wl_error *err);

/* Reads a whole regular file of at most max bytes and sets *size to its length.
 * The caller frees. NULL and err, which names path, on failure. */
void *file_read_whole(const char *path, size_t max, size_t *size,
                      struct wl_error *err);

#endif
