/* --grid auto: the core grids with the most tokens per second for a request.
 * Not collective. */
#ifndef WL_AUTOGRID_H
#define WL_AUTOGRID_H

#include "dry_request.h"
#include "report.h"

/* Fills in r's sides and regions; all else in it is given. Tried are, for each
 * phase, the square grids at whose side some tile gets smaller (between two of
 * them only ways get longer), decode at a sample of its steps; then whole
 * requests on the best grids of both, and on one grid for both. A grid in
 * which the layers do not fit is repeated over the wafer, as pipeline regions.
 * 0, or -1 and err when no grid of the device holds the model. */
int autogrid_choose(struct dry_request *r, struct auto_result *result,
                    struct wl_error *err);

#endif
