/* Tensors in someone else's file: where each lies, looked up by name, and
 * read block by block. Nothing here trusts a reader's caller: a tensor is
 * entered with its place, and refused if its bytes are not in the file. */
#ifndef WL_SOURCE_H
#define WL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

/* Element types of foreign tensors, little-endian. From Q8_0 on they are GGUF's
 * packed ones, blocks of elements along a row: see unpack.h. */
enum source_type {
	SOURCE_F32, SOURCE_F16, SOURCE_BF16, SOURCE_Q8_0, SOURCE_Q4_0,
	SOURCE_Q4_1, SOURCE_Q5_0, SOURCE_Q5_1, SOURCE_Q2_K, SOURCE_Q3_K,
	SOURCE_Q4_K, SOURCE_Q5_K, SOURCE_Q6_K, SOURCE_IQ4_NL, SOURCE_IQ4_XS,
	SOURCE_NTYPES
};

/* The checkpoint type that holds every value of t exactly. */
enum wl_type source_exact(enum source_type t);
const char *source_type_name(enum source_type t);
/* Bytes of a row of n elements; 0 when n is no whole number of blocks.
 * n < 2^59. */
uint64_t source_row_bytes(enum source_type t, uint64_t n);
/* n elements, whole blocks, to floats: the values that the type defines. */
void source_to_f32(float *to, const void *from, enum source_type t, size_t n);

struct source_tensor {
	char *name;           /* as the file has it */
	int file;             /* index among the sources' files */
	uint64_t at;          /* byte offset of the first row in the file */
	enum source_type type;
	bool vector;          /* 1-D: rows is 1 */
	uint64_t rows, cols;  /* row-major; 0 with odd */
	char *odd;            /* why its elements cannot be read; NULL: they
	                       * can. Such a tensor may lie in the file, but
	                       * no model can need it. */
	bool used;            /* looked up by source_find */
};

/* All tensors of a model, over one or more files. */
struct sources {
	struct source_file {
		char *path;
		int fd;
		uint64_t bytes;
	} *file;
	int n_files;
	struct source_tensor *tensor; /* sorted by name after source_index */
	size_t n, room;
};

/* Opens a regular file for reading and adds it; its index, or -1 and err
 * naming path. Closed by sources_fini. */
int source_add_file(struct sources *s, const char *path, struct wl_error *err);
/* Reads n bytes at offset `at` of a file; 0, or -1 and err. */
int source_read(const struct sources *s, int file, uint64_t at, void *to,
                size_t n, struct wl_error *err);
/* Adds a tensor (its name and odd are copied). 0, or -1 and err when the
 * extents are zero or above 2^31, a row is no whole number of blocks, or its
 * bytes do not lie within its file; of an odd one nothing is checked. */
int source_add(struct sources *s, const struct source_tensor *t,
               struct wl_error *err);
/* Sorts by name. Tensors that share bytes of a file and names that stand
 * there twice are refused. 0, or -1 and err. */
int source_index(struct sources *s, struct wl_error *err);
/* The tensor of that name, marked as used, or left as it is; NULL when there
 * is none. */
struct source_tensor *source_find(struct sources *s, const char *name);
struct source_tensor *source_peek(const struct sources *s, const char *name);
void sources_fini(struct sources *s);

#endif
