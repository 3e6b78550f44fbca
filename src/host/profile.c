#include "config.h"
#include "host/profile.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/phase.h"
#include "host/host.h"

/* An operator with less than this share of its phase on every rank is shown
 * under "other". */
#define MINOR 0.005

_Static_assert(PROFILE_OPS < 8 * sizeof(unsigned), "a bit for each operator");

static const char *const kind_names[] = {
#define KIND(id, name) name,
	PROFILE_KINDS_LIST(KIND)
#undef KIND
};

const char *profile_op_name(int op)
{
	return op == PROFILE_NO_OP ? "no operator" : op_name(op);
}

const char *profile_column_name(int column)
{
	return column == PROFILE_KINDS ? "all" : kind_names[column];
}

/* --- The clock of one rank --- */

static double *bucket(struct profile *p)
{
	return &p->times.seconds[p->phase][p->op][p->kind];
}

/* Closes the open bucket and opens the one of the current phase, operator and
 * kind. */
static void change(struct profile *p)
{
	double *next = bucket(p), now;

	if (!p->open || next == p->open)
		return;
	now = host_seconds();
	*p->open += now - p->since;
	p->since = now;
	p->open = next;
}

void profile_start(struct profile *p)
{
	if (!p)
		return;
	*p = (struct profile){ .phase = PHASE_LOAD, .op = PROFILE_NO_OP,
	                       .kind = PROFILE_COMPUTE };
	p->open = bucket(p);
	p->since = host_seconds();
}

void profile_stop(struct profile *p)
{
	if (!p || !p->open)
		return;
	WL_ASSERT(p->kind == PROFILE_COMPUTE);
	*p->open += host_seconds() - p->since;
	p->open = NULL;
}

void profile_take(void *profile, enum phase phase, int op)
{
	struct profile *p = profile;

	if (!p)
		return;
	p->phase = phase;
	p->op = op;
	change(p);
}

void profile_turn(struct profile *p, enum profile_kind kind)
{
	p->kind = kind;
	change(p);
}

/* --- All ranks --- */

/* Seconds of one rank in a set of operators (bits 1 << op) and one column. */
static double seconds_of(const struct profile_times *t, enum phase p,
                         unsigned ops, int column)
{
	double sum = 0;

	for (int op = 0; op < PROFILE_OPS; op++)
		for (int k = 0; ops & 1u << op && k < PROFILE_KINDS; k++)
			if (column == k || column == PROFILE_KINDS)
				sum += t->seconds[p][op][k];
	return sum;
}

static struct profile_row row_of(const struct profile_times *all, int ranks,
                                 enum phase p, unsigned ops)
{
	struct profile_row row;

	for (int c = 0; c < PROFILE_COLUMNS; c++) {
		double first = seconds_of(&all[0], p, ops, c), sum = first;
		struct profile_figure f = { first, 0, first, 0 };

		for (int r = 1; r < ranks; r++) {
			double s = seconds_of(&all[r], p, ops, c);

			sum += s;
			f.min = s < f.min ? s : f.min;
			f.rank = s > f.max ? r : f.rank;
			f.max = s > f.max ? s : f.max;
		}
		f.mean = sum / ranks;
		row.column[c] = f;
	}
	return row;
}

static void sum_up_phase(const struct profile_times *all, int ranks,
                         enum phase p, struct profile_phase *s)
{
	const int together = PROFILE_KINDS;

	*s = (struct profile_phase){ .all = row_of(all, ranks, p, ~0u) };
	for (int op = 0; op < PROFILE_OPS; op++) {
		s->op[op] = row_of(all, ranks, p, 1u << op);
		if (s->op[op].column[together].max <
		    MINOR * s->all.column[together].mean)
			s->minor |= 1u << op;
	}
	s->rest = row_of(all, ranks, p, s->minor);
}

void profile_sum_up(const struct profile_times *all, int ranks,
                    struct profile_summary *s)
{
	s->ranks = ranks;
	for (int p = 0; p < NPHASES; p++)
		sum_up_phase(all, ranks, p, &s->phase[p]);
}

void profile_gather(const struct profile *p, MPI_Comm comm,
                    struct profile_summary *s)
{
	const int bytes = sizeof p->times;
	struct profile_times *all = NULL;
	int rank, ranks;

	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &ranks);
	if (rank == 0)
		all = wl_malloc(ranks, bytes);
	MPI_Gather(&p->times, bytes, MPI_BYTE, all, bytes, MPI_BYTE, 0, comm);
	if (rank == 0)
		profile_sum_up(all, ranks, s);
	free(all);
}
