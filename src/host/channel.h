/* Messages between two ranks of one host through memory that both see, below
 * noc.c, which alone uses it. A window of the two ranks holds a ring of bytes
 * for each way; a message is its size, then its bytes. Both ends know how long
 * the next message is before it comes, and so where in the ring it lies: one
 * of at most half the ring always in one piece, a longer one as a stream that
 * the writer goes on filling while the reader empties it. */
#ifndef WL_CHANNEL_H
#define WL_CHANNEL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel_mark;

/* One way, as one of its ends sees it. Marks count bytes from the start on,
 * modulo 2^32; those between the two marks are the reader's, the others the
 * writer's. */
struct channel {
	bool out;            /* this end writes */
	bool crowded;        /* the other end may sleep */
	uint32_t size;       /* bytes of the ring, a power of two */
	uint32_t at;         /* this end's mark, also before it is shown */
	uint32_t seen;       /* the other end's, when last looked at */
	char *ring;
	struct channel_mark *own, *other; /* shared */
};

/* Both ways to one neighbour. */
struct channel_pair {
	MPI_Comm comm;       /* of the two ranks */
	MPI_Win window;
	struct channel in, out;
};

/* A message on its way. */
struct channel_message {
	char *data;
	size_t bytes, moved;
	bool begun;
};

/* The channels between two ranks of comm, this one and `peer`, each ring of
 * size bytes; NULL where they share no memory. Both call it, none else, and
 * both free it. */
struct channel_pair *channel_open(MPI_Comm comm, int peer, uint32_t size,
                                  bool crowded);
void channel_close(struct channel_pair *p);

/* Moves as much of the message as can be moved now, without waiting. Returns
 * whether all of it is through. */
bool channel_move(struct channel *c, struct channel_message *m);

/* Where all of the next message of that many bytes, not 0, may be written or
 * read in the ring now; NULL: not yet, or it is too long (channel_whole).
 * channel_pass hands it over to the other end, or its space back. */
bool channel_whole(const struct channel *c, size_t bytes);
void *channel_place(struct channel *c, size_t bytes);
void channel_pass(struct channel *c, size_t bytes);

/* Where ranks are crowded: sleeps until the other end's mark has moved since
 * this end looked in vain, but ns nanoseconds at most, and no longer than a
 * nap where the kernel cannot wait for memory. Returns whether it has moved. */
bool channel_sleep(struct channel *c, long ns);

#endif
