#!/usr/bin/env bash
# Scaling from reports: speed-up and efficiency of reports made up, by hand;
# real reports, JSON and HDF5; figures; what is refused.
# timeout: 200
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

export PYTHONDONTWRITEBYTECODE=1
scaling=$WAFERLLM_SRCDIR/analysis/scaling.py
made=$scratch/made

python3=$(variable PYTHON3)
command -v "$python3" >/dev/null || skip_all 'no python3'
"$python3" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
	skip_all 'python3 is older than 3.9'

# scale STATUS ARGUMENTS...: what it prints is in $out and $err.
scale() {
	local expected=$1 status=0
	shift
	"$python3" "$scaling" --out "$new" "$@" >"$out" 2>"$err" || status=$?
	[ $status = "$expected" ] ||
		fail "status $status of scaling $*" "$out" "$err"
}

# refused WORDS ARGUMENTS...: in one line, without a file.
refused() {
	local words=$1
	shift
	scale 2 "$@"
	same "lines of an error: $words" 1 "$(grep -c '' "$err")"
	holds "an error of $*" "$words" "$err"
	[ ! -s "$out" ] || fail "tables of $*" "$out"
	[ -z "$(ls -A "$new")" ] || fail "$* leaves $(ls -A "$new")"
}

# figures NAME KEY COLUMN...: of the rows of a CSV file that begin so, with a
# blank between.
figures() {
	"$python3" - "$new/$1.csv" "${@:2}" <<'END'
import csv
import sys

with open(sys.argv[1]) as file:
    for row in csv.DictReader(file):
        if ",".join(row.values()).startswith(sys.argv[2]):
            print(*(f"{float(row[name]):.6g}" for name in sys.argv[3:]))
END
}

# A model with 12 M weights in its layers and 2 M in its head, 3 tokens in and
# 5 out. make FILE CODE: report r, changed by Python, as FILE of $made.
cat >"$scratch/make.py" <<'END'
import json
import sys


def part(seconds):
    return {"min_seconds": 0, "mean_seconds": seconds,
            "max_seconds": 9, "max_rank": 0}


def row(phase, compute, exchange, wait, **more):
    return {"phase": phase, **more, "compute": part(compute),
            "exchange": part(exchange), "wait": part(wait)}


