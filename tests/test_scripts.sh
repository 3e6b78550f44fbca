#!/usr/bin/env bash
# The scripts of jobs/ and tests/ on machines that this one is not: their
# copies run in a scratch tree with a PATH of a few plain tools and of fakes
# that write down how they were called.
# shellcheck disable=SC2016 # bodies of fakes and of inner shells
set -eu

top=${WAFERLLM_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset WAFERLLM_MPIRUN WAFERLLM_TEST_FULL MAKEFLAGS MAKELEVEL MPICC OMPI_MCA_pml

tree=$scratch/tree
calls=$scratch/calls # a line for every call of a fake
failures=0
export STATE=$scratch/state # what the fakes believe; absent: nothing special

# check WHAT EXPECTED ACTUAL
check() {
	[ "$2" = "$3" ] && return
	printf '%s:\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3"
	failures=$((failures + 1))
}

# holds WHAT PATTERN FILE
holds() {
	grep -q -- "$2" "$3" && return
	printf '%s: no "%s" in:\n' "$1" "$2"
	cat "$3"
	failures=$((failures + 1))
}

# How often a fake was called in a way that matches.
calls_of() {
	grep -c -- "$1" "$calls" || :
}

# fake NAME < BODY: BODY runs after the call is noted.
fake() {
	{
		printf '#!/bin/bash\necho "%s $*" >>"%s"\n' "$1" "$calls"
		cat
	} >"$scratch/bin/$1"
	chmod +x "$scratch/bin/$1"
}

tools() {
	local tool
	mkdir -p "$scratch/bin"
	for tool in awk bash basename cat chmod cp cut date dirname env find \
		grep head mkdir mktemp mv rm sed sleep sort tail tee timeout touch \
		true uname xargs; do
		ln -s "$(type -P "$tool")" "$scratch/bin"
	done
	# The caller's own settings, such as FAKE_UID=0, decide.
	fake id <<<'echo "${FAKE_UID-1000}"'
	fake nproc <<<'echo 2'
	fake mpirun <<'END'
[ "$*" != --version ] || { echo "mpirun ($FAKE_VERSION)"; exit 0; }
for word in $FAKE_WANTS; do
	case " $* " in *" $word "*) ;; *) exit 1 ;; esac
done
[ -z "${FAKE_REFUSES-}" ] || case " $* " in *"$FAKE_REFUSES"*) exit 1 ;; esac
while [ "$1" != -n ]; do shift; done
shift 2
exec "$@"
END
}

# The package tools of Debian; $STATE/absent lists what is not installed.
debian() {
	fake dpkg-query <<'END'
for package; do :; done
! grep -qx "$package" "$STATE/absent" || exit 1
echo 'install ok installed'
END
	fake apt-get <<'END'
case " $* " in *' install '*) : >"$STATE/absent" ;; esac
END
	: >"$STATE/absent"
}

# Build tools that only make the files that the scripts look for. The tests
# end as $STATE/results says: "PASS tests/check_a" on each line.
build_tools() {
	fake autoreconf <<'END'
printf '#!/bin/bash\necho "configure $*" >>"%s"\n: >Makefile\n' \
	"$STATE/../calls" >configure
chmod +x configure
touch Makefile.in
END
	fake make <<'END'
while [ "$1" != -C ]; do shift; done
cd "$2"
case $* in
*' install') mkdir -p install/bin; cp -p waferllm install/bin ;;
*' -j 2') [ -e waferllm ] ||
	printf '#!/bin/bash\necho "once upon a time"\n' >waferllm
	chmod +x waferllm ;;
*' check-programs') mkdir -p tests ;;
*' check-TESTS '*)
	[ -f "$STATE/results" ] || { echo 'no rule'; exit 2; }
	while read -r result name; do
		base=${name%.sh}
		echo ":global-test-result: $result" >"$base.trs"
		echo "the log of $name" >"$base.log"
		[ -z "${FAKE_LOG-}" ] || echo "$FAKE_LOG" >>"$base.log"
		echo "$result: $name"
	done <"$STATE/results"
	! grep -q FAIL "$STATE/results" ;;
esac
END
}

# A fresh scratch tree and nothing remembered.
fresh() {
	rm -rf "$tree" "$STATE" "$calls"
	mkdir -p "$tree" "$tree/data" "$STATE"
	cp -r "$top/jobs" "$tree"
	mkdir "$tree/tests"
	cp "$top"/tests/run.sh "$top"/tests/mpirun.sh "$tree/tests"
	: >"$tree/tests/check_a.c"
	chmod -R u+w "$tree"
	: >"$calls"
}

# Runs a command as on the made-up machine, from another directory.
there() {
	(cd / && PATH=$scratch/bin "$@")
}

# launcher: what find_launcher sets.
launcher() {
	there bash -c 'set -eu; top=$1; . "$1/jobs/setup.sh"
		find_launcher "$1/cache"; echo "${launcher##*/}"' - "$tree"
}

