/* Redistribution of a matrix's rows, which all ranks read in equal shares, to
 * the ranks whose cores store them. A rank stores its own part of what it reads
 * at once; the rest of many rounds is exchanged in one collective.
 *
 * For loading only: ranks need not be neighbours, and no cost is charged. */
#ifndef WL_REDISTRIBUTE_H
#define WL_REDISTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "grid/gemv_matrix.h"
#include "grid/tiles.h"
#include "host/mesh.h"
#include "host/profile.h"

/* The matrix to store to: tiles of the prefill phase (skewed or at home), or a
 * matrix for GEMV. One of the two pointers is set; it is borrowed. */
struct target {
	struct layout layout;
	struct tiles *tiles;
	struct gemv_matrix *gemv;
};

/* Which rows of a matrix each rank reads, and which part of it each rank
 * stores. */
struct shares;

/* One round of reading: each rank has read some rows of one matrix. */
struct round {
	struct shares *shares; /* of the matrix */
	int index;             /* of the round among those of the matrix */
	size_t offset;         /* bytes into `rows`, the same on all ranks */
};

/* Most rounds that one exchange covers. */
#define REDISTRIBUTE_ROUNDS 64

struct redistribution {
	const struct mesh *mesh;
	struct profile *profile; /* of the host; NULL: none */
	int rank, size;          /* on mesh->control */
	size_t room;             /* bytes of rows between two exchanges */
	size_t used;
	char *rows;              /* [room] */
	struct round round[REDISTRIBUTE_ROUNDS]; /* since the last exchange */
	int rounds;
	struct shares *current;  /* of the matrix that is being read */
	int begun;               /* rounds of it */
	char *message[2];        /* [sent, received] */
	size_t message_room[2];  /* bytes */
};

/* room: bytes of rows that a rank may read between two exchanges, at least
 * those of the longest row. Mesh and profile (may be NULL) are borrowed. Free
 * with redistribute_fini, after redistribute_meet. Not collective. */
void redistribute_init(struct redistribution *s, const struct mesh *mesh,
                       struct profile *profile, size_t room);
void redistribute_fini(struct redistribution *s);

/* Begins a matrix. A rank reads at most max_rows rows (at least 1) in a round,
 * fewer where `room` is smaller. All ranks must give the same matrix and
 * number. Not collective. */
void redistribute_begin(struct redistribution *s, const struct target *t,
                        int max_rows);
/* Ends the matrix's round in progress, if any, whose rows the caller has
 * written, and begins the next: the caller writes *rows (may be none), dense
 * and in the type of the target, to *to. Returns false when the matrix has no
 * round left. Collective over mesh->control; may exchange. */
bool redistribute_next(struct redistribution *s, struct range *rows,
                       void **to);
/* Exchanges the rows that are not stored yet: on return, all matrices that were
 * read to the end are complete. Collective over mesh->control. */
void redistribute_meet(struct redistribution *s);

#endif
