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

/* What ranks are bound to: nothing, one socket each, one core each, or not all
 * to the same. */
enum mesh_binding { MESH_UNBOUND, MESH_ON_SOCKETS, MESH_ON_CORES,
                    MESH_ON_DIFFERENT };

/* Placement of the grid's ranks on the machine. */
struct seating {
	int nodes;           /* number of them */
	enum mesh_binding binding;
	/* As placed, and as it would be in the order of world's ranks. */
	struct edge_cut cut, cut_in_order;
};

struct mesh {
	MPI_Comm world;    /* every rank of the job, idle ones too; borrowed */
	MPI_Comm control;  /* the ranks of the grid; MPI_COMM_NULL if idle */
	MPI_Comm cart;     /* the same, rows x cols; MPI_COMM_NULL if idle */
	int rows, cols;    /* of the rank grid */
	int row, col;      /* this rank's position; -1 if idle */
	bool active;       /* part of the grid */
	bool leader;       /* rank (0,0), world rank 0 */
	bool crowded;      /* this host has more ranks than cores */
	int node;          /* identifies this host */
	struct seating seating;
	bool share;        /* use memory shared between neighbours on one host
	                      (noc.h); true, may be cleared after mesh_init */
};

/* Chooses the rank grid for nranks ranks on a core grid of max_rows x max_cols:
 * the most ranks first, then the squarest, then the wider. Not collective. */
void mesh_choose(int nranks, int max_rows, int max_cols, int *rows, int *cols);

/* Arguments: idle ranks, all ranks, rows and columns of the rank grid. */
#define MESH_IDLE_NOTE "%d of %d ranks idle: the largest rank grid that fits " \
	"is %dx%d"

/* Places the first rows*cols ranks of world in the rank grid, neighbours close
 * in the machine (mapping.h), rank 0 at (0,0). Ranks of control and cart are
 * numbered row by row. The other ranks of world are idle: active = false.
 * Collective over world. Free with mesh_fini, collective over world. */
void mesh_init(struct mesh *m, MPI_Comm world, int rows, int cols);
void mesh_fini(struct mesh *m);
/* "none", "socket", "core" or "differs"; static storage. */
const char *mesh_binding_name(enum mesh_binding b);

/* Agrees on success: returns 0 on all ranks if every rank passed rc == 0, else
 * -1 on all ranks, each with the message of the lowest failing rank in err.
 * Collective over comm. */
int mesh_agree(MPI_Comm comm, int rc, struct wl_error *err);

/* Whether all ranks of comm run on the same processor model; on different ones
 * the C library's functions may differ in the last bits. Collective over
 * comm. */
bool mesh_same_processors(MPI_Comm comm);

/* A barrier that sleeps instead of polling, for idle ranks and the end of a
 * run. Collective over comm. */
void mesh_join(MPI_Comm comm);

#endif
