/* Files that a run writes. A file may be written where there is nothing, an
 * empty file, a file of the same kind, a character device or a pipe; links are
 * followed. It is written under a temporary name in the same folder and renamed
 * when complete, so that the path always has the complete new file or the old
 * one. Devices and pipes receive all bytes at the end.
 *
 * On one process, not collective. */
#ifndef WL_OUTPUT_H
#define WL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A kind of output; static storage. */
struct output_kind {
	const char *noun;     /* in messages, such as "report" */
	const char *option;   /* that names the file; NULL: an operand */
	bool (*recognize)(const char *path); /* whether a file is of the kind */
	bool durable;         /* sync to disk before renaming */
};

/* Declares path an input of the run ("-": standard input), which no output may
 * replace. Ignored if there is no such file; NULL is allowed. */
void output_spare(const char *path);

/* Checks that path may be written, and reserves it: another kind of output at
 * the same path is refused later. Call before the run begins. 0, or -1 and err,
 * which names the option. */
int output_check(const char *path, const struct output_kind *kind,
                 struct wl_error *err);
/* Whether path is a character device or a pipe, so that a suffix of its name
 * says nothing about the format. */
bool output_is_device(const char *path);

struct output;

/* Checks path again and creates an empty temporary file. One at a time. NULL
 * and err on failure; otherwise output_commit or output_cancel frees it. */
struct output *output_begin(const char *path, const struct output_kind *kind,
                            struct wl_error *err);
/* The descriptor, open for reading and writing; borrowed. */
int output_fd(const struct output *o);
/* Writes n bytes at offset `at`. 0, or an errno. */
int output_write(const struct output *o, const void *bytes, size_t n,
                 size_t at);
/* Sets err: o could not be written because of errnum. Returns -1. */
int output_failed(const struct output *o, int errnum, struct wl_error *err);
/* Moves the file to its path and frees o. On failure -1 and err, and nothing is
 * left of the new file. */
int output_commit(struct output *o, struct wl_error *err);
/* Removes the temporary file and frees o. NULL is allowed. */
void output_cancel(struct output *o);

#endif
