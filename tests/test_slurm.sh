#!/usr/bin/env bash
# Every job script of jobs/, on a real Slurm: one of this test's own, with two
# nodes that are this machine. A rank that dies ends its step.
# timeout: 300
# start: usual
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

# The scripts find the program in PATH, as they do where it is installed.
PATH=$WAFERLLM_BUILDDIR:$PATH:/usr/sbin
export -n WAFERLLM
jobs=$WAFERLLM_SRCDIR/jobs
export SLURM_CONF=$scratch/slurm.conf

# ours: ids of all processes of this Slurm and of its jobs. This script's own
# environment is older, and grep comes after the list.
ours() {
	set -- /proc/[0-9]*/environ
	grep -laF "SLURM_CONF=$SLURM_CONF" "$@" 2>/dev/null | cut -d / -f 3
}

# Also when the test is ended by a signal. Daemons start others: until none is
# there.
clean_up() {
	local tries=0 pids
	while pids=$(ours) && [ -n "$pids" ] && [ $tries -lt 40 ]; do
		# shellcheck disable=SC2086 # words
		kill -KILL $pids 2>/dev/null || :
		sleep 0.05
		tries=$((tries + 1))
	done
	rm -rf "$scratch"
}

# Ports that nobody listens at, for the controller and two nodes.
find_ports() {
	local p tries=0
	port=
	while [ -z "$port" ] && [ $tries -lt 50 ]; do
		port=$((20000 + RANDOM % 10000))
		for p in $port $((port + 1)) $((port + 2)); do
			! (: >"/dev/tcp/127.0.0.1/$p") 2>/dev/null || port=
		done
		tries=$((tries + 1))
	done
	[ -n "$port" ] || skip_all 'no free ports'
}

# Steps of PMIx on two nodes need two TmpFS.
configure_slurm() {
	local host
	host=$(hostname)
	mkdir "$scratch/state" "$scratch/tmp.n1" "$scratch/tmp.n2"
	cat >"$SLURM_CONF" <<END
ClusterName=waferllm
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge
CredType=cred/munge
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool.%n
TmpFS=$scratch/tmp.%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
NodeName=n[1-2] NodeHostname=$host NodeAddr=127.0.0.1 \
 Port=[$((port + 1))-$((port + 2))] CPUs=2
PartitionName=all Nodes=ALL Default=YES
END
}

# daemon NAME COMMAND...: in this test's process group, so that what ends the
# test ends it.
daemon() {
	local log=$scratch/$1.log
	shift
	"$@" </dev/null >"$log" 2>&1 &
	disown # no word when it is killed
}

# within SECONDS COMMAND...: is true at last.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.3
	done
}

nodes_idle() {
	[ "$(sinfo -h -t idle -o %D)" = 2 ]
}

start_slurm() {
	chmod 755 "$scratch" # Munge's socket is for all
	(umask 077 && head -c 1024 /dev/urandom >"$scratch/key")
	daemon munged munged --foreground --force --key-file="$scratch/key" \
		--socket="$scratch/munge" --pid-file="$scratch/munged.pid" \
		--log-file="$scratch/munged.log" --seed-file="$scratch/seed"
	if ! within 10 test -S "$scratch/munge"; then
		skip_all "munged does not start: $(tail -n 1 \
			"$scratch/munged.log")"
	fi
	daemon slurmctld slurmctld -D
	daemon n1 slurmd -D -N n1
	daemon n2 slurmd -D -N n2
	within 20 nodes_idle || skip_all "Slurm does not start: $(tail -q \
		-n 1 "$scratch/slurmctld.log" "$scratch/n2.log" | xargs)"
}

# state JOB: of all its tasks.
state() {
	scontrol show job "$1" | sed -n 's/.*JobState=\([^ ]*\).*/\1/p' |
		sort -u | xargs
}

over() {
	[ -z "$(squeue -h -j "$1")" ]
}

