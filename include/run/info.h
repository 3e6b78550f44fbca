/* The verb info: describes a checkpoint. Serial, without MPI. */
#ifndef WL_INFO_H
#define WL_INFO_H

#include <stdio.h>

#include "base/error.h"

/* Prints format, origin, shape, totals, tokenizer and a table of tensors. 0; or
 * -1 and err, and nothing is printed. */
int info_print(const char *path, FILE *out, struct wl_error *err);

#endif
