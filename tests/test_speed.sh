#!/usr/bin/env bash
# The speed of the host: what bench host measures and refuses; what
# jobs/bench.sh runs, and the table of it. That a figure is there and follows
# from the others, never how large it is.
# timeout: 600
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

# true_of WHAT EXPRESSION NAME=NUMBER...: of awk; shows the numbers if not.
true_of() {
	local what=$1 expression=$2 pair names=()
	shift 2
	for pair; do
		names+=(-v "$pair")
	done
	awk "${names[@]}" "BEGIN { exit !($expression) }" ||
		fail "$what: not $expression with $*"
}

# host_is RANKS REPORT: what is printed and what is reported are one.
host_is() {
	local read compute line
	read=$(value read_gb_per_s "$2")
	compute=$(value fp32_gflops "$2")
	same "ranks of $2" "$1" "$(value ranks "$2")"
	true_of 'all is measured' \
		'read > 0 && compute > 0 && bytes >= 256 && cores > 0' \
		read="$read" compute="$compute" cores="$(value cores "$2")" \
		bytes="$(value read_bytes_per_rank "$2")"
	while read -r line; do
		grep -q "^$line" "$out" || fail "no line '$line'" "$out"
	done <<-END
		bench host, $1 ranks* on $(value cores "$2") cores.*, .* a rank
		memory read  *$(printf %.2f "$read") GB/s  *$(awk \
			-v n="$1" -v x="$read" 'BEGIN {
				printf "%.2f", x / n }') a rank$
		fp32 peak  *$(printf %.2f "$compute") GFLOP/s  *[0-9.]* a rank$
	END
	same 'lines of bench host' 3 "$(grep -c '' "$out")"
	same 'the format' 'waferllm host report' "$(value format "$2")"
	! grep -i 'cycles\|device\|plmr\|emulated\|grid' "$2" ||
		fail 'something emulated in a report of the host'
}

