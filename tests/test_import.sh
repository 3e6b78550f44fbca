#!/usr/bin/env bash
# Other people's models: a real one from its Hugging Face directory, from
# shards, as BF16 and as a GGUF file says what it must on any number of ranks;
# what is broken is refused in one line and leaves nothing.
# timeout: 300
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

command -v python3 >/dev/null || skip_all 'no python3, which makes models'
models_py=$WAFERLLM_SRCDIR/tests/models.py

# The greedy ids of tinystories-656k behind BOS.
ids='147 201 282 215 286 598 1662 356 499 826 1363 1145 1652 615 242 1482 951
628 499 826 872 921 318 385 628 499 826 617 242 198 1047 425 1939 122 1924
1171 94 303 328 229 521 776 115 1139 312 447 1456 319 115 133'

# says WHAT RANKS MODEL: the ids above, with a core grid that differs by phase.
says() {
	answer "$2" "$3" --quiet --prompt '' -n 50 --prefill-grid 8x8 \
		--decode-grid 12x12 --logits "$scratch/$2.h5"
	same "$1 on $2 ranks" "$(echo "$ids" | xargs)" \
		"$(numbers "$scratch/$2.h5" tokens | xargs)"
}

# Names, shapes, types and checksums of a checkpoint's tensors.
tensors() {
	"$WAFERLLM" info "$1" | sed -n '/^tensor /,$p'
}

# imported SOURCE NAME: as $scratch/NAME.h5, with a line for every tensor.
imported() {
	"$WAFERLLM" import "$1" "$scratch/$2.h5" >"$out" 2>"$err" ||
		fail "import of $1" "$err"
	same "lines for $1" "$(tensors "$scratch/$2.h5" | tail -n +2 | wc -l)" \
		"$(grep -c '^import: ' "$err")"
}

test_tinystories() {
	local n made=$scratch/made source=$MODELS/tinystories-656k
	if [ -z "$MODELS" ]; then
		skip 'tinystories-656k, no models'
		return
	fi
	mkdir "$made"
	python3 "$models_py" convert "$source" "$made"
	imported "$source" tiny
	imported "$made/sharded" sharded
	imported "$made/model.gguf" gguf
	imported "$made/bf16" bf16
	for n in sharded gguf; do
		same "tensors of $n" "$(tensors "$scratch/tiny.h5")" \
			"$(tensors "$scratch/$n.h5")"
	done
	holds 'the type of bf16' 'bf16 (20 tensors)' \
		<("$WAFERLLM" info "$scratch/bf16.h5")
	if [ -z "$MPIRUN" ] || ! command -v h5dump >/dev/null; then
		skip 'what tinystories-656k says, no mpirun or h5dump'
		return
	fi
	for n in 1 6 16; do
		says tinystories-656k $n "$scratch/tiny.h5"
	done
	says 'its GGUF file' 6 "$scratch/gguf.h5"
	says 'its shards' 1 "$scratch/sharded.h5"
	answer 4 "$scratch/gguf.h5" --quiet -n 20 --prompt 'Once upon a time'
	cp "$out" "$scratch/text"
	answer 1 "$scratch/tiny.h5" --quiet -n 20 --prompt 'Once upon a time' \
		--grid 5x5
	same_file 'text of both tokenizers' "$scratch/text" "$out"
}

# A directory and a GGUF file that are good, then all that are not.
test_broken() {
	local path words
	python3 "$models_py" broken "$scratch/broken" >"$scratch/cases" ||
		fail 'making broken models'
	while IFS=$(printf '\t') read -r path words; do
		if [ -n "$words" ]; then
			refuse "$words" import --quiet "$path" "$new/x.h5"
		else
			"$WAFERLLM" import --quiet "$path" "$scratch/x.h5" ||
				fail "$path"
			answer 1 "$scratch/x.h5" --quiet --prompt ab -n 2
		fi
	done <"$scratch/cases"
	refuse 'config.json' import --quiet "$scratch" "$new/x.h5"
	refuse 'give the directory' import --quiet \
		"$scratch/broken/good/model.safetensors" "$new/x.h5"
	refuse 'option --tokenizer' import --quiet "$scratch/broken/good" \
		"$new/x.h5" --tokenizer "$scratch/x"
}

# A model that puts no BOS in front: an empty prompt is nothing.
test_empty_prompt() {
	local seeds=$scratch/seeds
	python3 "$models_py" seeds "$seeds"
	"$WAFERLLM" import --quiet "$seeds/gguf/no-bos" "$scratch/no-bos.h5" ||
		fail 'a model without BOS'
	answer 1 "$scratch/no-bos.h5" --quiet --prompt 'ab' -n 3
	refuse 'the prompt is empty' "$scratch/no-bos.h5" --prompt ''
	"$WAFERLLM" import --quiet "$seeds/gguf/qwen2" "$scratch/qwen2.h5" ||
		fail 'a model with biases'
	if "$WAFERLLM" --version | grep -q '^PCRE2 none'; then
		refuse 'this build has no PCRE2' "$scratch/qwen2.h5"
	else
		answer 1 "$scratch/qwen2.h5" --quiet --prompt ' ab' -n 3
	fi
}

# A user's model is not overwritten by names that were mixed up.
test_same_name() {
	local copy=$scratch/copy.gguf
	cp "$scratch/broken/good.gguf" "$copy"
	refuse 'not replaced' import --quiet "$copy" "$copy"
	same_file 'the source' "$scratch/broken/good.gguf" "$copy"
	refuse 'not replaced' import --quiet "$scratch/broken/good" \
		"$scratch/broken/good/config.json"
}

# interrupt SIGNAL: an import that writes dies of it and leaves nothing.
interrupt() {
	local pid status=0 tries=0
	"$WAFERLLM" import --quiet "$scratch/large" "$new/x.h5" 2>"$err" &
	pid=$!
	while [ -z "$(ls -A "$new")" ] && [ $tries -lt 500 ]; do
		sleep 0.01
		tries=$((tries + 1))
	done
	kill -s "$1" $pid
	wait $pid 2>/dev/null || status=$?
	same "status of import after $1" $((128 + $(kill -l "$1"))) $status
	same "what import leaves after $1" '' "$(ls -A "$new")"
	rm -f "$new"/*
}

test_interrupt() {
	python3 "$models_py" large "$scratch/large"
	interrupt TERM
	interrupt HUP
}

test_tinystories
test_broken
test_empty_prompt
test_same_name
test_interrupt
finish
