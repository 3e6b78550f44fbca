/* waferllm bench: one kernel, by one or several algorithms, with its account
 * and, unless it is a dry run, with data. To add a kernel: a row of the table
 * in bench_kernels.c. */
#ifndef WL_BENCH_H
#define WL_BENCH_H

#include <jansson.h>
#include <stdio.h>

#include "grid/gemv_matrix.h"
#include "grid/tiles.h"
#include "mpi_kernels/products/gemm.h"
#include "report/account.h"

/* Where in its ledger a bench charges: it is of no phase, and no operator. */
#define BENCH_PHASE PHASE_LOAD
#define BENCH_OP OP_EMBED

/* ScaLAPACK, which is on no wafer: the choice of an algorithm. */
#define BENCH_HOST_ONLY ((size_t)-1)
#define BENCH_SCALAPACK "scalapack"

/* One kernel by one algorithm, on its grid with its ledger. */
struct bench {
	const struct options *options; /* borrowed, as all pointers here */
	const struct device *device;
	const struct mesh *mesh;       /* NULL: a dry run */
	const struct bench_kernel *kernel;
	size_t choice;                 /* of its algorithms */
	int m, k, n;                   /* 0: the kernel has none */
	struct noc *noc;               /* owned, as is all that follows */
	struct ledger ledger;
	struct grid grid;
	/* Operands, between a kernel's open and close. */
	struct tiles a, b, c;
	struct gemv_matrix w;
	float *x, *y;
	size_t stride;
};

/* What bench can run. Operands are numbers that follow from their places. */
struct bench_kernel {
	const char *name;
	const char *sizes;             /* those of "mkn" that it has */
	bool words, hops;              /* whether it needs the option */
	bool blocks;                   /* cuts a dimension in gemm_blocks */
	bool scalapack;                /* ScaLAPACK computes the same */
	/* The number of its algorithms, and each one's name and description;
	 * `usual` is run when none is named. */
	size_t (*count)(void);
	struct bench_algorithm {
		const char *name, *alias, *help; /* alias: or NULL */
	} (*algorithm)(size_t i);
	const char *usual;
	/* Makes operands; runs the kernel once; frees them. The ledger is
	 * charged, and, but for a dry run, data are computed. Collective. */
	void (*open)(struct bench *b);
	void (*run)(struct bench *b);
	void (*close)(struct bench *b);
	/* The largest error of what this rank holds, against the one-core
	 * reference, and what roundings allow; as parts of the sum of the
	 * terms' magnitudes. After run. Not collective. */
	double (*error)(const struct bench *b, double *allowed);
	/* Floating-point operations; NULL: none. */
	double (*operations)(const struct bench *b);
};

/* Kernel i of the table; NULL after the last. */
const struct bench_kernel *bench_kernel_at(size_t i);

/* The kernel of that name; NULL and err if there is none. */
const struct bench_kernel *bench_kernel_find(const char *name,
                                             struct wl_error *err);

/* Writes the operands that bench takes: the kernels' names, then "host". */
void bench_list(char *list, size_t size, const char *separator);

/* The element of operand A (0) or B (1) at a place of the whole. */
float bench_element(int operand, int64_t at);
/* The gemm kernel's judgement of C's element: as error above. */
double bench_gemm_error(const struct bench *b, struct range rows,
                        struct range columns, float (*c)(void *of, int row,
                        int column), void *of, double *allowed);

/* Everything in b that does not depend on the algorithm; mesh NULL: a dry run.
 * 0, or -1 and err when a size is missing or too large. */
int bench_set_up(struct bench *b, const struct options *o,
                 const struct device *d, const struct mesh *mesh,
                 struct wl_error *err);

/* The algorithms that the options choose, which the caller frees; their number
 * in *n. NULL and err when a name is wrong. */
size_t *bench_choose(const struct options *o, const struct bench_kernel *k,
                     size_t *n, struct wl_error *err);

/* An empty ledger, and the grid over the ranks that there are, for one of the
 * algorithms. Free with bench_fini. */
void bench_start(struct bench *b, size_t choice);

/* Charges the kernel that the options name, by one algorithm (NULL: the usual
 * one), without data. 0, or -1 and err when a size is missing. Not collective.
 * Free with bench_fini. */
int bench_charge(struct bench *b, const struct options *o,
                 const struct device *d, const char *algorithm,
                 struct wl_error *err);
void bench_fini(struct bench *b);

/* What came of it. */
struct bench_result {
	const char *algorithm;
	bool emulated;               /* not by ScaLAPACK */
	struct charge charge;
	double seconds;              /* emulated */
	double efficiency;           /* arithmetic's share of the cycles */
	double peak_share;           /* multiply-adds / what the vector units
	                                could do in that time */
	uint64_t sram_bytes;
	int routes;
	struct verdict plmr[NPLMR];
	bool overflow;               /* of 64 bits */
	/* Of the host; 0: not run. */
	double host_median, host_min; /* seconds */
	double host_gflops;          /* by the median */
	double error, allowed;       /* allowed 0: not checked */
};
struct bench_result bench_result(const struct bench *b);

/* The kernel by one algorithm with data, --repeat times, of which the first is
 * charged. Collective over the mesh. */
struct bench_result bench_run_data(struct bench *b, size_t choice);

/* The same product by ScaLAPACK, for the host's speed alone. Collective over
 * the mesh. 0, or -1 and err. */
int bench_run_scalapack(struct bench *b, struct bench_result *r,
                        struct wl_error *err);

/* A table of n results. */
void bench_print(const struct bench *b, const struct bench_result *results,
                 size_t n, FILE *out);

/* The report of n results, which the caller frees. seconds: of the host, in
 * all; ranks: that ran. */
json_t *bench_tree(const struct bench *b, const struct bench_result *r,
                   size_t n, double seconds, int ranks);

/* bench host, which has no kernel: what memory and arithmetic of this machine
 * give to all ranks at once, on standard output and as a report. Collective
 * over MPI_COMM_WORLD. 0, or -1 on all ranks and err. */
int bench_speed_run(const struct options *o, struct wl_error *err);

/* The verb: a table on standard output, and a report, both from the leader.
 * Collective over MPI_COMM_WORLD. 0, or -1 on all ranks and err. */
int bench_run(const struct options *o, struct wl_error *err);

#endif
