#!/usr/bin/env bash
# GGUF files from the command line: a model of each packed type becomes a
# checkpoint that runs; a model in two files does, whichever is given, and is
# refused by the name of the one that is missing.
# timeout: 120
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

command -v python3 >/dev/null || skip_all 'no python3, which makes models'
seeds=$scratch/seeds
python3 "$WAFERLLM_SRCDIR/tests/models.py" seeds "$seeds"

test_types() {
	local type
	for type in Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL \
		IQ4_XS; do
		"$WAFERLLM" import --quiet "$seeds/gguf/$type" \
			"$scratch/$type.h5" 2>"$err" || {
			fail "import of $type" "$err"
			continue
		}
		"$WAFERLLM" info "$scratch/$type.h5" >"$out"
		holds "the weights of $type" 'f32' "$out"
	done
	answer 1 "$scratch/Q4_K.h5" --quiet --prompt ab -n 2
}

# The two files that the seed has one behind the other.
test_parts() {
	local one=$scratch/m-00001-of-00002.gguf
	local two=$scratch/m-00002-of-00002.gguf at
	at=$(grep -abo GGUF "$seeds/gguf/split" | sed -n '2s/:.*//p')
	head -c "$at" "$seeds/gguf/split" >"$one"
	tail -c +$((at + 1)) "$seeds/gguf/split" >"$two"
	"$WAFERLLM" import --quiet "$one" "$scratch/one.h5" ||
		fail 'import of the first part'
	"$WAFERLLM" import --quiet "$two" "$scratch/two.h5" ||
		fail 'import of the second part'
	same 'the model of either' "$("$WAFERLLM" info "$scratch/one.h5" |
		sed -n '/^tensor /,$p')" "$("$WAFERLLM" info "$scratch/two.h5" |
		sed -n '/^tensor /,$p')"
	answer 1 "$scratch/two.h5" --quiet --prompt ab -n 2
	rm "$two"
	refuse 'm-00002-of-00002.gguf: is missing' import --quiet "$one" \
		"$new/x.h5"
}

test_types
test_parts
finish
