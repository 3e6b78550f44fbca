#!/usr/bin/env bash
# How every verb ends where its surroundings fail: standard output that cannot
# be written, streams that are closed, any signal, a limit, a launcher that
# starts several processes of a verb for one, or that MPI does not know.
# timeout: 240
# start: usual
# shellcheck disable=SC2030,SC2031 # failures of a subshell count as one
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

ulimit -c 0
model=$scratch/gqa.h5
random_model gqa 1 "$gqa_keys" 30000
# So large that its import is met in it.
printf '{ "n_layers": 8, "max_seq_len": 96, "dim": 1024, "hidden_dim": 8192,
	"n_heads": 8, "n_kv_heads": 8, "vocab_size": 300 }\n' \
	>"$scratch/large.json"
import=(import --quiet --random "$scratch/large.json" "$new/l.h5")
long=("$model" --quiet --prompt Hello -n 29000 --logits "$new/l.h5")
dry=(run --dry-run --prompt-tokens 4 -n 2 --shape bench-110m --grid 8x8)
bench=(bench gemm --grid 4x4 -m 8)

# lost REASON FILE ARGUMENTS...: standard output, which is FILE or closed
# ("-"), cannot be written; status and line say so.
lost() {
	local reason=$1 file=$2 status=0
	shift 2
	(
		[ "$file" != - ] || exec >&-
		[ "$file" = - ] || exec >"$file"
		exec timeout 20 "$WAFERLLM" "$@" 2>"$err"
	) || status=$?
	same "status of $*" 1 $status
	same "lines of $*" "waferllm: standard output: $reason" \
		"$(cat "$err")"
	[ -z "$(ls -A "$new")" ] || fail "$* leaves $(ls -A "$new")"
	rm -rf "${new:?}"/*
}

# What only prints, and what prints among other things.
printing() {
	printf '%s\n' 'info' "info $model" 'device' 'device wse2' 'shape' \
		'shape llama3-8b' '--help' '-h' 'help' 'help import' \
		'--version' 'bench --help' 'bench gemm --algo list' \
		"${bench[*]}" "${bench[*]} --dry-run --quiet --report -" \
		"${dry[*]} --quiet --report -" 'bench host --repeat 1' \
		"$model --quiet --prompt x -n 3 --logits $new/l.h5" \
		"$model --quiet --prompt x -n 3 --temperature 1"
}

test_output() {
	local arguments
	if [ ! -c /dev/full ]; then
		skip 'standard output that is full, no /dev/full'
		return
	fi
	while read -r arguments; do
		# shellcheck disable=SC2086 # words
		lost 'No space left on device' /dev/full $arguments
		# shellcheck disable=SC2086
		lost 'Bad file descriptor' - $arguments
	done < <(printing)
}

# A reader that is gone: as everywhere, by SIGPIPE, or with one line.
test_readers() {
	local verb
	for verb in --help info device shape 'device wse2' 'shape llama3-8b'
	do
		# shellcheck disable=SC2086 # words
		same "status of $verb without a reader" '141 0' "$(
			timeout 20 "$WAFERLLM" $verb 2>"$err" | true
			echo "${PIPESTATUS[*]}")"
		[ ! -s "$err" ] || fail "$verb without a reader" "$err"
	done
	timeout 20 "$WAFERLLM" "${long[@]}" 2>"$err" | head -c 5 >"$out" || :
	same 'a run without a reader' 'waferllm: standard output: Broken pipe' \
		"$(cat "$err")"
	[ -z "$(ls -A "$new")" ] || fail 'a run without a reader leaves files'
}

# Files are not mistaken for streams: what is written is what it should be.
test_closed() {
	local shape=$scratch/gqa.json status=0
	"$WAFERLLM" import --quiet --random "$shape" --seed 1 "$new/c.h5" \
		<&- >&- 2>&- || fail 'import without streams'
	same_file 'import without streams' "$model" "$new/c.h5"
	"$WAFERLLM" "${dry[@]}" --quiet --report "$new/d.json" <&- >&- 2>&- ||
		fail 'a dry run without streams'
	same 'a report without streams' '{ }' \
		"$(sed -n '1p;$p' "$new/d.json" | xargs)"
	"$WAFERLLM" "$model" --quiet --prompt-file - -n 2 <&- >"$out" ||
		fail 'a prompt from nowhere'
	cp "$model" "$scratch/before.h5"
	"$WAFERLLM" "$model" --prompt x -n 2 --logits "$new/l.h5" \
		<&- >&- 2>&- || status=$?
	same 'a run without streams' 1 $status
	same_file 'a run without streams' "$scratch/before.h5" "$model"
	rm -rf "${new:?}"/*
}

# meet SIGNAL ARGUMENTS...: sends it once there is a temporary file; the status
# is then in $status.
meet() {
	local signal=$1 job tries=0
	shift
	# The shell has its background jobs ignore two.
	env --default-signal=INT,QUIT "$WAFERLLM" "$@" </dev/null \
		>"$out" 2>"$err" &
	job=$!
	until [ -n "$(ls -A "$new")" ] || [ $tries -ge 400 ]; do
		sleep 0.02
		tries=$((tries + 1))
	done
	[ -n "$(ls -A "$new")" ] || fail "$*: no temporary file" "$err"
	kill -s "$signal" "$job"
	status=0
	wait "$job" 2>/dev/null || status=$?
}

# dies SIGNAL ARGUMENTS...: of it, and leaves nothing.
dies() {
	meet "$@"
	same "status after SIG$1: ${*:2}" $((128 + $(kill -l "$1"))) $status
	[ -z "$(ls -A "$new")" ] || fail "SIG$1 leaves $(ls -A "$new")"
	rm -rf "${new:?}"/*
}

test_signals() {
	local signal
	for signal in HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE \
		ALRM TERM XCPU VTALRM PROF IO PWR SYS RTMIN RTMAX; do
		dies $signal "${import[@]}"
	done
	for signal in USR2 ALRM XCPU SEGV; do
		dies $signal "${long[@]}"
	done
}

test_ignored() {
	(
		trap '' USR2 HUP
		failures=0
		meet HUP "${import[@]}"
		same 'status of an import that ignores SIGHUP' 0 $status
		rm "$new/l.h5"
		meet USR2 "${import[@]}"
		same 'status of an import that ignores SIGUSR2' 0 $status
		rm "$new/l.h5"
		[ $failures = 0 ]
	) || fail 'ignored signals'
}

# A file that outgrows a limit is a file that cannot be written.
test_limits() {
	(
		failures=0
		ulimit -S -f 1
		lost 'File too large' "$scratch/limited" info "$model"
		refuse 'files are limited to' "$model" -n 2
		ulimit -S -f 1000
		status=0
		"$WAFERLLM" "${import[@]}" 2>"$err" || status=$?
		same 'status of an import that is limited' 1 $status
		holds 'an import that is limited' \
			'cannot be written: File too large' "$err"
		[ -z "$(ls -A "$new")" ] || fail 'a limited import is left'
		[ $failures = 0 ]
	) || fail 'limits'
	(
		ulimit -S -t 1
		status=0
		"$WAFERLLM" "${long[@]}" >/dev/null 2>&1 || status=$?
		same 'status after a second of CPU time' 152 $status
		[ -z "$(ls -A "$new")" ] || fail 'a limited run leaves files'
		[ $failures = 0 ]
	) || fail 'CPU time'
}

# task RANK VARIABLES... -- ARGUMENTS...: as a launcher would start it.
task() {
	local set=()
	while [ "$1" != -- ]; do
		set+=("$1")
		shift
	done
	shift
	status=0
	timeout 20 env "${set[@]}" "$WAFERLLM" "$@" </dev/null >"$out" \
		2>"$err" || status=$?
}

# alone TASK SETTINGS: of four, of a launcher that MPI does not know.
alone() {
	local arguments
	for arguments in "$model --quiet --prompt x -n 2 --report $new/r.json" \
		"${dry[*]} --report $new/r.json" \
		"${bench[*]} --dry-run --report $new/r.json"; do
		# shellcheck disable=SC2086 # words
		task $2 -- $arguments
		if [ "$1" = 0 ]; then
			judge "task 0 of 4, $2" $status '--mpi=pmix'
		else
			same "status of task $1 of 4, $2" 2 $status
			cat "$out" >>"$err"
			[ ! -s "$err" ] || fail "task $1 of 4, $2" "$err"
			[ -z "$(ls -A "$new")" ] || fail "task $1 writes"
		fi
	done
}

test_singletons() {
	local i step=SLURM_JOB_ID=7\ SLURM_NTASKS=4\ SLURM_PROCID
	for i in 0 2; do
		alone $i "$step=$i SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4"
		alone $i "$step=$i SLURM_STEP_ID=3"
	done
	alone 1 'PMI_SIZE=4 PMI_RANK=1'
	alone 0 'PMI_SIZE=4 PMI_RANK=0'
	# One task, a batch script, a shell within a step, an interactive step.
	for settings in "$step=0 SLURM_STEP_ID=1 SLURM_STEP_NUM_TASKS=1" \
		"$step=0" SLURM_NTASKS=4 \
		"$step=3 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 PMI_SIZE=1" \
		"$step=0 SLURM_STEP_ID=4294967290 SLURM_STEP_NUM_TASKS=2"; do
		# shellcheck disable=SC2086 # words
		task $settings -- "${dry[@]}" --quiet --report -
		same "status with $settings" 0 $status
		holds "with $settings" '"format"' "$out"
	done
}

# What needs no MPI is done once, by the first.
test_once() {
	local step='SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID' verb
	task SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0 -- info
	same 'info of task 0' '0 1' "$status $(grep -c ^waferllm "$out")"
	for verb in '--help' '--version' "${import[*]}" import; do
		# shellcheck disable=SC2086 # words
		task $step=1 -- $verb
		same "$verb of task 1" '0  ' \
			"$status $(cat "$out" "$err") $(ls -A "$new")"
	done
	# shellcheck disable=SC2086 # words
	task $step=1 -- info "$model"
	same 'info of task 1' '0 info: done once, by the first process' \
		"$status $(cat "$out" "$err")"
	# shellcheck disable=SC2086 # words
	task $step=2 -- info "$model"
	same 'info of task 2' '0 ' "$status $(cat "$out" "$err")"
	[ -n "$MPIRUN" ] || return 0
	answer 3 info "$model"
	same 'info on 3 ranks' 1 "$(grep -c '^file ' "$out")"
	answer 4 device wse2
	same 'a device on 4 ranks' 1 "$(grep -c '^hop_cycles ' "$out")"
	answer 4 shape
	same 'shapes on 4 ranks' 1 "$(grep -c '^llama3-8b ' "$out")"
	answer 3 import --random "$scratch/gqa.json" "$new/x.h5"
	same 'import on 3 ranks' "$(grep -c . "$err")" \
		"$(sort -u "$err" | grep -c .)"
	rm "$new/x.h5"
	refuse_on 3 'No such file' info "$scratch/none.h5"
	refuse_on 4 'did you mean wse2?' device wse4
	refuse_on 4 'No such file' shape "$scratch/none.json"
	refuse_on 3 'No such file' import "$scratch/none" "$new/x.h5"
}

test_output
test_readers
test_closed
test_signals
test_ignored
test_limits
test_singletons
test_once
finish
