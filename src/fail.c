#include "config.h"
#include "fail.h"

#include <mpi.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "printable.h"

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

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	/* The text may quote file names and fields that a file made up. */
	printable_mask(e->text);
	return -1;
}

static const char *volatile pending;

void wl_pending(const char *path)
{
	pending = path;
}

void wl_clean_up(void)
{
	if (pending)
		unlink(pending);
}

void wl_die_at(const char *file, int line, const char *fmt, ...)
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
		fprintf(stderr, "%swaferllm: rank %d: %s (%s:%d)\n",
		        wl_line_start(), rank, cause, file, line);
		fflush(stderr);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	fprintf(stderr, "waferllm: %s (%s:%d)\n", cause, file, line);
	exit(1);
}

static void *checked(void *p, size_t count, size_t size)
{
	if (!p)
		wl_die("out of memory: %zu x %zu bytes", count, size);
	return p;
}

/* Bytes of the request; at least 1, so that NULL always means failure. */
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
