/* Ways to lay a model over the wafer and run it: WaferLLM's own, and those that
 * it is compared with. One row of a table (system.c) each. Not collective. */
#ifndef WL_SYSTEM_H
#define WL_SYSTEM_H

#include <stdbool.h>

#include "base/options.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/products/gemm.h"
#include "systems/baseline.h"

struct system {
	const char *name, *help;
	const struct gemm_algorithm *gemm;   /* of prefill's products */
	const struct allreduce *allreduce;   /* of sums over cores */
	bool line;         /* the cores as one line, a snake over the grid's
	                      rows: a partition in one dimension */
	const struct baseline *baseline;     /* an account without data, instead
	                                        of all this; NULL: none */
};

/* In the table's order; NULL behind the last. */
const char *system_name(size_t i);

/* The system, and the algorithms in place of its own, that the options name.
 * 0, or -1 and err: a name is unknown, or things do not go together. */
int system_choose(const struct options *o, struct system *s,
                  struct wl_error *err);

/* Whether products on a core grid take a reasonable number of steps: 0, or -1
 * and err. With `warn`, many of them are told on standard error. */
int system_check_grid(const struct system *s, struct rxc prefill, bool warn,
                      struct wl_error *err);

#endif
