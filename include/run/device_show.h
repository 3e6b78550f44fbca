/* The verb device: prints the known devices, or the numbers of one. Serial,
 * without MPI. */
#ifndef WL_DEVICE_SHOW_H
#define WL_DEVICE_SHOW_H

#include <stdio.h>

#include "base/error.h"

/* Prints a table of the known devices. 0; or -1 and err if the data folder is
 * missing or a file is invalid: err names the first of these, and the table has
 * all valid ones. */
int device_list(FILE *out, struct wl_error *err);

/* Prints every number of one device with its unit, meaning and source. changes:
 * as in device_open; changed numbers are marked. 0; or -1 and err, and nothing
 * is printed. */
int device_show(const char *name, const char *const *changes, FILE *out,
                struct wl_error *err);

#endif
