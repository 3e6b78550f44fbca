#!/usr/bin/env bash
# --grid auto, which a shape without a grid takes: grids that violate nothing,
# or what the nearest lack; and signs of life of what takes long.
# timeout: 300
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

# account FILE ARGUMENTS...: a dry run whose report is FILE.
account() {
	local file=$1
	shift
	answer 1 run --dry-run --quiet --report "$file" "$@"
}

# ledger FILE: the part of a report that the wafer alone decides.
ledger() {
	sed -n '/^ "phases": /,/^ "kv": /p' "$1"
}

# sides FILE: rows of the grids of prefill and decode.
sides() {
	sed -n '/^ "grids": /,/^ }/s/^   "rows": \([0-9]*\),/\1/p' "$1" |
		head -n 2 | tr '\n' ' '
}

test_violates_nothing() {
	set -- --shape llama3-8b --strict
	account "$new/named.json" "$@" --prompt-tokens 4096 -n 4096 --grid auto
	[ "$(value tried "$new/named.json")" = 1500 ] || fail 'not all sides'
	shift 2
	set -- --shape bench-110m --set rows=200 "$@" --prompt-tokens 70
	account "$new/a.json" "$@" -n 3 --grid auto
	account "$new/b.json" "$@" -n 3
	same 'a shape without a grid' "$(ledger "$new/a.json" | cksum)" \
		"$(ledger "$new/b.json" | cksum)"
	account "$new/c.json" "$@" -n 1
	rm -f "$new"/*
}

test_says_what_is_lacking() {
	set -- run --dry-run --quiet --prompt-tokens 10 -n 5
	refuse 'option --grid auto: no grid on wse2 holds the model in' "$@" \
		--shape llama3-70b
	grep -qE 'the best, [0-9]+x[0-9]+, lacks [0-9]+ bytes a core' "$err" ||
		fail 'not what is lacking' "$err"
	set -- "$@" --shape bench-110m --set rows=60 --set cols=60
	refuse 'regions, the wafer holds 1)' "$@" --set sram=30000 \
		--set sram_reserved=0
	refuse ' router paths' "$@" --set sram=1e6 --set routes=4
	refuse '--decode-regions needs --grid' "$@" --decode-regions 2
}

test_which_take_it() {
	set -- --prompt-tokens 10 -n 5
	account "$new/r.json" --shape bench-110m --decode-grid 9x9 "$@"
	same 'one grid named' '9 9 ' "$(sides "$new/r.json")"
	random_model gqa 3 "$gqa_keys"
	account "$new/r.json" "$scratch/gqa.h5" "$@"
	same 'a checkpoint' '8 8 ' "$(sides "$new/r.json")"
	rm -f "$new"/*
}

# One layer alone takes many seconds.
test_life() {
	local pid
	random_model wide 3 '"dim": 288, "hidden_dim": 768, "n_heads": 6,
		"n_kv_heads": 6, "vocab_size": 2000' 96 4
	"$WAFERLLM" "$scratch/wide.h5" --prompt 'a b c' -n 4 --grid 600x600 \
		>"$out" 2>"$err" &
	pid=$!
	for _ in $(seq 200); do
		grep -q 'prefill: layer 1 of 4, ' "$err" && break
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	kill $pid 2>/dev/null || true
	wait $pid || true
	grep -q 'prefill: layer [1-4] of 4, ' "$err" ||
		fail 'no sign of life' "$err"
}

test_violates_nothing
test_says_what_is_lacking
test_which_take_it
test_life
finish
