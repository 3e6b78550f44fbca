#!/usr/bin/env bash
# How a prompt becomes tokens: control tokens as text or as themselves, a list
# of ids, and tokenizers that treat digits and spaces in other ways than GPT-2.
# The ids of the texts were made by Hugging Face's tokenizers.
# timeout: 120
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

command -v python3 >/dev/null || skip_all 'no python3, which makes models'

python3 "$WAFERLLM_SRCDIR/tests/models.py" tokens "$scratch/made"
for source in smollm runs prefix marked smollm.gguf; do
	"$WAFERLLM" import --quiet "$scratch/made/$source" \
		"$scratch/$source.h5" >"$out" 2>"$err" ||
		fail "import of $source" "$err"
done

# answers NAME ARGUMENTS...: of a short run; its report is NAME.json, its
# standard output NAME.out, its standard error NAME.err.
answers() {
	local name=$1
	shift
	timeout 20 "$WAFERLLM" "$@" -n 2 --report "$scratch/$name.json" \
		--logits "$scratch/$name.logits.h5" >"$scratch/$name.out" \
		2>"$scratch/$name.err" </dev/null ||
		fail "status $? of $*" "$scratch/$name.err"
}

# is_ids IDS MODEL ARGUMENTS...: the prompt is these tokens: as many, and with
# the same logits behind them.
is_ids() {
	local ids=$1
	shift
	rm -f "$scratch/text.logits.h5" "$scratch/ids.logits.h5"
	answers text "$@"
	answers ids "$1" --prompt-ids "${ids// /,}"
	same "tokens of $*" "$(echo "$ids" | wc -w)" \
		"$(value prompt_tokens "$scratch/text.json")"
	command -v h5diff >/dev/null || return 0
	h5diff "$scratch/text.logits.h5" "$scratch/ids.logits.h5" >"$out" \
		2>&1 || fail "$*: other tokens than $ids" "$out"
}

# told WORDS: the last run said so in one line; without WORDS nothing.
told() {
	same "lines for '$1'" "${1:+1}" "$(grep -c 'the prompt holds' \
		"$scratch/text.err" | sed 's/^0$//')"
	[ -z "$1" ] || holds 'notice' "waferllm: the prompt holds $1, read as \
text: --special reads it as the token it is" "$scratch/text.err"
}

test_special() {
	local smollm=$scratch/smollm.h5
	set -- "$smollm" --prompt '<|im_start|>user'
	is_ids '60 124 105 109 95 115 116 97 114 116 124 62 117 115 101 114' \
		"$@"
	told '<|im_start|>'
	is_ids '263 117 115 101 114' "$@" --special
	told ''
	same 'text' '<|im_start|>user' "$(head -c 16 "$scratch/text.out")"
	answers text "$@" --quiet
	[ ! -s "$scratch/text.err" ] || fail '--quiet' "$scratch/text.err"
	printf '<|im_start|>user\n12<|im_end|> a<tool>' >"$scratch/chat"
	is_ids '263 117 115 101 114 10 49 50 264 259 265' "$smollm" \
		--prompt-file "$scratch/chat" --special
	is_ids '263 259 264 259' "$scratch/prefix.h5" --special --prompt \
		'<|im_start|>a<|im_end|> a'
	is_ids 259 "$smollm" --prompt ' a'
	told ''
	is_ids 262 "$smollm" --prompt hell --special
	told ''
}

# With a begin-of-text token in front, which a prompt may have itself, and
# spaces before each section.
test_bos() {
	set -- "$scratch/marked.h5" --special --prompt
	is_ids '1 4 8 1 4 4 8 2 4 8' "$@" '<s>ab<s> ab</s>ab'
	is_ids '1 4 8 2' "$@" 'ab</s>'
	is_ids 1 "$@" '<s>'
	is_ids 1 "$@" ''
	is_ids '1 1' "$@" '<s><s>'
	is_ids '1 0 4 8' "$@" '<unk>ab'
	# llama2.c's files have it between line ends.
	is_ids '1 2' "$WAFERLLM_SRCDIR/data/default.h5" --special \
		--prompt '<s></s>'
	told ''
	answers text --prompt 'a</s>'
	told '</s>'
}

