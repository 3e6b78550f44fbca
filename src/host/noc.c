/* A rank's sends and receives. A transfer that cannot complete at once takes a
 * slot. On a shared-memory channel (channel.h) such transfers queue, one queue
 * per neighbour for sends and one for receives; every wait, whatever it waits
 * for, makes progress on all queues. */
#include "config.h"
#include "host/noc.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/huge.h"
#include "channel.h"

/* All tags of the data plane. One is enough: messages between two neighbours
 * are matched by their order. */
enum { TAG_MOVE = 1 };

/* Bytes of all rings of the rank grid together, and limits of one ring. */
#define RINGS_BYTES (32 << 20)
#define RING_MAX (1 << 20)
#define RING_MIN (64 << 10)

/* Waiting on a host with more ranks than cores: a few polls, then sleep.
 * Polling on would keep the core from the rank that it waits for. On a channel
 * the other end wakes this rank up; it also wakes every LOOK_NS while other
 * transfers are queued, and every SLEEP_NS for MPI's progress. Without a
 * channel it sleeps NAP_NS at a time. */
#define CROWDED_POLLS 10
#define NAP_NS 20000
#define LOOK_NS 200000
#define SLEEP_NS 10000000

/* Waiting on other hosts: this many polls, then sched_yield between polls,
 * with a call of MPI's progress every so many. */
#define POLLS 10000

/* Private buffers for messages that are not composed or read in a ring. At
 * most one per slot, and one per direction for an open message each way. */
#define SPARES (NOC_SLOTS + 8)

struct spare {
	float *data;
	size_t words;
	bool used;
};

enum { IN, OUT };

struct transfer {
	bool used, done;
	struct channel *channel;    /* NULL: an MPI message */
	struct channel_message m;
	bool in_ring;               /* received without copying it out */
	MPI_Request request;
	struct spare *spare;        /* released on completion; NULL: none */
};

/* A message that the caller composes (noc_space to noc_send) or reads
 * (noc_expect to noc_release) without a buffer of its own. */
struct in_place {
	bool open;
	void *data;          /* NULL: in the ring, not yet located */
	size_t bytes;
	struct spare *spare; /* holds the data; NULL: the ring does */
	int ticket;          /* of the receive */
};

/* The address of a message of 0 words: valid, never accessed. */
static float no_words;

/* Slots of the transfers that wait for a channel, oldest first. */
struct queue {
	int n, slot[NOC_SLOTS];
};

struct noc {
	MPI_Comm cart;
	bool crowded;
	int rank[4];                /* neighbour by direction */
	struct profile *profile;    /* NULL: none */
	struct channel_pair *pair[4]; /* by direction; NULL: use MPI */
	struct transfer op[NOC_SLOTS];
	int messages, queued;       /* slots in use: by MPI, in queues */
	struct queue queue[2][4];   /* [IN or OUT][direction] */
	struct spare spare[SPARES];
	struct in_place in_place[2][4]; /* [IN or OUT][direction] */
};

/* Bytes of one ring: RING_MAX, less on rank grids whose rings would exceed
 * RINGS_BYTES together. */

static uint32_t ring_size(MPI_Comm cart)
{
	int dims[2], periods[2], coords[2];
	uint32_t size = RING_MAX;

	MPI_Cart_get(cart, 2, dims, periods, coords);
	long links = 2L * dims[0] * dims[1] - dims[0] - dims[1];

	while (size > RING_MIN && 2 * links * size > RINGS_BYTES)
		size /= 2;
	return size;
}

/* Opens the channels along one axis: first those between coordinates 2i and
 * 2i + 1, then those between 2i + 1 and 2i + 2, so that each rank opens one
 * at a time. */
static void open_channels(struct noc *n, enum dir lower, int coord,
                          uint32_t size)
{
	for (int round = 0; round <= 1; round++) {
		enum dir d = coord % 2 == round ? lower + 1 : lower;

		if (n->rank[d] != MPI_PROC_NULL)
			n->pair[d] = channel_open(n->cart, n->rank[d], size,
			                          n->crowded);
	}
}

struct noc *noc_new(MPI_Comm cart, bool crowded, bool share)
{
	struct noc *n = wl_calloc(1, sizeof *n);
	int dims[2], periods[2], coords[2];

	n->cart = cart;
	n->crowded = crowded;
	MPI_Cart_shift(cart, 1, 1, &n->rank[DIR_WEST], &n->rank[DIR_EAST]);
	MPI_Cart_shift(cart, 0, 1, &n->rank[DIR_NORTH], &n->rank[DIR_SOUTH]);
	MPI_Cart_get(cart, 2, dims, periods, coords);
	if (share) {
		open_channels(n, DIR_WEST, coords[1], ring_size(cart));
		open_channels(n, DIR_NORTH, coords[0], ring_size(cart));
	}
	return n;
}

