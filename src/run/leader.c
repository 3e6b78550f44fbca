#include "config.h"
#include "leader.h"

#include "base/signals.h"
#include "host/host.h"

/* Between two words, about; or a token where one takes longer. */
#define WORD_SECONDS 0.05

struct word {
	int id, stop, next;
};

void leader_start(struct leader *l, MPI_Comm control)
{
	int rank;

	MPI_Comm_rank(control, &rank);
	*l = (struct leader){ .control = control, .leader = rank == 0,
	                    .last = -1, .when = host_seconds() };
}

bool leader_speaks(const struct leader *l, int step, bool always)
{
	return always || step >= l->next;
}

/* Steps to the next word, by how long the last ones took, and at most twice as
 * many as they were. */
static int choose_steps(struct leader *l, int step)
{
	double now = host_seconds();
	int made = step - l->last;
	double steps = WORD_SECONDS * made / (now - l->when);

	l->when = now;
	return steps < 1 ? 1 : steps < 2 * made ? (int)steps : 2 * made;
}

int leader_token(struct leader *l, int id, int step)
{
	struct word w = { id, 0, 0 };

	if (l->leader) {
		w.stop = l->failed ? LEADER_FAILED : signals_stop();
		w.next = step + choose_steps(l, step);
	}
	MPI_Bcast(&w, sizeof w / sizeof(int), MPI_INT, 0, l->control);
	l->last = step;
	l->next = w.next;
	l->stop = w.stop;
	return w.id;
}
