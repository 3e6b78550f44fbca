/* The verb shape: prints the known model shapes, or the numbers of one. Serial,
 * without MPI. */
#ifndef WL_SHAPE_SHOW_H
#define WL_SHAPE_SHOW_H

#include <stdio.h>

#include "base/error.h"

/* Prints a table of the known shapes. 0; or -1 and err if the data folder is
 * missing or a file is invalid: err names the first of these, and the table has
 * all valid ones. */
int shape_list(FILE *out, struct wl_error *err);

/* Prints every number of one shape, its source, and the bytes of its weights
 * and of a token's keys and values in each element type. 0; or -1 and err, and
 * nothing is printed. */
int shape_show(const char *name, FILE *out, struct wl_error *err);

#endif
