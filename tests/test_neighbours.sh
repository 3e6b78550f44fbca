#!/usr/bin/env bash
# After loading, data goes between ranks that are neighbours in the mesh, and
# in no other way: runs under tests/shim/pmpi_neighbours.c, which ends the job
# at the first call that breaks the rule. Programs that break it show that it
# looks.
# timeout: 240
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

need_launcher
mpicc=${MPICC:-mpicc}
command -v "$mpicc" >/dev/null || skip_all "no $mpicc to build the watcher"
shim=$scratch/neighbours.so
"$mpicc" -O2 -fPIC -shared -o "$shim" \
	"$WAFERLLM_SRCDIR/tests/shim/pmpi_neighbours.c"
# A build with sanitizers wants to be first.
export ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0

# seen FIELD: a number of the watcher's last line.
seen() {
	sed -n "s/^neighbours: .*$1 \([0-9]*\).*/\1/p" "$err"
}

# watch RANKS ARGUMENTS...: a run that keeps the rules. Every send is received,
# and beside them there is at most one word from the leader a token.
watch() {
	local n=$1
	shift
	if ! launch "$n" env LD_PRELOAD="$shim" "$WAFERLLM" --quiet -n 6 \
		--no-shared-memory "$@"; then
		fail "$n ranks: $*" "$err"
	elif [ "$(seen sends)" -lt 100 ] ||
		[ "$(seen sends)" != "$(seen receives)" ] ||
		[ "$(seen collectives)" -gt 6 ]; then
		fail "unlikely counts on $n ranks: $*" "$err"
	fi
}

# share RANKS LINKS ARGUMENTS...: a run through shared memory, of which both
# ends of every link have a window, and nothing is sent.
share() {
	local n=$1 links=$2
	shift 2
	launch "$n" env LD_PRELOAD="$shim" "$WAFERLLM" --quiet -n 6 "$@" ||
		fail "sharing $n ranks: $*" "$err"
	same "sends of $n sharing ranks" 0 "$(seen sends)"
	same "windows of $n ranks" $((2 * links)) "$(seen windows)"
}

