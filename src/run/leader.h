/* The leader's word after a token: which one is taken, and whether the run ends
 * with it. */
#ifndef WL_LEADER_H
#define WL_LEADER_H

#include <mpi.h>
#include <stdbool.h>

/* In place of a signal: the leader cannot write the answer. */
#define LEADER_FAILED (-1)

struct leader {
	MPI_Comm control;    /* borrowed; rank 0 leads */
	bool leader;
	int last, next;      /* steps after which it spoke, and speaks */
	double when;         /* it spoke, host seconds; leader only */
	bool failed;         /* LEADER_FAILED is its next word; leader only */
	int stop;            /* the signal that ends the run, or 0 */
};

/* Before step 0, after which the leader speaks. Not collective. */
void leader_start(struct leader *l, MPI_Comm control);

/* Whether the leader speaks after this step: always where only it knows the
 * token, else now and then, for a word holds all ranks up. The same on all
 * ranks. */
bool leader_speaks(const struct leader *l, int step, bool always);

/* Takes over the leader's token, which is returned, and sets stop. Collective
 * over control, for steps that leader_speaks tells of. */
int leader_token(struct leader *l, int id, int step);

#endif