test_launcher() {
	local four five
	four='--oversubscribe --bind-to none'
	five='--map-by :OVERSUBSCRIBE --bind-to none'
	fresh
	export FAKE_VERSION='Open MPI) 4.1.4' FAKE_WANTS=--oversubscribe
	check 'Open MPI 4' "mpirun $four" "$(launcher)"
	check 'the cache' "mpirun $four" "$(launcher)"
	check 'one probe for both' 1 "$(calls_of 'mpirun .*true')"
	export FAKE_WANTS='--allow-run-as-root --oversubscribe'
	check 'Open MPI 4, root' "mpirun --allow-run-as-root $four" \
		"$(FAKE_UID=0 launcher)"
	export FAKE_VERSION='Open MPI) 5.0.3' FAKE_WANTS=:OVERSUBSCRIBE
	check 'Open MPI 5, with an old cache' "mpirun $five" "$(launcher)"
	check 'Open MPI 5, root' "mpirun --allow-run-as-root $five" \
		"$(FAKE_UID=0 launcher)"
	export FAKE_VERSION='HYDRA' FAKE_WANTS=''
	check 'another MPI' mpirun "$(FAKE_UID=0 FAKE_REFUSES=-- launcher)"
	check 'the override' 'srun -x' "$(WAFERLLM_MPIRUN='srun -x' launcher)"
	export FAKE_VERSION='Open MPI) 4.1.4' FAKE_WANTS=nothing-helps
	check 'a launcher that fails' 1 \
		"$(rm "$tree/cache"; launcher 2>"$scratch/err" || echo $?)"
	holds 'a launcher that fails' 'set WAFERLLM_MPIRUN' "$scratch/err"
}

# install: what install_packages says; it must never fail.
install() {
	there bash -c 'set -eu; top=$1; . "$1/jobs/setup.sh"
		install_packages; echo "still missing: $missing" >&2' - \
		"$tree" 2>"$scratch/err" </dev/null || check install 0 $?
}

test_packages() {
	fresh
	install
	holds 'no apt-get' 'not installed (no apt-get here)' "$scratch/err"
	holds 'no apt-get' \
		'Debian libhdf5-openmpi-dev, Spack hdf5+mpi, module hdf5' \
		"$scratch/err"
	holds 'no apt-get' 'still missing: .*libhwloc-dev' "$scratch/err"
	debian
	FAKE_UID=0 install
	check 'nothing missing' 0 "$(calls_of apt-get)"
	printf '%s\n' check libhwloc-dev >"$STATE/absent"
	install
	check 'no rights' 0 "$(calls_of apt-get)"
	holds 'no rights' 'Debian check, Spack check' "$scratch/err"
	fake sudo <<<'[ "$1" != -n ] || shift; "$@"'
	install
	check 'sudo' 1 "$(calls_of 'sudo .*apt-get .*install')"
	rm "$scratch/bin/sudo"
	fresh
	printf '%s\n' check libhwloc-dev >"$STATE/absent"
	FAKE_UID=0 install
	check 'update first' 'apt-get -q update' \
		"$(grep apt-get "$calls" | head -n 1)"
	check 'the missing ones only' 1 \
		"$(calls_of 'apt-get .* install libhwloc-dev check$')"
	holds 'all there' 'still missing: $' "$scratch/err"
}

# quickstart ARGUMENTS: what it answers, or its errors.
quickstart() {
	there "$tree/jobs/quickstart.sh" "$@" 2>"$scratch/err" ||
		cat "$scratch/err"
}

test_quickstart() {
	local i
	fresh
	: >"$STATE/absent"
	export FAKE_VERSION='Open MPI) 4.1.4' FAKE_WANTS=--oversubscribe
	for i in 1 2; do
		check "answer of run $i" 'once upon a time' \
			"$(quickstart)"
	done
	check 'one autoreconf' 1 "$(calls_of '^autoreconf')"
	check 'one configure' 1 "$(calls_of "--prefix=$tree/build/install$")"
	check 'one install' 1 "$(calls_of 'make .* install$')"
	check 'jobs on 4 ranks' 2 \
		"$(calls_of "-n 4 $tree/build/install/bin/waferllm$")"
	touch -d 'now + 1 minute' "$tree/build/waferllm"
	check 'a new program' 'once upon a time' "$(quickstart)"
	check 'a new program is installed' 2 "$(calls_of 'make .* install$')"
	echo check >"$STATE/absent"
	check 'another answer' 'once upon a time' "$(quickstart --steps 9)"
	check 'other packages: configure' 2 "$(calls_of '^configure')"
	check 'arguments' 1 "$(calls_of 'bin/waferllm --steps 9$')"
	touch "$tree/config.status"
	check 'an answer' 'once upon a time' "$(quickstart)"
	check 'in-place build' 1 "$(calls_of "make -s -C $tree distclean")"
}

# run EXPECTED-STATUS LAST-LINE: the whole of run.sh on $STATE/results.
run() {
	local status=0
	there "$tree/tests/run.sh" </dev/null >"$scratch/out" 2>"$scratch/err" ||
		status=$?
	check "status for '$2'" "$1" "$status"
	check 'the last line' "$2" "$(tail -n 1 "$scratch/out")"
}

