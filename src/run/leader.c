#include "config.h"
#include "leader.h"

#include "base/signals.h"
#include "host/host.h"

/* Seconds between two broadcasts, about; at least one step. */
#define BROADCAST_SECONDS 0.05

/* What is broadcast: the chosen token, and new values of stop and next. */
struct decision {
	int id, stop, next;
};

void leader_start(struct leader *l, MPI_Comm control)
{
	int rank;

	MPI_Comm_rank(control, &rank);
	*l = (struct leader){ .control = control, .is_leader = rank == 0,
	                      .last = -1, .when = host_seconds() };
}

bool leader_broadcasts(const struct leader *l, int step, bool always)
{
	return always || step >= l->next;
}

/* The number of steps until the next broadcast, from the time of the steps
 * since the last one; at most twice as many as these. */
static int choose_steps(struct leader *l, int step)
{
	double now = host_seconds();
	int made = step - l->last;
	double steps = BROADCAST_SECONDS * made / (now - l->when);

	l->when = now;
	return steps < 1 ? 1 : steps < 2 * made ? (int)steps : 2 * made;
}

int leader_broadcast(struct leader *l, int id, int step)
{
	struct decision d = { id, 0, 0 };

	if (l->is_leader) {
		d.stop = l->failed ? LEADER_FAILED : signals_stop();
		d.next = step + choose_steps(l, step);
	}
	MPI_Bcast(&d, sizeof d / sizeof(int), MPI_INT, 0, l->control);
	l->last = step;
	l->next = d.next;
	l->stop = d.stop;
	return d.id;
}