test_host() {
	local n
	for n in 1 3; do
		[ -n "$MPIRUN" ] || [ $n = 1 ] || break
		answer $n bench host --repeat 2 --report "$new/r.json"
		host_is $n "$new/r.json"
		same 'the passes' 2 "$(value --repeat "$new/r.json")"
		[ ! -s "$err" ] || fail 'bench host has something to say' "$err"
		rm -f "$new"/*
	done
	answer 1 bench host --repeat 1 --quiet --report "$new/r.h5"
	[ ! -s "$out" ] || fail 'a quiet one speaks' "$out"
	if command -v h5dump >/dev/null; then
		for n in read_gb_per_s fp32_gflops; do
			h5dump -a "/host/$n" "$new/r.h5" >"$scratch/dump" 2>&1
			grep -q '(0): [0-9.e+]*[1-9]' "$scratch/dump" ||
				fail "$n in HDF5" "$scratch/dump"
		done
	fi
	rm -f "$new"/*
}

# Every option is in check_options.
test_refused() {
	refuse 'option --dry-run is not for bench host' bench host --dry-run
	refuse 'option --grid is not for bench host' bench --grid 4x4 host
	refuse 'option --report' bench host --report "$scratch/none/r.json"
	refuse 'option --repeat' bench host --repeat 0
	refuse 'unexpected argument' bench host gemm
	[ -n "$MPIRUN" ] || return 0
	refuse_on 3 'option --check is not' bench host --check
	refuse_on 3 'option --report' bench host --report "$new"
}

# ---- the table ----

export PYTHONDONTWRITEBYTECODE=1
python3=$(variable PYTHON3)
have_python() {
	command -v "$python3" >/dev/null && "$python3" -c \
		'import sys; sys.exit(sys.version_info < (3, 9))'
}

# tabulate STATUS FOLDER
tabulate() {
	local status=0
	"$python3" "$WAFERLLM_SRCDIR/analysis/bench_tables.py" "$2" \
		>"$out" 2>"$err" || status=$?
	same "status of the tables of $2" "$1" $status
}

# Reports of a model with 12 M weights in its layers and 2 M in its head: two
# rounds on 1 rank, one on 2, whose limits are not known, and one on 4.
make_reports() {
	"$python3" - "$1" <<'END'
import json
import sys

reports = []


def made(format, ranks, host, **more):
    reports.append({"format": "waferllm " + format,
                    "host": {"ranks": ranks, **host}, **more})


def limits(ranks, read, compute):
    made("host report", ranks, {"cores": 3, "read_gb_per_s": read,
                                "fp32_gflops": compute})


def model(ranks, dtype, prefill, decode):
    made("report", ranks, {"prefill_tokens_per_s": prefill,
                           "decode_tokens_per_s": decode},
         model={"source": "a/b.h5", "dim": 1000, "hidden_dim": 2000,
                "n_layers": 1, "n_heads": 2, "n_kv_heads": 1,
                "head_dim": 1000, "vocab_size": 2000, "dtype": dtype,
                "parameters": 14003000},
         grids={"decode": {"rows": 3, "cols": 4}},
         request={"prompt_tokens": 7, "new_tokens": 5})


def kernel(ranks, name, algo, **more):
    made("bench report", ranks, {}, results=[
        {"kernel": name, "algo": algo, "rows": 3, "cols": 4,
         "emulated": True, **more}])


limits(1, 100, 300)
limits(1, 300, 100)
limits(4, 400, 400)
for dtype in "bf16", "f32":
    model(1, dtype, 1000, 500)
    model(1, dtype, 3000, 500)
model(2, "f16", 12345, None)
kernel(4, "gemm", "x", host_gflops=100)
kernel(1, "gemm", "y", host_gflops=0.5, emulated=False)
kernel(4, "gemv", "x", host_gflops=100)
kernel(2, "allreduce", "x", vector_words=9, host_seconds=2e-6)
kernel(4, "allreduce", "x", vector_words=9, host_seconds=3.1e-3)
for i, report in enumerate(reports):
    with open(f"{sys.argv[1]}/{i:04}.json", "w") as file:
        json.dump(report, file)
END
}

# Shares by hand: 2000 of 200e9 / 2 / 12e6 tokens, 500 of 200e9 / 4 / 14e6, 100
# of 400 and of 400 / 2 GFLOP/s.
test_table() {
	mkdir "$scratch/made" "$scratch/none"
	make_reports "$scratch/made"
	tabulate 0 "$scratch/made"
	cat >"$scratch/page" <<'END'
b.h5: 14 M parameters, 3x4 cores,
prompt of 7 tokens, then 4 decode steps
ranks                                 1  limit        2  limit       4*  limit
memory read, GB/s                   200               -             400
fp32 peak, GFLOP/s                  200               -             400
prefill f32, tokens/s              2000  24.0%        -               -
prefill f16, tokens/s                 -           12345               -
prefill bf16, tokens/s             2000  24.0%        -               -
decode f32, tokens/s                500  14.0%        -               -
decode f16, tokens/s                  -               -               -
decode bf16, tokens/s               500   7.0%        -               -
gemm x 3x4, GFLOP/s                   -               -             100  25.0%
gemm y, GFLOP/s                   0.500   0.2%        -               -
gemv x 3x4, GFLOP/s                   -               -             100  50.0%

all-reduce of 9 words, a core on each rank
ranks            2       4*
us            2.00     3100

limit: part of what the machine gave to as many ranks in the same minutes.
Prefill, gemm: of the fp32 peak; decode, gemv: of reading every weight once.
* more ranks than the 3 cores: they take turns
Medians of 2 rounds, which differ most in memory read on 1 rank:
the best is 3.00 times the worst.
END
	diff "$scratch/page" "$out" >"$scratch/diff" ||
		fail 'the page' "$scratch/diff"
	# A count of ranks without a star needs no word about it.
	rm "$scratch/made"/0002.json "$scratch/made"/0008.json \
		"$scratch/made"/0010.json "$scratch/made"/0012.json
	tabulate 0 "$scratch/made"
	! grep -F '*' "$out" || fail 'a star' "$out"
	tabulate 2 "$scratch/none"
	holds 'no reports' 'no reports in' "$err"
	echo '{"format": "waferllm host report", "host": {}}' \
		>"$scratch/none/1.json"
	tabulate 2 "$scratch/none"
	holds 'half a report' "not as it should be: 'ranks'" "$err"
	same 'lines of an error' 1 "$(grep -c '' "$err")"
}

# ---- jobs/bench.sh ----

# bench STATUS PYTHON: small enough for caches and seconds; the rest of it may
# stand in the environment.
bench() {
	local status=0
	BENCH_SHAPE=$scratch/tiny.json BENCH_GRID=4x4 BENCH_NEW=9 \
		BENCH_PROMPT=${BENCH_PROMPT-32} BENCH_PASSES=1 BENCH_GEMM=16 \
		BENCH_GEMM_GRIDS='2x2 3x2' BENCH_GEMV=16 PYTHON3=$2 \
		WAFERLLM_MPIRUN=$MPIRUN timeout 400 \
		"$WAFERLLM_SRCDIR/jobs/bench.sh" "$WAFERLLM" \
		"$scratch/bench" >"$out" 2>"$err" || status=$?
	[ $status = "$1" ] || fail "status $status of bench.sh" "$err"
}

# labels: what the rows of the table must be.
labels() {
	cat <<-'END'
		memory read, GB/s
		fp32 peak, GFLOP/s
		prefill f32, tokens/s
		prefill f16, tokens/s
		prefill bf16, tokens/s
		decode f32, tokens/s
		decode f16, tokens/s
		decode bf16, tokens/s
		gemm meshgemm 2x2, GFLOP/s
		gemm meshgemm 3x2, GFLOP/s
	END
	! grep -q '^#define HAVE_SCALAPACK 1' "$WAFERLLM_BUILDDIR/config.h" ||
		echo 'gemm scalapack, GFLOP/s'
	echo 'gemv ktree 4x4, GFLOP/s'
}

test_bench_sh() {
	echo '{"dim": 16, "hidden_dim": 20, "n_layers": 2, "n_heads": 2,
		"n_kv_heads": 2, "vocab_size": 300, "max_seq_len": 64}' \
		>"$scratch/tiny.json"
	BENCH_ROUNDS=0 BENCH_LINES=2 bench 0 "$scratch/no-python"
	[ ! -s "$out" ] || fail 'a table without Python' "$out"
	holds 'no Python' "no Python 3, so no table: the figures are in" "$err"
	ls "$scratch/bench/reports"/0001.json >/dev/null ||
		fail 'no reports without Python'
	have_python || { skip 'no python3 3.9'; return; }
	touch "$scratch/bench/reports/0099.json" # of an earlier, longer one
	BENCH_ROUNDS=1 BENCH_RANKS='1 2' BENCH_LINES='2 3' bench 0 "$python3"
	same 'the rows' "$(labels)" \
		"$(sed -n 's,^\([a-z].*/s\)  .*,\1,p' "$out")"
	# The limits have a figure for each count of ranks, the others shares.
	awk '$0 ~ /^[a-z].*\/s  / {
			sub(/^.*\/s /, "")
			limits = ++n <= 2
			if (NF != (limits ? 2 : 4)) exit 1
			for (i = 1; i <= NF; i += limits ? 1 : 2)
				if ($i + 0 <= 0) exit 1
			for (i = 2; i <= NF && !limits; i += 2)
				if ($i !~ /^[0-9.]*%$/ || $i + 0 > 150) exit 1
		}' "$out" || fail 'figures and shares' "$out"
	grep -q '^us  *[0-9.]*  *[0-9.]*$' "$out" || fail 'all-reduces' "$out"
	# What cannot be is said by the program, and ends it all.
	BENCH_PROMPT=100 bench 1 "$python3"
	holds 'a long prompt' 'exceed the model' "$err"
	[ ! -s "$out" ] || fail 'a table all the same' "$out"
}

test_host
test_refused
if have_python; then
	test_table
else
	skip 'the table, no python3 3.9'
fi
if [ -n "$MPIRUN" ]; then
	test_bench_sh
else
	skip 'jobs/bench.sh, no mpirun'
fi
finish
