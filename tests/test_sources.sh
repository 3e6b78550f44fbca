#!/usr/bin/env bash
# What users give import, run and info: sources that differ from what they
# should be in nothing that matters are taken, with a line for each kind; what
# is something else is called what it is, with what to do.
# timeout: 120
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

command -v python3 >/dev/null || skip_all 'no python3, which makes models'
python3 "$WAFERLLM_SRCDIR/tests/models.py" odd "$scratch/odd" \
	>"$scratch/cases" || fail 'making odd sources'

# import_of PATH DEST [OPTION...]
import_of() {
	local path=$1 dest=$2
	shift 2
	timeout 20 "$WAFERLLM" import "$path" "$dest" "$@" >"$out" 2>"$err" ||
		fail "import of $path" "$err"
}

# Lines "VERB<tab>PATH<tab>WORDS": taken by import, whose notes hold WORDS
# ("-": none, and the same answer as the good one), or refused by the verb with
# WORDS.
test_cases() {
	local verb path words
	import_of "$scratch/odd/good" "$scratch/good.h5" --quiet
	while IFS=$(printf '\t') read -r verb path words; do
		case $verb in
		takes)
			import_of "$path" "$scratch/x.h5"
			if [ "$words" = - ]; then
				same "notes on $path" 0 "$(grep -vc \
					'^import: [0-9]* of ' "$err")"
			else
				holds "$path" "$words" "$err"
			fi
			import_of "$path" "$scratch/x.h5" --quiet
			same "--quiet import of $path" '' "$(cat "$err")"
			;;
		import)
			refuse "$words" import --quiet "$path" "$new/x.h5"
			;;
		tokenizer)
			refuse "$words" import --quiet \
				"$scratch/odd/llama2c.bin" "$new/x.h5" \
				--tokenizer "$path"
			;;
		run)
			refuse "$words" "$path"
			refuse "$words" info "$path"
			;;
		shape)
			refuse "$words" import --random "$path" "$new/x.h5"
			;;
		esac
	done <"$scratch/cases"
}

# The tensors and the settings of a checkpoint.
content() {
	"$WAFERLLM" info "$1" | grep -v '^file \|^origin '
}

# What was ignored has changed nothing.
test_same() {
	local name
	for name in alias no-architectures tables zeros tied-head base index; do
		import_of "$scratch/odd/$name" "$scratch/x.h5" --quiet
		same "the model of $name" "$(content "$scratch/good.h5")" \
			"$(content "$scratch/x.h5")"
	done
}

# End-of-text ids of the tokenizer's files.
test_ends() {
	import_of "$scratch/odd/tokenizer-end" "$scratch/x.h5"
	holds 'an end in tokenizer_config.json' 'stop_ids       2' \
		<("$WAFERLLM" info "$scratch/x.h5")
	import_of "$scratch/odd/many-ends.gguf" "$scratch/x.h5"
	holds 'an array of ends' 'stop_ids       2 5 6' \
		<("$WAFERLLM" info "$scratch/x.h5")
	import_of "$scratch/odd/silent.gguf" "$scratch/x.h5" --quiet
	same 'BOS and EOS of a silent GGUF file' 'bos_id 1 stop_ids 2' \
		"$("$WAFERLLM" info "$scratch/x.h5" | grep '^bos_id\|^stop' |
		xargs)"
}

# The option that an empty prompt came by.
test_empty_prompts() {
	import_of "$scratch/odd/no-bos" "$scratch/x.h5" --quiet
	: >"$scratch/empty"
	refuse 'option --prompt: the prompt is empty' "$scratch/x.h5" \
		--prompt ''
	refuse 'option --prompt-file: the prompt is empty' "$scratch/x.h5" \
		--prompt-file "$scratch/empty"
}

# A tokenizer of fewer pieces than the checkpoint has ids, and others.
test_llama2c() {
	import_of "$scratch/odd/llama2c.bin" "$scratch/x.h5" \
		--tokenizer "$scratch/odd/small-tokenizer.bin"
	holds 'a padded vocabulary' \
		'import: the tokenizer has 10 pieces, the model 12 ids' "$err"
	answer 1 "$scratch/x.h5" --quiet --prompt ab -n 2
}

test_cases
test_same
test_ends
test_empty_prompts
test_llama2c
finish
