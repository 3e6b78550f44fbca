/* How things go wrong, in four kinds that are never mixed:
 *   our own bug            -> WL_ASSERT (debug builds only)
 *   a fault on one rank    -> wl_die: says who and why, ends the whole job
 *   the user's mistake     -> a function returns -1 and fills a wl_error;
 *                             the caller hands it up, the leader prints it
 *   a file that the system -> the same, with another exit status: a disk is
 *   fails to write or read    full, a quota reached, a device broken. */
#ifndef WL_ERROR_H
#define WL_ERROR_H

#include <limits.h>
#include <stddef.h>

/* Exit status for a fault of the machine, and for a user's mistake. */
#define WL_EXIT_FAULT 1
#define WL_EXIT_USER 2

/* One line, without a newline, that names the file, field or option, and what
 * the program exits with. There is room for two paths and a sentence. */
struct wl_error {
	char text[2 * PATH_MAX + 1024];
	int status;
};

/* Fills e with a formatted line (control characters become '?') about a
 * mistake of the user's.
 * Not collective. Always returns -1, so that callers can return it. */
int wl_error_set(struct wl_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same with ": " and the system's reason behind it, for a call that failed
 * with errnum. Whether it counts as a fault of the machine, or as a user's
 * mistake (a wrong name, say), follows from errnum. */
int wl_error_system(struct wl_error *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Ends the whole job after printing rank and cause to stderr. Safe to call
 * before MPI_Init and after MPI_Finalize. Not collective. No return. */
_Noreturn void wl_die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* What the next line on standard error begins with (borrowed): "\n" while the
 * answer stands in the middle of a line on the same screen, else "". Not
 * collective. */
void wl_start_lines(const char *with);
/* Returns it, once: the line that is printed ends the one that was open. */
const char *wl_line_start(void);

/* The temporary file that there is (borrowed), a name in the folder that dir
 * is open on, or NULL: it is removed when the job ends early, by wl_die and,
 * after a signal, by wl_clean_up, which does only what a signal handler may.
 * One at a time. Not collective. */
void wl_pending(int dir, const char *name);
void wl_clean_up(void);

/* malloc/calloc/realloc that end the job when memory runs out. count * size
 * is checked for overflow; a zero-sized request returns a unique pointer.
 * The caller frees with free(). Not collective. */
void *wl_malloc(size_t count, size_t size);
void *wl_calloc(size_t count, size_t size);
void *wl_realloc(void *p, size_t count, size_t size);
char *wl_strdup(const char *s);

#ifdef WL_DEBUG
#define WL_ASSERT(c) ((c) ? (void)0 : wl_die("assertion failed: %s (%s:%d)", \
	                                     #c, __FILE__, __LINE__))
#else
#define WL_ASSERT(c) ((void)0)
#endif

#endif
