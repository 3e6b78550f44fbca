#include "config.h"
#include "mesh.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "host.h"

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

/* Whether the ranks of world on this host outnumber its cores. */
static bool is_crowded(MPI_Comm world)
{
	MPI_Comm host;
	int ranks, rank, cores = 0;

	MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
	                    &host);
	MPI_Comm_size(host, &ranks);
	MPI_Comm_rank(host, &rank);
	/* Looking takes a while: one rank for all. */
	if (rank == 0)
		cores = host_cores();
	MPI_Bcast(&cores, 1, MPI_INT, 0, host);
	MPI_Comm_free(&host);
	return ranks > cores;
}

void mesh_init(struct mesh *m, MPI_Comm world, int rows, int cols)
{
	int dims[2] = { rows, cols }, periods[2] = { 0, 0 }, coords[2];
	int rank;

	MPI_Comm_rank(world, &rank);
	*m = (struct mesh){ .world = world, .control = MPI_COMM_NULL,
	                    .cart = MPI_COMM_NULL, .rows = rows, .cols = cols,
	                    .row = -1, .col = -1, .leader = rank == 0,
	                    .active = rank < rows * cols,
	                    .crowded = is_crowded(world), .share = true };
	MPI_Comm_split(world, m->active ? 0 : MPI_UNDEFINED, rank, &m->control);
	if (!m->active)
		return;
	MPI_Cart_create(m->control, 2, dims, periods, 0, &m->cart);
	MPI_Comm_rank(m->cart, &rank);
	MPI_Cart_coords(m->cart, rank, 2, coords);
	m->row = coords[0];
	m->col = coords[1];
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
	int mine = rc ? rank : INT_MAX;

	MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm);
	if (first == INT_MAX)
		return 0;
	MPI_Bcast(err->text, sizeof err->text, MPI_CHAR, first, comm);
	return -1;
}

bool mesh_same_processors(MPI_Comm comm)
{
	uint64_t type = host_processor(), range[2] = { type, ~type };

	/* The largest, and the complement of the smallest. */
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
