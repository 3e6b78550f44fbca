/* The only user of HDF5. The rest of the program sees files with typed
 * attributes and 1-D or 2-D datasets. Errors are one line that names the file
 * and the object; HDF5's own error stack is not printed. int functions return
 * 0, or -1 and err, and are not collective, unless stated otherwise. */
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

/* Creates the file, following the rules of output.h; `kind` recognizes the
 * files that it may replace. On one process. NULL and err on failure. Later
 * writes may fail for lack of space: err then has the system's reason. */
struct h5file *h5file_create(const char *path, const struct output_kind *kind,
                             struct wl_error *err);
/* Closes the file and renames it into place. Frees f even on failure. */
int h5file_commit(struct h5file *f, struct wl_error *err);

/* Opens a file for reading. With comm MPI_COMM_NULL, on one process, which
 * needs no MPI. Otherwise collective over comm; later calls are then collective
 * over comm, too, but h5file_read_rows only on the first use of a dataset. NULL
 * and err on failure (no such file, not HDF5, truncated). */
struct h5file *h5file_open(const char *path, MPI_Comm comm,
                           struct wl_error *err);
/* Closes the file and frees f; deletes a file being created. NULL is
 * allowed. */
void h5file_close(struct h5file *f);
/* Whether path is an HDF5 file that this program wrote, with that word in the
 * name of its format (the root's attribute "format"). On one process. */
bool h5file_is(const char *path, const char *word);

/* Attributes of a group or dataset ("/" is the root). Writing creates missing
 * groups. Reading fails if the attribute is missing or of another class or
 * size. A string is copied with its NUL into s[size]. */
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
/* Whether the object exists in this file; soft and external links are not
 * followed. */
bool h5file_has(struct h5file *f, const char *object);
/* Creates a group and its parents where missing; needed only for a group that
 * stays empty. */
int h5file_make_group(struct h5file *f, const char *group,
                      struct wl_error *err);
/* Sets *n to the number of objects in a group. */
int h5file_count(struct h5file *f, const char *group, uint64_t *n,
                 struct wl_error *err);
/* The length of a file opened for reading, bytes. */
size_t h5file_bytes(const struct h5file *f);

/* Shape and type of a dataset. A 1-D dataset has rank == 1 and rows == 1. */
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
/* Appends one row of cols elements to a 2-D dataset, which the first call
 * creates, in chunks of a row (for logits). */
int h5file_append_row(struct h5file *f, const char *dataset, enum h5_type type,
                      size_t cols, const void *row, struct wl_error *err);

/* Reads rows [row0, row0 + n) into data, in the element type of the file. The
 * rows of a 1-D dataset are its elements. */
int h5file_read_rows(struct h5file *f, const char *dataset, size_t row0,
                     size_t n, void *data, struct wl_error *err);

/* Such as "1.10.8 parallel"; static storage. */
const char *h5file_version(void);

#endif