void noc_free(struct noc *n)
{
	int dims[2], periods[2], coords[2];

	if (!n)
		return;
	WL_ASSERT(!n->messages && !n->queued);
	/* Closing is collective over a pair: same order as opening. */
	MPI_Cart_get(n->cart, 2, dims, periods, coords);
	for (int axis = 1; axis >= 0; axis--)
		for (int round = 0; round <= 1; round++) {
			enum dir lower = axis ? DIR_WEST : DIR_NORTH;

			channel_close(n->pair[lower + (coords[axis] % 2 ==
			                               round)]);
		}
	noc_trim(n);
	free(n);
}

void noc_profile(struct noc *n, struct profile *p)
{
	n->profile = p;
}

/* Dies of a message across the edge of the rank grid, or of more words than an
 * int counts. */
static void check(const struct noc *n, enum dir d, size_t words)
{
	if (n->rank[d] == MPI_PROC_NULL)
		wl_die("a message would leave the rank grid (direction %d)", d);
	if (words > INT_MAX)
		wl_die("a message of %zu words is too long", words);
}

static struct channel *channel_of(const struct noc *n, int way, enum dir d)
{
	struct channel_pair *p = n->pair[d];

	return !p ? NULL : way == IN ? &p->in : &p->out;
}

/* ---- spares ---- */

static struct spare *spare_get(struct noc *n, size_t words)
{
	struct spare *s = n->spare;

	while (s->used)
		s++;
	s->used = true;
	if (words > s->words || !s->data) {
		huge_free(s->data);
		s->data = huge_malloc(words, sizeof *s->data);
		s->words = words;
	}
	return s;
}

static void spare_put(struct spare *s)
{
	if (s)
		s->used = false;
}

/* ---- transfers in flight ---- */

static int slot_get(struct noc *n)
{
	for (int i = 0; i < NOC_SLOTS; i++)
		if (!n->op[i].used) {
			n->op[i] = (struct transfer){ .used = true };
			return i;
		}
	wl_die("more than %d messages in flight", NOC_SLOTS);
}

static void slot_put(struct noc *n, int slot)
{
	struct transfer *o = &n->op[slot];

	spare_put(o->spare);
	o->used = false;
}

/* Moves what can be moved now. Returns whether the transfer is complete. */
static bool move(struct transfer *o)
{
	return o->in_ring ? channel_place(o->channel, o->m.bytes) != NULL
	                  : channel_move(o->channel, &o->m);
}

/* Makes progress on all queues. */
static void move_all(struct noc *n)
{
	for (int way = IN; way <= OUT && n->queued; way++)
		for (int d = 0; d < 4; d++) {
			struct queue *q = &n->queue[way][d];

			while (q->n && move(&n->op[q->slot[0]])) {
				n->op[q->slot[0]].done = true;
				n->queued--;
				memmove(q->slot, q->slot + 1,
				        --q->n * sizeof *q->slot);
			}
		}
}

/* Lets MPI make progress on its messages; the result of the probe is not
 * used. */
static void progress(struct noc *n)
{
	int d = 0, flag;

	while (d < 4 && n->rank[d] == MPI_PROC_NULL)
		d++;
	if (d < 4)
		MPI_Iprobe(n->rank[d], TAG_MOVE, n->cart, &flag,
		           MPI_STATUS_IGNORE);
}

static bool is_done(struct noc *n, struct transfer *o)
{
	int done = 1;

	move_all(n);
	if (!o->channel)
		MPI_Test(&o->request, &done, MPI_STATUS_IGNORE);
	else if (n->messages)
		progress(n);
	return o->channel ? o->done : done;
}

static void nap(void)
{
	const struct timespec t = { 0, NAP_NS };

	nanosleep(&t, NULL);
}

static void pause_core(void)
{
#if defined __x86_64__ || defined __i386__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile("yield");
#endif
}

/* Waits between two tests of a transfer that is not done; polls counts the
 * tests so far. */
static void rest(struct noc *n, struct transfer *o, int polls)
{
	if (polls < (n->crowded ? CROWDED_POLLS : POLLS))
		pause_core();
	else if (!n->crowded) {
		sched_yield();
		if (polls % POLLS == 0)
			progress(n);
	} else if (!o->channel || n->messages)
		nap();
	else if (!channel_sleep(o->channel,
	                        n->queued > 1 ? LOOK_NS : SLEEP_NS))
		progress(n);
}

static void wait_for(struct noc *n, int ticket)
{
	struct transfer *o = &n->op[ticket];

	if (!o->channel && !n->crowded && !n->queued)
		MPI_Wait(&o->request, MPI_STATUS_IGNORE);
	else
		for (int polls = 0; !is_done(n, o); polls++)
			rest(n, o, polls);
	n->messages -= !o->channel;
	slot_put(n, ticket);
}

