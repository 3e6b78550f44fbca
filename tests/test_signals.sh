#!/usr/bin/env bash
# SIGUSR1 ends a run after the token in hand, with its report and status 0, as
# SIGTERM does with status 143 where it is left the time; twice SIGTERM ends it
# at once, and nothing half-written stays.
# timeout: 240
# start: usual
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

report=$scratch/r.json
logits=$scratch/l.h5
tokens=29000

# start RANKS WORDS ARGUMENTS...: a run, in $job, that has come to the words.
start() {
	local n=$1 words=$2 launcher=
	shift 2
	rm -f "$out" "$err" "$report" "$logits"
	[ "$n" = 1 ] || launcher="$MPIRUN -n $n"
	# shellcheck disable=SC2086 # the launcher has flags
	$launcher "$WAFERLLM" "$@" --report "$report" </dev/null \
		>"$out" 2>"$err" &
	job=$!
	started "$words" || fail "never came to '$words': $*" "$err"
}

# signal NAME: to the job, whose status is then in $status.
signal() {
	SECONDS=0
	kill "-$1" "$job"
	status=0
	wait "$job" || status=$?
	[ $SECONDS -le 20 ] || fail "SIG$1: ends after $SECONDS s"
	none_left "SIG$1"
}

# ended WHAT SIGNAL: the report says so, and all that was said is there.
ended() {
	local made
	[ -f "$report" ] || { fail "$1: no report" "$err"; return; }
	made=$(value new_tokens "$report")
	same "$1" "$2" "$(value ended_by "$report")"
	if [ "${made:-0}" -lt 1 ] || [ "${made:-0}" -ge $tokens ]; then
		fail "$1: $made new tokens" "$err"
	fi
	holds "$1" "$2: ended after $made of $tokens new tokens" "$err"
}

# recorded WHAT: the file of logits has as many tokens as the report.
recorded() {
	[ -f "$logits" ] || { fail "$1: no file of logits" "$err"; return; }
	if command -v h5dump >/dev/null; then
		same "$1: tokens in the file" "$(value new_tokens "$report")" \
			"$(numbers "$logits" tokens | grep -c .)"
	else
		skip "$1: tokens in the file, no h5dump"
	fi
}

random_model long 1 "$gqa_keys" 30000
# Its prefill takes long enough to be met in it.
random_model big 1 '"dim": 512, "hidden_dim": 16000, "n_heads": 16,
	"n_kv_heads": 16, "vocab_size": 300' 2048
printf '%01900d' 0 >"$scratch/prompt"
long=("$scratch/long.h5" --prompt Hello -n "$tokens")

test_one_process() {
	start 1 'Hello.' "${long[@]}" --logits "$logits"
	sleep 0.3
	signal USR1
	same 'status after SIGUSR1' 0 $status
	ended 'one process' SIGUSR1
	recorded 'one process, greedy'
	cp "$out" "$scratch/short"
	answer 1 "$scratch/long.h5" --prompt Hello -n "$(value new_tokens "$report")"
	same_file 'the text up to SIGUSR1' "$out" "$scratch/short"

	start 1 'Hello.' "${long[@]}" --temperature 1 --top-k 1 --logits "$logits"
	signal TERM
	same 'status after SIGTERM' 143 $status
	ended 'one process' SIGTERM
	recorded 'one process, sampled'

	# As when a batch system and mpirun both pass it on.
	start 1 'Hello.' "${long[@]}"
	kill -TERM "$job"
	sleep 0.01
	signal TERM
	same 'status after SIGTERM by two ways' 143 $status
	ended 'SIGTERM by two ways' SIGTERM
}

# In a prefill SIGTERM waits for the first token, and the second does not.
test_impatience() {
	start 1 'load: 20 of 20' "$scratch/big.h5" --prompt-file \
		"$scratch/prompt" --logits "$logits"
	kill -TERM "$job"
	sleep 0.6
	kill -TERM "$(processes)" 2>/dev/null || :
	status=0
	wait "$job" || status=$?
	same 'status after two SIGTERM' 143 $status
	same 'files after two SIGTERM' '' \
		"$(find "$scratch" -name '[rl].*json*' -o -name 'l.h5*')"
}

# As nohup does.
test_ignored() {
	(
		trap '' USR1
		failures=0
		start 1 'Hello.' "$scratch/long.h5" --prompt Hello -n 6000
		kill -USR1 "$(processes)"
		wait "$job"
		same 'a run that ignores SIGUSR1' length "$(value ended_by "$report")"
		[ $failures = 0 ]
	) || fail 'SIGUSR1, ignored'
}

# Idle ranks get it, too; sampled tokens and greedy ones.
test_ranks() {
	start 4 'Hello.' "${long[@]}" --logits "$logits"
	signal USR1
	same 'status of 4 ranks after SIGUSR1' 0 $status
	ended '4 ranks' SIGUSR1
	recorded '4 ranks'
	start 5 'Hello.' "${long[@]}" --rank-grid 2x2 --temperature 1 --top-k 1
	signal USR1
	same 'status of 5 ranks after SIGUSR1' 0 $status
	ended '5 ranks, one of them idle' SIGUSR1
	start 4 'Hello.' "${long[@]}"
	signal TERM
	[ $status != 0 ] || fail 'status 0 of 4 ranks after SIGTERM'
}

test_one_process
test_impatience
test_ignored
if [ -n "$MPIRUN" ]; then
	test_ranks
else
	skip 'several ranks, no mpirun'
fi
finish
