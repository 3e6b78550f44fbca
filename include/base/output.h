/* Files that a run writes. One function decides for all of them what may stand
 * at a path: nothing, an empty file, a file of the kind that is about to be
 * written, a character device or a pipe. Links are followed. A file is written beside
 * its place and renamed, so that the place holds all of it or what it held
 * before; devices and pipes get their bytes at the end.
 *
 * On one process, not collective. */
#ifndef WL_OUTPUT_H
#define WL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* What is to be written; of static storage. */
struct output_kind {
	const char *noun;     /* "report": in messages */
	const char *option;   /* that names the file; NULL: an operand does */
	bool (*recognize)(const char *path); /* whether a file is of the kind */
	bool durable;         /* is in place only once the disk has it */
};

/* The run reads what path names, - for standard input, if there is such a file:
 * no output will replace it. NULL is allowed. */
void output_spare(const char *path);

/* Decides whether path may be written, and remembers it: another kind of
 * output at the same place is refused. To be called before the run begins.
 * 0, or -1 and err, which names the option. */
int output_check(const char *path, const struct output_kind *kind,
                 struct wl_error *err);
/* Whether path is a character device or a pipe: what is written to it has no
 * ending of a name to go by. */
bool output_is_device(const char *path);

struct output;

/* Decides again and makes an empty file to write into. One at a time. NULL and
 * err on failure; else output_commit or output_cancel frees it. */
struct output *output_begin(const char *path, const struct output_kind *kind,
                            struct wl_error *err);
/* Its descriptor, for reading and writing; borrowed. */
int output_fd(const struct output *o);
/* Writes n bytes at offset `at`. 0, or an errno. */
int output_write(const struct output *o, const void *bytes, size_t n,
                 size_t at);
/* Fills err with the reason why o could not be written. Returns -1. */
int output_failed(const struct output *o, int errnum, struct wl_error *err);
/* Puts it in place. 0, or -1 and err: nothing of it is left then. */
int output_commit(struct output *o, struct wl_error *err);
/* Leaves nothing of it. NULL is allowed. */
void output_cancel(struct output *o);

#endif
