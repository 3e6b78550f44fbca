/* Systems: how a model is partitioned over the wafer and run. WaferLLM's own,
 * and those that it is compared with. Not collective. */
#ifndef WL_SYSTEM_H
#define WL_SYSTEM_H

#include <stdbool.h>

#include "base/options.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/products/gemm.h"
#include "systems/baseline.h"

struct system {
	const char *name, *help;
	const struct gemm_algorithm *gemm;   /* products of the prompt */
	const struct allreduce *allreduce;   /* sums over cores */
	bool line;         /* one-dimensional partition: the cores form one
	                      line, a snake over the grid's rows */
	const struct baseline *baseline;     /* charges without data, in place
	                                        of the above; NULL: none */
};

/* Name of system i; NULL after the last. The first is the default. */
const char *system_name(size_t i);

/* Writes the names of the systems that compute or, with `accounts`, of those
 * that only charge and so need --dry-run, separated by commas. */
void system_list(char *list, size_t size, bool accounts);

/* Sets *s to the system that the options name, with the algorithms that they
 * choose. 0, or -1 and err if a name is unknown or options contradict each
 * other. */
int system_choose(const struct options *o, struct system *s,
                  struct wl_error *err);

/* Whether the system's products run on a prefill grid of this size. 0, or -1
 * and err. With `warn`, warns on standard error if they take many steps. */
int system_check_grid(const struct system *s, struct rxc prefill, bool warn,
                      struct wl_error *err);

#endif
