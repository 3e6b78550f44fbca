#!/usr/bin/env bash
# A rank that is gone takes the whole job with it: within seconds, with a
# message and a status that tells, and nothing stays behind.
# timeout: 240
# start: usual
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

need_launcher
[ -d /proc/self ] || skip_all 'no /proc to find ranks in'

# rank_process RANK: the id of its process, as Open MPI and others name it.
rank_process() {
	local p
	for p in $(processes); do
		if tr '\0' '\n' <"/proc/$p/environ" | grep -qxE \
			"(OMPI_COMM_WORLD_RANK|PMIX_RANK|PMI_RANK)=$1"; then
			echo "$p"
			return
		fi
	done 2>/dev/null
}

# killed WHAT RANKS RANK WORDS ARGUMENTS...: rank RANK dies once WORDS are
# there.
killed() {
	local what=$1 n=$2 rank=$3 words=$4 job victim status=0
	shift 4
	rm -f "$out" "$err"
	# shellcheck disable=SC2086 # the launcher has flags
	timeout 60 $MPIRUN -n "$n" "$WAFERLLM" "$@" </dev/null >"$out" \
		2>"$err" &
	job=$!
	started "$words" || fail "$what: never came to '$words'" "$err"
	victim=$(rank_process "$rank")
	if [ -z "$victim" ]; then
		fail "$what: no rank $rank any more" "$err"
		wait $job || :
		return
	fi
	kill -KILL "$victim"
	SECONDS=0
	wait $job || status=$?
	[ $SECONDS -le 10 ] || fail "$what: ends after $SECONDS s"
	case $status in
	0 | 124) fail "$what: status $status" "$err" ;;
	esac
	grep -qv '^waferllm: ' "$err" || fail "$what: no message" "$err"
	none_left "$what"
	# A leader that is killed leaves its temporary file.
	[ "$rank" = 0 ] || [ -z "$(find "$scratch" -name 'l.h5*')" ] ||
		fail "$what: left: $(find "$scratch" -name 'l.h5*')"
	rm -f "$scratch"/l.h5*
}

# A model whose load and prefill last a second or more: 100 MB on 256 cores.
big_keys='"dim": 512, "hidden_dim": 16000, "n_heads": 16, "n_kv_heads": 16,
	"vocab_size": 300'
random_model long 1 "$gqa_keys" 30000
random_model big 1 "$big_keys"
printf '%090d' 0 >"$scratch/prompt"

killed 'a rank in decode' 4 3 'Hello.' "$scratch/long.h5" --prompt Hello \
	-n 29000 --logits "$scratch/l.h5"
killed 'the leader in decode' 4 0 'Hello.' "$scratch/long.h5" \
	--prompt Hello -n 29000 --logits "$scratch/l.h5"
killed 'an idle rank' 5 4 'Hello.' "$scratch/long.h5" --prompt Hello \
	-n 29000 --rank-grid 2x2
killed 'a rank in load' 4 1 'load: 1 of' "$scratch/big.h5" \
	--prompt-file "$scratch/prompt"
killed 'a rank in prefill' 4 2 'load: 21 of 21\|load: 20 of 20' \
	"$scratch/big.h5" --prompt-file "$scratch/prompt"
finish
