#!/usr/bin/env bash
# The set-up of jobs/quickstart.sh, then every test:
#   tests/run.sh [--full]     --full adds the runs on many ranks
# As many tests run at once as the machine has cores. Results are printed as
# they come, with the log of what failed. The last lines name the five slowest
# tests and tell how long everything took; the very last one is "N passed,
# N failed, N skipped". Exit status 0: nothing failed.
set -eu
set -o pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
# shellcheck source=jobs/setup.sh
. "$top/jobs/setup.sh"

# Ends the run: passed, failed, skipped.
finish() {
	echo "$1 passed, $2 failed, $3 skipped"
	[ "$2" = 0 ] || exit 1
	exit 0
}

# Reads make check's output and shows the results, with the reasons of skipped
# cases and the logs of failures.
show_results() {
	local line log
	while read -r line; do
		log=$build/${line#*: }
		log=${log%.sh}.log
		case $line in
		PASS:*) echo "$line"; grep '^skipped:' "$log" || : ;;
		SKIP:*) echo "$line"; cat "$log" ;;
		FAIL:* | ERROR:*) echo "$line"; cat "$log" ;;
		esac
	done
}

# How many tests ended as $1.
count() {
	find "$build/tests" -name '*.trs' -exec cat {} + |
		grep -c "^:global-test-result: $1" || :
}

# Cases that tests skipped inside, and unit tests that could not be built.
count_skipped() {
	local lines
	lines=$(find "$build/tests" -name '*.trs' \
		-exec grep -l '^:global-test-result: PASS' {} + |
		sed 's/trs$/log/' | xargs -r cat | grep -c '^skipped:') || :
	echo $(($(count SKIP) + lines + unbuilt))
}

# The slowest tests, and the whole time, the set-up included. The logs' own
# lines, which mpirun.sh writes, are "test_cli: 12.3 s".
show_times() {
	echo 'the slowest tests:'
	find "$build/tests" -name '*.log' -exec sed -n \
		's/^\([a-z0-9_]*\): \([0-9.]* s\)$/  \2  \1/p' {} + |
		sort -k 1 -r -g | head -n 5
	echo "everything: $((SECONDS / 60)) min $((SECONDS % 60)) s," \
		"$(jobs_at_once) tests at once"
}

# Without Check the unit tests are not built: say it for each.
show_unbuilt() {
	local source name
	unbuilt=0
	for source in "$top"/tests/check_*.c; do
		name=$(basename "$source" .c)
		[ -f "$build/tests/$name.trs" ] && continue
		echo "skipped: $name: not built, Check is missing"
		unbuilt=$((unbuilt + 1))
	done
}

case ${1-} in
'') ;;
--full) export WAFERLLM_TEST_FULL=1 ;;
*) say "usage: $0 [--full]"; exit 2 ;;
esac

if ! { set_up && install_for_tests; }; then
	echo 'FAIL: the set-up, see above'
	finish 0 1 0
fi
if ! make -s -C "$build" -j "$(jobs_at_once)" check-programs >&2; then
	echo 'FAIL: building the tests, see above'
	finish 0 1 0
fi
find "$build/tests" \( -name '*.trs' -o -name '*.log' \) -exec rm {} +
status=0
make -s -C "$build" -j "$(jobs_at_once)" check-TESTS AM_COLOR_TESTS=no 2>&1 |
	tee "$build/make-check.out" | show_results || status=$?
show_unbuilt
failed=$(($(count FAIL) + $(count ERROR)))
if [ $status != 0 ] && [ $failed = 0 ]; then
	cat "$build/make-check.out"
	echo "FAIL: make check-TESTS ended with status $status"
	failed=1
fi
show_times
finish "$(count PASS)" "$failed" "$(count_skipped)"
