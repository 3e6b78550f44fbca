#!/usr/bin/env bash
# The published tables: every cell keeps its limit, and one that did not would
# be named.
# timeout: 600
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

export PYTHONDONTWRITEBYTECODE=1
tables=$WAFERLLM_SRCDIR/analysis/paper_tables.py
cells=$scratch/published

python3=$(variable PYTHON3)
command -v "$python3" >/dev/null || skip_all 'no python3'
"$python3" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
	skip_all 'python3 is older than 3.9'

# compare STATUS ARGUMENTS...: what it prints is in $out and $err.
compare() {
	local expected=$1 status=0
	shift
	timeout 400 "$python3" "$tables" --waferllm "$WAFERLLM" "$@" \
		>"$out" 2>"$err" || status=$?
	tail -n 12 "$out" >"$scratch/end"
	[ $status = "$expected" ] ||
		fail "status $status of paper_tables $*" "$scratch/end" "$err"
}

# one_line WORDS: all that stands in $err.
one_line() {
	same "lines of an error: $1" 1 "$(grep -c '' "$err")"
	holds 'an error' "$1" "$err"
}

# new_cells FILE SCRIPT: $cells is a copy of which one file is changed.
new_cells() {
	rm -rf "$cells"
	cp -R "$WAFERLLM_SRCDIR/data/published" "$cells"
	chmod -R u+w "$cells"
	sed "$2" "$WAFERLLM_SRCDIR/data/published/$1" >"$cells/$1"
}

test_limits() {
	local table
	compare 0 --no-figures --check
	for table in 'table 2' 'table 3' 'table 4' systems 'table 5' \
		'table 6' 'table 7' 'table 8' 'wse3 gemm' 'wse3 gemv' \
		'wse3 groups' 'wse3 shift' Headlines; do
		grep -q "^$table: " "$out" || fail "$table is missing"
	done
	for table in 2 3 4; do
		holds 'other systems' "table $table: the same of T10 and Ladder" \
			"$out"
	done
	same 'tables with a context lifted' 8 "$(grep -cx \
		'  LLaMA2-13B: context lifted from 4,096 to 8,192 tokens, as the paper did.' \
		"$out")"
	holds 'its own context' '"max_seq_len": 4096' \
		"$WAFERLLM_SRCDIR/data/shapes/llama2-13b.json"
	holds 'more cores, slower' 'from each grid to the next: holds' "$out"
	grep -q '^megatron 64x64  *[0-9.]*  *[0-9.]*  *[0-9]*$' "$out" ||
		fail 'Megatron is missing'
	holds 'the verdict' '; 0 beyond their limits' "$scratch/end"
	grep -q 'follows: 185.4 from table 4, 2039.2 / 11.0' "$out" ||
		fail 'a headline' "$scratch/end"
	grep -q '(ktree against' "$out" || fail 'a kernel' "$scratch/end"
}

test_wrong_cell() {
	new_cells table3.json 's/27686\.5/37686.5/'
	compare 1 --no-figures --check --tables 3 --published "$cells"
	holds 'the wrong cell' \
		'table 3, llama3-8b 720x720: published 37686.5' "$out"
	holds 'their number' '; 2 beyond their limits' "$out"
	holds 'the mean' 'calibrated: mean |error|' "$out"
	compare 0 --no-figures --tables 3 --published "$cells"
}

# T10 and Ladder are judged like WaferLLM, by a limit of their own.
test_wrong_baseline() {
	new_cells table4.json 's/265\.1/465.1/; s/ 9\.0 / 6.0 /'
	compare 1 --no-figures --check --tables 4 --published "$cells"
	holds 'the wrong cell of T10' \
		'table 4, llama3-8b T10 660x660: published 465.1' "$out"
	holds 'the wrong cell of Ladder' \
		'table 4, llama2-13b Ladder 660x660: published 6.0' "$out"
	holds 'their limit' 'limit 30%' "$out"
	holds 'their number' '; 2 beyond their limits' "$out"
}

test_wrong_ratio() {
	new_cells table7.json 's/0\.05 }/0.04 }/'
	compare 1 --no-figures --check --tables 7 --published "$cells"
	holds 'the wrong ratio' \
		'table 7, llama3-8b ratio 1 A100: published 0.04' "$out"
}

test_bad_files() {
	new_cells table5.json 's/"value": 382 /"value": "382" /'
	compare 2 --no-figures --tables 5 --published "$cells"
	one_line 'table5.json: cell 1: "value" is not a number above 0'
	new_cells table5.json 's/^}//'
	compare 2 --no-figures --tables 5 --published "$cells"
	one_line 'table5.json: '
	new_cells table5.json 's/"model": "llama3-8b", //'
	compare 2 --no-figures --tables 5 --published "$cells"
	one_line "has no 'model'"
	new_cells table5.json 's/llama3-8b/no-such-model/'
	compare 2 --no-figures --tables 5 --published "$cells"
	one_line 'no-such-model'
	compare 2 --no-figures --tables 9
	holds 'an unknown table' '9 is not one of' "$err"
}

# Tables do without matplotlib.
test_no_figures() {
	mkdir "$scratch/shim"
	echo 'raise ImportError("none here")' >"$scratch/shim/matplotlib.py"
	PYTHONPATH=$scratch/shim compare 0 --tables 5 --out "$new/figures"
	one_line 'no figures: none here'
	holds 'its table' 'table 5' "$out"
	[ ! -e "$new/figures" ] || fail 'figures without matplotlib'
}

test_figures() {
	local picture
	if ! "$python3" -c 'import matplotlib' 2>/dev/null; then
		skip 'figures, no matplotlib'
		return
	fi
	compare 0 --tables 5 --out "$new/figures"
	for picture in cycles_by_grid operators links energy; do
		[ -s "$new/figures/$picture.png" ] ||
			fail "no $picture.png" "$err"
	done
}

test_limits
test_wrong_cell
test_wrong_baseline
test_wrong_ratio
test_bad_files
test_no_figures
test_figures
finish