/* ---- sending and receiving ---- */

/* Starts a transfer on a channel. Returns its ticket, NOC_NOTHING if it
 * completed at once. */
static int enqueue(struct noc *n, int way, enum dir d, struct transfer op)
{
	struct queue *q = &n->queue[way][d];

	if (!q->n && move(&op)) {
		spare_put(op.spare);
		return NOC_NOTHING;
	}
	int s = slot_get(n);

	n->op[s] = op;
	q->slot[q->n++] = s;
	n->queued++;
	return s;
}

static int start(struct noc *n, int way, enum dir d, void *buf, size_t words,
                 struct spare *spare)
{
	struct channel *c = channel_of(n, way, d);

	check(n, d, words);
	if (c)
		return enqueue(n, way, d, (struct transfer){
			.used = true, .channel = c, .spare = spare,
			.m = { .data = buf, .bytes = words * 4 } });
	int s = slot_get(n);
	struct transfer *o = &n->op[s];

	o->spare = spare;
	n->messages++;
	if (way == IN)
		MPI_Irecv(buf, (int)words, MPI_UINT32_T, n->rank[d], TAG_MOVE,
		          n->cart, &o->request);
	else
		MPI_Isend(buf, (int)words, MPI_UINT32_T, n->rank[d], TAG_MOVE,
		          n->cart, &o->request);
	return s;
}

int noc_send(struct noc *n, enum dir to, const void *buf, size_t words)
{
	struct in_place w = n->in_place[OUT][to];

	n->in_place[OUT][to].open = false;
	WL_ASSERT(!w.open || (w.data == buf && w.bytes == words * 4));
	if (!words)
		return NOC_NOTHING;
	if (w.open && !w.spare) {
		channel_pass(&n->pair[to]->out, w.bytes);
		return NOC_NOTHING;
	}
	/* Sends only read buf, though struct transfer has no const. */
	return start(n, OUT, to, (void *)(uintptr_t)buf, words,
	             w.open ? w.spare : NULL);
}

int noc_recv(struct noc *n, enum dir from, void *buf, size_t words)
{
	WL_ASSERT(!n->in_place[IN][from].open);
	return words ? start(n, IN, from, buf, words, NULL) : NOC_NOTHING;
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

/* ---- without copies ---- */

static struct in_place in_place_of(size_t words)
{
	return (struct in_place){ .open = true, .data = &no_words,
	                          .bytes = words * 4, .ticket = NOC_NOTHING };
}

void *noc_space(struct noc *n, enum dir to, size_t words)
{
	struct channel *c = channel_of(n, OUT, to);
	struct in_place *w = &n->in_place[OUT][to];

	WL_ASSERT(!w->open);
	*w = in_place_of(words);
	if (!words)
		return w->data;
	check(n, to, words);
	/* Queued messages precede this one in the ring. */
	w->data = c && !n->queue[OUT][to].n ? channel_place(c, w->bytes) : NULL;
	if (!w->data) {
		w->spare = spare_get(n, words);
		w->data = w->spare->data;
	}
	return w->data;
}

void noc_expect(struct noc *n, enum dir from, size_t words)
{
	struct channel *c = channel_of(n, IN, from);
	struct in_place *w = &n->in_place[IN][from];

	WL_ASSERT(!w->open);
	*w = in_place_of(words);
	if (!words)
		return;
	check(n, from, words);
	if (c && channel_whole(c, w->bytes)) {
		w->data = NULL;
		w->ticket = enqueue(n, IN, from, (struct transfer){
			.used = true, .channel = c, .in_ring = true,
			.m = { .bytes = w->bytes } });
		return;
	}
	w->spare = spare_get(n, words);
	w->data = w->spare->data;
	w->ticket = start(n, IN, from, w->data, words, NULL);
}

const void *noc_take(struct noc *n, enum dir from, size_t words)
{
	struct in_place *w = &n->in_place[IN][from];

	if (!w->open)
		noc_expect(n, from, words);
	WL_ASSERT(w->bytes == words * 4);
	noc_wait(n, w->ticket);
	w->ticket = NOC_NOTHING;
	if (!w->data)
		w->data = channel_place(&n->pair[from]->in, w->bytes);
	return w->data;
}

void noc_release(struct noc *n, enum dir from)
{
	struct in_place *w = &n->in_place[IN][from];

	if (w->spare)
		spare_put(w->spare);
	else if (w->bytes)
		channel_pass(&n->pair[from]->in, w->bytes);
	w->open = false;
}

void noc_trim(struct noc *n)
{
	for (int i = 0; i < SPARES; i++)
		if (!n->spare[i].used) {
			huge_free(n->spare[i].data);
			n->spare[i] = (struct spare){ 0 };
		}
}
