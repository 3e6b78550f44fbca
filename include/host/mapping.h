/* Which rank stands where in the rank grid, so that neighbours there are near
 * each other in the machine: as few edges of the grid as can be found cross
 * from node to node, and of the rest as few as can be from socket to socket.
 * Pure functions of where ranks run; the results do not depend on it, only how
 * far their messages go. */
#ifndef WL_MAPPING_H
#define WL_MAPPING_H

/* Where a rank runs. */
struct seat {
	int node;     /* the same number: the same host */
	int socket;   /* of the node; -1: not bound to one */
	int core; /* of the node, near ones in a row; -1: not bound to one */
};

/* Edges of the rank grid, two ranks that are neighbours each. */
struct edge_cut {
	long edges;   /* all */
	long node;    /* between nodes */
	long socket;  /* between sockets of a node */
};

/* rank_at[rows * cols]: the rank of each place, row by row, of ranks 0 to
 * rows * cols - 1 with these seats. Rank 0 is at place 0. Nodes get
 * neighbouring places of ribbons that wind over the grid, of the best width
 * that there is, lengthways or crossways, and so do a node's sockets over its
 * places; the order of ranks stays where this is no better. Not collective. */
void mapping_choose(int rows, int cols, const struct seat *seat, int *rank_at);

/* What is cut when ranks stand so; rank_at NULL: in their order, as
 * MPI_Cart_create leaves them. */
struct edge_cut mapping_cut(int rows, int cols, const struct seat *seat,
                            const int *rank_at);

#endif
