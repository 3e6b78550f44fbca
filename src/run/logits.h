/* The file of --logits: for each step the chosen token and the logits that it
 * was chosen from. HDF5: the attribute format, and the datasets tokens [steps]
 * (int32) and logits [steps][vocab] (float32). Leader only, not collective. */
#ifndef WL_LOGITS_H
#define WL_LOGITS_H

#include "base/error.h"
#include "base/output.h"

extern const struct output_kind logits_output;

struct logits;

/* Creates a temporary file for at most `steps` steps of vocab logits, which
 * logits_commit renames to path. NULL and err on failure. */
struct logits *logits_create(const char *path, int vocab, int steps,
                             struct wl_error *err);
/* The buffer for the next step's logits [vocab]; owned by l. */
float *logits_row(struct logits *l);
/* Appends a step: the logits in the buffer and the token id. 0, or -1 and err.
 */
int logits_append(struct logits *l, int id, struct wl_error *err);
/* Completes the file and renames it to its path. Always frees l. 0, or -1 and
 * err. */
int logits_commit(struct logits *l, struct wl_error *err);
/* Removes the temporary file and frees l, which may be NULL. */
void logits_cancel(struct logits *l);

#endif
