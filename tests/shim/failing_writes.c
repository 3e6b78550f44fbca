/* Emulates a failing disk, when preloaded. For each file whose path contains
 * FAILING_FILE, the system call that FAILING_CALL names (pwrite, fsync, close
 * or rename) fails with the errno FAILING_ERRNO; a write fails when the file
 * would grow beyond FAILING_BYTES. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int chosen(const char *call)
{
	const char *name = getenv("FAILING_CALL");

	return name && !strcmp(name, call);
}

static int ours(int fd)
{
	char link[64], path[8192];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	return strstr(path, getenv("FAILING_FILE")) != NULL;
}

static int fail(void)
{
	errno = atoi(getenv("FAILING_ERRNO"));
	return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	ssize_t (*real)(int, const void *, size_t, off_t) =
		dlsym(RTLD_NEXT, "pwrite");
	off_t max = chosen("pwrite") ? atol(getenv("FAILING_BYTES")) : 0;

	if (!chosen("pwrite") || !ours(fd) || at + (off_t)n <= max)
		return real(fd, bytes, n, at);
	/* A full disk still writes as much as fits. */
	return at < max ? real(fd, bytes, max - at, at) : fail();
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	return pwrite(fd, bytes, n, at);
}

int fsync(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "fsync");

	return chosen("fsync") && ours(fd) ? fail() : real(fd);
}

int close(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "close");

	if (!chosen("close") || !ours(fd))
		return real(fd);
	real(fd);
	return fail();
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int (*real)(int, const char *, int, const char *) =
		dlsym(RTLD_NEXT, "renameat");

	return chosen("rename") ? fail() : real(from_dir, from, to_dir, to);
}