test_words() {
	local name text=$'hell  12 a   1\n23'
	for name in smollm smollm.gguf; do
		is_ids '262 260 49 50 259 260 32 49 10 50 51' \
			"$scratch/$name.h5" --prompt "$text"
		is_ids '32 49 194 189 194 178 120' "$scratch/$name.h5" \
			--prompt ' 1½²x'
	done
	is_ids '262 260 258 259 260 32 49 10 50 51' "$scratch/runs.h5" \
		--prompt "$text"
	set -- "$scratch/prefix.h5" --prompt
	is_ids '259 32 32 258 265 259 265 32 262' "$@" \
		'a  12<tool>a<tool> hell'
	is_ids '32 10 97' "$@" $'\na'
	is_ids 259 "$@" a
	is_ids 259 "$@" ' a'
	holds 'info' 'words: smollm' <("$WAFERLLM" info "$scratch/smollm.h5")
}

test_ids() {
	local smollm=$scratch/smollm.h5 many words list
	answers ids "$smollm" --prompt-ids $' 263, 117\t,115,101\n,114 '
	same 'tokens' 5 "$(value prompt_tokens "$scratch/ids.json")"
	same 'what ids say' user "$(head -c 4 "$scratch/ids.out")"
	answers ids "$scratch/marked.h5" --prompt-ids 1,4,8,2,11
	same 'what ids say' 'ab abc' "$(head -c 6 "$scratch/ids.out")"
	# No begin-of-text token is added.
	same 'tokens' 5 "$(value prompt_tokens "$scratch/ids.json")"
	while IFS='|' read -r list words; do
		refuse "option --prompt-ids: $words" "$smollm" --prompt-ids \
			"$list"
	done <<-'END'
		|an id is missing
		  |an id is missing
		,|an id is missing
		1,|an id is missing
		,1|an id is missing
		1,,2|an id is missing
		1, ,2|an id is missing
		-1|id -1 is not in the model's vocabulary, 0..265
		1,-0002|id -0002 is not in
		266|id 266 is not in the model's vocabulary, 0..265
		1,2,4294967297|id 4294967297 is not in
		99999999999999999999999999|id 99999999999999999999999999 is not
		1.5|"1.5" is no id
		0x10|"0x10" is no id
		1 2|"1 2" is no id
		+1|"+1" is no id
		-|"-" is no id
		[1,2]|"[1" is no id
		1,2a|"2a" is no id
		1;2|"1;2" is no id
	END
	refuse '"1?2" is no id' "$smollm" --prompt-ids $'1\n2'
	# As many as one argument may be long; too many for the model.
	many=$(seq -s, 0 64 | sed 's/,$//')
	refuse "the prompt's 65 tokens exceed the model's context of 64" \
		"$smollm" --prompt-ids "$many"
	many=$(yes 120,121 | head -n 15000 | paste -sd,)
	refuse "the prompt's 30000 tokens exceed" "$smollm" --prompt-ids "$many"
	refuse '--prompt-ids and --prompt exclude' "$smollm" --prompt-ids 1 \
		--prompt x
	refuse '--prompt-ids and --special exclude' "$smollm" --prompt-ids 1 \
		--special
	refuse '--dry-run and --prompt-ids exclude' --dry-run --prompt-tokens \
		3 --prompt-ids 1
}

# The leader alone reads the prompt; the others get its tokens.
test_ranks() {
	if [ -z "$MPIRUN" ]; then
		skip 'several ranks, no mpirun'
		return
	fi
	set -- "$scratch/smollm.h5" --special --prompt '<|im_start|>user' -n 4
	answer 1 "$@"
	mv "$out" "$scratch/one"
	answer 4 "$@"
	same_file '4 ranks' "$scratch/one" "$out"
	refuse_on 4 'id 266 is not in' "$scratch/smollm.h5" --prompt-ids 266
}

test_special
test_bos
test_words
test_ids
test_ranks
finish
