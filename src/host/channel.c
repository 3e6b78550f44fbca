#include "config.h"
#include "channel.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef HAVE_FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/error.h"

/* A message starts with a cache line of its own, which contains its size. The
 * two marks are two lines apart, because each end writes its own and processors
 * prefetch lines in pairs. */
#define LINE 64
#define APART 128

/* The smallest page size of any system. */
#define PAGE 4096

/* A long message is published in pieces of so many bytes, so that both ends
 * copy at the same time. On a crowded host pieces are as large as the ring
 * allows: each of them may have to wake up the reader. */
#define PIECE (16 << 10)

/* Sleep where there is no futex. */
#define NAP_NS 20000

/* Progress of one end, in bytes modulo 2^32. */
struct channel_mark {
	_Alignas(APART) _Atomic uint32_t at;
	_Atomic uint32_t watched; /* the other end may sleep until it moves */
};

/* One rank's part of the window: the ring that it writes, and its marks. */
struct shared {
	struct channel_mark head, tail; /* the writer's and the reader's */
	_Alignas(APART) char ring[];
};

static size_t rounded(size_t bytes)
{
	return (bytes + LINE - 1) / LINE * LINE;
}

static void channel_init(struct channel *c, struct shared *s, bool out,
                         uint32_t size, bool crowded)
{
	*c = (struct channel){ .out = out, .crowded = crowded, .size = size,
	                       .ring = s->ring };
	c->own = out ? &s->head : &s->tail;
	c->other = out ? &s->tail : &s->head;
}

/* A communicator of the two ranks; MPI_COMM_NULL if they are on different
 * hosts. */
static MPI_Comm pair_comm(MPI_Comm comm, int peer)
{
	MPI_Group all, two;
	MPI_Comm pair, host;
	int rank, size;

	MPI_Comm_rank(comm, &rank);
	MPI_Comm_group(comm, &all);
	MPI_Group_incl(all, 2, rank < peer ? (int[]){ rank, peer }
	                                   : (int[]){ peer, rank }, &two);
	MPI_Comm_create_group(comm, two, 0, &pair);
	MPI_Group_free(&two);
	MPI_Group_free(&all);
	MPI_Comm_split_type(pair, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
	                    &host);
	MPI_Comm_free(&pair);
	MPI_Comm_size(host, &size);
	if (size < 2)
		MPI_Comm_free(&host);
	return host;
}

/* Allocates the window, `bytes` on each rank. Returns this rank's part; NULL on
 * both if either allocation failed. Writes all of it once, so that no message
 * has to wait for page faults. */
static char *make_window(struct channel_pair *p, size_t bytes)
{
	char *own = NULL;

	MPI_Comm_set_errhandler(p->comm, MPI_ERRORS_RETURN);
	int ok = MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, p->comm, &own,
	                                 &p->window) == MPI_SUCCESS;

	MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_MIN, p->comm);
	if (!ok)
		return NULL;
	memset(own, 0, bytes);
	MPI_Win_lock_all(MPI_MODE_NOCHECK, p->window);
	MPI_Win_sync(p->window);
	MPI_Barrier(p->comm);
	MPI_Win_sync(p->window);
	return own;
}

/* Maps each page of the other rank's part, for the same reason. */
static void touch(const char *other, size_t bytes)
{
	const volatile char *p = other;

	for (size_t i = 0; i < bytes; i += PAGE)
		(void)p[i];
}

/* Sets part[0] to this rank's part and part[1] to the other's, each from the
 * first address that is aligned in its owner's memory. Both ranks must skip the
 * same bytes, so the owners exchange the offsets. */
static void find_parts(struct channel_pair *p, char *own, struct shared **part)
{
	int skip[2], rank, unit;
	MPI_Aint bytes;
	char *other;

	MPI_Comm_rank(p->comm, &rank);
	MPI_Win_shared_query(p->window, !rank, &bytes, &unit, &other);
	skip[rank] = -(uintptr_t)own % APART;
	MPI_Allgather(MPI_IN_PLACE, 1, MPI_INT, skip, 1, MPI_INT, p->comm);
	touch(other, bytes);
	part[0] = (struct shared *)(own + skip[rank]);
	part[1] = (struct shared *)(other + skip[!rank]);
}

struct channel_pair *channel_open(MPI_Comm comm, int peer, uint32_t size,
                                  bool crowded)
{
	struct channel_pair *p = wl_malloc(1, sizeof *p);
	struct shared *part[2]; /* own, other */
	char *own = NULL;

	p->comm = pair_comm(comm, peer);
	if (p->comm != MPI_COMM_NULL)
		own = make_window(p, sizeof *part[0] + size + APART);
	if (!own) {
		if (p->comm != MPI_COMM_NULL)
			MPI_Comm_free(&p->comm);
		free(p);
		return NULL;
	}
	find_parts(p, own, part);
	channel_init(&p->out, part[0], true, size, crowded);
	channel_init(&p->in, part[1], false, size, crowded);
	return p;
}

