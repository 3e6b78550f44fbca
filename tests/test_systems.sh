#!/usr/bin/env bash
# Other algorithms and other systems: those that run compute the same text,
# have the same bits on every number of ranks and a dry run's account; those
# that are an account alone say so. What does not go together is refused.
# timeout: 900
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

text='A prompt of more tokens than cores'
model=$scratch/gqa.h5
random_model gqa 1 "$gqa_keys"

answer 1 "$model" --quiet --prompt "$text" -n 12
cp "$out" "$scratch/expected.txt"
[ "$(wc -c <"$out")" -gt $((${#text} + 12)) ] || fail 'hardly any text' "$out"

gemms='meshgemm cannon summa allgather'
allreduces='pipeline ring ktree1 ktree ktree3 ktree4'

# ways: all ways to run a model but the default, one a line, as options.
ways() {
	local name
	for name in $gemms; do
		echo "--gemm $name"
	done
	for name in $allreduces; do
		echo "--allreduce $name"
	done
	cat <<-'END'
		--groups 2
		--allreduce ktree3 --groups 2,3
		--gemm cannon --allreduce ring
		--system waferllm --gemm summa
		--system megatron
		--system megatron --allreduce ktree
	END
}

# prefill_cycles FILE
prefill_cycles() {
	sed -n '/^ "phases": {/,$p' "$1" | sed -n '/^  "prefill": {/,$p' |
		value cycles /dev/stdin
}

# ledger FILE: the part of a report that the wafer alone decides.
ledger() {
	sed -n '/^ "phases": /,/^ "kv": /p' "$1"
}

# system FILE: that object of a report, on one line.
system() {
	sed -n '/^ "system": {/,/^ }/p' "$1" | tr -d ' \n'
}

# same_text WHAT ARGUMENTS...: every way that computes otherwise, on a grid
# with unequal sides.
same_text() {
	local what=$1 way
	shift
	answer 1 --quiet "$@"
	cp "$out" "$scratch/real.txt"
	for way in '--gemm cannon' '--gemm summa' \
		'--gemm allgather --allreduce ring' \
		'--allreduce ktree4 --groups 2,2,2' '--system megatron'; do
		# shellcheck disable=SC2086
		answer 1 --quiet "$@" --grid 6x10 $way
		same_file "$what, $way" "$scratch/real.txt" "$out"
	done
}

test_real_models() {
	if [ -z "$MODELS" ]; then
		skip 'stories260K and the default model, no models'
		return
	fi
	"$WAFERLLM" import --quiet "$MODELS/stories260K.bin" \
		"$scratch/stories.h5" --tokenizer "$MODELS/tok512.bin"
	same_text 'stories260K' "$scratch/stories.h5" --prompt 'Tim and' -n 40
	same_text 'the default model' "$WAFERLLM_SRCDIR/data/default.h5" \
		--prompt 'Once upon a time' -n 30
}

# prove GRIDS RANKS WAY: the text on one rank is the default's, that and the
# logits are the same on all numbers of ranks, and the account is a dry run's.
# RANKS are words, each with a rank grid behind a colon if it is to have one.
prove() {
	local grids=$1 ranks=$2 way=$3 word what rank_grid
	local report=$new/real.json
	set -- "$model" --quiet --prompt "$text" -n 12
	# shellcheck disable=SC2086 # words
	answer 1 "$@" $grids $way --logits "$scratch/one.h5" --report "$report"
	same_file "text of $way, $grids" "$scratch/expected.txt" "$out"
	[ -n "$MPIRUN" ] || ranks=
	for word in $ranks; do
		what="$way, $grids, ranks $word"
		rank_grid=
		case $word in *:*) rank_grid="--rank-grid ${word#*:}" ;; esac
		rm -f "$scratch/some.h5" "$report"
		# shellcheck disable=SC2086
		answer "${word%:*}" "$@" $grids $way $rank_grid \
			--logits "$scratch/some.h5" --report "$report"
		same_file "text of $what" "$scratch/expected.txt" "$out"
		same_file "logits of $what" "$scratch/one.h5" \
			"$scratch/some.h5"
	done
	# Logits travel to the leader as for sampling.
	# shellcheck disable=SC2086
	answer 1 run --dry-run "$model" --quiet $grids $way --prompt-tokens \
		"$(value prompt_tokens "$report")" -n "$(value new_tokens \
		"$report")" --temperature 1 --report "$new/dry.json"
	[ -n "$(ledger "$report")" ] || fail "no phases: $way"
	same "ledger of $way, $grids, ranks $ranks" \
		"$(ledger "$report" | cksum)" "$(ledger "$new/dry.json" | cksum)"
	same "system of $way" "$(system "$report")" \
		"$(system "$new/dry.json")"
	ledger "$report" | cksum >"$scratch/ledger"
	rm -f "$new"/*
}

# All ways on one grid. But for those that are the same by another name each
# has its own account.
test_ways() {
	local way often='waferllm\|meshgemm\|ktree$\|cannon .* ring'
	local tall
	while read -r way; do
		# Megatron's line of cores takes one row of ranks.
		tall=6:6x1
		case $way in *megatron*) tall= ;; esac
		if full; then
			prove '--grid 12x9' "4 6 6:1x6 $tall 64" "$way"
			prove '--grid 8x8' '4 6 64' "$way"
			prove '--prefill-grid 7x4 --decode-grid 5x8' '4 6 16' \
				"$way"
		else
			prove '--grid 12x9' 4 "$way"
		fi
		case $way in
		*meshgemm | *ktree | *waferllm*) ;;
		*) cat "$scratch/ledger" >>"$scratch/ledgers" ;;
		esac
	done < <(ways | if full; then cat; else grep -v "$often"; fi)
	same 'accounts that are like others' '' \
		"$(sort "$scratch/ledgers" | uniq -d)"
}

# Grids of all forms, with ranks of which some are one core wide. 52x65 cores
# are more than most of the model's dimensions have elements, and so are 10x11
# in a line.
test_grids() {
	local grids ranks way
	while IFS=: read -r grids ranks way; do
		if full; then
			ranks='4 6 64'
		fi
		prove "$grids" "$ranks" "$way"
	done <<-'END'
		--grid 8x8:4:--gemm cannon
		--grid 8x8:6:--gemm summa --allreduce ktree4 --groups 2,2,2
		--grid 5x7:6:
		--grid 5x7:4:--gemm cannon --allreduce pipeline
		--grid 5x7:6:--gemm allgather --allreduce ring
		--grid 5x7:6:--system megatron
		--grid 1x8:6:--gemm meshgemm --allreduce ktree3
		--grid 8x1:4:--gemm summa --allreduce ring
		--grid 8x1:6:--gemm cannon
		--grid 8x1:4:--system megatron --allreduce ktree
		--prefill-grid 7x4 --decode-grid 5x8:6:--gemm cannon
		--prefill-grid 7x4 --decode-grid 5x8:6:--system megatron
		--grid 52x65:4:--gemm cannon
		--grid 52x65::--gemm allgather
		--grid 10x11:4:--system megatron
	END
}

# An option that does nothing would pass all of the above.
test_bits_differ() {
	local way
	set -- "$model" --quiet --prompt "$text" -n 3 --grid 12x9
	answer 1 "$@" --logits "$scratch/default.h5"
	for way in '--gemm cannon' '--gemm allgather' '--allreduce ring' \
		'--allreduce ktree3' '--groups 2' '--system megatron'; do
		rm -f "$scratch/other.h5"
		# shellcheck disable=SC2086
		answer 1 "$@" $way --logits "$scratch/other.h5"
		! cmp -s "$scratch/default.h5" "$scratch/other.h5" ||
			fail "$way changes no bit"
	done
	for way in '--gemm meshgemm' '--allreduce ktree' '--system waferllm'
	do
		rm -f "$scratch/other.h5"
		# shellcheck disable=SC2086
		answer 1 "$@" $way --logits "$scratch/other.h5"
		same_file "the default's name, $way" "$scratch/default.h5" \
			"$scratch/other.h5"
	done
}

# reported WHAT EXPECTED ARGUMENTS...
reported() {
	local what=$1 expected=$2
	shift 2
	answer 1 run --dry-run "$model" --prompt-tokens 5 -n 3 \
		--report "$new/r.json" "$@"
	same "system of $what" "\"system\":{$expected}," \
		"$(system "$new/r.json")"
	rm -f "$new"/*
}

# run_of NAME LINE GEMM ALLREDUCE GROUPS: what a report says of one that runs.
run_of() {
	printf '"name":"%s","line":%s,"account_alone":false,' "$1" "$2"
	printf '"gemm":"%s","allreduce":"%s","groups":[%s]' "$3" "$4" "$5"
}

test_report() {
	local name
	for name in $gemms; do
		reported "--gemm $name" \
			"$(run_of waferllm false "$name" ktree '')" \
			--gemm "$name"
		holds "--gemm $name" "products by $name" "$out"
	done
	reported 'a ring' "$(run_of waferllm false meshgemm ring '')" \
		--allreduce ring
	holds 'a ring' 'sums by ring' "$out"
	reported 'the default' "$(run_of waferllm false meshgemm ktree '')"
	! grep -q -e 'products by' -e 'an account only' "$out" ||
		fail 'the default is told' "$out"
	reported 'an alias' "$(run_of waferllm false meshgemm ktree '')" \
		--allreduce ktree2
	reported 'groups' "$(run_of waferllm false meshgemm ktree3 2,3)" \
		--allreduce ktree3 --groups 2,3
	reported 'megatron' "$(run_of megatron true megatron ring '')" \
		--system megatron
	holds 'megatron' 'system        megatron,' "$out"
	reported 'megatron by a tree' \
		"$(run_of megatron true megatron ktree4 '')" \
		--system megatron --allreduce ktree4
	for name in t10 ladder; do
		reported $name "\"name\":\"$name\",\"line\":false,\
\"account_alone\":true,\"gemm\":null,\"allreduce\":null,\"groups\":[]" \
			--system $name
		holds $name 'an account only' "$out"
		holds $name "system        $name," "$out"
		! grep -v '^waferllm: ' "$out" ||
			fail "$name: an answer" "$out"
	done
}

# refuse_all WORDS ARGUMENTS...: on one rank, and on four.
refuse_all() {
	refuse "$@"
	if [ -n "$MPIRUN" ]; then
		refuse_on 4 "$@"
	fi
}

test_refusals() {
	local name dry words
	for name in t10 ladder; do
		refuse_all "option --system: $name is an account" "$model" \
			--system $name
		dry="run --dry-run $model --prompt-tokens 5 --system $name"
		# shellcheck disable=SC2086
		while read -r words; do
			refuse "--system $name and ${words%% [0-9a-z]*}" $dry \
				$words
		done <<-'END'
			--gemm meshgemm
			--allreduce ring
			--groups 2
			--prefill-regions 2
			--decode-regions 2
			--grid auto
		END
		# shellcheck disable=SC2086
		refuse "--system $name and --kv concat" $dry --kv concat
	done
	refuse '"lu" is not one of meshgemm, cannon' "$model" --gemm lu
	# It is none of those to choose from.
	refuse '"megatron" is not one of' "$model" --gemm megatron
	refuse '"" is not one of' "$model" --gemm ''
	refuse '"tree" is not one of pipeline' "$model" --allreduce tree
	refuse '"cuda" is not one of waferllm, megatron, t10, ladder' \
		"$model" --system cuda
	refuse_all '--gemm and --system megatron' "$model" \
		--system megatron --gemm cannon
	refuse '--system megatron and --grid auto' run --dry-run "$model" \
		--prompt-tokens 5 --system megatron --grid auto
	for name in 0 2,0 x '2,' 1,2,3,4; do
		refuse 'option --groups: ' "$model" --groups $name
	done
	if [ -n "$MPIRUN" ]; then
		refuse_on 4 'option --rank-grid: 2x2 ranks do not fit a core' \
			"$model" --system megatron --rank-grid 2x2 --grid 8x8
	fi
}

# A line through all cores of a wafer.
test_whole_wafer() {
	local more
	for more in '' '--allreduce ktree' '--allreduce pipeline'; do
		# shellcheck disable=SC2086
		answer 1 run --dry-run --shape bench-110m --system megatron \
			--grid 994x750 --prompt-tokens 9 -n 2 $more
	done
}

# A line of fewer cores than ranks.
test_idle() {
	need_launcher
	set -- "$model" --system megatron --grid 2x2 --prompt "$text" -n 5
	answer 1 "$@" --logits "$scratch/one.h5"
	answer 6 "$@" --logits "$scratch/some.h5"
	same_file 'megatron, ranks idle' "$scratch/one.h5" "$scratch/some.h5"
	holds 'megatron, ranks idle' '2 of 6 ranks idle' "$err"
	holds 'megatron, ranks idle' 'is 1x4' "$err"
}

# warned N ARGUMENTS...: a dry run with N warnings of many blocks.
warned() {
	local n=$1
	shift
	answer 1 run --dry-run --shape bench-110m --decode-grid 8x8 \
		--prompt-tokens 4 -n 1 "$@"
	same "warnings of $*" "$n" "$(grep -c 'least common multiple' "$err")"
}

# Products have as many blocks as the least common multiple of the sides.
test_many_blocks() {
	warned 1 --prefill-grid 61x64
	holds 'a warning' '61x64 cores' "$err"
	holds 'a warning' '3904 blocks' "$err"
	warned 0 --prefill-grid 61x64 --quiet
	[ ! -s "$err" ] || fail '--quiet' "$err"
	warned 0 --prefill-grid 64x64
	warned 0 --prefill-grid 32x64
	# 2048 and 2049.
	warned 0 --prefill-grid 64x2048
	warned 1 --prefill-grid 3x683
	warned 1 --prefill-grid 61x64 --gemm summa
	for name in megatron t10 ladder; do
		warned 0 --prefill-grid 61x64 --system $name
	done
	refuse '1031x1033 cores cut the inner dimension' run --dry-run \
		--shape bench-110m --prompt-tokens 4 --prefill-grid 1031x1033
	refuse_all '1065023 blocks, more than 524288' "$model" \
		--prefill-grid 1031x1033
	# Decode has no such products, other systems have none.
	warned 0 --prefill-grid 8x8 --decode-grid 1031x1033 --quiet
	warned 0 --prefill-grid 1031x1033 --system t10
}

# The leader alone warns, of a run too; here one that ends at a flipped byte.
test_warned_run() {
	local n=1
	[ -z "$MPIRUN" ] || n=4
	cp "$model" "$scratch/broken.h5"
	printf '\125' | dd of="$scratch/broken.h5" bs=1 conv=notrunc \
		status=none seek=$(($(stat -c %s "$model") / 2))
	set -- "$scratch/broken.h5" --prefill-grid 43x48 --decode-grid 8x8
	! launch $n "$WAFERLLM" "$@" || fail 'a flipped byte'
	holds 'a flipped byte' checksum "$err"
	same 'warnings of a run' 1 \
		"$(grep -c 'warning: 43x48 cores .* 2064 blocks' "$err")"
	! launch $n "$WAFERLLM" "$@" --quiet || fail 'a flipped byte'
	! grep 'warning:' "$err" || fail '--quiet warns' "$err"
}

# More cores make them slower, as published.
test_slower() {
	local name side cycles before
	for name in t10 ladder; do
		before=0
		for side in 480 720; do
			answer 1 run --dry-run --quiet --shape llama3-8b \
				--system $name --prompt-tokens 4096 -n 2 \
				--prefill-grid ${side}x$side --decode-grid \
				360x360 --report "$new/r.json"
			cycles=$(prefill_cycles "$new/r.json")
			[ "$cycles" -gt "$before" ] || fail \
				"$name takes $cycles cycles on $side x $side"
			before=$cycles
			rm -f "$new"/*
		done
	done
}

test_ways
test_grids
test_bits_differ
test_real_models
test_report
test_refusals
test_whole_wafer
test_idle
test_many_blocks
test_warned_run
test_slower
finish
