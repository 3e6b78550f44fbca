/* What `waferllm shape` says about shapes of models. Serial, without MPI. */
#ifndef WL_SHAPE_SHOW_H
#define WL_SHAPE_SHOW_H

#include <stdio.h>

#include "base/error.h"

/* A table of the known shapes. 0; -1 and err if there are no data, or the first
 * file that is wrong, after all others were shown. */
int shape_list(FILE *out, struct wl_error *err);

/* Every number of one shape, the bytes of its weights and of a token's keys and
 * values in each element type, and its source. Nothing is printed on failure.
 * 0, or -1 and err. */
int shape_show(const char *name, FILE *out, struct wl_error *err);

#endif
