#!/usr/bin/env bash
# The context: real and dry runs refuse the same requests in the same words,
# --context lowers it or, in a dry run, lifts it; a sliding window caps it.
# timeout: 120
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

model=$scratch/gqa.h5
random_model gqa 3 "$gqa_keys" 40

# verdict ARGUMENTS...: status, line and tokens of a run.
verdict() {
	local status=0
	rm -f "$scratch/verdict.json"
	timeout 20 "$WAFERLLM" "$@" --grid 4x4 --quiet --report \
		"$scratch/verdict.json" </dev/null >"$out" 2>"$err" || status=$?
	echo "$status $(cat "$err")"
	[ $status = 0 ] || return 0
	for key in prompt_tokens new_tokens context max_seq_len; do
		echo "$key $(value $key "$scratch/verdict.json")"
	done
}

# Prompts of 1 or at least 3 tokens: BOS, and a byte each of what follows.
prompt_of() {
	[ "$1" = 1 ] || printf '%*s' $(($1 - 2)) '' | tr ' ' .
}

# A context of 40 tokens.
test_dry_is_real() {
	local prompt more real dry
	while read -r prompt more; do
		# shellcheck disable=SC2086 # words
		real=$(verdict "$model" $more --prompt "$(prompt_of "$prompt")")
		# shellcheck disable=SC2086
		dry=$(verdict run --dry-run "$model" $more --prompt-tokens \
			"$prompt")
		same "$prompt tokens, $more" "$real" "$dry"
		echo "${dry%% *}" >>"$scratch/statuses"
	done <<-'LIST'
		33
		33 -n 7
		33 -n 8
		39 -n 1
		40
		41 -n 1
		3 --context 20
		3 -n 17 --context 20
		3 -n 18 --context 20
		20 --context 20
		21 --context 20
		1 --context 2
		1 --context 1
		3 -n 4 --context 40
		33 -n 8 --context 40
	LIST
	same 'what is taken' '0 0 2 0 2 2 0 0 2 2 2 0 2 0 2' \
		"$(xargs <"$scratch/statuses")"
}

test_words() {
	set -- run --dry-run --shape llama3-8b --grid 480x480 --prompt-tokens
	refuse 'option -n: 2000 prompt tokens and 100000 new ones exceed the model'"'"'s context of 8192' \
		"$@" 2000 -n 100000
	refuse 'exceed the model'"'"'s context of 8192' "$@" 2000 -n 6193 --strict
	refuse 'the prompt'"'"'s 9000 tokens exceed the model'"'"'s' "$@" 9000
	refuse 'exceed the context of 9000 that --context sets' "$@" 9000 \
		-n 1 --context 9000
	refuse 'exceed the context of 3000 that --context sets' "$@" 2900 \
		-n 101 --context 3000
	refuse 'exceed the model'"'"'s context of 8192' run --dry-run --shape \
		llama3-8b --grid auto --prompt-tokens 8000 -n 300
	refuse 'context of 40' run --dry-run "$model" --prompt-tokens 30 -n 11
	refuse 'option --context: 41 exceeds the model'"'"'s context of 40' \
		"$model" --context 41 --prompt ''
	[ -z "$MPIRUN" ] ||
		refuse_on 3 'option --context: 41 exceeds' "$model" --context 41
	for context in 0 2147483648 4294967297; do
		refuse 'option --context' "$model" --context "$context"
	done
}

test_lifted() {
	local report=$scratch/lifted.json
	answer 1 run --dry-run --shape llama2-13b --grid 750x750 \
		--prompt-tokens 4096 -n 64 --context 8192 --report "$report"
	same 'context used' 8192 "$(value context "$report")"
	same 'option' 8192 "$(value --context "$report")"
	same "the model's" 4096 "$(value max_seq_len "$report")"
	same 'new tokens' 64 "$(value new_tokens "$report")"
	holds 'summary' "8192 tokens (the model's: 4096)" "$out"
	answer 1 run --dry-run --shape llama2-13b --grid 750x750 \
		--prompt-tokens 4090 --report "$report" --quiet
	same 'new tokens that are left' 6 "$(value new_tokens "$report")"
	same "the model's context" 4096 "$(value context "$report")"
	# A context decides what is taken, and no figure.
	for context in 300 1024 16777216; do
		answer 1 run --dry-run --shape bench-110m --grid 96x96 \
			--prompt-tokens 200 -n 100 --context $context --quiet \
			--report "$report"
		sed -n '/^ "phases": /,/^ "kv": /p' "$report" | cksum
	done | sort -u >"$scratch/ledgers"
	same 'ledgers of all contexts' 1 "$(grep -c '' "$scratch/ledgers")"
}

