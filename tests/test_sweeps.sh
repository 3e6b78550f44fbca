#!/usr/bin/env bash
# The comparison of algorithms: numbers, tables and figures of a small set of
# runs; claims, judged on accounts made up so that they hold or do not.
# timeout: 240
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

export PYTHONDONTWRITEBYTECODE=1
sweeps=$WAFERLLM_SRCDIR/analysis/sweeps.py
made=$scratch/made
small='--sides 24,36 --sizes 96'
# With the numbers that a row of results has.
columns='algo,cycles,compute_cycles,comm_cycles,efficiency,peak_share,routes'
columns=$columns,sram_peak_bytes,path_hops,stages,word_hops
for letter in P L M R; do
	columns=$columns,${letter}_ok,${letter}_figure,${letter}_limit
done

python3=$(variable PYTHON3)
command -v "$python3" >/dev/null || skip_all 'no python3'
"$python3" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
	skip_all 'python3 is older than 3.9'

# sweep STATUS PROGRAM ARGUMENTS...: what it prints is in $out and $err.
sweep() {
	local expected=$1 program=$2 status=0
	shift 2
	timeout 200 "$python3" "$sweeps" --waferllm "$program" "$@" \
		>"$out" 2>"$err" || status=$?
	tail -n 12 "$out" >"$scratch/end"
	[ $status = "$expected" ] ||
		fail "status $status of sweeps $*" "$scratch/end" "$err"
}

# one_line WORDS: all that stands in $err.
one_line() {
	same "lines of an error: $1" 1 "$(grep -c '' "$err")"
	holds 'an error' "$1" "$err"
}

# claim WORDS BY VERDICT: what is said, by whom, and how it is judged. The
# lines may be broken anywhere.
claim() {
	tr -s '\n ' '  ' <"$out" >"$scratch/joined"
	grep -qF "$1 ($2) $3" "$scratch/joined" ||
		fail "$1 ($2): not '$3'" "$out"
}

# numbers_are NAME COLUMNS ROWS: what a file of numbers has.
numbers_are() {
	local file=$new/$1.csv
	same "columns of $1" "$2" "$(head -n 1 "$file")"
	same "rows of $1" "$3" "$(($(wc -l <"$file") - 1))"
}

# value NAME COLUMN START: of the first row that begins so.
value() {
	grep "^$3" "$new/$1.csv" | head -n 1 | cut -d , -f "$2"
}

# Accounts made up as FAKE says; of arguments it knows those that matter.
cat >"$scratch/fake.py" <<'END'
import json
import os
import sys

fake = os.environ.get("FAKE", "")
arguments = dict(zip(sys.argv[2:], sys.argv[3:]))
kernel = sys.argv[2]
side = int(arguments["--grid"].split("x")[0])
n = int(arguments.get("-n", 1))
tile = n / side
# Arithmetic and exchange of each algorithm.
made = {
    "gemm": {
        "meshgemm": (side * (tile ** 3 / 2 + 30), side * 20),
        "cannon": (side * (tile ** 3 / 2 + 30), side * 50),
        "summa": (side * (tile ** 3 / 2 + 30), side * side / 8)},
    "gemv": {
        "pipeline": (tile ** 2 / 4, 6 * side),
        "ktree": (tile ** 2 / 4, side)},
}.get(kernel, {"ktree1": (0, side), "ktree": (0, side / 2),
               "pipeline": (0, 2 * side), "ring": (0, 3 * side)})
if "--groups" in arguments:
    # The best number of groups is 16.
    groups = int(arguments["--groups"])
    made = {"ktree": (0, 100 + (groups - 16) ** 2)}
if fake == "slow":
    made["meshgemm"] = (1, 1e9)
    made["ktree"] = (1, 1e9)
if fake == "refuses" and kernel == "gemv":
    print("waferllm: bench gemv: made up to fail\nand more", file=sys.stderr)
    sys.exit(2)


def row(algo, compute, comm):
    compute, comm = int(compute), int(comm)
    verdict = {"ok": algo != "cannon", "figure": 12.5, "limit": 24}
    return {"algo": algo, "cycles": compute + comm, "peak_share": 0.1,
            "compute_cycles": compute, "comm_cycles": comm,
            "efficiency": compute / max(1, compute + comm), "routes": 4,
            "sram_peak_bytes": 100, "path_hops": 5, "stages": 6,
            "word_hops": 7,
            "plmr": {"P": None, "L": verdict, "M": verdict, "R": verdict}}


report = {"results": [row(algo, *cost) for algo, cost in made.items()]}
if fake == "odd":
    del report["results"][0]["plmr"]
with open(arguments["--report"], "w") as file:
    json.dump(report, file)
END
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$python3" "$scratch/fake.py" \
	>"$made"
chmod +x "$made"

