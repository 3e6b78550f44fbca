# shellcheck shell=bash
# Sourced by the tests of the built program, which tests/mpirun.sh starts with
# WAFERLLM, MPIRUN and MODELS set. Gives them a scratch directory that goes
# away at the end, models, ways to run the program, and a count of failures.

name=$(basename "$0" .sh)
name=${name#test_}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out # of the last run
err=$scratch/err
new=$scratch/new # where files may appear, and must not
mkdir "$new"
failures=0

# fail WHAT [FILE...]: counts a failure and shows the files.
fail() {
	local file
	echo "FAILED: $1"
	shift
	for file; do
		echo "--- ${file##*/}:"
		head -c 2000 "$file"
	done
	failures=$((failures + 1))
}

# same WHAT EXPECTED ACTUAL
same() {
	[ "$2" = "$3" ] && return
	fail "$1: expected '$2', found '$3'"
}

# same_file WHAT EXPECTED ACTUAL: byte by byte.
same_file() {
	cmp "$2" "$3" || fail "$1: the files above differ"
}

# holds WHAT WORDS FILE
holds() {
	grep -qF -- "$2" "$3" || fail "$1: '$2' is missing" "$3"
}

# Leaves out a case and says so.
skip() {
	echo "skipped: $name: $1"
}

# Leaves out the whole test.
skip_all() {
	skip "$1"
	exit 77
}

need_launcher() {
	[ -n "$MPIRUN" ] || skip_all 'no mpirun'
}

full() {
	[ "${WAFERLLM_TEST_FULL-}" = 1 ]
}

# launch RANKS COMMAND...: without a launcher on one rank.
launch() {
	local n=$1
	shift
	if [ "$n" = 1 ]; then
		"$@" </dev/null >"$out" 2>"$err"
	else
		# shellcheck disable=SC2086 # the launcher has flags
		$MPIRUN -n "$n" "$@" </dev/null >"$out" 2>"$err"
	fi
}

# answer RANKS ARGUMENTS...: a run that must succeed; the text is in $out.
answer() {
	local n=$1
	shift
	launch "$n" "$WAFERLLM" "$@" ||
		fail "status $? on $n ranks: $*" "$err"
}

# random_model NAME SEED KEYS [CONTEXT [LAYERS]]: $scratch/NAME.h5; KEYS
# complete the shape. Such a model seldom ends its text by itself.
random_model() {
	printf '{ "n_layers": %d, "max_seq_len": %d, %s }\n' "${5-2}" \
		"${4-96}" "$3" >"$scratch/$1.json"
	"$WAFERLLM" import --random "$scratch/$1.json" --seed "$2" --quiet \
		"$scratch/$1.h5"
}

# Shapes for random_model. Three query heads to one key, sides that no grid
# divides, an untied head.
# shellcheck disable=SC2034 # for those who source this
gqa_keys='"dim": 48, "hidden_dim": 100, "n_heads": 6, "n_kv_heads": 2,
	"vocab_size": 300, "tied": false'
# Five heads with a key each; fewer channels than the cores of a row.
# shellcheck disable=SC2034
five_keys='"dim": 30, "hidden_dim": 77, "n_heads": 5, "n_kv_heads": 5,
	"vocab_size": 277'

# value KEY FILE: of a .json report, the first of that name.
value() {
	sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" \
		"$2" | head -n 1
}

# processes: ids of the program's processes that use this test's files.
processes() {
	local p
	for p in /proc/[0-9]*; do
		if [ "$p/exe" -ef "$WAFERLLM" ] &&
			grep -qaF "$scratch" "$p/cmdline"; then
			echo "${p#/proc/}"
		fi
	done 2>/dev/null
}

# started WORDS: waits until the job says or answers them.
started() {
	local tries=0
	until cat "$out" "$err" 2>/dev/null | grep -q "$1"; do
		sleep 0.05
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || return 1
	done
}

# none_left WHAT: all processes are gone, at the latest in 5 seconds.
none_left() {
	local tries=0
	while [ $tries -lt 10 ]; do
		[ -n "$(processes)" ] || return 0
		sleep 0.5
		tries=$((tries + 1))
	done
	fail "$1: processes are left: $(processes | xargs)"
}

# judge WHAT STATUS WORDS: the run that has just ended was refused as it
# should be. mpirun may add lines of its own.
judge() {
	same "status of $1" 2 "$2"
	[ "$(grep -c '^waferllm: ' "$err")" = 1 ] ||
		fail "$1: not one line" "$err"
	holds "$1" "$3" "$err"
	[ ! -s "$out" ] || fail "$1: an answer" "$out"
	[ -z "$(ls -A "$new")" ] ||
		fail "$1 leaves $(ls -A "$new")"
	rm -rf "${new:?}"/*
}

# refuse WORDS ARGUMENTS...: one rank without a launcher; its only line holds
# WORDS. Standard input may be a file.
refuse() {
	local words=$1 status=0
	shift
	timeout 20 "$WAFERLLM" "$@" >"$out" 2>"$err" || status=$?
	judge "$*" $status "$words"
	same "lines of $*" 1 "$(grep -c '' "$err")"
}

# refuse_on RANKS WORDS ARGUMENTS...
refuse_on() {
	local n=$1 words=$2 status=0
	shift 2
	# shellcheck disable=SC2086 # the launcher has flags
	timeout 60 $MPIRUN -n "$n" "$WAFERLLM" "$@" </dev/null >"$out" \
		2>"$err" || status=$?
	judge "$* on $n ranks" $status "$words"
	none_left "$* on $n ranks"
}

# numbers FILE DATASET ARGUMENTS...: one value a line.
numbers() {
	local file=$1 dataset=$2
	shift 2
	h5dump -y -w 1 -m %.6f -d "$dataset" "$@" "$file" | sed -n \
		's/^ *\(-\{0,1\}[0-9.][-+.e0-9]*\),\{0,1\}$/\1/p'
}

# variable NAME: of the build's Makefile.
variable() {
	sed -n "s/^$1 = //p" "$WAFERLLM_BUILDDIR/Makefile"
}

# Ends the test.
finish() {
	[ $failures = 0 ] || echo "$failures failures"
	[ $failures = 0 ]
}
