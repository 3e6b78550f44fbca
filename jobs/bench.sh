#!/usr/bin/env bash
# Measures how fast this machine runs waferllm, compared with its memory
# bandwidth and arithmetic rate at the same time:
#
#   bench.sh [WAFERLLM [OUT]]
#
# Each round runs everything once, so that all columns see the same conditions.
# OUT gets the checkpoint and, in reports/, the report of each run, of which
# analysis/bench_tables.py makes a table. Variables:
#
#   BENCH_ROUNDS  number of rounds, whose median is reported; BENCH_PASSES:
#                 passes of the limits in each round, the best of which counts
#   BENCH_RANKS   numbers of ranks
#   BENCH_SHAPE   shape of the model, a name or a JSON file; BENCH_GRID: its
#                 core grid
#   BENCH_PROMPT, BENCH_NEW   prompt tokens (3 or more) and new tokens
#   BENCH_DTYPES  element types
#   BENCH_GEMM, BENCH_GEMM_GRIDS   side of the matrices, core grids
#   BENCH_GEMV    side of the matrix of a GEMV, on BENCH_GRID
#   BENCH_LINES   ranks in the row of an all-reduce
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=jobs/setup.sh
. "$top/jobs/setup.sh"

program=${1-$top/build/waferllm}
# The installed script is in share/waferllm/jobs.
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
# Files of the same name may contain different shapes.
[ ! -f "$shape" ] || model=$model-$(cksum <"$shape" | cut -d ' ' -f 1)
model=$model.h5
made=0

# measure RANKS ARGUMENTS...: runs waferllm and keeps its report.
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

# Remove the reports of an earlier bench, and no other files.
remove_reports() {
	local file
	for file in "$reports"/[0-9][0-9][0-9][0-9].json; do
		if [ -f "$file" ] && { [ ! -s "$file" ] ||
			grep -q '"format": "waferllm .*report"' "$file"; }; then
			rm -f "$file"
		fi
	done
}

# With the random vocabulary each of these characters is a token; begin of text
# and a space come before them.
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

# ScaLAPACK does not use the core grid: any will do.
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

# In one round only: so many ranks take long to start.
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
