/* The leader's decisions: after a decode step it broadcasts which token was
 * chosen and whether the run ends there. */
#ifndef WL_LEADER_H
#define WL_LEADER_H

#include <mpi.h>
#include <stdbool.h>

/* Value of stop if the leader cannot write the answer. */
#define LEADER_FAILED (-1)

struct leader {
	MPI_Comm control;    /* borrowed; rank 0 is the leader */
	bool is_leader;
	int last, next;      /* steps of the last and the next broadcast */
	double when;         /* of the last one, host seconds; leader only */
	bool failed;         /* broadcast LEADER_FAILED next; leader only */
	int stop;            /* signal that ends the run, LEADER_FAILED or 0 */
};

/* Call before step 0, which always ends in a broadcast. control is borrowed.
 * Not collective. */
void leader_start(struct leader *l, MPI_Comm control);

/* Whether the leader broadcasts after this step; the same on all ranks. always:
 * only the leader knows the token (it was sampled). Otherwise the broadcasts
 * are about 0.05 s apart, because each one synchronizes the ranks. Not
 * collective. / */
bool leader_broadcasts(const struct leader *l, int step, bool always);

/* Broadcasts the leader's token and stop; returns the token. id: the token,
 * used on the leader only. Collective over control; call it after the steps for
 * which leader_broadcasts is true. */
int leader_broadcast(struct leader *l, int id, int step);

#endif
