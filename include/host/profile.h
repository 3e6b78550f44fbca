/* Where a rank's time goes: host seconds by phase, operator and kind of
 * activity. Exactly one bucket is open at any time, and changing the bucket
 * reads the clock once, so a phase's buckets add up to its time. Host time
 * only; emulated time is in the ledger.
 *
 * With a NULL profile every call returns at once. Not collective, unless a
 * function says so. */
#ifndef WL_PROFILE_H
#define WL_PROFILE_H

#include <mpi.h>
#include <stdio.h>

#include "base/phase.h"

/* Exchange is a rank's own work in a move: packing, copying, sending, adding
 * received partial sums. Wait is time blocked for another rank, including MPI's
 * copying of received data. While loading, exchange is the redistribution of
 * the weights, waiting included. Everything else is compute. */
#define PROFILE_KINDS_LIST(KIND)      \
	KIND(PROFILE_COMPUTE, "compute")   \
	KIND(PROFILE_EXCHANGE, "exchange") \
	KIND(PROFILE_WAIT, "wait")

enum profile_kind {
#define KIND(id, name) id,
	PROFILE_KINDS_LIST(KIND)
#undef KIND
	PROFILE_KINDS
};

/* Time outside operators: printing, sampling, control. */
#define PROFILE_NO_OP NOPS
#define PROFILE_OPS (NOPS + 1)

struct profile_times {
	double seconds[NPHASES][PROFILE_OPS][PROFILE_KINDS];
};

struct profile {
	struct profile_times times;
	double *open;        /* bucket; NULL before start and after stop */
	double since;        /* host_seconds() when it was opened */
	enum phase phase;
	int op;              /* enum op or PROFILE_NO_OP */
	enum profile_kind kind;
};

/* Open the first bucket, of loading, and close the last. */
void profile_start(struct profile *p);
void profile_stop(struct profile *p);

/* Sets the phase and the operator from now on; op may be PROFILE_NO_OP. The
 * ledger calls it as its observer (struct ledger), hence void *profile. */
void profile_take(void *profile, enum phase phase, int op);

/* Sets the kind of activity; used by the two functions below. */
void profile_turn(struct profile *p, enum profile_kind kind);

/* The rank's activity is of that kind until profile_leave. Returns the previous
 * kind, which the matching profile_leave restores; pairs may nest. */
static inline enum profile_kind profile_enter(struct profile *p,
                                              enum profile_kind kind)
{
	enum profile_kind before = p ? p->kind : kind;

	if (p)
		profile_turn(p, kind);
	return before;
}

static inline void profile_leave(struct profile *p, enum profile_kind before)
{
	if (p)
		profile_turn(p, before);
}

/* Seconds over all ranks. */
struct profile_figure {
	double min, mean, max;
	int rank;            /* lowest rank with the maximum */
};

/* One column per kind, then one for all kinds together. */
#define PROFILE_COLUMNS (PROFILE_KINDS + 1)

struct profile_row {
	struct profile_figure column[PROFILE_COLUMNS];
};

/* The means of the rows in op add up to those of all. */
struct profile_phase {
	struct profile_row op[PROFILE_OPS], all;
	/* Operators too small to be shown one by one (bits 1 << op), and their
	 * sum. */
	unsigned minor;
	struct profile_row rest;
};

struct profile_summary {
	int ranks;
	struct profile_phase phase[NPHASES];
};

/* Summarizes the times of all[ranks]. */
void profile_sum_up(const struct profile_times *all, int ranks,
                    struct profile_summary *s);
/* Summarizes the times of all ranks of comm; s is set on rank 0. Collective
 * over comm. */
void profile_gather(const struct profile *p, MPI_Comm comm,
                    struct profile_summary *s);

/* Names in tables and reports; static storage. */
const char *profile_op_name(int op);
const char *profile_column_name(int column);

/* Prints one table per phase, in lines of at most 80 columns that begin with
 * "waferllm: ". */
void profile_print(const struct profile_summary *s, FILE *out);

#endif
