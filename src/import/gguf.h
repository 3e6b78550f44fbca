/* Reader of the GGUF format, versions 2 and 3, little-endian: metadata as typed
 * key-value pairs, a table of tensors, tensor data. Private to src/import. */
#ifndef WL_GGUF_H
#define WL_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "import/source.h"

struct gguf;

/* Reads and checks everything before the tensor data. NULL and err naming
 * path and key on failure. The caller frees with gguf_close. Memory: a few
 * times the size of that part of the file. */
struct gguf *gguf_open(const char *path, struct wl_error *err);
/* The same from head[size], the start of a file of file_bytes; head must
 * outlive the result. On failure *more says whether more of the file's start is
 * needed. path is for messages. */
struct gguf *gguf_read(const char *path, const void *head, size_t size,
                       uint64_t file_bytes, bool *more, struct wl_error *err);
void gguf_close(struct gguf *g);
/* Owned by g. */
const char *gguf_path(const struct gguf *g);

/* Key i in sorted order; NULL after the last. Not NUL-terminated; owned by
 * g. */
const char *gguf_key(const struct gguf *g, size_t i, size_t *len);
bool gguf_has(const struct gguf *g, const char *key);
/* Read a scalar: 0, or -1 and err when the key is missing, has another type
 * or, for integers, is outside [lo, hi]. gguf_get_int accepts every integer
 * type, gguf_get_real float32 and float64. */
int gguf_get_int(const struct gguf *g, const char *key, int64_t lo, int64_t hi,
                 int64_t *v, struct wl_error *err);
int gguf_get_real(const struct gguf *g, const char *key, double *v,
                  struct wl_error *err);
int gguf_get_bool(const struct gguf *g, const char *key, bool *v,
                  struct wl_error *err);
/* *s is not NUL-terminated and points into g. */
int gguf_get_string(const struct gguf *g, const char *key, const char **s,
                    size_t *len, struct wl_error *err);

/* Whether s[len] equals text. */
bool gguf_text_is(const char *s, size_t len, const char *text);

/* Sets err to say that string s[len], found in `where`, is not supported.
 * Returns -1. */
int gguf_refuse(const struct gguf *g, const char *where, const char *s,
                size_t len, struct wl_error *err);

/* An array of strings, float32, or 32-bit integers: 0, or -1 and err when the
 * key is missing or has another type. Iterate with the gguf_next functions, at
 * most n times; they cannot fail, since gguf_open has checked the array. */
enum gguf_array { GGUF_STRINGS, GGUF_FLOATS, GGUF_INTS };
struct gguf_walk {
	uint64_t n;                 /* elements */
	const unsigned char *next;
};
int gguf_get_array(const struct gguf *g, const char *key,
                   enum gguf_array kind, struct gguf_walk *w,
                   struct wl_error *err);
const char *gguf_next_string(struct gguf_walk *w, size_t *len);
float gguf_next_float(struct gguf_walk *w);
int32_t gguf_next_int(struct gguf_walk *w);

/* Adds all tensors to s. Unsupported element types are refused by name. 0, or
 * -1 and err naming the tensor. */
int gguf_add_tensors(const struct gguf *g, struct sources *s,
                     struct wl_error *err);

#endif
