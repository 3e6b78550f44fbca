/* --grid auto: the core grids with the most tokens per second for a request.
 * Not collective. */
#ifndef WL_AUTOGRID_H
#define WL_AUTOGRID_H

#include "dry_request.h"
#include "report/report.h"

/* Fills in r's sides and regions; all else in it is given. Of all pairs of
 * square grids, up to the device's shorter side (4096 at most), that violate
 * nothing by the account of the whole request, those with the fewest cycles;
 * among equals the smallest prefill grid, then the smallest decode grid. A
 * grid in which the layers do not fit is repeated over the wafer, as the fewest
 * pipeline regions that do. A request without decode has one grid. Pairs that
 * cannot win by their bounds are left out. Says on standard error how far it
 * is, unless quiet. 0, or -1 and err when no pair does, with what the nearest
 * lacks. */
int autogrid_choose(struct dry_request *r, struct auto_result *result,
                    bool quiet, struct wl_error *err);

#endif