def ranks(n, rows, load, prefill, decode):
    r["host"].update(ranks=n, load_seconds=load, prefill_seconds=prefill,
                     decode_seconds=decode)
    r["grids"]["ranks"] = {"rows": rows, "cols": n // rows}


def larger(times, cols):
    """As many layers; cores of a row."""
    r["model"].update(source=f"w{times}.h5", n_layers=times,
                      parameters=2000000 + times * 12000000)
    for phase in "prefill", "decode":
        r["grids"][phase]["cols"] = cols


def profile(*parts):
    half = [seconds / 2 for seconds in parts]
    r["host"]["profile"] = {
        "phases": [row("decode", *parts)],
        "operators": [row("decode", *half, operator=name)
                      for name in ("norm", "head")]}


grid = {"rows": 3, "cols": 4, "regions": 1}
r = {"format": "waferllm report", "format_version": 1,
     "device": {"name": "wse2"},
     "model": {"source": "a/b.h5", "dim": 1000, "hidden_dim": 2000,
               "n_layers": 1, "n_heads": 2, "n_kv_heads": 1,
               "head_dim": 1000, "vocab_size": 2000, "tied": True,
               "qkv_bias": False, "dtype": "f32", "parameters": 14000000},
     "system": {"name": "waferllm", "gemm": "meshgemm",
                "allreduce": "ktree", "groups": []},
     "grids": {"prefill": dict(grid), "decode": dict(grid)},
     "request": {"prompt_tokens": 3, "new_tokens": 5, "dry_run": False},
     "phases": {"load": {"links": None}, "decode": {
         "links": {"x": [30, 60, 90], "y": [8, 4],
                   "lines_x": 3, "lines_y": 4}}},
     "host": {"profile": None, "versions": {"waferllm": "1"}},
     "options": {"--prompt": "x", "--report": sys.argv[1]}}
ranks(1, 1, 1, 1, 1)
exec(sys.argv[2])
with open(sys.argv[1], "w") as file:
    json.dump(r, file)
END
make() {
	mkdir -p "$made/$(dirname "$1")"
	"$python3" "$scratch/make.py" "$made/$1" "$2"
}

# Prefill takes 10 s on 1 rank (the median of 8, 10 and 16), 6 on 2 (of 5 and
# 7), 2.5 on 4. The model has 0.072 GFLOP of prefill, 4 times 0.056 GB of
# decode, 0.056 GB to load.
test_strong() {
	make strong/1a.json 'ranks(1, 1, 4, 10, 8)'
	make strong/1b.json 'ranks(1, 1, 4, 8, 8); profile(3, 1, 0)'
	make strong/1c.json 'ranks(1, 1, 4, 16, 8)'
	make strong/2a.json 'ranks(2, 1, 4, 5, 2); profile(2, 1, 1)'
	make strong/2b.json 'ranks(2, 1, 4, 7, 2); profile(2, 0, 8)'
	make strong/2c.json 'ranks(2, 1, 4, 6, 2); profile(1, 1, 2)'
	make strong/4.json 'ranks(4, 2, 8, 2.5, 2)'
	make strong/cut.json 'ranks(2, 1, 4, 99, 99)
r["request"].update(new_tokens=3, ended_by="SIGUSR1")'
	scale 0 "$made/strong" --no-figures
	holds 'the one cut short' '/cut.json: cut short by a signal' "$err"
	rm "$made/strong/cut.json"
	same 'work, seconds, range of prefill' '0.072 10 8 16
0.072 6 5 7
0.072 2.5 2.5 2.5' "$(figures scaling strong,strong,prefill work host_s \
		host_s_least host_s_most)"
	same 'speed-up of prefill' '1 0.625 1.25 1
1.66667 1.42857 2 2
4 4 4 4' "$(figures scaling strong,strong,prefill host_speedup \
		host_speedup_least host_speedup_most ideal_speedup)"
	same 'efficiency of prefill' '100
83.3333
100' "$(figures scaling strong,strong,prefill host_efficiency_percent)"
	same 'decode' '0.224 0.028 1 100
0.224 0.112 4 200
0.224 0.112 4 100' "$(figures scaling strong,strong,decode work \
		host_work_per_s host_speedup host_efficiency_percent)"
	same 'load' '0.056 100
0.056 50
0.056 12.5' "$(figures scaling strong,strong,load work \
		host_efficiency_percent)"
	# Of the runs with a profile: 1 of 4 s; 2 of 4, 8 of 10, 3 of 4.
	same 'exchange and wait' '25 25 25
75 50 80' "$(figures shares strong,decode host_both_percent \
		host_both_percent_least host_both_percent_most)"
	same 'operators' '1.5 0.5 0
1 0.5 1' "$(figures operators strong,decode,norm \
		host_compute_s_mean_of_ranks host_exchange_s_mean_of_ranks \
		host_wait_s_mean_of_ranks)"
	same 'links' '30 10
60 20
90 30
8 2
4 1' "$(figures links strong,decode emulated_words_of_cut \
		emulated_words_of_link_mean)"
	holds 'those without a profile' '/1a.json and 2 more: no profile' \
		"$err"
	grep -q '^ *2 *1x2 *3 *6.00 *5.00 *7.00 *0.0120 *1.67 *83.3%$' \
		"$out" || fail 'the table' "$out"
	rm -f "$new"/*
}

# Twice the layers on twice the ranks and cores, in 1.25 times the time; again
# twice, in 4 times the first one's. Decode is of other lengths: 2 steps
# instead of 4.
test_weak() {
	make weak/1.json 'ranks(1, 1, 1, 4, 1)'
	make weak/2.json 'larger(2, 8); ranks(2, 1, 1, 5, 1)
r["request"]["new_tokens"] = 3'
	make weak/4.json 'larger(4, 16); ranks(4, 2, 1, 16, 1)'
	scale 0 "$made/weak" --no-figures
	same 'prefill, weak' '0.072 1 100
0.144 1.6 80
0.288 1 25' "$(figures scaling weak,weak,prefill work host_speedup \
		host_efficiency_percent)"
	# (24 + 2) x 2 of (12 + 2) x 4 M weights.
	same 'decode, weak' 0.928571 \
		"$(figures scaling weak,weak,decode,2 host_speedup)"
	holds 'what grew' ' 1.000   w4.h5, 50 M' "$out"
	holds 'the tokens' '3 to 5 out' "$out"
	rm -f "$new"/*
	# With a strong one of the first model, its first point is that one's,
	# unless it is named.
	make weak/1b.json 'ranks(2, 1, 1, 4, 1)'
	refused 'has its settings' "$made/weak/4.json" "$made/weak/1b.json" \
		"$made/weak/1.json"
	rm "$made/weak/1b.json"
	scale 0 "$made/strong" --weak "$made/weak" --no-figures
	same 'points of weak' 3 "$(grep -c ^weak,weak,load "$new/scaling.csv")"
	same 'points of strong' 3 \
		"$(grep -c ^strong,strong,load "$new/scaling.csv")"
	rm -f "$new"/*
}

# Types apart; the same settings once more in another folder are one point.
test_groups() {
	local n
	for n in 1 2; do
		make "types/$n.json" "ranks($n, 1, 1, 1, 1)"
		make "types/h$n.json" "ranks($n, 1, 1, 1, 1)
r['model']['dtype'] = 'f16'"
		make "again/$n.json" "ranks($n, 1, 3, 1, 1)"
	done
	scale 0 "$made/types" "$made/again" "$made/types/1.json" --no-figures
	same 'the studies' 'strong1,f32,load,1 2
strong1,f32,load,2 2
strong2,f16,load,1 1
strong2,f16,load,2 1' "$(grep ,load, "$new/scaling.csv" |
		cut -d , -f 1-4,10 | sed 's/,\([0-9]\)$/ \1/')"
	# On more than one rank at least.
	scale 0 "$made/strong"/2a.json "$made/strong/4.json" --no-figures
	same 'from 2 ranks on' '1 1 100
2 2 100' "$(figures scaling strong,strong,prefill ideal_speedup host_speedup \
		host_efficiency_percent)"
	# One phase that nothing was done in; idle ranks.
	make none/1.json 'r["request"]["new_tokens"] = 1'
	make none/3.json 'ranks(3, 1, 1, 1, 0); r["request"]["new_tokens"] = 1
r["grids"]["ranks"]["cols"] = 2'
	scale 0 "$made/none" --no-figures
	holds 'no decode' 'decode  left out: ranks 1, 3, for' "$out"
	holds 'idle ranks' '1x2*' "$out"
	! grep -q ,decode, "$new/scaling.csv" || fail 'a decode of no steps'
	rm -f "$new"/*
}

test_refused() {
	local strong=$made/strong
	mkdir "$made/empty"
	printf '{"format": ' >"$made/half.json"
	printf 'x' >"$made/x.h5"
	make other.json 'r["format"] = "waferllm bench report"'
	make list.json 'r = [r]'
	make version.json 'r["format_version"] = 2'
	make dry.json 'r["request"]["dry_run"] = True'
	make odd.json 'del r["model"]["hidden_dim"]'
	make text.json 'r["host"]["load_seconds"] = "long"'
	make zero.json 'ranks(1, 1, 0, 0, 0)'
	make part.json 'profile(1, 1, 1)
del r["host"]["profile"]["phases"][0]["wait"]'
	make grid.json 'ranks(4, 1, 1, 1, 1)'
	make small.json 'ranks(8, 2, 1, 1, 1); larger(1, 16)
r["model"]["source"] = "c.h5"'
	make same.json 'larger(3, 8); ranks(2, 1, 1, 1, 1)'
	refused "$made/none.json: No such file" "$strong" "$made/none.json"
	refused "$made/none.h5: No such file" "$made/none.h5"
	refused "$made/empty: no reports" "$made/empty"
	refused "$made/half.json: not JSON" "$strong" "$made/half.json"
	refused "$made/other.json: not a report of waferllm run but a wafer" \
		"$made/other.json"
	refused "$made/list.json: not a report of waferllm run" \
		"$made/list.json"
	refused "$made/version.json: a report of version 2" \
		"$made/version.json"
	refused "$made/dry.json: a dry run" "$strong" "$made/dry.json"
	refused "$made/odd.json: a report is not as it should be: KeyError" \
		"$made/odd.json"
	refused "$made/text.json: a report is not as it should be" \
		"$made/text.json"
	refused "$made/zero.json: no host times" "$made/zero.json"
	refused "$made/part.json: a report is not as it should be: KeyError" \
		"$made/part.json"
	refused "/1a.json: nothing to compare with" "$strong/1a.json"
	refused "nothing to compare with" "$strong" --weak "$made/grid.json"
	refused "on another rank grid than" "$strong" "$made/grid.json"
	refused "$made/small.json: no larger than" "$made/weak" \
		"$made/small.json"
	refused "one model for each number of ranks" "$made/weak" \
		"$made/same.json"
	refused 'no reports are named'
	refused 'expected one argument' "$strong" --weak
	# Without h5py, or with it but no HDF5.
	refused "$made/x.h5: " "$strong" "$made/x.h5"
	mkdir "$scratch/shim"
	echo 'raise ImportError("none here")' >"$scratch/shim/h5py.py"
	PYTHONPATH=$scratch/shim refused "$made/x.h5: HDF5 needs h5py" \
		"$made/x.h5"
	cp "$made/x.h5" "$made/empty"
	PYTHONPATH=$scratch/shim refused "$made/empty: no reports" \
		"$made/empty"
	: >"$scratch/file"
	scale 2 "$strong" --out "$scratch/file"
	holds 'no folder' "$scratch/file" "$err"
}

# Tables and numbers do without matplotlib.
test_no_figures() {
	echo 'raise ImportError("none here")' >"$scratch/shim/matplotlib.py"
	PYTHONPATH=$scratch/shim scale 0 "$made/weak"
	holds 'no figures' 'scaling: no figures: none here' "$err"
	same 'what is written' 'links.csv scaling.csv' \
		"$(cd "$new" && echo *)"
	rm -f "$new"/*
}

# The program's own reports.
test_real() {
	local n kind=json
	! "$python3" -c 'import h5py' 2>/dev/null || kind=h5
	mkdir "$scratch/real"
	random_model gqa 5 "$gqa_keys"
	for n in 1 2; do
		answer $n "$scratch/gqa.h5" --prompt 'A prompt' -n 9 --grid 4x3 \
			--profile --report "$scratch/real/$n.json"
	done
	answer 2 "$scratch/gqa.h5" --prompt 'A prompt' -n 9 --grid 4x3 \
		--profile --report "$scratch/real/more.$kind"
	# A checkpoint beside them is none.
	mv "$scratch/gqa.h5" "$scratch/real/gqa.h5"
	mkdir -p "$scratch/shim"
	echo 'raise ImportError("none here")' >"$scratch/shim/h5py.py"
	PYTHONPATH=$scratch/shim scale 0 "$scratch/real" --no-figures
	holds 'those not read' 'HDF5, not read without h5py' "$err"
	scale 0 "$scratch/real" --no-figures
	[ $kind = json ] || [ ! -s "$err" ] || fail 'something to say' "$err"
	same 'the points' '1 1
2 2' "$(figures scaling strong,strong,decode ranks runs)"
	same 'the first' '1 100' "$(figures scaling strong,strong,prefill,1 \
		host_speedup host_efficiency_percent)"
	same 'cuts of decode' 5 \
		"$(grep -c '^strong,decode,2,[xy],' "$new/links.csv")"
	grep -q '^strong,decode,ffn up,2,[0-9.]*[1-9]' \
		"$new/operators.csv" || fail 'times' "$new/operators.csv"
	[ $kind = h5 ] || skip 'reports in HDF5, no h5py'
	rm -f "$new"/*
}

test_figures() {
	local one kind
	if ! "$python3" -c 'import matplotlib' 2>/dev/null; then
		skip 'figures, no matplotlib'
		return
	fi
	scale 0 "$made/strong" "$made/weak"
	! grep -v 'no profile' "$err" || fail 'drawing says something' "$err"
	for one in scaling_strong scaling_weak exchange_strong \
		operators_strong_decode links_strong_decode links_weak_decode; do
		for kind in png pdf; do
			holds 'a figure' "figure $new/$one.$kind" "$out"
			[ -s "$new/$one.$kind" ] || fail "no $one.$kind"
		done
	done
	same 'figures' 12 "$(grep -c ^figure "$out")"
}

test_strong
test_weak
test_groups
test_refused
test_no_figures
if [ -n "$MPIRUN" ]; then
	test_real
else
	skip 'real reports, no mpirun'
fi
test_figures
finish
