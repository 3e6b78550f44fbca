#include "config.h"
#include "base/error.h"

#include <errno.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/printable.h"

static const char *line_start = "";

void wl_start_lines(const char *with)
{
	line_start = with;
}

const char *wl_line_start(void)
{
	const char *start = line_start;

	line_start = "";
	return start;
}

int wl_error_set(struct wl_error *e, const char *fmt, ...)
{
	va_list ap;

	e->status = WL_EXIT_USER;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	/* The text may quote file names and fields of an untrusted file. */
	printable_mask(e->text);
	return -1;
}

/* Whether errnum is a fault of the machine rather than a user's mistake. */
static bool is_fault(int errnum)
{
	static const int faults[] = {
		ENOSPC, EDQUOT, EIO, EFBIG, ENOMEM, EMFILE, ENFILE, EPIPE,
		ENXIO, ENODEV, ESTALE,
	};

	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		if (faults[i] == errnum)
			return true;
	return false;
}

int wl_error_system(struct wl_error *e, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	e->status = is_fault(errnum) ? WL_EXIT_FAULT : WL_EXIT_USER;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(errnum));
	printable_mask(e->text);
	return -1;
}

static volatile int pending_dir;
static const char *volatile pending;

void wl_pending(int dir, const char *name)
{
	pending = NULL;
	pending_dir = dir;
	pending = name;
}

void wl_clean_up(void)
{
	if (pending)
		unlinkat(pending_dir, pending, 0);
}

void wl_die(const char *fmt, ...)
{
	char cause[1024];
	va_list ap;
	int up = 0, down = 0, rank = -1;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof cause, fmt, ap);
	va_end(ap);
	printable_mask(cause);
	wl_clean_up();
	MPI_Initialized(&up);
	MPI_Finalized(&down);
	if (up && !down) {
		MPI_Comm_rank(MPI_COMM_WORLD, &rank);
		fprintf(stderr, "%swaferllm: rank %d: %s\n",
		        wl_line_start(), rank, cause);
		fflush(stderr);
		MPI_Abort(MPI_COMM_WORLD, WL_EXIT_FAULT);
	}
	fprintf(stderr, "waferllm: %s\n", cause);
	exit(WL_EXIT_FAULT);
}

static void *checked(void *p, size_t count, size_t size)
{
	if (!p)
		wl_die("out of memory: %zu x %zu bytes", count, size);
	return p;
}

/* Bytes of a request; at least 1, so that NULL always means failure. */
static size_t product(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		wl_die("out of memory: %zu x %zu bytes", count, size);

	size_t bytes = count * size;

	return bytes ? bytes : 1;
}

void *wl_malloc(size_t count, size_t size)
{
	return checked(malloc(product(count, size)), count, size);
}

void *wl_calloc(size_t count, size_t size)
{
	return checked(calloc(1, product(count, size)), count, size);
}

void *wl_realloc(void *p, size_t count, size_t size)
{
	return checked(realloc(p, product(count, size)), count, size);
}

char *wl_strdup(const char *s)
{
	return strcpy(wl_malloc(strlen(s) + 1, 1), s);
}