test_run() {
	fresh
	: >"$STATE/absent"
	printf '%s\n' 'PASS tests/check_a' 'PASS tests/test_b.sh' \
		>"$STATE/results"
	run 0 '2 passed, 0 failed, 0 skipped'
	FAKE_LOG='skipped: b: no models' run 0 '2 passed, 0 failed, 2 skipped'
	holds 'a skipped case' '^skipped: b: no models' "$scratch/out"
	FAKE_LOG='check_a: 12.5 s' run 0 '2 passed, 0 failed, 0 skipped'
	holds 'the slowest' '^  12.5 s  check_a$' "$scratch/out"
	holds 'the whole time' '^everything: 0 min [0-9]* s, 2 tests at once$' \
		"$scratch/out"
	printf '%s\n' 'PASS tests/check_a' 'FAIL tests/test_b.sh' \
		'SKIP tests/mpi_c' >"$STATE/results"
	run 1 '1 passed, 1 failed, 1 skipped'
	holds 'log of a failure' 'the log of tests/test_b.sh' "$scratch/out"
	echo 'PASS tests/test_b.sh' >"$STATE/results"
	run 0 '1 passed, 0 failed, 1 skipped'
	holds 'unit tests without Check' 'check_a: not built' "$scratch/out"
	rm "$STATE/results"
	run 1 '0 passed, 1 failed, 1 skipped'
	holds 'make itself failed' '^no rule' "$scratch/out"
	fake autoreconf <<<'exit 1'
	rm "$tree/configure"
	run 1 '0 passed, 1 failed, 0 skipped'
	check 'bad usage' 2 "$(there "$tree/tests/run.sh" --no 2>/dev/null ||
		echo $?)"
}

# counts: at which numbers of ranks mpi_a was launched; then its status.
counts() {
	local status=0
	: >"$calls"
	WAFERLLM_SRCDIR=$tree WAFERLLM_BUILDDIR=$tree there \
		bash "$tree/tests/mpirun.sh" "$scratch/mpi_a" \
		>"$scratch/out" 2>&1 || status=$?
	sed -n 's,.* -n \([0-9]*\) .*/mpi_a$,\1,p' "$calls" | tr '\n' ' '
	echo "$status"
}

test_mpirun() {
	fresh
	export FAKE_VERSION='Open MPI) 4.1.4' FAKE_WANTS=--oversubscribe
	printf '%s\n' '/* ranks: 1 4 9 */' '/* full-ranks: 64 */' \
		'/* timeout: 1 */' >"$tree/tests/mpi_a.c"
	printf '#!/bin/bash\nexit $FAKE_STATUS\n' >"$scratch/mpi_a"
	chmod +x "$scratch/mpi_a"
	export FAKE_STATUS=0
	check 'rank counts' '1 4 9 0' "$(counts)"
	check 'full rank counts' '1 4 9 64 0' \
		"$(WAFERLLM_TEST_FULL=1 counts)"
	check 'a failure ends it' '1 3' "$(FAKE_STATUS=3 counts)"
	check 'a skip stays one' '1 77' "$(FAKE_STATUS=77 counts)"
	holds 'the time of a test' '^mpi_a: [0-9]*\.[0-9] s$' "$scratch/out"
	printf '#!/bin/bash\necho "pml ${OMPI_MCA_pml-unnamed}"\n' \
		>"$scratch/mpi_a"
	counts >/dev/null
	holds 'no transport is known' '^pml unnamed$' "$scratch/out"
	rm "$tree/transport"
	printf '#!/bin/bash\necho "[a:1] select: component ob1 selected"\n' \
		>"$tree/waferllm"
	chmod +x "$tree/waferllm"
	counts >/dev/null
	holds 'the transport is named' '^pml ob1$' "$scratch/out"
	OMPI_MCA_pml=ucx counts >/dev/null
	holds "the user's own transport" '^pml ucx$' "$scratch/out"
	echo '/* start: usual */' >>"$tree/tests/mpi_a.c"
	counts >/dev/null
	holds 'the usual start' '^pml unnamed$' "$scratch/out"
	printf '#!/bin/bash\nexec sleep 9\n' >"$scratch/mpi_a"
	check 'a hang' '1 124' "$(counts)"
	holds 'a hang' 'mpi_a: no end after 1 s' "$scratch/out"
	echo '/* no counts */' >"$tree/tests/mpi_a.c"
	check 'no counts' '1' "$(counts)"
}

test_shellcheck() {
	if ! command -v shellcheck >/dev/null; then
		echo 'skipped: shellcheck: not installed'
		return
	fi
	(cd "$top" && shellcheck -x jobs/*.sh jobs/*.slurm tests/*.sh \
		tests/fuzz/*.sh .ci/run) ||
		failures=$((failures + 1))
}

fresh
tools
test_launcher
test_packages
build_tools
test_quickstart
test_run
test_mpirun
test_shellcheck
[ $failures = 0 ]
