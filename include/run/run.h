/* The verb run: a prompt goes in, the emulated wafer answers. */
#ifndef WL_RUN_H
#define WL_RUN_H

#include "base/error.h"
#include "base/options.h"

/* Runs as o says. *signal: what cut the text short (signals.h), or 0; told to
 * the leader. Collective over MPI_COMM_WORLD; MPI is initialized and stays so.
 * 0, or -1 on all ranks that took part, with err set on the leader
 * (world rank 0) at least: a user's mistake, nothing was left behind. */
int run(const struct options *o, int *signal, struct wl_error *err);

#endif
