#include "config.h"
#include "noc.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "fail.h"

/* A rank has a handful of messages in flight: at most two each way along
 * each axis. */
#define NOC_SLOTS 32

/* All tags of the data plane. One is enough: between two neighbours order is
 * meaning. */
enum { TAG_MOVE = 1 };

/* How a rank waits on a crowded host: a few polls, then naps. Were it to poll
 * on, the rank that it waits for would not get a core (measured: 64 ranks on
 * 2 cores decode 2.4 times as fast this way). */
#define NOC_POLLS 10
#define NOC_NAP_NS 20000

struct noc {
	MPI_Comm cart;
	bool crowded;
	int rank[4];                /* neighbour by direction */
	MPI_Request slot[NOC_SLOTS];
	struct profile *profile;    /* NULL: none */
};

struct noc *noc_new(MPI_Comm cart, bool crowded)
{
	struct noc *n = wl_malloc(1, sizeof *n);

	n->cart = cart;
	n->crowded = crowded;
	n->profile = NULL;
	MPI_Cart_shift(cart, 1, 1, &n->rank[DIR_WEST], &n->rank[DIR_EAST]);
	MPI_Cart_shift(cart, 0, 1, &n->rank[DIR_NORTH], &n->rank[DIR_SOUTH]);
	for (int i = 0; i < NOC_SLOTS; i++)
		n->slot[i] = MPI_REQUEST_NULL;
	return n;
}

void noc_free(struct noc *n)
{
	free(n);
}

static int free_slot(const struct noc *n)
{
	for (int i = 0; i < NOC_SLOTS; i++)
		if (n->slot[i] == MPI_REQUEST_NULL)
			return i;
	wl_die("more than %d messages in flight", NOC_SLOTS);
}

void noc_profile(struct noc *n, struct profile *p)
{
	n->profile = p;
}

/* The neighbour in direction d, checked; words fits MPI's count. */
static int neighbour(const struct noc *n, enum dir d, size_t words)
{
	if (n->rank[d] == MPI_PROC_NULL)
		wl_die("a message would leave the rank grid (direction %d)", d);
	if (words > INT_MAX)
		wl_die("a message of %zu words is too long", words);
	return n->rank[d];
}

int noc_send(struct noc *n, enum dir to, const void *buf, size_t words)
{
	if (!words)
		return NOC_NOTHING;

	int s = free_slot(n);

	MPI_Isend(buf, (int)words, MPI_UINT32_T, neighbour(n, to, words),
	          TAG_MOVE, n->cart, &n->slot[s]);
	return s;
}

int noc_recv(struct noc *n, enum dir from, void *buf, size_t words)
{
	if (!words)
		return NOC_NOTHING;

	int s = free_slot(n);

	MPI_Irecv(buf, (int)words, MPI_UINT32_T, neighbour(n, from, words),
	          TAG_MOVE, n->cart, &n->slot[s]);
	return s;
}

static void wait_for(struct noc *n, int ticket)
{
	const struct timespec nap = { 0, NOC_NAP_NS };
	int done = 0;

	for (int polls = 0; n->crowded; polls++) {
		MPI_Test(&n->slot[ticket], &done, MPI_STATUS_IGNORE);
		if (done)
			return;
		if (polls >= NOC_POLLS)
			nanosleep(&nap, NULL);
	}
	MPI_Wait(&n->slot[ticket], MPI_STATUS_IGNORE);
}

void noc_wait(struct noc *n, int ticket)
{
	enum profile_kind before;

	if (ticket == NOC_NOTHING)
		return;
	before = profile_enter(n->profile, PROFILE_WAIT);
	wait_for(n, ticket);
	profile_leave(n->profile, before);
}

void noc_recv_now(struct noc *n, enum dir from, void *buf, size_t words)
{
	noc_wait(n, noc_recv(n, from, buf, words));
}
