/* waferllm run --dry-run: the account of a request, without data. */
#ifndef WL_DRY_RUN_H
#define WL_DRY_RUN_H

#include "base/error.h"
#include "base/options.h"

/* Runs the dry run that the options describe and reports on it. On one process,
 * not collective. 0, or -1 and err. */
int dry_run(const struct options *o, struct wl_error *err);

#endif
