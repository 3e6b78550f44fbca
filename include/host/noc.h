/* Links between neighbouring ranks: the only module that calls MPI
 * point-to-point. A message names a direction, never a rank, so that only the
 * four neighbours can be reached; the rank grid does not wrap around. A word is
 * 32 bits. Between two ranks of one host, words pass through shared memory
 * (channel.h), otherwise in MPI messages; callers cannot tell which.
 *
 * Order: messages to one neighbour arrive in the order of sending, whichever
 * calls send and receive them. Both ends know the length of each message
 * beforehand.
 *
 * Progress: a send never waits for the neighbour, however many messages are in
 * flight (at most NOC_SLOTS tickets). Messages in flight make progress only
 * while this rank is in noc_wait, noc_take or noc_recv_now, for whichever
 * message: wait for every ticket before blocking on anything else.
 *
 * Not collective, unless a function says so. */
#ifndef WL_NOC_H
#define WL_NOC_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "host/profile.h"

/* Nothing to wait for: the message is complete or empty. */
#define NOC_NOTHING (-1)

/* Maximum number of tickets that have not been waited for. */
#define NOC_SLOTS 32

enum dir { DIR_WEST, DIR_EAST, DIR_NORTH, DIR_SOUTH };

struct noc;

/* Opens the links of a two-dimensional Cartesian communicator (borrowed).
 * crowded: the host has more ranks than cores, so a waiting rank yields its
 * core. share: use shared memory with neighbours on the same host. Free with
 * noc_free once no message is in flight. Both collective over cart. */
struct noc *noc_new(MPI_Comm cart, bool crowded, bool share);
void noc_free(struct noc *n);
/* From now on, counts the time spent in noc_wait as PROFILE_WAIT in p
 * (borrowed); NULL: no longer. */
void noc_profile(struct noc *n, struct profile *p);

/* Start a message of `words` words and return its ticket. The caller must not
 * touch buf (send: change it) until noc_wait has returned for the ticket. A
 * message of 0 words is not sent. Ends the job (wl_die) if there is no
 * neighbour in that direction. */
int noc_send(struct noc *n, enum dir to, const void *buf, size_t words);
int noc_recv(struct noc *n, enum dir from, void *buf, size_t words);
void noc_wait(struct noc *n, int ticket);

/* Receives and waits. */
void noc_recv_now(struct noc *n, enum dir from, void *buf, size_t words);

/* Send without a copy: returns the buffer, of `words` words, in which to
 * compose the next message to that neighbour; in shared memory if there is
 * room. The next noc_send to that neighbour must pass this buffer and as many
 * words. Borrowed until then. */
void *noc_space(struct noc *n, enum dir to, size_t words);

/* Receive without a copy: noc_take waits for the next message from that
 * neighbour and returns its words, borrowed until noc_release. Until then no
 * other message from that neighbour may be requested. Calling noc_expect
 * earlier lets the message arrive while this rank waits for others. */
void noc_expect(struct noc *n, enum dir from, size_t words);
const void *noc_take(struct noc *n, enum dir from, size_t words);
void noc_release(struct noc *n, enum dir from);

/* Frees the private buffers that are not in use now. */
void noc_trim(struct noc *n);

#endif
