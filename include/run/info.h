/* What `waferllm info MODEL.h5` says about a checkpoint. */
#ifndef WL_INFO_H
#define WL_INFO_H

#include <stdio.h>

#include "base/error.h"

/* Prints format, origin, shape, totals, tokenizer and a table of tensors.
 * Nothing is printed on failure. Serial, without MPI. 0, or -1 and err. */
int info_print(const char *path, FILE *out, struct wl_error *err);

#endif
