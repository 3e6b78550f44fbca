/* The tensors in foreign files: a table of their names, types and positions,
 * and reads of their data. Readers of the formats enter tensors from untrusted
 * files, so each position is checked against the file's size. Serial. */
#ifndef WL_SOURCE_H
#define WL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

/* Element types of foreign tensors, little-endian. Those from Q8_0 on are
 * GGUF's packed types, blocks of elements along a row (unpack.h). */
enum source_type {
	SOURCE_F32, SOURCE_F16, SOURCE_BF16, SOURCE_Q8_0, SOURCE_Q4_0,
	SOURCE_Q4_1, SOURCE_Q5_0, SOURCE_Q5_1, SOURCE_Q2_K, SOURCE_Q3_K,
	SOURCE_Q4_K, SOURCE_Q5_K, SOURCE_Q6_K, SOURCE_IQ4_NL, SOURCE_IQ4_XS,
	SOURCE_NTYPES
};

/* The checkpoint type that represents every value of t exactly. */
enum wl_type source_exact(enum source_type t);
/* The type's name, e.g. "Q8_0". Static storage. */
const char *source_type_name(enum source_type t);
/* Bytes of a row of n < 2^59 elements; 0 when n is not a multiple of the
 * block length. */
uint64_t source_row_bytes(enum source_type t, uint64_t n);
/* Converts n elements, whole blocks, to float. */
void source_to_f32(float *to, const void *from, enum source_type t, size_t n);

struct source_tensor {
	char *name;           /* as in the file */
	int file;             /* index among the sources' files */
	uint64_t at;          /* byte offset of the first row in the file */
	enum source_type type;
	bool vector;          /* 1-D: rows is 1 */
	uint64_t rows, cols;  /* row-major; 0 with odd */
	char *odd;            /* why its elements cannot be read; NULL: they
	                       * can. A file may have such a tensor as long
	                       * as the model does not need it. */
	bool used;            /* source_find returned it */
};

/* All tensors of a model, in one or more files. */
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

/* Opens a regular file for reading and adds it. Returns its index, or -1 and
 * err naming path. sources_fini closes it. */
int source_add_file(struct sources *s, const char *path, struct wl_error *err);
/* Reads n bytes at offset `at` of a file. 0, or -1 and err. */
int source_read(const struct sources *s, int file, uint64_t at, void *to,
                size_t n, struct wl_error *err);
/* Adds a tensor; its name and odd are copied. 0, or -1 and err when an extent
 * is zero or above 2^31, the row length is not a multiple of the block length,
 * or its bytes are not within its file. Odd tensors are not checked. */
int source_add(struct sources *s, const struct source_tensor *t,
               struct wl_error *err);
/* Sorts the tensors by name, which source_find and source_peek need. 0, or -1
 * and err when tensors share bytes of a file or a name occurs twice. */
int source_index(struct sources *s, struct wl_error *err);
/* The tensor of that name, NULL when there is none; owned by s. source_find
 * marks it as used. */
struct source_tensor *source_find(struct sources *s, const char *name);
struct source_tensor *source_peek(const struct sources *s, const char *name);
/* Closes the files and frees everything. */
void sources_fini(struct sources *s);

#endif
