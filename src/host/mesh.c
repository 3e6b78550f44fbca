#include "config.h"
#include "host/mesh.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/host.h"

void mesh_choose(int nranks, int max_rows, int max_cols, int *rows, int *cols)
{
	*rows = *cols = 1;
	for (int r = 1; r <= max_rows && r <= nranks; r++) {
		int c = nranks / r < max_cols ? nranks / r : max_cols;
		int more = r * c - *rows * *cols;
		int tall = r > c ? r - c : c - r;
		int best = *rows > *cols ? *rows - *cols : *cols - *rows;

		if (more > 0 || (more == 0 && tall < best)) {
			*rows = r;
			*cols = c;
		}
	}
}

/* Where this rank runs, and whether its host has more ranks than cores.
 * Discovering the topology is slow, so one rank per host does it. Collective
 * over world. */
static struct seat find_seat(MPI_Comm world, bool *crowded)
{
	MPI_Comm host;
	struct host_mask local;
	struct host_seat seat;
	int ranks, rank, node, cores = 0;

	MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
	                    &host);
	MPI_Comm_size(host, &ranks);
	MPI_Comm_rank(host, &rank);
	MPI_Comm_rank(world, &node);
	host_mask(&local);
	struct host_mask *mask = wl_malloc(rank ? 1 : ranks, sizeof *mask);
	struct host_seat *all = wl_malloc(rank ? 1 : ranks, sizeof *all);

	MPI_Gather(&local, sizeof local, MPI_BYTE, mask, sizeof local, MPI_BYTE,
	           0, host);
	if (rank == 0)
		cores = host_seats(mask, ranks, all);
	MPI_Scatter(all, sizeof seat, MPI_BYTE, &seat, sizeof seat, MPI_BYTE, 0,
	            host);
	MPI_Bcast(&cores, 1, MPI_INT, 0, host);
	MPI_Bcast(&node, 1, MPI_INT, 0, host);
	MPI_Comm_free(&host);
	free(mask);
	free(all);
	*crowded = ranks > cores;
	return (struct seat){ node, seat.socket, seat.core };
}

/* Sets the number of nodes and the common binding of n ranks. */
static void summarize(struct seating *s, const struct seat *seat, int n)
{
	int on_core = 0, on_socket = 0;

	for (int i = 0; i < n; i++) {
		/* A node's number is its first rank in world, which is in the
		 * grid if any of the node's ranks is. */
		s->nodes += seat[i].node == i;
		on_core += seat[i].core >= 0;
		on_socket += seat[i].socket >= 0;
	}
	s->binding = on_core == n ? MESH_ON_CORES :
	             on_socket == n ? MESH_ON_SOCKETS :
	             on_core || on_socket ? MESH_ON_DIFFERENT : MESH_UNBOUND;
}

/* This rank's position in the rank grid, row-major; beyond the grid if idle.
 * Collective over world. */
static int find_place(struct mesh *m, const struct seat *local, int rank,
                      int size)
{
	int n = m->rows * m->cols, place = rank;
	struct seat *seat = wl_malloc(size, sizeof *seat);
	int *rank_at = wl_malloc(n, sizeof *rank_at);

	MPI_Allgather(local, sizeof *local, MPI_BYTE, seat, sizeof *local,
	              MPI_BYTE, m->world);
	mapping_choose(m->rows, m->cols, seat, rank_at);
	m->seating.cut_in_order = mapping_cut(m->rows, m->cols, seat, NULL);
	summarize(&m->seating, seat, n);
	for (int i = 0; i < n; i++)
		if (rank_at[i] == rank)
			place = i;
	free(seat);
	free(rank_at);
	return place;
}

/* Counts the edges cut in the grid as created. Collective over control. */
static void count_cut(struct mesh *m, const struct seat *local)
{
	struct seat *seat = wl_malloc((size_t)m->rows * m->cols, sizeof *seat);

	MPI_Allgather(local, sizeof *local, MPI_BYTE, seat, sizeof *local,
	              MPI_BYTE, m->control);
	m->seating.cut = mapping_cut(m->rows, m->cols, seat, NULL);
	free(seat);
}

void mesh_init(struct mesh *m, MPI_Comm world, int rows, int cols)
{
	int dims[2] = { rows, cols }, periods[2] = { 0, 0 }, coords[2];
	int rank, size;

	MPI_Comm_rank(world, &rank);
	MPI_Comm_size(world, &size);
	*m = (struct mesh){ .world = world, .control = MPI_COMM_NULL,
	                    .cart = MPI_COMM_NULL, .rows = rows, .cols = cols,
	                    .row = -1, .col = -1, .leader = rank == 0,
	                    .active = rank < rows * cols, .share = true };
	struct seat local = find_seat(world, &m->crowded);
	int place = find_place(m, &local, rank, size);

	m->node = local.node;
	MPI_Comm_split(world, m->active ? 0 : MPI_UNDEFINED, place,
	               &m->control);
	if (!m->active)
		return;
	/* Ranks of control are in the order of their positions. */
	MPI_Cart_create(m->control, 2, dims, periods, 0, &m->cart);
	MPI_Comm_rank(m->cart, &rank);
	MPI_Cart_coords(m->cart, rank, 2, coords);
	m->row = coords[0];
	m->col = coords[1];
	count_cut(m, &local);
}

const char *mesh_binding_name(enum mesh_binding b)
{
	static const char *const name[] = {
		[MESH_UNBOUND] = "none", [MESH_ON_SOCKETS] = "socket",
		[MESH_ON_CORES] = "core", [MESH_ON_DIFFERENT] = "differs" };

	return name[b];
}

void mesh_fini(struct mesh *m)
{
	if (m->cart != MPI_COMM_NULL)
		MPI_Comm_free(&m->cart);
	if (m->control != MPI_COMM_NULL)
		MPI_Comm_free(&m->control);
}

int mesh_agree(MPI_Comm comm, int rc, struct wl_error *err)
{
	int rank, first;

	MPI_Comm_rank(comm, &rank);
	int local = rc ? rank : INT_MAX;

	MPI_Allreduce(&local, &first, 1, MPI_INT, MPI_MIN, comm);
	if (first == INT_MAX)
		return 0;
	MPI_Bcast(err, sizeof *err, MPI_BYTE, first, comm);
	return -1;
}

bool mesh_same_processors(MPI_Comm comm)
{
	uint64_t type = host_processor(), range[2] = { type, ~type };

	/* The maximum, and the complement of the minimum. */
	MPI_Allreduce(MPI_IN_PLACE, range, 2, MPI_UINT64_T, MPI_MAX, comm);
	return range[0] == ~range[1];
}

void mesh_join(MPI_Comm comm)
{
	const struct timespec nap = { 0, 2000000 };
	MPI_Request req;
	int done = 0;

	MPI_Ibarrier(comm, &req);
	for (;;) {
		MPI_Test(&req, &done, MPI_STATUS_IGNORE);
		if (done)
			return;
		nanosleep(&nap, NULL);
	}
}
