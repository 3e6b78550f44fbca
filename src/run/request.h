/* What is decided before a request runs, dry or not: which checkpoint, which
 * core grids, how many tokens. Not collective. */
#ifndef WL_REQUEST_H
#define WL_REQUEST_H

#include <limits.h>

#include "base/options.h"
#include "model/model.h"

/* New tokens when -n is not given and the context allows it. */
#define REQUEST_NEW_TOKENS 256

/* The checkpoint to run: returns the one that is named, or found, the path of
 * the default one in the folder of data. NULL and err: neither is there. */
const char *request_model_path(const struct options *o, char found[PATH_MAX],
                            struct wl_error *err);

/* The core grid of a phase: as one of its options says, own (--prefill-grid or
 * --decode-grid) before --grid, else one that suits the model. */
struct rxc request_grid(const struct options *o, struct rxc own,
                     const struct model *m);

/* Tokens that prompt and answer may have together: as --context says, or the
 * model's. */
int request_context(const struct options *o, const struct model *m);

/* Whether the context admits a prompt of so many tokens (at least 1) and the
 * new ones that are asked for, or of a default at least one; --context exceeds
 * the model's in a dry run only. Sets *new_tokens, at least 1. 0, or -1 and
 * err. */
int request_tokens(const struct options *o, const struct model *m,
                size_t prompt_tokens, int *new_tokens, struct wl_error *err);

/* Whether there are no more pipeline regions than layers. 0, or -1 and err. */
int request_check_regions(const struct options *o, const struct model *m,
                       struct wl_error *err);

#endif
