#!/usr/bin/env bash
# The account as users meet it: dry runs, reports, devices, what-ifs, grids
# that are found; and what is refused.
# timeout: 400
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

model=$scratch/gqa.h5
random_model gqa 3 "$gqa_keys"

# account FILE ARGUMENTS...: a dry run whose report is FILE.
account() {
	local file=$1
	shift
	answer 1 run --dry-run --report "$file" "$@"
	! grep -v '^waferllm: ' "$out" ||
		fail "an answer without a model: $*" "$out"
}

# ledger FILE: the part of a report that the wafer alone decides.
ledger() {
	sed -n '/^ "phases": /,/^ "kv": /p' "$1"
}

# less A B: as numbers.
less() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 < b + 0) }'
}

test_dry_is_real() {
	local ranks grids tokens
	need_launcher
	while read -r ranks grids; do
		for more in '--dtype f16' '--temperature 0.9 --device wse3'; do
			# shellcheck disable=SC2086 # words
			answer "$ranks" "$model" --prompt '' -n 9 $grids \
				$more --quiet --report "$new/real.json"
			[ ! -s "$err" ] || fail 'not quiet' "$err"
			tokens=$(value new_tokens "$new/real.json")
			# shellcheck disable=SC2086
			account "$new/dry.json" "$model" --prompt-tokens 1 \
				-n "$tokens" $grids $more --quiet
			same "ledger of $grids $more on $ranks ranks" \
				"$(ledger "$new/real.json" | cksum)" \
				"$(ledger "$new/dry.json" | cksum)"
			rm -f "$new"/*
		done
	done <<-'END'
		1 --grid 1x1
		1 --grid 7x7
		4 --prefill-grid 8x8 --decode-grid 6x6
		9 --prefill-grid 5x5 --decode-grid 9x9 --decode-regions 2
	END
	# A type decides what is charged, real or dry.
	account "$new/a.json" "$model" --prompt-tokens 1 --dtype f16
	account "$new/b.json" "$model" --prompt-tokens 1
	[ "$(ledger "$new/a.json")" != "$(ledger "$new/b.json")" ] ||
		fail 'f16 and the default are charged alike'
	rm -f "$new"/*
}

test_numbers() {
	account "$new/a.json" --shape llama3-8b --prefill-grid 660x660 \
		--decode-grid 360x360 --prompt-tokens 4096 -n 4096
	holds 'summary' 'wse2 (Cerebras WSE-2)' "$out"
	same 'tokens of prefill' 4096 "$(sed -n '/^ "phases": {/,$p' \
		"$new/a.json" | sed -n '/^  "prefill": {/,$p' | value tokens /dev/stdin)"
	same 'tokens of decode' 4095 "$(sed -n '/^ "phases": {/,$p' \
		"$new/a.json" | sed -n '/^  "decode": {/,$p' | value tokens /dev/stdin)"
	rm -f "$new"/*
}

test_what_if() {
	local base=$new/base.json more
	set -- --shape bench-110m --grid 96x96 --prompt-tokens 100 -n 20
	account "$base" "$@"
	for more in hop_cycles=2 stage_cycles=56 clock=550 link_bytes=2; do
		account "$new/other.json" "$@" --set "$more"
		less "$(value tokens_per_s_request "$new/other.json")" \
			"$(value tokens_per_s_request "$base")" ||
			fail "$more makes it no slower"
	done
	account "$new/other.json" "$@" --set sram=20000 --set routes=4
	tr '\n' ' ' <"$out" | sed 's/waferllm:  *//g' >"$scratch/joined"
	holds 'fewer bytes' 'memory: prefill' "$scratch/joined"
	holds 'fewer bytes' 'core (0,0) holds' "$scratch/joined"
	holds 'fewer routes' 'router paths: decode' "$scratch/joined"
	rm -f "$new"/*
	refuse 'option --strict: M: prefill' run --dry-run "$@" --strict \
		--quiet --set sram=20000
	answer 1 run --dry-run "$@" --strict --quiet
}

test_auto() {
	local more
	set -- --shape qwen2.5-1.5b --prompt-tokens 300 -n 40
	account "$new/auto.json" "$@" --grid auto
	holds 'summary' 'tried' "$out"
	[ "$(value tried "$new/auto.json")" -gt 100 ] || fail 'few tried'
	# shellcheck disable=SC2046
	set -- "$@" $(awk '
		/"(prefill|decode)": [{]/ { phase = $1; gsub(/[":]/, "", phase) }
		/"(rows|cols|regions)":/ && !seen[phase, $1]++ {
			gsub(/[":,]/, ""); v[phase, $1] = $2 }
		/"ranks"/ { exit }
		END { for (i = 1; i <= 2; i++) {
			p = i == 1 ? "prefill" : "decode"
			printf "--%s-grid %dx%d --%s-regions %d ", p,
				v[p, "rows"], v[p, "cols"], p, v[p, "regions"]
		} }' "$new/auto.json")
	account "$new/named.json" "$@" --strict
	same 'the grids found, named' "$(ledger "$new/auto.json" | cksum)" \
		"$(ledger "$new/named.json" | cksum)"
	for more in 64 200 512; do
		answer 1 run --dry-run --shape qwen2.5-1.5b --grid \
			"${more}x$more" --prompt-tokens 300 -n 40 --report \
			"$new/other.json"
		! less "$(value tokens_per_s_request "$new/auto.json")" \
			"$(value tokens_per_s_request "$new/other.json")" ||
			fail "$more is better than what was found"
	done
	rm -f "$new"/*
	refuse 'option --grid auto: no grid on wse2 holds the model' run \
		--dry-run --shape llama3-70b --grid auto --prompt-tokens 10
}

test_kv() {
	set -- --shape llama3-8b --grid 360x360 --prompt-tokens 1 -n 1000
	account "$new/shift.json" "$@"
	account "$new/concat.json" "$@" --kv concat
	less "$(value tokens_per_s_request "$new/concat.json")" \
		"$(value tokens_per_s_request "$new/shift.json")" ||
		fail 'concatenation is no slower'
	awk -v a="$(value longest_shift "$new/shift.json")" \
		-v b="$(value longest_concat "$new/shift.json")" \
		'BEGIN { exit !(b > 0 && a / b > 324 && a / b < 396) }' ||
		fail 'the shift does not hold about 360 times as many'
	rm -f "$new"/*
}

test_bench() {
	refuse 'option --strict: P' bench gemm --dry-run --grid 20x20 -m 40 \
		--device dojo-d1 --strict --quiet
	refuse 'option --strict: M' bench allreduce --dry-run --grid 20x20 \
		--words 100000 --strict --quiet
	answer 1 bench gemm --dry-run --grid 720x720 -m 720 --device wse3 \
		--report "$new/bench.json"
	holds 'bench' 'gemm' "$out"
	less 100000 "$(value cycles "$new/bench.json")" || fail 'few cycles'
	rm -f "$new"/*
	refuse 'bench: "lu" is not' bench lu --dry-run --grid 4x4 -m 4
	refuse 'bench: --grid RxC' bench gemm --dry-run -m 4
	refuse 'bench gemm: -m, -k or -n' bench gemm --dry-run --grid 4x4
	refuse 'bench shift: --hops' bench shift --dry-run --grid 4x4 -m 4
	refuse 'bench allreduce: --words' bench allreduce --dry-run --grid 4x4
}

test_refusals() {
	local device=$scratch/device.json file
	printf '%s "n_layers": 1, "n_heads": 1, "n_kv_heads": 1, "head_dim": 2,
		"vocab_size": 9, "max_seq_len": 9 }' '{ "dim": 63,
		"hidden_dim": 5,' >"$scratch/odd.json"
	printf '%s "n_layers": 900, "n_heads": 9000, "n_kv_heads": 9000,
		"vocab_size": 9, "max_seq_len": 9 }' '{ "dim": 900000,
		"hidden_dim": 900000,' >"$scratch/wide.json"
	set -- run --dry-run --shape bench-110m --prompt-tokens 4
	refuse 'needs --prompt-tokens' run --dry-run --shape bench-110m
	refuse '--shape needs --dry-run' run --shape bench-110m
	refuse '--prompt-tokens needs --dry-run' "$model" --prompt-tokens 4
	refuse '--kv concat needs --dry-run' "$model" --kv concat
	refuse '--kv-heads-full needs --dry-run' "$model" --kv-heads-full
	refuse '--grid auto needs --dry-run' "$model" --grid auto
	refuse 'option --kv: "both"' "$@" --kv both
	refuse '--dry-run and --prompt exclude' "$@" --prompt x
	refuse '--dry-run and --logits exclude' "$@" --logits "$new/x.h5"
	refuse '--shape and MODEL.h5' "$@" "$model"
	refuse '--prefill-grid and --decode-grid' "$@" --grid auto \
		--decode-grid 4x4
	refuse '--kv-heads-full: head_dim' "$@" --kv-heads-full --shape \
		"$scratch/odd.json"
	refuse '--prefill-regions: 13 regions' "$@" --prefill-regions 13
	refuse 'excludes' "$@" --grid auto --decode-regions 2
	refuse '64 bits' "$@" --set vector_start=1e5 --set gemm_loop=1e6 \
		--shape "$scratch/wide.json" --grid 1x1
	refuse 'no-such' run --dry-run --shape no-such --prompt-tokens 4
	refuse 'no-such: no such device' "$@" --device no-such
	refuse 'option --set' "$@" --set hops=2
	refuse 'hop_cycles' "$@" --set hop_cycles=fast
	refuse 'sram_reserved' "$@" --set sram=2048
	sed 's/"unit": "MHz"/"unit": "GHz"/' \
		"$WAFERLLM_SRCDIR/data/devices/wse2.json" >"$device"
	refuse "$device" "$@" --device "$device"
	refuse 'clock' "$@" --device "$device"
	refuse 'clock' "$model" --device "$device"
	for file in "$new/r.txt" "$new" "$scratch/none/r.json" r; do
		refuse 'option --report' "$@" --report "$file"
	done
	printf 'precious' >"$scratch/other.json"
	refuse 'option --report' "$@" --report "$scratch/other.json"
	same 'what stood there' precious "$(cat "$scratch/other.json")"
	refuse 'the same file' "$model" --logits "$new/x.h5" --report "$new/x.h5"
	if [ -n "$MPIRUN" ]; then
		refuse_on 3 'clock' "$model" --device "$device"
		refuse_on 3 'no such device' "$@" --device no-such
		answer 3 "$@" --report "$new/three.h5"
		[ -s "$new/three.h5" ] || fail 'no report on 3 ranks'
	fi
	rm -rf "${new:?}"/*
}

test_dry_is_real
test_numbers
test_what_if
test_auto
test_kv
test_bench
test_refusals
finish
