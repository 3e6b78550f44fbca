/* Rows of a matrix, read by all ranks, to the tiles they belong in: what is
 * this rank's own is laid straight in place, and the others are sent what is
 * theirs, in one collective for many rounds. For loading alone: nothing here
 * asks who is whose neighbour, and nothing is charged. */
#ifndef WL_REDISTRIBUTE_H
#define WL_REDISTRIBUTE_H

#include <stddef.h>

#include "grid/gemv_matrix.h"
#include "grid/tiles.h"
#include "host/mesh.h"

/* Where a matrix goes: tiles of the prefill phase (where they stand, skewed or
 * not), or a slab. */
struct target {
	struct layout layout;
	struct tiles *tiles;   /* or */
	struct gemv_matrix *gemv;
};

/* Rows of a matrix that were read in one round: every rank's equal share of
 * all its rows is cut in as many rounds. */
struct round {
	struct target target;
	int rows;              /* of the matrix */
	int i, n;              /* the round, of so many */
	size_t at;             /* where each rank has its rows */
};

/* Rounds that wait for the ranks to meet, at most. */
#define REDISTRIBUTE_ROUNDS 64

struct redistribution {
	const struct mesh *mesh;
	int rank, size;        /* on mesh->control */
	size_t room;           /* bytes of rows of a rank that may wait */
	size_t used;
	char *rows;            /* [room] */
	struct round round[REDISTRIBUTE_ROUNDS]; /* that wait */
	int rounds;
	char *message[2];      /* [give, get] */
	size_t message_room[2];
};

/* least: bytes that must find room, those of a row. Free with redistribute_fini.
 * Both collective over mesh->control. */
void redistribute_init(struct redistribution *s, const struct mesh *mesh,
                       size_t min);
void redistribute_fini(struct redistribution *s);

/* The rows of rank r in round i of n. Pure. */
struct range redistribute_share(const struct redistribution *s, int rows, int r,
                                int i, int n);

/* Where this rank puts its rows of the next round, which have at most so many
 * bytes (up to room) on any rank. Collective over mesh->control, as are: */
void *redistribute_space(struct redistribution *s, size_t bytes);
/* Round i of n: the rows are there. Ranks need not have met. */
void redistribute_round(struct redistribution *s, const struct target *t, int i,
                        int n);
/* Meets the others: then all rows are in their places. */
void redistribute_meet(struct redistribution *s);

#endif
