/* The checkpoint: one HDF5 file with the model's shape, its tokenizer and its
 * tensors. data/README describes the schema. Tensors are k-major (model.h),
 * one contiguous dataset each, in the order in which they are loaded, each
 * with the CRC-32 (zlib's) of its bytes as attribute "crc32". */
#ifndef WL_CHECKPOINT_H
#define WL_CHECKPOINT_H

#include <mpi.h>
#include <stdint.h>

#include "base/error.h"
#include "base/output.h"
#include "model/model.h"
#include "text/vocab.h"

/* What is written; those from 1 on are read. */
#define WL_CHECKPOINT_VERSION 2

struct checkpoint;

extern const struct output_kind checkpoint_output;

/* Starts a new checkpoint at path, as output.h does. origin is a
 * line of free text kept as an attribute. Serial. NULL and err on failure. */
struct checkpoint *checkpoint_create(const char *path, const struct model *m,
                                     const struct vocab *v, const char *origin,
                                     struct wl_error *err);
/* Writes one whole tensor, data[rows*cols] k-major, little-endian elements of
 * type t as they are to be stored (see wl_from_f32). Tensors come in
 * model_each_tensor's order. 0, or -1 and err. */
int checkpoint_write(struct checkpoint *c, enum tensor_kind kind, int layer,
                     const void *data, enum wl_type t, struct wl_error *err);
/* Checks that every tensor was written, closes, renames. Frees c always. */
int checkpoint_commit(struct checkpoint *c, struct wl_error *err);

/* Opens for reading and checks format, version, shape and the presence,
 * shape and type of every tensor. comm as for h5file_open. */
struct checkpoint *checkpoint_open(const char *path, MPI_Comm comm,
                                   struct wl_error *err);
/* Closes; a checkpoint being written is dropped, nothing is left behind. */
void checkpoint_close(struct checkpoint *c);

const struct model *checkpoint_model(const struct checkpoint *c);
/* The version of the file's format. */
int checkpoint_version(const struct checkpoint *c);
const char *checkpoint_path(const struct checkpoint *c);
/* The line of text given to checkpoint_create; owned by c. */
const char *checkpoint_origin(const struct checkpoint *c);
enum wl_type checkpoint_type(const struct checkpoint *c, enum tensor_kind kind,
                             int layer);
uint32_t checkpoint_crc(const struct checkpoint *c, enum tensor_kind kind,
                        int layer);
/* Reads the vocabulary, whose texts lie within bounds; all else is for
 * vocab_check. The caller frees it with vocab_fini. */
int checkpoint_read_vocab(struct checkpoint *c, struct vocab *v,
                          struct wl_error *err);
/* Reads rows [row0, row0+n) of a tensor in its own element type. Independent
 * (but see h5file_open). A vector's rows are its elements. */
int checkpoint_read_rows(struct checkpoint *c, enum tensor_kind kind, int layer,
                         size_t row0, size_t n, void *data,
                         struct wl_error *err);

#endif