# broken WHAT WORDS < BODY: the watcher finds fault with a program of 4 ranks.
broken() {
	local bad=$scratch/bad status=0
	{
		cat <<'END'
#include <mpi.h>
int main(void)
{
	int rank, two[2] = { 2, 2 }, yes[2] = { 1, 1 }, no[2] = { 0, 0 };
	static char buf[4096];
	MPI_Comm cart;

	MPI_Init(NULL, NULL);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	(void)two, (void)yes, (void)no, (void)cart, (void)buf;
END
		cat
		echo '	MPI_Finalize();'
		echo '}'
	} >"$bad.c"
	"$mpicc" -o "$bad" "$bad.c"
	launch 4 env LD_PRELOAD="$shim" "$bad" || status=$?
	[ $status != 0 ] || fail "$1 ends with status 0" "$err"
	holds "$1" "$2" "$err"
}

mesh='MPI_Cart_create(MPI_COMM_WORLD, 2, two, no, 0, &cart);'

test_broken() {
	broken 'a diagonal' 'Send: the peer is not a neighbour' <<END
	$mesh
	MPI_Pcontrol(1);
	if (rank == 0)
		MPI_Send(buf, 1, MPI_INT, 3, 0, cart);
	if (rank == 3)
		MPI_Recv(buf, 1, MPI_INT, 0, 0, cart, MPI_STATUS_IGNORE);
END
	broken 'a torus' 'Cart_create: the mesh wraps around' <<'END'
	MPI_Cart_create(MPI_COMM_WORLD, 2, two, yes, 0, &cart);
END
	# Neighbours on the second line, ends of a row on the mesh.
	broken 'a wrap-around' 'Isend: the peer is not a neighbour' <<'END'
	MPI_Request r;
	int four[2] = { 1, 4 };

	MPI_Cart_create(MPI_COMM_WORLD, 2, four, no, 0, &cart);
	MPI_Pcontrol(1);
	MPI_Isend(buf, 1, MPI_INT, (rank + 1) % 4, 0, cart, &r);
	MPI_Recv(buf, 1, MPI_INT, (rank + 3) % 4, 0, cart, MPI_STATUS_IGNORE);
	MPI_Wait(&r, MPI_STATUS_IGNORE);
END
	broken 'the world' 'Isend: not on the Cartesian mesh' <<END
	MPI_Request r[2];

	$mesh
	MPI_Pcontrol(1);
	MPI_Isend(buf, 1, MPI_INT, rank ^ 1, 0, MPI_COMM_WORLD, r);
	MPI_Irecv(buf, 1, MPI_INT, rank ^ 1, 0, MPI_COMM_WORLD, r + 1);
	MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
END
	broken 'a put' 'one-sided' <<END
	MPI_Win w;

	$mesh
	MPI_Pcontrol(1);
	MPI_Win_create(buf, 64, 1, MPI_INFO_NULL, cart, &w);
	MPI_Win_fence(0, w);
	MPI_Put(buf + 64, 1, MPI_INT, rank ^ 1, 0, 1, MPI_INT, w);
	MPI_Win_fence(0, w);
	MPI_Win_free(&w);
END
	broken 'a window of all' 'not of two ranks' <<END
	MPI_Win w;
	void *base;

	$mesh
	MPI_Win_allocate_shared(64, 1, MPI_INFO_NULL, cart, &base, &w);
END
	broken 'a diagonal window' 'not of neighbours' <<END
	MPI_Win w;
	MPI_Comm pair;
	void *base;

	$mesh
	MPI_Comm_split(cart, rank == 0 || rank == 3, rank, &pair);
	MPI_Win_allocate_shared(64, 1, MPI_INFO_NULL, pair, &base, &w);
END
	broken 'a long collective' 'Allreduce: a collective of more' <<END
	$mesh
	MPI_Pcontrol(1);
	MPI_Allreduce(MPI_IN_PLACE, buf, 1000, MPI_INT, MPI_SUM,
	              MPI_COMM_WORLD);
END
	broken 'any source' 'Recv_init: from any source' <<END
	MPI_Request r;

	$mesh
	MPI_Recv_init(buf, 1, MPI_INT, MPI_ANY_SOURCE, 0, cart, &r);
	MPI_Request_free(&r);
END
}

# Rank grids with inner ranks, lines, and ranks that are one core wide, over
# which a step of two hops is relayed; grids that no rank grid divides.
test_runs() {
	local gqa=$scratch/gqa.h5 five=$scratch/five.h5
	local text='A prompt that is longer than a line of cores'
	random_model gqa 1 "$gqa_keys"
	random_model five 2 "$five_keys"
	watch 4 "$gqa" --grid 8x8 --prompt "$text"
	watch 6 "$gqa" --grid 7x7 --prompt "$text" --logits "$scratch/l.h5"
	watch 9 "$gqa" --grid 16x16 --prompt "$text" --temperature 1 --seed 3
	watch 9 "$five" --grid 3x3 --prompt "$text" --logits "$scratch/l.h5"
	watch 16 "$five" --grid 4x4 --prompt "$text"
	watch 16 "$gqa" --grid 5x5 --prompt "$text" --temperature 1
	watch 4 "$gqa" --grid 4x4 --rank-grid 1x4 --prompt "$text"
	watch 6 "$five" --grid 12x12 --rank-grid 6x1 --prompt ''
	watch 9 "$gqa" --grid 9x9 --rank-grid 1x9 --prompt "$text" \
		--logits "$scratch/l.h5"
	watch 6 "$gqa" --prefill-grid 12x12 --decode-grid 8x8 --prompt "$text"
	watch 9 "$five" --prefill-grid 3x3 --decode-grid 13x13 \
		--prompt "$text" --temperature 1 --logits "$scratch/l.h5"
	watch 7 "$gqa" --grid 6x6 --rank-grid 2x3 --prompt "$text"
}

test_sharing() {
	local gqa=$scratch/gqa.h5 text='A prompt'
	share 4 4 "$gqa" --grid 8x8 --prompt "$text"
	share 6 7 "$gqa" --grid 7x7 --prompt "$text" --temperature 1
	share 5 4 "$gqa" --grid 8x8 --rank-grid 1x5 --prompt "$text"
}

# Whatever the algorithm would like: broadcasts, wrap-arounds, a line.
test_algorithms() {
	local gqa=$scratch/gqa.h5 text='A prompt for all algorithms'
	watch 6 "$gqa" --grid 5x7 --prompt "$text" --gemm cannon \
		--allreduce ring
	watch 6 "$gqa" --grid 6x9 --prompt "$text" --gemm summa \
		--allreduce pipeline
	watch 4 "$gqa" --grid 8x4 --prompt "$text" --gemm allgather \
		--allreduce binary
	watch 4 "$gqa" --grid 4x3 --prompt "$text" --system megatron
}

test_broken
test_runs
test_sharing
test_algorithms
finish
