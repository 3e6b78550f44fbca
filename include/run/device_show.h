/* What `waferllm device` says about devices. Serial, without MPI. */
#ifndef WL_DEVICE_SHOW_H
#define WL_DEVICE_SHOW_H

#include <stdio.h>

#include "base/error.h"

/* A table of the known devices. 0; -1 and err if there are no data, or the
 * first file that is wrong, after all others were shown. */
int device_list(FILE *out, struct wl_error *err);

/* Every number of one device with its unit, meaning and source; changes: as of
 * device_open, shown as such. Nothing is printed on failure. 0, or -1 and
 * err. */
int device_show(const char *name, const char *const *changes, FILE *out,
                struct wl_error *err);

#endif