# job SCRIPT FLAGS... -- ARGUMENTS...: submits it in $scratch/work; its number
# is in $id, its output goes to $out and $err.
job() {
	local script=$1 flags=()
	shift
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	rm -rf "$scratch/work" "$out" "$err"
	mkdir "$scratch/work"
	id=$(cd "$scratch/work" && sbatch --parsable -o "$out" -e "$err" \
		--open-mode=append -t 5 --overcommit "${flags[@]}" \
		"$jobs/$script.slurm" "$@") || { fail "sbatch $script"; finish; }
}

# finished SCRIPT FLAGS... -- ARGUMENTS...: runs it to its end.
finished() {
	job "$@"
	within 100 over "$id" || fail "$1: no end" "$err"
	same "state of $1" COMPLETED "$(state "$id")"
	[ "$(state "$id")" = COMPLETED ] || fail "$1" "$out" "$err"
	# The end tells where they are.
	reports=$(sed -n 's/^the reports\{0,1\} \(is\|are\) in //p' "$out" |
		sed 's/:.*//' | sort -u)
	same "folder of $1" "reports-$id" "$reports"
	reports=$scratch/work/$reports
}

# show_reports: NAME:RANKS of all in the folder; fails if one is no JSON.
show_reports() {
	python3 -c 'import json, os, sys
for name in sys.argv[1:]:
	with open(name) as file:
		ranks = json.load(file)["host"]["ranks"]
	print(os.path.basename(name) + ":" + str(ranks))' "$reports"/*.json
}

# left SCRIPT NAME:RANKS...: these are the reports in its folder.
left() {
	local script=$1
	shift
	same "reports of $script" "$*" "$(show_reports | xargs)"
}

# answered SCRIPT TIMES ARGUMENTS...: what one process says, so many times.
answered() {
	local script=$1 times=$2
	shift 2
	"$WAFERLLM" --quiet "$@" </dev/null >"$scratch/answer"
	for _ in $(seq "$times"); do
		cat "$scratch/answer"
	done >"$scratch/answers"
	grep -av '^the report' "$out" >"$scratch/said"
	same_file "answer of $script" "$scratch/answers" "$scratch/said"
}

# accounts NAME...: these are in the sweep's folder, tags aside.
accounts() {
	same 'reports of sweep' "$*" "$(show_reports |
		sed 's/_[0-9]*\.json:1$//' | xargs)"
}

# A whole array; a task of it again, alone; one that begins with task 1.
try_sweep() {
	PAIRS=3 finished sweep --array=0-1 -- --kv concat
	accounts sweep_small_wse{2,3}_{20x20,30x30,40x40}
	finished sweep --array=3 -- --kv concat
	accounts sweep_small_wse3_20x20
	holds 'a task alone' 'REPORTS=reports-' "$err"
	holds 'a task alone' '--array=0-2,4-5' "$err"
	job sweep --array=5-6 -- --kv concat
	within 100 over "$id" || fail 'sweep: no end' "$err"
	same 'states of tasks 5 and 6 of 6' 'COMPLETED FAILED' "$(state "$id")"
	holds 'task 6 of 6' 'task 6 has nothing to do' "$err"
}

# A script that is new here must at least come to its end and leave reports.
try_script() {
	case $1 in
	run)
		finished run -N 1 -n 8 -- -n 5
		left run "run-$id.json:8"
		answered run 1 -n 5
		;;
	nodes | mpirun)
		finished "$1" -N 2 --ntasks-per-node=2 -- -n 5
		left "$1" "$1-$id.json:4"
		answered "$1" 1 -n 5
		;;
	strong)
		set -- --prompt 'A wise man' -n 5
		finished strong -N 1 -n 4 -- "$@"
		left strong "strong-$id"-{1-1.json:1,2-1.json:2,4-1.json:4}
		answered strong 3 "$reports/strong-$id-model/small.h5" \
			--grid 16x16 "$@"
		;;
	weak)
		finished weak -N 1 -n 4 -- -n 2
		left weak "weak-$id"-{1-1.json:1,4-1.json:4}
		;;
	sweep)
		try_sweep
		;;
	*)
		finished "$1" -N 1 -n 2 --
		show_reports || fail "$1: no reports"
		;;
	esac
}