# A lower context changes no token.
test_lowered() {
	answer 1 "$model" --prompt '' -n 20 --grid 4x4 --quiet
	cp "$out" "$scratch/whole"
	answer 1 "$model" --prompt '' -n 20 --grid 4x4 --quiet --context 21
	same_file 'text in a context of 21' "$scratch/whole" "$out"
	answer 1 "$model" --prompt '' --grid 4x4 --quiet --context 21
	same_file 'text as long as a context of 21' "$scratch/whole" "$out"
}

# A sweep's requests are as long whatever the model's context is.
test_sweep() {
	local shape status=0
	for shape in llama2-13b bench-110m; do
		mkdir "$scratch/$shape"
		(cd "$scratch/$shape" && PATH=${WAFERLLM%/*}:$PATH \
			SLURM_SUBMIT_DIR=$PWD SLURM_ARRAY_JOB_ID=1 \
			SLURM_ARRAY_TASK_COUNT=1 SLURM_ARRAY_TASK_ID=0 \
			SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_STEP=1 \
			DEVICES=wse2 GRIDS=600x600 SHAPE=$shape REPORTS=reports \
			timeout 60 bash "$WAFERLLM_SRCDIR/jobs/sweep.slurm" \
			>"$out" 2>"$err") || status=$?
		same "status of a sweep of $shape" 0 $status
		same "reports of $shape" 1 \
			"$(find "$scratch/$shape" -name '*.json' | wc -l)"
		same "context of $shape" 4224 "$(value context \
			"$(find "$scratch/$shape" -name '*.json')")"
	done
}

# windowed WINDOW NAME: the model of $MODELS as a Mistral with that window.
windowed() {
	local source=$scratch/$2
	mkdir "$source"
	cp "$MODELS/tinystories-656k"/* "$source"
	chmod u+w "$source"/*
	sed 's/"LlamaForCausalLM"/"MistralForCausalLM"/
		s/"vocab_size": /"sliding_window": '"$1"', &/' \
		"$MODELS/tinystories-656k/config.json" >"$source/config.json"
	timeout 20 "$WAFERLLM" import "$source" "$scratch/$2.h5" >"$out" \
		2>"$err" || fail "import of $2" "$err"
}

test_window() {
	local note='import: the context is reduced from 512 to 256 tokens, the sliding window, within which attention is full'
	if [ -z "$MODELS" ]; then
		skip 'windows, no models'
		return
	fi
	windowed 256 narrow
	same 'lines about the window' 1 "$(grep -cxF "$note" "$err")"
	timeout 20 "$WAFERLLM" import --quiet "$scratch/narrow" \
		"$scratch/quiet.h5" 2>"$err" || fail 'a quiet import' "$err"
	[ ! -s "$err" ] || fail 'not quiet' "$err"
	"$WAFERLLM" info "$scratch/narrow.h5" >"$scratch/info"
	holds 'info' '(MistralForCausalLM), context 256 of 512: its sliding window' \
		"$scratch/info"
	grep -q '^max_seq_len  *256$' "$scratch/info" ||
		fail 'the context' "$scratch/info"
	windowed 512 wide
	! grep -q window "$err" || fail 'a word about no window' "$err"
	answer 1 "$scratch/wide.h5" --prompt '' -n 255 --quiet
	cp "$out" "$scratch/text"
	answer 1 "$scratch/narrow.h5" --prompt '' -n 255 --quiet
	same_file 'text up to the window' "$scratch/text" "$out"
	refuse "context of 256" "$scratch/narrow.h5" --prompt '' -n 256
	refuse 'option --context: 512 exceeds' "$scratch/narrow.h5" --context 512
}

test_dry_is_real
test_words
test_lifted
test_lowered
test_sweep
test_window
finish
