#!/usr/bin/env bash
# The same model on the same core grids gives the same bits on every number of
# ranks: text, tokens and the logits of all steps. The files of logits are
# compared byte by byte; HDF5 puts nothing else into them.
# timeout: 420
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

need_launcher
text='A prompt of more tokens than cores'

# same_bits RANKS GRIDS ARGUMENTS...: GRIDS are options, and rank counts are
# words, each with a rank grid behind a colon if it is to have one: '4 4:1x4'.
# They are compared with one rank.
same_bits() {
	local ranks=$1 grids=$2 word what rank_grid
	shift 2
	# shellcheck disable=SC2086 # options and words on purpose
	answer 1 --quiet $grids --logits "$scratch/one.h5" "$@"
	cp "$out" "$scratch/one.txt"
	[ -s "$scratch/one.h5" ] || fail "no logits: $*"
	for word in $ranks; do
		what="${1##*/}, $grids, ranks $word"
		rank_grid=
		case $word in *:*) rank_grid="--rank-grid ${word#*:}" ;; esac
		rm -f "$scratch/some.h5"
		# shellcheck disable=SC2086
		answer "${word%:*}" --quiet $grids $rank_grid "$@" \
			--logits "$scratch/some.h5"
		same_file "text of $what" "$scratch/one.txt" "$out"
		same_file "logits of $what" "$scratch/one.h5" \
			"$scratch/some.h5"
	done
}

# all_bits GRIDS RANKS ARGUMENTS...: with 64 ranks where all is asked for.
all_bits() {
	local grids=$1 ranks=$2
	shift 2
	if full; then
		ranks="2 4 6 9 16 64"
	fi
	same_bits "$ranks" "$grids" "$@"
}

test_gqa() {
	local gqa=$scratch/gqa.h5
	set -- "$gqa" --prompt "$text" -n 12
	random_model gqa 1 "$gqa_keys"
	all_bits '--grid 16x16' '2 4 6 9 16' "$@"
	all_bits '--grid 12x12' '4 9 16' "$@"
	all_bits '--grid 8x8' '2 6 16 3 5 7 4:1x4 4:4x1 8:1x8' "$@"
	all_bits '--prefill-grid 12x12 --decode-grid 8x8' '2 4 9 16' "$@"
	all_bits '--prefill-grid 7x7 --decode-grid 13x13' '4 6 9 16 7:1x7' \
		"$@"
}

test_five() {
	local five=$scratch/five.h5
	set -- "$five" --prompt "$text" -n 12
	random_model five 2 "$five_keys"
	all_bits '--grid 16x16' '6 9' "$@"
	all_bits '--grid 8x8' '64' "$@"
	all_bits '--prefill-grid 7x7 --decode-grid 13x13' '4 5:5x1' "$@"
}

test_stories() {
	local stories=$scratch/stories.h5
	if [ -z "$MODELS" ]; then
		skip 'stories260K, no models'
		return
	fi
	"$WAFERLLM" import --quiet "$MODELS/stories260K.bin" "$stories" \
		--tokenizer "$MODELS/tok512.bin"
	set -- "$stories" --prompt "$text" -n 40
	all_bits '--grid 16x16' '4 16' "$@"
	all_bits '--grid 12x12' '9' "$@"
	all_bits '--prefill-grid 12x12 --decode-grid 8x8' '6' "$@"
}

# 61 has no factors: ranks 56 to 60 idle, and the leader says so.
test_idle() {
	set -- "$scratch/gqa.h5" --grid 8x8 --prompt "$text" -n 2
	answer 1 "$@" --logits "$scratch/one.h5"
	answer 61 "$@" --logits "$scratch/some.h5"
	same_file 'logits of 61 ranks' "$scratch/one.h5" "$scratch/some.h5"
	holds '61 ranks' '5 of 61 ranks idle' "$err"
}

# Sampled text depends on the seed and not on the ranks. The sampler's own
# choice is tested in check_sampler; here it must be used and be shared.
test_sampling() {
	local n
	set -- "$scratch/gqa.h5" --quiet --prompt "$text" -n 30 --grid 8x8 \
		--temperature 0.9 --top-k 40 --top-p 0.95
	answer 1 "$@" --seed 7
	cp "$out" "$scratch/seven.txt"
	for n in 4 6 16; do
		answer $n "$@" --seed 7
		same_file "sampled on $n ranks" "$scratch/seven.txt" "$out"
	done
	answer 4 "$@" --seed 8
	cmp -s "$scratch/seven.txt" "$out" && fail 'seed 8 is seed 7' "$out"
	answer 4 "$@" --temperature 0
	cmp -s "$scratch/seven.txt" "$out" && fail 'not sampled' "$out"
	# The likeliest token alone is the greedy choice, whatever the seed.
	cp "$out" "$scratch/greedy.txt"
	answer 4 "$@" --top-k 1 --seed 9
	same_file 'top-k of 1' "$scratch/greedy.txt" "$out"
	answer 6 "$@" --top-p 0 --seed 9
	same_file 'top-p of 0' "$scratch/greedy.txt" "$out"
}

# Through shared memory, as in all runs above, or by messages.
test_messages() {
	set -- "$scratch/gqa.h5" --prompt "$text" -n 12 --no-shared-memory
	all_bits '--grid 12x12' '4 6' "$@"
	all_bits '--prefill-grid 7x7 --decode-grid 13x13' '9 7:1x7' "$@"
}

test_gqa
test_five
test_messages
test_idle
test_sampling
test_stories
finish
