/* Watches what an MPI program sends, and to whom; preloaded by
 * tests/test_neighbours.sh. The rules: from MPI_Pcontrol(1) on, data goes by
 * send and receive on the one Cartesian mesh (or lines of it) between ranks
 * that are adjacent there, never around its edges; everything else is a
 * collective of at most 1 KB per rank on another communicator, until
 * MPI_Pcontrol(2) permits longer reports. Data in shared memory is not seen,
 * but only two adjacent ranks may share memory. The first call that breaks a
 * rule is named and ends the job; otherwise MPI_Finalize prints the totals. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTROL_BYTES 1024

enum phase { LOADING, WATCHED, REPORTING };

static enum phase phase;
static MPI_Group mesh = MPI_GROUP_NULL; /* ranks of the mesh, row by row */
static int mesh_cols;

/* This rank's counts while it is watched; summed over the ranks at the end. */
enum { SENDS, RECEIVES, COLLECTIVES, WINDOWS, N_SEEN };
static long seen[N_SEEN];
static long longest; /* collective, bytes */

static void refuse(const char *call, const char *why)
{
	int rank;

	PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
	fprintf(stderr, "neighbours: rank %d: %s: %s\n", rank, call, why);
	fflush(stderr);
	PMPI_Abort(MPI_COMM_WORLD, 3);
}

/* --- Sends and receives --- */

static void check_comm(const char *call, MPI_Comm comm)
{
	int topology, n, dims[2], periods[2] = { 0, 0 }, coords[2];

	PMPI_Topo_test(comm, &topology);
	if (topology != MPI_CART || mesh == MPI_GROUP_NULL) {
		refuse(call, "not on the Cartesian mesh");
		return;
	}
	PMPI_Cartdim_get(comm, &n);
	if (n > 2) {
		refuse(call, "not on a mesh or a line");
		return;
	}
	PMPI_Cart_get(comm, n, dims, periods, coords);
	if (periods[0] || periods[1])
		refuse(call, "on a mesh that wraps around");
}

/* Hops between this rank and rank `peer` of comm, in the mesh; -1 when one of
 * them is not in it. */
static int distance(MPI_Comm comm, int peer)
{
	MPI_Group group;
	int local, other;

	PMPI_Comm_group(comm, &group);
	PMPI_Group_translate_ranks(group, 1, &peer, mesh, &other);
	PMPI_Group_free(&group);
	PMPI_Group_rank(mesh, &local);
	if (local == MPI_UNDEFINED || other == MPI_UNDEFINED)
		return -1;
	return abs(local / mesh_cols - other / mesh_cols) +
	       abs(local % mesh_cols - other % mesh_cols);
}

static void check_peer(const char *call, MPI_Comm comm, int peer, int what)
{
	if (peer == MPI_PROC_NULL)
		return;
	if (peer == MPI_ANY_SOURCE) {
		refuse(call, "from any source");
		return;
	}
	check_comm(call, comm);
	if (distance(comm, peer) != 1)
		refuse(call, "the peer is not a neighbour");
	seen[what]++;
}

static void check_now(const char *call, MPI_Comm comm, int peer, int what)
{
	if (phase != LOADING)
		check_peer(call, comm, peer, what);
}

