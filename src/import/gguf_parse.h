/* The parsed start of a GGUF file. For gguf.c and gguf_split.c only. */
#ifndef WL_GGUF_PARSE_H
#define WL_GGUF_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "gguf.h"

#define GGUF_MAX_NAME 64 /* bytes of a tensor's name */

/* Types of metadata values, numbered as in the format. */
enum gguf_type {
	GGUF_UINT8, GGUF_INT8, GGUF_UINT16, GGUF_INT16, GGUF_UINT32,
	GGUF_INT32, GGUF_FLOAT32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY,
	GGUF_UINT64, GGUF_INT64, GGUF_FLOAT64, GGUF_NTYPES
};

/* A type's name, e.g. "uint8", and the bytes of a value; 0 for strings and
 * arrays. */
struct gguf_type_info {
	const char *name;
	unsigned char size;
};
extern const struct gguf_type_info gguf_types[GGUF_NTYPES];

struct gguf_pair {
	const char *key;
	size_t key_len;
	uint32_t type;              /* of the value or the array's elements */
	bool array;
	uint64_t n;                 /* number of values; 1 unless an array */
	const unsigned char *value; /* the first value */
	size_t bytes;               /* of all values */
};

struct gguf_tensor {
	char name[GGUF_MAX_NAME + 1];
	bool vector;
	uint64_t rows, cols;
	uint32_t type;
	uint64_t offset;            /* bytes, from the start of the data */
};

struct gguf {
	char *path;
	unsigned char *head;        /* the part that gguf_open read */
	struct gguf_pair *pair;     /* [n_pairs], sorted by key */
	size_t n_pairs, pair_room;
	struct gguf_tensor *tensor; /* [n_tensors] */
	size_t n_tensors, tensor_room;
	uint64_t data;              /* offset of the tensor data, bytes */
};

/* Parses head[size], the start of a file of file_bytes, up to the tensor data.
 * g must be empty except for its path; head must outlive it. Sets g->data to
 * the end of the last tensor's entry. 0, or -1 and err; *more says whether more
 * of the file's start is needed. */
int gguf_parse(struct gguf *g, const void *head, size_t size,
               uint64_t file_bytes, bool *more, struct wl_error *err);
/* The pair with that key; NULL when there is none. */
const struct gguf_pair *gguf_find(const struct gguf *g, const char *key);
/* The little-endian number of size bytes at p. */
uint64_t gguf_number(const unsigned char *p, size_t size);

#endif
