/* --grid auto: finds the core grids on which a request has the most tokens per
 * second. Not collective. */
#ifndef WL_AUTOGRID_H
#define WL_AUTOGRID_H

#include "dry_request.h"
#include "report/report.h"

/* Sets the grids and regions of r, from its other fields. Searches all pairs of
 * square grids, up to the device's shorter side (at most 4096), skipping pairs
 * whose lower bounds cannot win. Chooses the pair with the fewest cycles among
 * those whose account of the whole request has no violation; of equal pairs
 * the one with the smallest prefill grid, then the smallest decode grid. If the
 * layers do not fit in one grid, it uses the fewest pipeline regions in which
 * they do. A request without decode has one grid. Reports progress on standard
 * error unless quiet. result: counts for the report. 0; or -1 if no pair is
 * feasible, with err naming the closest one and what it lacks. */
int autogrid_choose(struct dry_request *r, struct auto_result *result,
                    bool quiet, struct wl_error *err);

#endif
