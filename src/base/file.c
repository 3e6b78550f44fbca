#include "config.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open(const char *path, uint64_t *bytes, struct wl_error *err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		wl_error_system(err, errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		wl_error_set(err, "%s: %snot a regular file", path,
		             S_ISDIR(st.st_mode) ? "is a directory, " : "");
	else {
		*bytes = st.st_size;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

int file_read(int fd, const char *path, uint64_t at, void *to, size_t n,
              struct wl_error *err)
{
	char *p = to;

	while (n > 0) {
		ssize_t got = pread(fd, p, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return wl_error_system(err, errno, "%s", path);
		if (got == 0)
			return wl_error_set(err, "%s: became shorter while it"
			                    " was being read", path);
		p += got;
		at += got;
		n -= got;
	}
	return 0;
}

void *file_read_whole(const char *path, size_t max, size_t *size,
                      struct wl_error *err)
{
	uint64_t bytes;
	void *data = NULL;
	int fd = file_open(path, &bytes, err);

	if (fd < 0)
		return NULL;
	if (bytes > max) {
		wl_error_set(err, "%s: more than %zu bytes, the limit for"
		             " such a file", path, max);
	} else {
		*size = bytes;
		data = wl_malloc(*size, 1);
		if (file_read(fd, path, 0, data, *size, err)) {
			free(data);
			data = NULL;
		}
	}
	close(fd);
	return data;
}
