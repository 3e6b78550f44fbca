/* The rank grid: r x c MPI ranks on a Cartesian communicator without
 * wrap-around, and the control plane (agreement on errors, the next token,
 * reports). Tensor data never goes through here: see noc.h. */
#ifndef WL_MESH_H
#define WL_MESH_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/partition.h"
#include "host/mapping.h"

/* What the system lets ranks run on: all of their host, one socket each, one
 * core each, or it differs. */
enum mesh_binding { MESH_UNBOUND, MESH_ON_SOCKETS, MESH_ON_CORES,
                    MESH_ON_DIFFERENT };

/* How the grid's ranks lie on the machine. */
struct seating {
	int nodes;
	enum mesh_binding binding;
	/* Edges of the grid as ranks stand, and were they in world's order. */
	struct edge_cut cut, cut_in_order;
};

struct mesh {
	MPI_Comm world;    /* every rank of the job, idle ones too; borrowed */
	MPI_Comm control;  /* the ranks of the grid; NULL where idle */
	MPI_Comm cart;     /* the same ranks, rows x cols; NULL where idle */
	int rows, cols;    /* the rank grid */
	int row, col;      /* this rank's place; -1 where idle */
	bool active;       /* part of the grid */
	bool leader;       /* rank (0,0), world rank 0 */
	bool crowded;      /* this host has more ranks than cores for them */
	int node;          /* this host: a number of its own */
	struct seating seating;
	bool share;        /* memory, between neighbours on one host (noc.h);
	                      yes, unless it is changed after mesh_init */
};

/* The rank grid for nranks ranks that fits a grid of at most max_rows x
 * max_cols cores: the most ranks first, then the squarest, then the wider.
 * Not collective. */
void mesh_choose(int nranks, int max_rows, int max_cols, int *rows, int *cols);

/* Of ranks left out: how many, of how many; rows and columns of the rest. */
#define MESH_IDLE_NOTE "%d of %d ranks idle: the largest rank grid that fits " \
	"is %dx%d"

/* Lays the first rows*cols ranks of world out so that neighbours are near each
 * other in the machine (mapping.h), rank 0 at (0,0). Ranks of control and cart
 * are numbered row by row. Collective over world; idle ranks (the rest) get
 * active = false. Free with mesh_fini. */
void mesh_init(struct mesh *m, MPI_Comm world, int rows, int cols);
void mesh_fini(struct mesh *m);
/* Static storage. */
const char *mesh_binding_name(enum mesh_binding b);

/* Whether every rank of comm came with rc == 0. Collective over comm.
 * Returns 0, or -1 on all with the message of the lowest failing rank in err
 * on all. */
int mesh_agree(MPI_Comm comm, int rc, struct wl_error *err);

/* Whether all ranks of comm run on processors of one type; on differing ones
 * the last bits of the C library's functions may differ. Collective. */
bool mesh_same_processors(MPI_Comm comm);

/* Waits for all ranks of comm without spinning: for idle ranks and ends of
 * runs. Collective over comm. */
void mesh_join(MPI_Comm comm);

#endif