#define SEND(name)                                                          \
int MPI_##name(const void *buf, int n, MPI_Datatype type, int to, int tag,  \
               MPI_Comm comm)                                               \
{                                                                           \
	check_now(#name, comm, to, SENDS);                                  \
	return PMPI_##name(buf, n, type, to, tag, comm);                    \
}
SEND(Send)
SEND(Bsend)
SEND(Ssend)
SEND(Rsend)

#define ISEND(name, check)                                                  \
int MPI_##name(const void *buf, int n, MPI_Datatype type, int to, int tag,  \
               MPI_Comm comm, MPI_Request *request)                         \
{                                                                           \
	check(#name, comm, to, SENDS);                                      \
	return PMPI_##name(buf, n, type, to, tag, comm, request);           \
}
ISEND(Isend, check_now)
ISEND(Ibsend, check_now)
ISEND(Issend, check_now)
ISEND(Irsend, check_now)
/* A persistent request may be made while loading and started at any time. */
ISEND(Send_init, check_peer)
ISEND(Bsend_init, check_peer)
ISEND(Ssend_init, check_peer)
ISEND(Rsend_init, check_peer)

#define IRECV(name, check)                                                  \
int MPI_##name(void *buf, int n, MPI_Datatype type, int from, int tag,      \
               MPI_Comm comm, MPI_Request *request)                         \
{                                                                           \
	check(#name, comm, from, RECEIVES);                                 \
	return PMPI_##name(buf, n, type, from, tag, comm, request);         \
}
IRECV(Irecv, check_now)
IRECV(Recv_init, check_peer)

int MPI_Recv(void *buf, int n, MPI_Datatype type, int from, int tag,
             MPI_Comm comm, MPI_Status *status)
{
	check_now("Recv", comm, from, RECEIVES);
	return PMPI_Recv(buf, n, type, from, tag, comm, status);
}

int MPI_Sendrecv(const void *out, int nout, MPI_Datatype tout, int to,
                 int tag_out, void *in, int nin, MPI_Datatype tin, int from,
                 int tag_in, MPI_Comm comm, MPI_Status *status)
{
	check_now("Sendrecv", comm, to, SENDS);
	check_now("Sendrecv", comm, from, RECEIVES);
	return PMPI_Sendrecv(out, nout, tout, to, tag_out, in, nin, tin, from,
	                     tag_in, comm, status);
}

int MPI_Sendrecv_replace(void *buf, int n, MPI_Datatype type, int to,
                         int tag_out, int from, int tag_in, MPI_Comm comm,
                         MPI_Status *status)
{
	check_now("Sendrecv_replace", comm, to, SENDS);
	check_now("Sendrecv_replace", comm, from, RECEIVES);
	return PMPI_Sendrecv_replace(buf, n, type, to, tag_out, from, tag_in,
	                             comm, status);
}

#define PROBE(name, args, call)                                             \
int MPI_##name args                                                         \
{                                                                           \
	check_now(#name, comm, from, RECEIVES);                             \
	return PMPI_##name call;                                            \
}
PROBE(Probe, (int from, int tag, MPI_Comm comm, MPI_Status *s),
      (from, tag, comm, s))
PROBE(Iprobe, (int from, int tag, MPI_Comm comm, int *flag, MPI_Status *s),
      (from, tag, comm, flag, s))
PROBE(Mprobe, (int from, int tag, MPI_Comm comm, MPI_Message *m,
               MPI_Status *s), (from, tag, comm, m, s))
PROBE(Improbe, (int from, int tag, MPI_Comm comm, int *flag, MPI_Message *m,
                MPI_Status *s), (from, tag, comm, flag, m, s))

/* --- Calls that are never allowed --- */

#define STRIP(...) __VA_ARGS__

#define REFUSED(name, why, params, args)                                    \
int MPI_##name(STRIP params)                                                \
{                                                                           \
	refuse(#name, why);                                                 \
	return PMPI_##name(STRIP args);                                     \
}

/* One-sided calls need a window, which may be made before the rules apply. */
#define WINDOW(name, params, args) REFUSED(name, "one-sided", params, args)
WINDOW(Win_create, (void *base, MPI_Aint size, int unit, MPI_Info info,
                    MPI_Comm comm, MPI_Win *w),
       (base, size, unit, info, comm, w))
WINDOW(Win_allocate, (MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm,
                      void *base, MPI_Win *w),
       (size, unit, info, comm, base, w))
WINDOW(Win_create_dynamic, (MPI_Info info, MPI_Comm comm, MPI_Win *w),
       (info, comm, w))

/* Memory may be shared by two neighbouring ranks. */
int MPI_Win_allocate_shared(MPI_Aint size, int unit, MPI_Info info,
                            MPI_Comm comm, void *base, MPI_Win *w)
{
	int n, rank;

	PMPI_Comm_size(comm, &n);
	PMPI_Comm_rank(comm, &rank);
	if (n != 2)
		refuse("Win_allocate_shared", "not of two ranks");
	else if (mesh == MPI_GROUP_NULL || distance(comm, !rank) != 1)
		refuse("Win_allocate_shared", "not of neighbours");
	seen[WINDOWS]++;
	return PMPI_Win_allocate_shared(size, unit, info, comm, base, w);
}

/* The blocking call and the nonblocking one. */
#define HOOD(name, iname, params, args)                                     \
REFUSED(name, "a neighbour collective", params, args)                       \
REFUSED(iname, "a neighbour collective", (STRIP params, MPI_Request *r),    \
        (STRIP args, r))
HOOD(Neighbor_allgather, Ineighbor_allgather,
     (const void *out, int nout, MPI_Datatype tout, void *in, int nin,
      MPI_Datatype tin, MPI_Comm comm),
     (out, nout, tout, in, nin, tin, comm))
HOOD(Neighbor_allgatherv, Ineighbor_allgatherv,
     (const void *out, int nout, MPI_Datatype tout, void *in,
      const int *nin, const int *at, MPI_Datatype tin, MPI_Comm comm),
     (out, nout, tout, in, nin, at, tin, comm))
HOOD(Neighbor_alltoall, Ineighbor_alltoall,
     (const void *out, int nout, MPI_Datatype tout, void *in, int nin,
      MPI_Datatype tin, MPI_Comm comm),
     (out, nout, tout, in, nin, tin, comm))
HOOD(Neighbor_alltoallv, Ineighbor_alltoallv,
     (const void *out, const int *nout, const int *from,
      MPI_Datatype tout, void *in, const int *nin, const int *at,
      MPI_Datatype tin, MPI_Comm comm),
     (out, nout, from, tout, in, nin, at, tin, comm))
HOOD(Neighbor_alltoallw, Ineighbor_alltoallw,
     (const void *out, const int *nout, const MPI_Aint *from,
      const MPI_Datatype *tout, void *in, const int *nin,
      const MPI_Aint *at, const MPI_Datatype *tin, MPI_Comm comm),
     (out, nout, from, tout, in, nin, at, tin, comm))

/* The file is read once, while loading; reports may be written. */
int MPI_File_open(MPI_Comm comm, const char *path, int mode, MPI_Info info,
                  MPI_File *file)
{
	if (phase == WATCHED)
		refuse("File_open", "a file shared by ranks");
	return PMPI_File_open(comm, path, mode, info, file);
}

/* --- Collectives --- */

static long bytes(long n, MPI_Datatype type)
{
	int size;

	PMPI_Type_size(type, &size);
	return n * size;
}

static int size_of(MPI_Comm comm)
{
	int size;

	PMPI_Comm_size(comm, &size);
	return size;
}

static long sum(MPI_Comm comm, const int *n)
{
	long all = 0;

	for (int i = 0; i < size_of(comm); i++)
		all += n[i];
	return all;
}

static long sum_bytes(MPI_Comm comm, const int *n, const MPI_Datatype *type)
{
	long all = 0;

	for (int i = 0; i < size_of(comm); i++)
		all += bytes(n[i], type[i]);
	return all;
}

/* given: what this rank contributes, or receives if it contributes nothing. */
static void check_collective(const char *call, MPI_Comm comm, long given)
{
	int topology;

	if (phase != WATCHED)
		return;
	PMPI_Topo_test(comm, &topology);
	if (topology != MPI_UNDEFINED)
		refuse(call, "a collective on the mesh");
	if (given > CONTROL_BYTES)
		refuse(call, "a collective of more than 1 KB");
	if (given > longest)
		longest = given;
	seen[COLLECTIVES]++;
}

#define COLLECTIVE(name, iname, given, params, args)                        \
int MPI_##name(STRIP params)                                                \
{                                                                           \
	check_collective(#name, comm, given);                               \
	return PMPI_##name(STRIP args);                                     \
}                                                                           \
int MPI_##iname(STRIP params, MPI_Request *r)                               \
{                                                                           \
	check_collective(#iname, comm, given);                              \
	return PMPI_##iname(STRIP args, r);                                 \
}

/* In place, a rank's own part has no type. */
#define OUT_BYTES (out == MPI_IN_PLACE ? 0 : bytes(nout, tout))
#define IN_BYTES (in == MPI_IN_PLACE ? 0 : bytes(nin, tin))

COLLECTIVE(Bcast, Ibcast, bytes(n, type),
           (void *buf, int n, MPI_Datatype type, int root, MPI_Comm comm),
           (buf, n, type, root, comm))
COLLECTIVE(Reduce, Ireduce, bytes(n, type),
           (const void *out, void *in, int n, MPI_Datatype type, MPI_Op op,
            int root, MPI_Comm comm), (out, in, n, type, op, root, comm))
#define REDUCE_PARAMS (const void *out, void *in, int n, MPI_Datatype type, \
                       MPI_Op op, MPI_Comm comm)
#define REDUCE_ARGS (out, in, n, type, op, comm)
COLLECTIVE(Allreduce, Iallreduce, bytes(n, type), REDUCE_PARAMS, REDUCE_ARGS)
COLLECTIVE(Scan, Iscan, bytes(n, type), REDUCE_PARAMS, REDUCE_ARGS)
COLLECTIVE(Exscan, Iexscan, bytes(n, type), REDUCE_PARAMS, REDUCE_ARGS)
COLLECTIVE(Reduce_scatter_block, Ireduce_scatter_block,
           bytes(n, type) * size_of(comm), REDUCE_PARAMS, REDUCE_ARGS)
COLLECTIVE(Reduce_scatter, Ireduce_scatter, bytes(sum(comm, n), type),
           (const void *out, void *in, const int *n, MPI_Datatype type,
            MPI_Op op, MPI_Comm comm), REDUCE_ARGS)
COLLECTIVE(Gather, Igather, OUT_BYTES,
           (const void *out, int nout, MPI_Datatype tout, void *in, int nin,
            MPI_Datatype tin, int root, MPI_Comm comm),
           (out, nout, tout, in, nin, tin, root, comm))
COLLECTIVE(Gatherv, Igatherv, OUT_BYTES,
           (const void *out, int nout, MPI_Datatype tout, void *in,
            const int *nin, const int *at, MPI_Datatype tin, int root,
            MPI_Comm comm), (out, nout, tout, in, nin, at, tin, root, comm))
COLLECTIVE(Scatter, Iscatter, IN_BYTES,
           (const void *out, int nout, MPI_Datatype tout, void *in, int nin,
            MPI_Datatype tin, int root, MPI_Comm comm),
           (out, nout, tout, in, nin, tin, root, comm))
COLLECTIVE(Scatterv, Iscatterv, IN_BYTES,
           (const void *out, const int *nout, const int *from,
            MPI_Datatype tout, void *in, int nin, MPI_Datatype tin, int root,
            MPI_Comm comm), (out, nout, from, tout, in, nin, tin, root, comm))
COLLECTIVE(Allgather, Iallgather, bytes(nin, tin),
           (const void *out, int nout, MPI_Datatype tout, void *in, int nin,
            MPI_Datatype tin, MPI_Comm comm),
           (out, nout, tout, in, nin, tin, comm))
COLLECTIVE(Allgatherv, Iallgatherv, bytes(sum(comm, nin), tin),
           (const void *out, int nout, MPI_Datatype tout, void *in,
            const int *nin, const int *at, MPI_Datatype tin, MPI_Comm comm),
           (out, nout, tout, in, nin, at, tin, comm))
COLLECTIVE(Alltoall, Ialltoall, bytes(nin, tin) * size_of(comm),
           (const void *out, int nout, MPI_Datatype tout, void *in, int nin,
            MPI_Datatype tin, MPI_Comm comm),
           (out, nout, tout, in, nin, tin, comm))
COLLECTIVE(Alltoallv, Ialltoallv, bytes(sum(comm, nin), tin),
           (const void *out, const int *nout, const int *from,
            MPI_Datatype tout, void *in, const int *nin, const int *at,
            MPI_Datatype tin, MPI_Comm comm),
           (out, nout, from, tout, in, nin, at, tin, comm))
COLLECTIVE(Alltoallw, Ialltoallw, sum_bytes(comm, nin, tin),
           (const void *out, const int *nout, const int *from,
            const MPI_Datatype *tout, void *in, const int *nin,
            const int *at, const MPI_Datatype *tin, MPI_Comm comm),
           (out, nout, from, tout, in, nin, at, tin, comm))

/* --- The mesh, the phases, the end --- */

int MPI_Cart_create(MPI_Comm old, int n, const int *dims, const int *periods,
                    int reorder, MPI_Comm *cart)
{
	int rc = PMPI_Cart_create(old, n, dims, periods, reorder, cart);

	if (mesh != MPI_GROUP_NULL)
		refuse("Cart_create", "a second mesh");
	if (n != 2) {
		refuse("Cart_create", "not two-dimensional");
		return rc;
	}
	if (periods[0] || periods[1])
		refuse("Cart_create", "the mesh wraps around");
	if (*cart != MPI_COMM_NULL) {
		PMPI_Comm_group(*cart, &mesh);
		mesh_cols = dims[1];
	}
	return rc;
}

int MPI_Pcontrol(const int level, ...)
{
	phase = level == 1 ? WATCHED : level == 2 ? REPORTING : LOADING;
	return PMPI_Pcontrol(level);
}

int MPI_Finalize(void)
{
	long all[N_SEEN], max;
	int rank;

	PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
	PMPI_Reduce(seen, all, N_SEEN, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	PMPI_Reduce(&longest, &max, 1, MPI_LONG, MPI_MAX, 0, MPI_COMM_WORLD);
	/* The leader is in every collective. */
	if (rank == 0)
		fprintf(stderr, "neighbours: sends %ld receives %ld "
		        "collectives %ld longest %ld windows %ld\n",
		        all[SENDS], all[RECEIVES], seen[COLLECTIVES], max,
		        all[WINDOWS]);
	if (mesh != MPI_GROUP_NULL)
		PMPI_Group_free(&mesh);
	return PMPI_Finalize();
}
