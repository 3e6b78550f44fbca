/* Placement of ranks in the rank grid, so that neighbours in the grid are close
 * in the machine: a heuristic that minimizes the edges of the grid between
 * nodes, then those between sockets of a node. Placement affects only how far
 * messages travel, never the results. Pure functions, not collective. */
#ifndef WL_MAPPING_H
#define WL_MAPPING_H

/* Where a rank runs. */
struct seat {
	int node;     /* equal numbers: same host */
	int socket;   /* of the node; -1: not bound to a single one */
	int core;     /* of the node, consecutive ones are close; -1: not bound
	                 to a single one */
};

/* Numbers of edges of the rank grid (pairs of neighbouring ranks). */
struct edge_cut {
	long edges;   /* all */
	long node;    /* between nodes */
	long socket;  /* between sockets of a node */
};

/* Places ranks 0 to rows * cols - 1, which run on seat[rows * cols]: sets
 * rank_at[rows * cols], row-major, to the rank at each position. Rank 0 is at
 * position 0. Each node gets consecutive positions of a space-filling curve
 * that sweeps the grid in ribbons, along rows or columns, of the width that
 * cuts the fewest edges; each socket likewise within its node's positions.
 * Where this is no better than rank order, ranks keep their order. */
void mapping_choose(int rows, int cols, const struct seat *seat, int *rank_at);

/* Counts the edges that a placement cuts. rank_at NULL: rank order, as
 * MPI_Cart_create leaves them. */
struct edge_cut mapping_cut(int rows, int cols, const struct seat *seat,
                            const int *rank_at);

#endif
