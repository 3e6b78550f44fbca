#!/usr/bin/env bash
# Runs every command of the README, the lines that begin with "    $ ", as they
# stand there: those that set up, build and test in a copy of the source tree
# (of the tests only one, for this is one, and of make bench a little of each),
# make in the build folder, the others beside the program. What is for sbatch is
# for test_slurm.sh.
# timeout: 700
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/tree" "$work/desk"
ln -s "$WAFERLLM" "$work/bin/waferllm"
ln -s "$WAFERLLM_SRCDIR/data" "$work/desk/data"
# By its full path, for this is to be first in PATH itself.
read -r launcher flags <<<"$MPIRUN"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$(command -v "$launcher")" "$flags" \
	>"$work/bin/mpirun"
chmod +x "$work/bin/mpirun"

tar -C "$WAFERLLM_SRCDIR" --exclude=./build --exclude=./.git -cf - . |
	tar -C "$work/tree" -xf -
chmod -R u+w "$work/tree"
# A source tree that was built in place is no fresh one.
if [ -f "$work/tree/config.status" ]; then
	make -s -C "$work/tree" distclean
fi

export BENCH_ROUNDS=1 BENCH_PASSES=1 BENCH_RANKS=1 BENCH_DTYPES=f32
export BENCH_SHAPE=$work/tree/bench.json BENCH_PROMPT=9 BENCH_NEW=9
export BENCH_GEMM=64 BENCH_GEMM_GRIDS=8x8 BENCH_GEMV=64 BENCH_LINES=2
echo '{"dim": 96, "hidden_dim": 256, "n_layers": 2, "n_heads": 6,
	"n_kv_heads": 3, "vocab_size": 500, "max_seq_len": 128}' \
	>"$BENCH_SHAPE"

# in_folder FOLDER COMMAND PREFIX: one that belongs to the tree, with a test that
# takes no time and is the only one to be built.
in_folder() {
	local test=tests/check_partition
	(cd "$1" &&
		unset WAFERLLM_BUILDDIR WAFERLLM_SRCDIR MAKELEVEL &&
		MAKEFLAGS="TESTS=$test check_PROGRAMS=$test${3:+ prefix=$3}" \
			bash -c "$2")
}

# Open MPI starts as users have it. What is only installed and not run is
# compiled faster without optimization.
in_tree() {
	# shellcheck disable=SC2086 # names
	(unset ${WAFERLLM_QUICK_START-}
	[ -z "$2" ] || export CFLAGS=-O0
	in_folder "$work/tree" "$@")
}

in_build() {
	in_folder "$work/tree/build" "$@"
}

beside_program() {
	(cd "$work/desk" && PATH=$work/bin:$PATH bash -c "$1")
}

run() {
	local where=beside_program prefix=
	case $1 in
	./*) where=in_tree ;;
	autoreconf*) where=in_tree prefix=$work/installed ;;
	make\ *) where=in_build ;;
	esac
	if ! $where "$1" "$prefix" >"$work/out" 2>"$work/err" </dev/null; then
		echo "failed: $1"
		tail -n 30 "$work/out" "$work/err"
		failed=1
	fi
	case $1 in
	*import\ * | *'>'*) ;;
	*\ run\ --dry-run\ *)
		if ! grep -q '^waferllm: decode ' "$work/out"; then
			echo "no account: $1"
			failed=1
		fi ;;
	*)	if [ ! -s "$work/out" ]; then
			echo "printed nothing: $1"
			failed=1
		fi ;;
	esac
}

failed=0 count=0
while read -r line; do
	count=$((count + 1))
	run "$line"
done < <(sed -n 's/^    \$ //p' "$WAFERLLM_SRCDIR/README" |
	grep -v '^sbatch ')
echo "$count commands"
if [ ! -x "$work/installed/bin/waferllm" ]; then
	echo 'make install installed nothing'
	failed=1
fi
[ "$count" -ge 10 ] && [ $failed = 0 ]
