#!/usr/bin/env bash
# Runs one test for make check: mpirun.sh TEST. What TEST is shows in its name:
#   check_*    a program, run directly
#   mpi_*      a program, launched at every count of "ranks:" in its source,
#              and of "full-ranks:" too with WAFERLLM_TEST_FULL=1
#   *.sh       a script that gets WAFERLLM, MPIRUN and MODELS
# A "timeout: SECONDS" in the source goes before the default. Exit status: the
# test's; 77 means skipped.
set -eu

test=$1
name=$(basename "$test" .sh)
top=${WAFERLLM_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
build=${WAFERLLM_BUILDDIR:-$PWD}
export WAFERLLM_SRCDIR=$top
# shellcheck source=jobs/setup.sh
. "$top/jobs/setup.sh"

source=$top/tests/$name.c
case $test in *.sh) source=$test ;; esac

# The rest of the comment "KEY: ..." in the source.
comment() {
	sed -n "s,^\(/\*\|#\) $1: *\([0-9 ]*[0-9]\).*,\2,p" "$source"
}

limit=$(comment timeout)
limit=${limit:-120}

# Runs a command with a time limit; says so when it was reached.
limited() {
	local status=0
	timeout -k 5 "$limit" "$@" </dev/null || status=$?
	case $status in
	124 | 137) echo "$name: no end after $limit s" ;;
	esac
	return $status
}

launch_all() {
	local counts n status=0
	counts=$(comment ranks)
	if [ -z "$counts" ]; then
		echo "$name: no line '/* ranks: ... */' in $source"
		return 1
	fi
	if [ "${WAFERLLM_TEST_FULL-}" = 1 ]; then
		counts="$counts $(comment full-ranks)"
	fi
	for n in $counts; do
		echo "$name on $n ranks"
		# shellcheck disable=SC2086 # the launcher has flags
		limited $launcher -n "$n" "$test" || status=$?
		[ $status = 0 ] || return $status
	done
}

# The libraries below MPI keep memory to the end.
quiet_leaks() {
	export ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=0}
}

case $name in
check_*)
	# HDF5 loses memory where a file cannot be written to its end.
	printf 'leak:libhdf5\n' >"$build/lsan.supp"
	export LSAN_OPTIONS=suppressions=$build/lsan.supp:print_suppressions=0
	CK_FORK=no limited "$test"
	;;
mpi_*)
	find_launcher "$build/launcher"
	quiet_leaks
	export CK_FORK=no
	launch_all
	;;
*)
	# Scripts that need no MPI run without a launcher too.
	find_launcher "$build/launcher" || :
	quiet_leaks
	export MPIRUN=$launcher WAFERLLM=$build/waferllm
	models=${WAFERLLM_TEST_MODELS-$top/../shared/models}
	[ -d "$models" ] || models=
	export MODELS=$models
	limited bash "$test"
	;;
esac
