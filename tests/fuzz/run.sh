#!/usr/bin/env bash
# Fuzzes the readers with libFuzzer (clang, libclang-rt-dev):
#   tests/fuzz/run.sh [-s SECONDS | -r RUNS] [NAME...]
# each fuzzer (all of them without NAME) for so long or so many executions,
# default 60 s, under AddressSanitizer and UBSan. Builds in build-fuzz/, where
# the corpora grow too; what is found is kept in build-fuzz/found/NAME-*: put it
# into tests/fuzz/found/NAME/, which tests/test_fuzz.sh replays.
# Exit status 0: nothing found.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/build-fuzz
limit=-max_total_time=60
# shellcheck source=jobs/setup.sh
. "$top/jobs/setup.sh"

while getopts s:r: option; do
	case $option in
	s) limit=-max_total_time=$OPTARG ;;
	r) limit=-runs=$OPTARG ;;
	*) say "usage: $0 [-s SECONDS | -r RUNS] [NAME...]"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
if [ $# = 0 ]; then
	for source in "$top"/tests/fuzz/fuzz_*.c; do
		source=${source##*/fuzz_}
		set -- "$@" "${source%.c}"
	done
fi

[ -x "$top/configure" ] || (cd "$top" && autoreconf -i >&2)
mkdir -p "$build/found"
cd "$build"
export OMPI_CC=clang
[ -f Makefile ] || MPICC=${MPICC:-mpicc} "$top/configure" -q --enable-fuzzers
rm -rf seeds
python3 "$top/tests/models.py" seeds seeds

status=0
for name; do
	make -s -j "$(jobs_at_once)" "tests/fuzz/fuzz_$name" >&2
	mkdir -p "corpus/$name"
	inputs=("corpus/$name" "seeds/$name")
	[ ! -d "$top/tests/fuzz/found/$name" ] ||
		inputs+=("$top/tests/fuzz/found/$name")
	"tests/fuzz/fuzz_$name" "$limit" -max_len=16384 -rss_limit_mb=2048 \
		-timeout=10 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix="found/$name-" "${inputs[@]}" \
		>"found/$name.log" 2>&1 || {
		status=1
		echo "fuzz_$name: found something, see $build/found/$name.log"
		continue
	}
	echo "fuzz_$name: $(sed -n \
		's/^stat::number_of_executed_units: *//p' \
		"found/$name.log") executions, nothing found"
done
exit $status
