/* The checkpoint: one HDF5 file with the model's shape, its tokenizer and its
 * tensors. data/README describes the schema. Each tensor is one contiguous
 * k-major dataset (model.h), stored in loading order, with the CRC-32 (zlib's)
 * of its bytes as attribute "crc32". Writing is serial; reading is collective
 * over the communicator where a function says so. */
#ifndef WL_CHECKPOINT_H
#define WL_CHECKPOINT_H

#include <mpi.h>
#include <stdint.h>

#include "base/error.h"
#include "base/output.h"
#include "model/model.h"
#include "text/vocab.h"

/* The format version that is written. Versions 1 and up are read. */
#define WL_CHECKPOINT_VERSION 2

struct checkpoint;

/* The checkpoint as a kind of output file (output.h). */
extern const struct output_kind checkpoint_output;

/* Starts a new checkpoint, which replaces path when it is committed (output.h).
 * Writes the model and the vocabulary; origin is a line of free text, kept as
 * an attribute. Serial. NULL and err on failure. The caller passes the result
 * to checkpoint_commit or checkpoint_close. */
struct checkpoint *checkpoint_create(const char *path, const struct model *m,
                                     const struct vocab *v, const char *origin,
                                     struct wl_error *err);
/* Writes one whole tensor: data[rows * cols], k-major, elements of type t in
 * little-endian order (see wl_from_f32). Call once per tensor, in the order of
 * model_each_tensor. Serial. 0, or -1 and err. */
int checkpoint_write(struct checkpoint *c, enum tensor_kind kind, int layer,
                     const void *data, enum wl_type t, struct wl_error *err);
/* Checks that every tensor was written, closes the file and renames it to its
 * path. Frees c in either case. Serial. 0, or -1 and err. */
int checkpoint_commit(struct checkpoint *c, struct wl_error *err);

/* Opens a checkpoint and checks its format, version and shape, and that every
 * tensor is present with the right shape and type. Collective over comm as
 * h5file_open is. NULL and err on failure. The caller frees with
 * checkpoint_close. */
struct checkpoint *checkpoint_open(const char *path, MPI_Comm comm,
                                   struct wl_error *err);
/* Closes and frees; a checkpoint that was not committed is deleted. c may be
 * NULL. Collective if opened collectively. */
void checkpoint_close(struct checkpoint *c);

/* Properties of an open checkpoint. Strings and model are owned by c. Not
 * collective. */
const struct model *checkpoint_model(const struct checkpoint *c);
/* The format version of the file. */
int checkpoint_version(const struct checkpoint *c);
const char *checkpoint_path(const struct checkpoint *c);
/* The line of text given to checkpoint_create. */
const char *checkpoint_origin(const struct checkpoint *c);
/* The element type and the CRC-32 of a tensor that the model has. */
enum wl_type checkpoint_type(const struct checkpoint *c, enum tensor_kind kind,
                             int layer);
uint32_t checkpoint_crc(const struct checkpoint *c, enum tensor_kind kind,
                        int layer);
/* Reads the vocabulary and checks that its offsets lie within its text; the
 * caller checks the rest with vocab_check and frees it with vocab_fini. 0, or
 * -1 and err. */
int checkpoint_read_vocab(struct checkpoint *c, struct vocab *v,
                          struct wl_error *err);
/* Reads rows [row0, row0 + n) of a tensor into data, in the tensor's own
 * element type. The rows of a vector are its elements. Not collective (but see
 * h5file_open). 0, or -1 and err. */
int checkpoint_read_rows(struct checkpoint *c, enum tensor_kind kind, int layer,
                         size_t row0, size_t n, void *data,
                         struct wl_error *err);

#endif
