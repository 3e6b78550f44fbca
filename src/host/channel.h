/* Messages between two ranks of one host through shared memory; used by noc.c
 * only. An MPI window of the two ranks contains one ring buffer per direction.
 * A message is a header with its size, then its bytes. Both ends know the size
 * of the next message beforehand, and so its place in the ring: a message of at
 * most half the ring is contiguous; a longer one is streamed, the writer
 * filling the ring while the reader empties it. */
#ifndef WL_CHANNEL_H
#define WL_CHANNEL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel_mark;

/* One direction, seen from one of its ends. Each end publishes a mark, the
 * number of bytes it has written or read so far, modulo 2^32. The bytes between
 * the two marks belong to the reader, the rest of the ring to the writer. */
struct channel {
	bool out;            /* this end writes */
	bool crowded;        /* the other end may sleep */
	uint32_t size;       /* bytes of the ring, a power of two */
	uint32_t at;         /* this end's mark, possibly unpublished */
	uint32_t seen;       /* the other end's mark when last read */
	char *ring;
	struct channel_mark *own, *other; /* shared */
};

/* Both directions between this rank and one neighbour. */
struct channel_pair {
	MPI_Comm comm;       /* the two ranks */
	MPI_Win window;
	struct channel in, out;
};

/* A message in transfer. */
struct channel_message {
	char *data;
	size_t bytes, moved;
	bool begun;
};

/* Opens the channels between this rank of comm and rank `peer`, with rings of
 * size bytes. NULL if the two share no memory. Both functions are collective
 * over the two ranks; channel_close frees p, NULL is allowed. */
struct channel_pair *channel_open(MPI_Comm comm, int peer, uint32_t size,
                                  bool crowded);
void channel_close(struct channel_pair *p);

/* Copies as much of the message as can be copied now, without waiting. Returns
 * whether the message is complete. */
bool channel_move(struct channel *c, struct channel_message *m);

/* Whether a message of so many bytes is contiguous in the ring. */
bool channel_whole(const struct channel *c, size_t bytes);
/* The address in the ring at which the next message, of `bytes` > 0 bytes, can
 * be written or read in place; NULL: not yet, or it is not contiguous. Then
 * channel_pass passes the message to the reader, or its space back to the
 * writer. */
void *channel_place(struct channel *c, size_t bytes);
void channel_pass(struct channel *c, size_t bytes);

/* For hosts with more ranks than cores: sleeps until the other end's mark
 * differs from c->seen, at most ns nanoseconds; without a futex, at most one
 * nap. Returns whether the mark has moved. */
bool channel_sleep(struct channel *c, long ns);

#endif
