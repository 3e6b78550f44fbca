/* Untrusted JSON files: bounded in size, with errors of one line. Not
 * collective. */
#ifndef WL_JSONFILE_H
#define WL_JSONFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Reads the JSON object in a file of at most max_bytes; duplicate keys are
 * refused. flags: further flags of jansson's decoder. The caller frees with
 * json_decref. NULL and err, which names path and line, on failure. Uses memory
 * in proportion to the file. */
json_t *jsonfile_read(const char *path, size_t max_bytes, size_t flags,
                      struct wl_error *err);

/* An object of a file, for the readers below. */
struct jsonfile_at {
	json_t *object;
	const char *path;
	const char *in;      /* prefix of keys in messages, such as ""
	                        or "rope_scaling." */
	struct wl_error *err;
};

/* The kinds of JSON files that options take, and one that is mistaken for
 * them. */
enum json_kind { JSON_SHAPE, JSON_DEVICE, JSON_HF_CONFIG, JSON_NKINDS };

/* Refuses an object that has keys of exactly one kind, if that is not the
 * wanted one; err says what to do with it. 0, or -1 and err. */
int jsonfile_refuse_other(const struct jsonfile_at *a, enum json_kind wanted);
/* Refuses members whose key is not in keys, a list that ends with NULL. 0, or
 * -1 and err, which names the key. */
int jsonfile_refuse_unknown(const struct jsonfile_at *a,
                            const char *const *keys);
/* The member (borrowed); NULL if it is absent or null. */
json_t *jsonfile_get(const json_t *object, const char *key);
/* Read a member into *to, which is unchanged if the member is absent or null.
 * 0, or -1 and err if it is of another type. Integers are 1..INT_MAX. */
int jsonfile_int(const struct jsonfile_at *a, const char *key, int *to);
int jsonfile_real(const struct jsonfile_at *a, const char *key, double *to);
int jsonfile_bool(const struct jsonfile_at *a, const char *key, bool *to);

#endif