void channel_close(struct channel_pair *p)
{
	if (!p)
		return;
	MPI_Win_unlock_all(p->window);
	MPI_Win_free(&p->window);
	MPI_Comm_free(&p->comm);
	free(p);
}

/* Bytes that this end may write or read now. Reads the other end's mark again
 * if they are fewer than wanted. */
static size_t room(struct channel *c, size_t wanted)
{
	uint32_t here = c->out ? c->size : 0;

	if (here + c->seen - c->at < wanted)
		c->seen = atomic_load_explicit(&c->other->at,
		                               memory_order_acquire);
	return here + c->seen - c->at;
}

/* Publishes this end's mark, and wakes the other end if it sleeps. A sleeper
 * sets `watched`, then reads the mark; here the mark is written, then `watched`
 * is read. Sequential consistency of both makes a lost wake-up impossible. */
static void show(struct channel *c)
{
	if (!c->crowded) {
		atomic_store_explicit(&c->own->at, c->at, memory_order_release);
		return;
	}
	atomic_store(&c->own->at, c->at);
#ifdef HAVE_FUTEX
	if (!atomic_load(&c->own->watched))
		return;
	atomic_store(&c->own->watched, 0);
	syscall(SYS_futex, &c->own->at, FUTEX_WAKE, 1, NULL, NULL, 0);
#endif
}

bool channel_sleep(struct channel *c, long ns)
{
#ifdef HAVE_FUTEX
	const struct timespec max = { 0, ns };

	atomic_store(&c->other->watched, 1);
	if (atomic_load(&c->other->at) == c->seen)
		syscall(SYS_futex, &c->other->at, FUTEX_WAIT, c->seen, &max,
		        NULL, 0);
	atomic_store(&c->other->watched, 0);
#else
	const struct timespec nap = { 0, ns < NAP_NS ? ns : NAP_NS };

	nanosleep(&nap, NULL);
#endif
	return atomic_load(&c->other->at) != c->seen;
}

static char *ring_at(const struct channel *c, uint32_t at)
{
	return c->ring + (at & (c->size - 1));
}

static uint32_t to_end(const struct channel *c)
{
	return c->size - (c->at & (c->size - 1));
}

bool channel_whole(const struct channel *c, size_t bytes)
{
	return LINE + rounded(bytes) <= c->size / 2;
}

/* Bytes skipped before a contiguous message that would cross the end of the
 * ring. */
static size_t gap(const struct channel *c, size_t bytes)
{
	return channel_whole(c, bytes) && LINE + rounded(bytes) > to_end(c)
		? to_end(c) : 0;
}

/* Writes a message's header, or checks it on the reading end. */
static void sign(struct channel *c, uint32_t at, size_t bytes)
{
	uint64_t size = bytes;

	if (c->out)
		memcpy(ring_at(c, at), &size, sizeof size);
	else
		memcpy(&size, ring_at(c, at), sizeof size);
	if (size != bytes)
		wl_die("a message of %zu bytes where one of %zu is expected",
		       (size_t)size, bytes);
}

/* Writes or reads the header. False: there is no room for it, or none has
 * arrived. */
static bool begin(struct channel *c, struct channel_message *m)
{
	size_t before = gap(c, m->bytes);

	if (room(c, before + LINE) < before + LINE)
		return false;
	c->at += before;
	sign(c, c->at, m->bytes);
	c->at += LINE;
	m->begun = true;
	return true;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Bytes of the message that can be copied now with one memcpy. */
static size_t piece(struct channel *c, const struct channel_message *m)
{
	size_t n = m->bytes - m->moved;

	n = smaller(n, room(c, rounded(n)));
	if (!c->crowded)
		n = smaller(n, PIECE);
	return smaller(n, to_end(c));
}

bool channel_move(struct channel *c, struct channel_message *m)
{
	size_t n;

	if (!m->begun && !begin(c, m))
		return false;
	while ((n = piece(c, m))) {
		char *data = m->data + m->moved;

		if (c->out)
			memcpy(ring_at(c, c->at), data, n);
		else
			memcpy(data, ring_at(c, c->at), n);
		m->moved += n;
		c->at += rounded(n);
		show(c);
	}
	return m->moved == m->bytes;
}

void *channel_place(struct channel *c, size_t bytes)
{
	size_t before = gap(c, bytes), all = before + LINE + rounded(bytes);

	if (!channel_whole(c, bytes) || room(c, all) < all)
		return NULL;
	sign(c, c->at + before, bytes);
	return ring_at(c, c->at + before + LINE);
}

void channel_pass(struct channel *c, size_t bytes)
{
	c->at += gap(c, bytes) + LINE + rounded(bytes);
	show(c);
}
