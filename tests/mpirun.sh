#!/usr/bin/env bash
# Runs one test for make check: mpirun.sh TEST. What TEST is shows in its name:
#   check_*    a program, run directly
#   mpi_*      a program, launched at every count of "ranks:" in its source,
#              and of "full-ranks:" too with WAFERLLM_TEST_FULL=1
#   *.sh       a script that gets WAFERLLM, MPIRUN and MODELS
# A "timeout: SECONDS" in the source goes before the default; "start: usual"
# says that the test is about how processes start and end, so that quick_start
# is not for it. The last line tells how long the test took. Exit status: the
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

usual_start() {
	grep -qE '^(# |/\* )start: usual' "$source"
}

# Runs a command with a time limit; says so when it was reached.
limited() {
	local status=0
	timeout -k 5 "$limit" "$@" </dev/null || status=$?
	case $status in
	124 | 137) echo "$name: no end after $limit s" ;;
	esac
	return $status
}

# The name of what Open MPI sends messages by, as it tells by itself.
find_transport() {
	local cache=$build/transport
	if [ ! -e "$cache" ] || [ "$build/config.status" -nt "$cache" ]; then
		# shellcheck disable=SC2086 # the launcher has flags
		OMPI_MCA_pml_base_verbose=10 timeout 60 $launcher -n 2 \
			"$build/waferllm" run --dry-run --shape bench-110m \
			--prompt-tokens 1 -n 1 --grid 1x1 </dev/null 2>&1 |
			sed -n 's/.*select: component \([^ ]*\) selected.*/\1/p' |
			sort -u >"$cache.$$"
		mv "$cache.$$" "$cache"
	fi
	cat "$cache"
}

# At each start Open MPI asks the libraries of all kinds of network whether
# there is one, and for a run of one process it starts a daemon as well: that
# takes 0.36 s, of which 0.04 s are left without. The tests start it thousands
# of times. So its choice of network is found once and named in the
# environment, and a single process does without the daemon, which would only
# be for spawning more. WAFERLLM_QUICK_START names what is set.
quick_start() {
	local transport
	keep_sessions
	export OMPI_MCA_ess_singleton_isolated=1
	WAFERLLM_QUICK_START='OMPI_MCA_orte_tmpdir_base
		OMPI_MCA_ess_singleton_isolated'
	if [ -z "${OMPI_MCA_pml-}" ]; then
		transport=$(find_transport)
		case $transport in
		'' | *[!a-z0-9]*) ;;
		*)	export OMPI_MCA_pml=$transport
			WAFERLLM_QUICK_START+=' OMPI_MCA_pml' ;;
		esac
	fi
	export WAFERLLM_QUICK_START
}

# Single processes without a daemon have one session directory for all, which
# each removes at its end, though another is just about to use it. Open MPI
# leaves files that are called output-* and not empty.
keep_sessions() {
	local directory
	sessions=$(mktemp -d)
	directory=$sessions/ompi.$(uname -n | cut -d . -f 1).$(id -u)/jf.0/1/0
	mkdir -p "$directory"
	echo kept >"$directory/output-kept"
	export OMPI_MCA_orte_tmpdir_base=$sessions
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

# Also when this is ended by a signal.
clean_up() {
	[ -z "$sessions" ] || rm -rf "$sessions"
	awk -v name="$name" -v from="$began" -v to="$(date +%s.%N)" \
		'BEGIN { printf "%s: %.1f s\n", name, to - from }'
}

began=$(date +%s.%N)
sessions=
trap clean_up EXIT
case $name in
check_*)
	# HDF5 loses memory where a file cannot be written to its end.
	printf 'leak:libhdf5\n' >"$build/lsan.supp.$$"
	mv "$build/lsan.supp.$$" "$build/lsan.supp"
	export LSAN_OPTIONS=suppressions=$build/lsan.supp:print_suppressions=0
	CK_FORK=no limited "$test"
	;;
mpi_*)
	find_launcher "$build/launcher"
	quiet_leaks
	usual_start || quick_start
	export CK_FORK=no
	launch_all
	;;
*)
	# Scripts that need no MPI run without a launcher too.
	find_launcher "$build/launcher" || :
	quiet_leaks
	[ -z "$launcher" ] || usual_start || quick_start
	export MPIRUN=$launcher WAFERLLM=$build/waferllm
	models=${WAFERLLM_TEST_MODELS-$top/../shared/models}
	[ -d "$models" ] || models=
	export MODELS=$models
	limited bash "$test"
	;;
esac
