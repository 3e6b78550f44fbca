#!/usr/bin/env bash
# How fast this machine runs waferllm, beside what its memory and arithmetic
# give in the same minutes:
#
#   bench.sh [WAFERLLM [OUT]]
#
# Every round runs everything once, so that all columns see the same minutes.
# OUT has the checkpoint and, in reports/, what each run wrote, of which
# analysis/bench_tables.py makes a table. These change what is run:
#
#   BENCH_ROUNDS  rounds, of which the median counts; BENCH_PASSES that the
#                 limits are the best of, in each round
#   BENCH_RANKS   numbers of ranks
#   BENCH_SHAPE   of the model, a name or a JSON file, and BENCH_GRID its cores
#   BENCH_PROMPT, BENCH_NEW   tokens of the prompt (3 or more) and new ones
#   BENCH_DTYPES  types of the elements
#   BENCH_GEMM, BENCH_GEMM_GRIDS   side of the matrices, grids of cores
#   BENCH_GEMV    side of the matrix of a GEMV, on BENCH_GRID
#   BENCH_LINES   ranks in a row that an all-reduce goes over
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=jobs/setup.sh
. "$top/jobs/setup.sh"

program=${1-$top/build/waferllm}
# As it is installed, the script is in share/waferllm/jobs.
[ $# -gt 0 ] || [ -x "$program" ] || program=$top/../../bin/waferllm
[ $# -gt 0 ] || [ -x "$program" ] || program=waferllm
out=${2-bench}
reports=$out/reports
python=${PYTHON3-python3}
rounds=${BENCH_ROUNDS-5}
passes=${BENCH_PASSES-10}
ranks=${BENCH_RANKS-1 2}
shape=${BENCH_SHAPE-bench-110m}
grid=${BENCH_GRID-16x16}
prompt=${BENCH_PROMPT-128}
new=${BENCH_NEW-65}
dtypes=${BENCH_DTYPES-f32 f16 bf16}
gemm=${BENCH_GEMM-2048}
gemm_grids=${BENCH_GEMM_GRIDS-8x8 16x16 32x32}
gemv=${BENCH_GEMV-8192}
lines=${BENCH_LINES-2 4 8 16 32 64}
model=$out/$(basename "$shape" .json)
# Files of one name may hold several shapes.
[ ! -f "$shape" ] || model=$model-$(cksum <"$shape" | cut -d ' ' -f 1)
model=$model.h5
made=0

# measure RANKS ARGUMENTS...: a run that leaves a report.
measure() {
	local n=$1
	shift
	made=$((made + 1))
	report=$reports/$(printf %04d $made).json
	# shellcheck disable=SC2086 # the launcher is a command with its flags
	if ! $launcher -n "$n" "$program" "$@" --quiet --report "$report" \
		</dev/null >"$out/last.txt"; then
		say "bench: this failed on $n ranks: $program $*"
		exit 1
	fi
}

# Those of an earlier bench, which may have had more. Nobody else's.
remove_reports() {
	local file
	for file in "$reports"/[0-9][0-9][0-9][0-9].json; do
		if [ -f "$file" ] && { [ ! -s "$file" ] ||
			grep -q '"format": "waferllm .*report"' "$file"; }; then
			rm -f "$file"
		fi
	done
}

# Before the first of these characters, of which each is a token, the random
# vocabulary has two more: the beginning of the text and a space.
make_prompt() {
	printf '%*s' $((prompt - 2)) '' | tr ' ' . >"$out/prompt.txt"
}

# run_model RANKS DTYPE
run_model() {
	measure "$1" run "$model" --prompt-file "$out/prompt.txt" -n "$new" \
		--grid "$grid" --dtype "$2" --no-verify
	if ! grep -q "^  \"prompt_tokens\": $prompt,$" "$report"; then
		say "bench: the prompt has not $prompt tokens: see $report"
		exit 1
	fi
}

# run_gemm RANKS GRID ALGORITHM
run_gemm() {
	measure "$1" bench gemm --grid "$2" -m "$gemm" --algo "$3" --repeat 1
}

# ScaLAPACK knows no cores: any grid will do.
run_kernels() {
	local n=$1 cores
	for cores in $gemm_grids; do
		run_gemm "$n" "$cores" meshgemm
	done
	[ "$scalapack" != ScaLAPACK ] || run_gemm "$n" "$cores" scalapack
	measure "$n" bench gemv --grid "$grid" -k "$gemv" --repeat 3
}

run_round() {
	local n dtype
	for n in $ranks; do
		measure "$n" bench host --repeat "$passes"
		for dtype in $dtypes; do
			run_model "$n" "$dtype"
		done
		run_kernels "$n"
	done
}

# All of it in one round: so many ranks take long to start.
run_lines() {
	local n
	for n in $lines; do
		measure "$n" bench allreduce --grid "1x$n" --words 1 \
			--repeat 30
	done
}

show() {
	if ! "$python" -c '' 2>/dev/null; then
		say "bench: no Python 3, so no table: the figures are in" \
			"$reports, in \"host\" and in \"results\""
		return
	fi
	"$python" -B "$top/analysis/bench_tables.py" "$reports"
}

if ! command -v "$program" >/dev/null; then
	say "bench: there is no $program: bench.sh [WAFERLLM [OUT]]"
	exit 2
fi
mkdir -p "$reports"
remove_reports
find_launcher "$out/launcher"
scalapack=$("$program" --version | grep 'ScaLAPACK$')
if [ ! -f "$model" ]; then
	say "bench: makes $model"
	"$program" import --random "$shape" --quiet "$model"
fi
make_prompt
for round in $(seq "$rounds"); do
	say "bench: round $round of $rounds"
	run_round
done
say 'bench: all-reduces'
run_lines
show
