/* Errors, of four kinds that are never mixed:
 *   a bug of this program  -> WL_ASSERT (debug builds only)
 *   a fault on one rank    -> wl_die: prints rank and cause, ends the job
 *   a user's mistake       -> a function returns -1 and sets a wl_error, which
 *                             callers pass up and the leader prints
 *   a system call fails on -> the same, with another exit status: disk full,
 *   a file                    quota exceeded, device broken. */
#ifndef WL_ERROR_H
#define WL_ERROR_H

#include <limits.h>
#include <stddef.h>

/* Exit status for a fault of the machine, and for a user's mistake. */
#define WL_EXIT_FAULT 1
#define WL_EXIT_USER 2

/* One line, without a newline, that names the file, field or option; and the
 * exit status. There is room for two paths and a sentence. */
struct wl_error {
	char text[2 * PATH_MAX + 1024];
	int status;
};

/* Sets e to a formatted line about a user's mistake; control characters become
 * '?'. Not collective. Always returns -1, so that callers can return it. */
int wl_error_set(struct wl_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for a system call that failed with errnum: appends ": " and the
 * system's message. errnum decides whether this is a fault of the machine or a
 * user's mistake (such as a wrong file name). */
int wl_error_system(struct wl_error *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints rank and cause on standard error and ends the whole job. May be called
 * before MPI_Init and after MPI_Finalize. Not collective. Does not return. */
_Noreturn void wl_die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* Sets the prefix of the next line on standard error (borrowed): "\n" while the
 * answer on the same screen ends in an unfinished line, else "". Not
 * collective. */
void wl_start_lines(const char *with);
/* Returns the prefix and resets it to "": the caller prints it. */
const char *wl_line_start(void);

/* Registers the temporary file to be removed if the job ends early: name
 * (borrowed) in the open folder dir; NULL: none. wl_die and signal handlers
 * remove it with wl_clean_up, which is async-signal-safe. One file at a time.
 * Not collective. */
void wl_pending(int dir, const char *name);
void wl_clean_up(void);

/* malloc, calloc, realloc and strdup that end the job when memory runs out.
 * count * size is checked for overflow; a request of zero bytes returns a
 * unique pointer. The caller frees with free(). Not collective. */
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