# stopped SCRIPT STATE ENDED_BY SCANCEL_FLAGS...: a long run that Slurm signals
# while it decodes reports how it ended (a pattern).
stopped() {
	local script=$1 state=$2 ended=$3 found
	shift 3
	job "$script" -N 1 -n 2 --ntasks-per-node=2 -- "$scratch/long.h5" \
		--prompt Hello -n 29000
	within 60 grep -q 'Hello.' "$out" || fail "$script: no answer" "$err"
	scancel "$@" "$id"
	within 25 over "$id" || fail "$script goes on after $*" "$err"
	same "state of $script after $*" "$state" "$(state "$id")"
	found=$(value ended_by "$scratch"/work/reports-"$id"/*.json)
	grep -qxE "$ended" <<<"$found" ||
		fail "$script after $* is ended by '$found'"
	none_left "$script after $*"
}

test_signals() {
	stopped run COMPLETED SIGUSR1 --signal=USR1
	stopped mpirun COMPLETED SIGUSR1 --batch --signal=USR1
	stopped run CANCELLED SIGTERM
	# Slurm's own, or what the script makes of it.
	stopped mpirun CANCELLED 'SIGTERM|SIGUSR1'
}

# Every sbatch line of the README, from a folder that has jobs/.
test_readme() {
	local line count=0
	while read -r line; do
		count=$((count + 1))
		rm -rf "$scratch/work"
		mkdir "$scratch/work"
		ln -s "$jobs" "$scratch/work/jobs"
		id=$(cd "$scratch/work" && SBATCH_OVERCOMMIT=1 bash -c "$line" |
			sed 's/.* //')
		within 100 over "$id" || fail "no end: $line"
		same "state of $line" COMPLETED "$(state "$id")"
		same "reports of $line" 1 "$(find "$scratch/work/reports-$id" \
			-name '*.json' | grep -c .)"
	done < <(sed -n 's/^    \$ \(sbatch .*\)/\1/p' \
		"$WAFERLLM_SRCDIR/README")
	[ $count -gt 0 ] || fail 'no sbatch in the README'
}

# A rank that is gone ends the step on both nodes.
test_kill() {
	job nodes -N 2 --ntasks-per-node=2 -- "$scratch/long.h5" \
		--prompt Hello -n 29000
	within 60 grep -q prefill "$err" || fail 'no prefill' "$err"
	kill -KILL "$(processes | tail -n 1)"
	within 20 over "$id" || fail 'a rank is gone, the job goes on'
	same 'state of a job without a rank' FAILED "$(state "$id")"
	none_left 'a rank is gone'
}

[ "$(id -u)" = 0 ] || skip_all 'a Slurm of our own takes root'
for program in munged slurmctld slurmd sbatch python3; do
	command -v $program >/dev/null || skip_all "no $program"
done
trap clean_up EXIT
find_ports
configure_slurm
srun --mpi=list 2>&1 | grep -q pmix || skip_all 'this Slurm has no PMIx'
start_slurm

# Nodes that are one machine: ranks of two of them cannot take shared memory
# by the same names, and do not know how many they are.
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
export OMPI_MCA_mpi_yield_when_idle=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_hwloc_base_binding_policy=none TMPDIR=$scratch
# Small, for all scripts.
random_model small 1 "$gqa_keys" 8192
random_model long 1 "$gqa_keys" 30000
export SHAPE=$scratch/small.json GRIDS='20x20 30x30 40x40'
export WIDTH=64 LAYERS=1 SIDE=2 ROUNDS=1
unset REPORTS DEVICES MODEL

for script in "$jobs"/*.slurm; do
	try_script "$(basename "$script" .slurm)"
done
test_signals
test_readme
test_kill
finish
