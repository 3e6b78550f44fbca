/* What the options request of a run or a dry run: the checkpoint, the core
 * grids and the number of tokens. Not collective. */
#ifndef WL_REQUEST_H
#define WL_REQUEST_H

#include <limits.h>

#include "base/options.h"
#include "model/model.h"

/* Default of -n, if the context has room for so many. */
#define REQUEST_NEW_TOKENS 256

/* The path of the checkpoint: that given, or the default one in the data
 * folder, which is stored in found. NULL and err if there is none. */
const char *request_model_path(const struct options *o, char found[PATH_MAX],
                               struct wl_error *err);

/* The core grid of a phase: own (the value of --prefill-grid or --decode-grid)
 * if given, else --grid, else a default by the model's size. */
struct rxc request_grid(const struct options *o, struct rxc own,
                        const struct model *m);

/* The most tokens that prompt and answer may have together: --context, or the
 * model's context. */
int request_context(const struct options *o, const struct model *m);

/* Sets *new_tokens, at least 1: as -n says, or as many of REQUEST_NEW_TOKENS as
 * the context has room for after prompt_tokens (at least 1). Refuses more
 * tokens than the context has, and a --context above the model's except in a
 * dry run. 0, or -1 and err. */
int request_tokens(const struct options *o, const struct model *m,
                   size_t prompt_tokens, int *new_tokens, struct wl_error *err);

/* Refuses more pipeline regions than layers. 0, or -1 and err. */
int request_check_regions(const struct options *o, const struct model *m,
                          struct wl_error *err);

#endif
