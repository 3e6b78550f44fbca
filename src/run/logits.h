/* The file of --logits: every step's token and the logits that it was chosen
 * from. HDF5: the attribute format, datasets tokens [steps] (int32) and logits
 * [steps][vocab] (float32). On the leader, not collective. */
#ifndef WL_LOGITS_H
#define WL_LOGITS_H

#include "base/error.h"
#include "base/output.h"

extern const struct output_kind logits_output;

struct logits;

/* Starts it, for at most `steps` steps of vocab logits; path gets it at the
 * end. NULL and err on failure. */
struct logits *logits_create(const char *path, int vocab, int steps,
                             struct wl_error *err);
/* Where the next step's logits [vocab] are to be put; owned by l. */
float *logits_row(struct logits *l);
/* Adds the step whose logits lie there, and whose token is id. 0, or -1 and
 * err. */
int logits_append(struct logits *l, int id, struct wl_error *err);
/* Puts the file in place. Frees l always. 0, or -1 and err. */
int logits_commit(struct logits *l, struct wl_error *err);
/* Leaves no file, and frees l. NULL is allowed. */
void logits_cancel(struct logits *l);

#endif
