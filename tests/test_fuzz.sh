#!/usr/bin/env bash
# timeout: 600
# The fuzzers of tests/fuzz without libFuzzer: their seeds, some mutations of
# them, and every input that ever broke something (tests/fuzz/found).
set -eu

. "$WAFERLLM_SRCDIR/tests/common.sh"

command -v python3 >/dev/null || skip_all 'no python3, which writes the seeds'

# No MPI and no HDF5 in these: leaks are ours.
unset ASAN_OPTIONS

if full; then mutations=50000; else mutations=500; fi
python3 "$WAFERLLM_SRCDIR/tests/models.py" seeds "$scratch/seeds"
for seeds in "$scratch"/seeds/*; do
	target=${seeds##*/}
	program=$WAFERLLM_BUILDDIR/tests/fuzz/fuzz_$target
	"$program" -m $mutations "$seeds"/* >"$out" 2>&1 ||
		fail "fuzz_$target: status $?" "$out"
	for input in "$WAFERLLM_SRCDIR/tests/fuzz/found/$target"/*; do
		[ -f "$input" ] || continue
		"$program" "$input" >"$out" 2>&1 ||
			fail "fuzz_$target: status $? for ${input##*/}" "$out"
	done
done
finish
