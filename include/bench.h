/* waferllm bench: the account of one kernel or move. */
#ifndef WL_BENCH_H
#define WL_BENCH_H

#include <jansson.h>

#include "account.h"

/* Where in its ledger a bench charges: it is of no phase, and no operator. */
#define BENCH_PHASE PHASE_LOAD
#define BENCH_OP OP_EMBED

/* A bench's grid with its ledger. */
struct bench {
	const struct options *options; /* borrowed, as is the device */
	const struct device *device;
	struct ledger ledger;
	struct grid grid;
	int m, k, n;                   /* 0: the kernel has none */
	const char *algorithm;         /* that serves it */
};

/* Charges the kernel that the options name:
 *   gemm       C[m][n] = A[m][k] B[k][n]; A's skew is charged, B comes skewed
 *   gemv       y[n] = x[k] W[k][n], with the all-reduce along y
 *   allreduce  a vector of --words words on each row, along x
 *   shift      an m x n matrix, each tile --hops columns on, core by core
 * 0, or -1 and err when a size is missing. Not collective. Free with
 * bench_fini. */
int bench_charge(struct bench *b, const struct options *o,
                 const struct device *d, struct wl_error *err);
void bench_fini(struct bench *b);

/* What came of it. Cycles and what else was charged; arithmetic's share of the
 * cycles; multiply-adds as a share of what the vector units could do. */
struct bench_result {
	struct charge charge;
	double efficiency, peak_share;
	struct verdict plmr[NPLMR];
};
struct bench_result bench_result(const struct bench *b);

/* The report, which the caller frees. seconds: of the host. */
json_t *bench_tree(const struct bench *b, const struct bench_result *r,
                   double seconds);

/* The verb, on the leader, not collective: a table on standard output, and a
 * report. 0, or -1 and err. */
int bench_run(const struct options *o, struct wl_error *err);

#endif
