/* JSON files from elsewhere: read with a bound on their size, then looked
 * into with errors of one line. */
#ifndef WL_JSONFILE_H
#define WL_JSONFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The object that a file of at most max_bytes holds. A key that stands there
 * twice is refused; flags: jansson's, beside that. NULL and err naming path
 * and line. The caller frees with json_decref. Memory: in proportion to the
 * file. */
json_t *jsonfile_read(const char *path, size_t max_bytes, size_t flags,
                      struct wl_error *err);

/* An object of a file, for the readers below. */
struct jsonfile_at {
	json_t *object;
	const char *path;
	const char *in;      /* for messages: "" or e.g. "rope_scaling." */
	struct wl_error *err;
};

/* The files of JSON that options take, and one that people take for them. */
enum json_kind { JSON_SHAPE, JSON_DEVICE, JSON_HF_CONFIG, JSON_NKINDS };

/* Refuses an object whose keys are those of another kind than the wanted one,
 * and says what to do with it. One that looks like none, or like several of
 * them, passes. 0, or -1 and err. */
int jsonfile_refuse_other(const struct jsonfile_at *a, enum json_kind wanted);
/* Refuses a member that is not among keys, which NULL ends. 0, or -1 and err
 * naming it. */
int jsonfile_refuse_unknown(const struct jsonfile_at *a,
                            const char *const *keys);
/* The member, NULL when it is absent or null. */
json_t *jsonfile_get(const json_t *object, const char *key);
/* Readers of members: *to is left alone when the member is absent or null. 0,
 * or -1 and err when it is of another type. Integers are 1..INT_MAX. */
int jsonfile_int(const struct jsonfile_at *a, const char *key, int *to);
int jsonfile_real(const struct jsonfile_at *a, const char *key, double *to);
int jsonfile_bool(const struct jsonfile_at *a, const char *key, bool *to);

#endif
