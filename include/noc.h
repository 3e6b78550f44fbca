/* The links between neighbouring ranks: the only module that calls MPI
 * point-to-point. A message names a direction, never a rank, so that nothing
 * but the four neighbours can be reached; the rank grid does not wrap. Words
 * are 32 bits. Messages to one neighbour arrive in the order of sending. */
#ifndef WL_NOC_H
#define WL_NOC_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "profile.h"

/* The ticket of a message of 0 words, and of none. */
#define NOC_NOTHING (-1)

enum dir { DIR_WEST, DIR_EAST, DIR_NORTH, DIR_SOUTH };

struct noc;

/* Over a two-dimensional Cartesian communicator, which is borrowed. crowded:
 * ranks share cores, so that one that waits should let others run. Free with
 * noc_free when no message is in flight. Not collective. */
struct noc *noc_new(MPI_Comm cart, bool crowded);
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

#endif
