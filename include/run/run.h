/* The verb run: the emulated wafer continues a prompt. */
#ifndef WL_RUN_H
#define WL_RUN_H

#include "base/error.h"
#include "base/options.h"

/* Runs the model as the options say; MPI must be initialized and stays so.
 * *signal: the signal (signals.h) that ended the answer early, or 0; set on the
 * leader, world rank 0. Collective over MPI_COMM_WORLD. 0; or -1, for a user's
 * mistake, on all ranks of the rank grid, with err set at least on the leader
 * and no files left behind. */
int run(const struct options *o, int *signal, struct wl_error *err);

#endif
