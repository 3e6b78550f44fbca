/* The only place that knows HDF5. Everything else sees files with typed
 * attributes and 1-D or 2-D datasets. Errors come back as one line that names
 * the file and the object; HDF5's own error stack is silenced. */
#ifndef WL_H5FILE_H
#define WL_H5FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mpi.h>

#include "base/error.h"
#include "base/output.h"
#include "base/type.h"

struct h5file;

/* Element types of a dataset in memory and in the file (always
 * little-endian in the file). */
enum h5_type { H5_F32, H5_F16, H5_BF16, H5_U8, H5_U32, H5_I32, H5_F64,
               H5_I64 };

/* Creates path anew, as output.h does; the kind recognizes what may be
 * replaced. Serial. NULL and err on failure. What is written later may fail
 * for want of space at any time: err then has the system's reason. */
struct h5file *h5file_create(const char *path, const struct output_kind *kind,
                             struct wl_error *err);
/* Closes and renames into place. 0, or -1 and err; frees f either way. */
int h5file_commit(struct h5file *f, struct wl_error *err);

/* Opens for reading. comm MPI_COMM_NULL: serial, MPI not needed; else
 * collective over comm, every later call that opens an object is collective
 * over comm too, and reads of rows are independent. NULL and err on failure
 * (no such file, not HDF5, truncated). */
struct h5file *h5file_open(const char *path, MPI_Comm comm,
                           struct wl_error *err);
/* Closes; a file being created is deleted. NULL is allowed. */
void h5file_close(struct h5file *f);
/* Whether path is an HDF5 file that this program wrote, of a format with that
 * word in its name (the root's attribute "format"). Serial. */
bool h5file_is(const char *path, const char *word);

/* Attributes of the group or dataset object ("/" is the root; groups are
 * made on demand when writing). Readers: 0, or -1 and err when missing or of
 * another class or size. A string is copied with its NUL into s[size]. */
int h5file_put_bool(struct h5file *f, const char *object, const char *name,
                    bool v, struct wl_error *err); /* one byte, 0 or 1 */
int h5file_put_int(struct h5file *f, const char *object, const char *name,
                   int64_t v, struct wl_error *err);
int h5file_put_double(struct h5file *f, const char *object, const char *name,
                      double v, struct wl_error *err);
int h5file_put_string(struct h5file *f, const char *object, const char *name,
                      const char *v, struct wl_error *err);
int h5file_get_int(struct h5file *f, const char *object, const char *name,
                   int64_t *v, struct wl_error *err);
int h5file_get_double(struct h5file *f, const char *object, const char *name,
                      double *v, struct wl_error *err);
int h5file_get_string(struct h5file *f, const char *object, const char *name,
                      char *s, size_t size, struct wl_error *err);
/* Whether the object is there, in this file: soft and external links are not
 * followed. */
bool h5file_has(struct h5file *f, const char *object);
/* Makes a group, and those on the way to it, where there is none: for one
 * that is to be there though nothing is in it. 0, or -1 and err. */
int h5file_make_group(struct h5file *f, const char *group,
                      struct wl_error *err);
/* Objects in a group. 0, or -1 and err. */
int h5file_count(struct h5file *f, const char *group, uint64_t *n,
                 struct wl_error *err);
/* The length of a file opened for reading. */
size_t h5file_bytes(const struct h5file *f);

/* What a dataset holds. A 1-D dataset has rows == 1 and rank == 1. */
struct h5_info {
	int rank;
	size_t rows, cols;
	enum h5_type type;
};
int h5file_info(struct h5file *f, const char *dataset, struct h5_info *info,
                struct wl_error *err);

/* Writes a whole contiguous dataset of rows x cols elements (rank 1 or 2). */
int h5file_write(struct h5file *f, const char *dataset,
                 const struct h5_info *info, const void *data,
                 struct wl_error *err);
/* Writes rows [row0, row0 + n) of a 2-D dataset that grows by need: created
 * chunked by the first call, extended by later ones (for logits). */
int h5file_append_row(struct h5file *f, const char *dataset, enum h5_type type,
                      size_t cols, const void *row, struct wl_error *err);

/* Reads rows [row0, row0 + n) into data, in the file's own element type, no
 * conversion. For a 1-D dataset "rows" are its elements. */
int h5file_read_rows(struct h5file *f, const char *dataset, size_t row0,
                     size_t n, void *data, struct wl_error *err);

/* "1.10.8 parallel" or the like; static storage. */
const char *h5file_version(void);

#endif
