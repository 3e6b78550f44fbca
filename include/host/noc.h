/* The links between neighbouring ranks: the only module that calls MPI
 * point-to-point. A message names a direction, never a rank, so that nothing
 * but the four neighbours can be reached; the rank grid does not wrap. Words
 * are 32 bits. Between ranks of one host words go through memory that the two
 * share (channel.h), else in MPI messages; nothing here shows which.
 *
 * Order: messages to one neighbour arrive in the order of sending, whichever
 * calls send and receive them. Both ends know each one's words.
 *
 * Waiting: to send never waits for the neighbour, however much is under way
 * (NOC_SLOTS tickets at most). What is under way goes on whenever this rank is
 * in noc_wait, noc_take or noc_recv_now, whatever it waits for there, and only
 * then: every ticket has to be waited for before other things are. */
#ifndef WL_NOC_H
#define WL_NOC_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "host/profile.h"

/* The ticket of a message that is through, or has 0 words, and of none. */
#define NOC_NOTHING (-1)

/* Tickets that may wait to be waited for. */
#define NOC_SLOTS 32

enum dir { DIR_WEST, DIR_EAST, DIR_NORTH, DIR_SOUTH };

struct noc;

/* Over a two-dimensional Cartesian communicator, which is borrowed. crowded:
 * ranks share cores, so that one that waits should let others run. share:
 * memory, with the neighbours on the same host. Free with noc_free when no
 * message is in flight. Both collective. */
struct noc *noc_new(MPI_Comm cart, bool crowded, bool share);
void noc_free(struct noc *n);
/* From now on the time in noc_wait is noted in p, borrowed; NULL: not. */
void noc_profile(struct noc *n, struct profile *p);

/* Start a message of `words` words; buf stays untouched until noc_wait
 * returns for the ticket. 0 words send nothing: both sides know the sizes.
 * No neighbour in that direction is our bug and ends the job. */
int noc_send(struct noc *n, enum dir to, const void *buf, size_t words);
int noc_recv(struct noc *n, enum dir from, void *buf, size_t words);
void noc_wait(struct noc *n, int ticket);

/* Receive, and wait. */
void noc_recv_now(struct noc *n, enum dir from, void *buf, size_t words);

/* Without copies: where the next message to that side may be composed, in the
 * memory shared with it if there is room. The next noc_send to that side takes
 * this as buf, with as many words. */
void *noc_space(struct noc *n, enum dir to, size_t words);

/* Waits for the next message from that side, and tells where it lies until
 * noc_release, before which no other one from there may be asked for. Who
 * knows early that it will come says so by noc_expect, so that it can be
 * received while this rank does other things. */
void noc_expect(struct noc *n, enum dir from, size_t words);
const void *noc_take(struct noc *n, enum dir from, size_t words);
void noc_release(struct noc *n, enum dir from);

/* Gives back memory that was needed for such messages and is not now. */
void noc_trim(struct noc *n);

#endif
