/* How things go wrong, in three kinds that are never mixed:
 *   our own bug          -> WL_ASSERT (debug builds only)
 *   a fault on one rank  -> wl_die: says who and why, ends the whole job
 *   the user's mistake   -> a function returns -1 and fills a wl_error;
 *                           the caller hands it up, the leader prints it. */
#ifndef WL_FAIL_H
#define WL_FAIL_H

#include <stddef.h>

/* Exit status for a user's mistake. */
#define WL_EXIT_USER 2

/* One line, without a newline, that names the file, field or option. */
struct wl_error {
	char text[1024];
};

/* Fills e with a formatted line (control characters become '?').
 * Not collective. Always returns -1, so that callers can return it. */
int wl_error_set(struct wl_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Ends the whole job after printing rank, place and cause to stderr. Safe to
 * call before MPI_Init and after MPI_Finalize. Not collective. No return. */
#define wl_die(...) wl_die_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void wl_die_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What the next line on standard error begins with (borrowed): "\n" while the
 * answer stands in the middle of a line on the same screen, else "". Not
 * collective. */
void wl_start_lines(const char *with);
/* Returns it, once: the line that is printed ends the one that was open. */
const char *wl_line_start(void);

/* The temporary file that there is (borrowed), or NULL: it is removed when the
 * job ends early, by wl_die and, after a signal, by wl_clean_up, which does
 * only what a signal handler may. One at a time. Not collective. */
void wl_pending(const char *path);
void wl_clean_up(void);

/* malloc/calloc/realloc that end the job when memory runs out. count * size
 * is checked for overflow; a zero-sized request returns a unique pointer.
 * The caller frees with free(). Not collective. */
void *wl_malloc(size_t count, size_t size);
void *wl_calloc(size_t count, size_t size);
void *wl_realloc(void *p, size_t count, size_t size);
char *wl_strdup(const char *s);

#ifdef WL_DEBUG
#define WL_ASSERT(c) ((c) ? (void)0 : wl_die("assertion failed: %s", #c))
#else
#define WL_ASSERT(c) ((void)0)
#endif

#endif