# The program itself. Each kernel has all its algorithms.
test_small() {
	# shellcheck disable=SC2086 # words on purpose
	sweep 0 "$WAFERLLM" $small --no-figures --out "$new"
	numbers_are gemm "size,side,$columns" 8
	numbers_are gemv "size,side,$columns" 14
	numbers_are levels "words,line,$columns" 42
	same 'algorithms of a GEMV' 7 \
		"$(cut -d , -f 3 "$new/gemv.csv" | tail -n +2 | sort -u |
			wc -l)"
	grep -q '^24,5,ktree,' "$new/groups.csv" ||
		fail 'the root of 24' "$new/groups.csv"
	for kernel in gemm gemv allreduce; do
		grep -q "^$kernel,36,.*,True," "$new/plmr.csv" ||
			fail "no verdict of $kernel" "$new/plmr.csv"
	done
	holds 'a table' 'GEMV, [1][n] x [n][n], f16' "$out"
	holds 'the verdicts' 'PLMR on 36x36 cores, n = 96' "$out"
	holds 'no claims about it' 'not judged, no run: ' "$out"
	# Twice the same.
	mv "$new/levels.csv" "$scratch/levels.csv"
	# shellcheck disable=SC2086
	sweep 0 "$WAFERLLM" $small --no-figures --out "$new" --only levels
	same_file 'numbers made again' "$scratch/levels.csv" "$new/levels.csv"
	same 'runs of one study' '6 dry runs' "$(grep ' dry runs' "$out")"
	rm -rf "${new:?}"/*
}

test_claims() {
	local nine='paper, section 7.2, figure 9'
	local both='paper and article together'
	sweep 0 "$made" --no-figures --only gemm,gemv --out "$new"
	same 'cycles of a GEMM' 44285 "$(value gemm 4 '2048,720,meshgemm')"
	claim 'efficiency of SUMMA and Cannon: below 50%' "$nine" \
		'holds: ours summa 32%, cannon 45%.'
	claim 'MeshGEMM on 720x720: efficiency: above 70%' "$nine" \
		'does not hold: ours 2K 67%, 4K 86%, 8K 97%.'
	claim 'some 17% fewer cycles: 0 to 25% fewer' "$nine" \
		'holds: ours summa 0% to 8%, cannon 1% to 4%.'
	claim 'GEMV, tree against pipeline: 2.5 to 8 times faster' "$both" \
		'holds: ours 2K 5.'
	claim 'GEMV, tree against pipeline: 4 to 8 times faster' \
		'paper, introduction; 4.6 in section 7.3' \
		'does not hold: ours 2K 5.'
	FAKE=slow sweep 0 "$made" --no-figures --only gemm,gemv --out "$new"
	claim 'some 17% fewer cycles: 0 to 25% fewer' "$nine" \
		'does not hold: ours summa -'
	claim 'GEMV, tree against pipeline: 2.5 to 8 times faster' "$both" \
		'does not hold: ours 2K 0.00 to '
	rm -rf "${new:?}"/*
}

test_groups() {
	sweep 0 "$made" --no-figures --only groups --sides 400 --out "$new"
	grep -q '^ *400 *20 *16 *16..16 *100 *116 *16.0%$' "$out" ||
		fail 'the best groups' "$out"
	rm -rf "${new:?}"/*
}

test_errors() {
	sweep 2 "$scratch/none" --only gemm
	one_line 'no waferllm; name it with --waferllm'
	sweep 2 "$made" --only gemm,hemm
	one_line '"hemm" is not one of gemm, gemv, levels, groups, plmr'
	sweep 2 "$made" --sides 36,
	one_line '"36," is not a list of numbers'
	sweep 2 "$made" --sizes 0
	one_line '"0" is not a list of numbers'
	sweep 2 "$made" --sides
	one_line 'expected one argument'
	FAKE=refuses sweep 2 "$made" --only gemv --out "$new"
	one_line 'bench gemv --grid 360x360 '
	one_line 'status 2: waferllm: bench gemv: made up to fail'
	FAKE=odd sweep 2 "$made" --only gemv --sides 36 --out "$new"
	one_line "a report is not as it should be: 'plmr'"
	sweep 2 "$WAFERLLM" --only gemv --sides 36 --device none --out "$new"
	one_line 'none'
	: >"$scratch/file"
	sweep 2 "$made" --only gemv --out "$scratch/file"
	one_line "$scratch/file"
	[ -z "$(ls -A "$new")" ] || fail "errors leave $(ls -A "$new")"
}

# Tables and numbers do without matplotlib.
test_no_figures() {
	mkdir "$scratch/shim"
	echo 'raise ImportError("none here")' >"$scratch/shim/matplotlib.py"
	PYTHONPATH=$scratch/shim sweep 0 "$made" --sides 36 --only gemv \
		--out "$new"
	one_line 'no figures: none here'
	same 'what is written' gemv.csv "$(ls "$new")"
	rm -rf "${new:?}"/*
}

test_figures() {
	local picture
	if ! "$python3" -c 'import matplotlib' 2>/dev/null; then
		skip 'figures, no matplotlib'
		return
	fi
	# shellcheck disable=SC2086
	sweep 0 "$made" $small --out "$new"
	[ ! -s "$err" ] || fail 'drawing says something' "$err"
	for picture in gemm gemv levels groups plmr; do
		holds 'a figure' "figure $new/$picture.png" "$out"
		[ -s "$new/$picture.png" ] || fail "no $picture.png"
	done
}

test_small
test_claims
test_groups
test_errors
test_no_figures
test_figures
finish
