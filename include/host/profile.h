/* Where a rank's time goes: host seconds by phase, by operator and by what the
 * rank does for it. At any time one bucket is open, and a change of bucket
 * reads the clock once: each instant is in exactly one, and a phase's buckets
 * add up to its time. Host figures only; the emulated ones are the ledger's.
 *
 * A NULL profile is none: every call returns at once. */
#ifndef WL_PROFILE_H
#define WL_PROFILE_H

#include <mpi.h>
#include <stdio.h>

#include "base/phase.h"

/* Exchange is all that a move does by itself: packing, copying, adding what
 * comes in, sending. Wait is to be blocked for another rank; MPI's own copying
 * of what arrives counts there. While loading, exchange is the redistribution
 * of what was read, waiting included. Everything else is compute. */
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

/* The operator of what no operator owns: printing, choosing, control. */
#define PROFILE_NO_OP NOPS
#define PROFILE_OPS (NOPS + 1)

struct profile_times {
	double seconds[NPHASES][PROFILE_OPS][PROFILE_KINDS];
};

struct profile {
	struct profile_times times;
	double *open;        /* the bucket; NULL before start and after stop */
	double since;        /* when it was opened */
	enum phase phase;
	int op;              /* enum op or PROFILE_NO_OP */
	enum profile_kind kind;
};

/* Opens the first bucket, of loading, and closes the last. */
void profile_start(struct profile *p);
void profile_stop(struct profile *p);

/* What the rank is about from now on; op may be PROFILE_NO_OP. In the shape
 * that a ledger calls: see struct ledger. */
void profile_take(void *profile, enum phase phase, int op);

/* For the two below. */
void profile_turn(struct profile *p, enum profile_kind kind);

/* From here to profile_leave the rank does something of that kind. Returns
 * what it did before, for profile_leave: pairs nest. */
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
	int rank;            /* the first that has the maximum */
};

/* By kind, then all kinds together. */
#define PROFILE_COLUMNS (PROFILE_KINDS + 1)

struct profile_row {
	struct profile_figure column[PROFILE_COLUMNS];
};

/* The rows of the operators add up to all. */
struct profile_phase {
	struct profile_row op[PROFILE_OPS], all;
	/* Operators that take too little to be shown one by one (bits
	 * 1 << op), and these together. */
	unsigned minor;
	struct profile_row rest;
};

struct profile_summary {
	int ranks;
	struct profile_phase phase[NPHASES];
};

/* From the times of so many ranks. */
void profile_sum_up(const struct profile_times *all, int ranks,
                    struct profile_summary *s);
/* The same of all ranks, on rank 0 of comm, to which each sends its
 * profile_times. Collective over comm. */
void profile_gather(const struct profile *p, MPI_Comm comm,
                    struct profile_summary *s);

const char *profile_op_name(int op);
const char *profile_column_name(int column);

/* As tables, in lines of at most 80 columns that begin with "waferllm: ". */
void profile_print(const struct profile_summary *s, FILE *out);

#endif
