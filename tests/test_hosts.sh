#!/usr/bin/env bash
# Ranks on four hosts, which are namespaces of this machine (tests/hosts.sh),
# with TCP between them: the same bits as on one, and an end in good time when
# a host is cut off or a process dies.
# timeout: 240
# start: usual
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"
# shellcheck source=tests/hosts.sh
. "$WAFERLLM_SRCDIR/tests/hosts.sh"

# What README recommends for several hosts.
export OMPI_MCA_oob_tcp_keepalive_time=5
export OMPI_MCA_oob_tcp_keepalive_intvl=2
export OMPI_MCA_oob_tcp_keepalive_probes=3
export OMPI_MCA_btl=self,vader,tcp
# The hosts share the cores of one, which they cannot see.
export OMPI_MCA_mpi_yield_when_idle=1

enter_hosts
start_hosts
MPIRUN="$MPIRUN --hostfile $hostfile"
spread="$MPIRUN --map-by node" # rank r on host r + 1

# Names of what jobs are made of.
job='waferllm|orted|mpirun'

# lasting: what is left of a job, on all hosts.
lasting() {
	cat /proc/[0-9]*/comm 2>/dev/null | grep -xE "$job" | sort | uniq -c |
		xargs
}

# kill_on HOST NAMES: kills the processes of these names there.
kill_on() {
	local p
	for p in $(ip netns pids "$1"); do
		if grep -qxE "$2" "/proc/$p/comm"; then
			kill -KILL "$p" || :
		fi
	done 2>/dev/null
}

# ended WHAT LIMIT: waits for the end of everything, and says when it was.
ended() {
	local host
	while [ -n "$(lasting)" ]; do
		if [ $SECONDS -gt "$2" ]; then
			fail "$1: after $SECONDS s there are $(lasting)" "$err"
			for host in host1 $others; do
				kill_on "$host" "$job"
			done
			return
		fi
		sleep 0.2
	done
	echo "$name: $1: over in $SECONDS s"
}

# bits WHAT LAUNCHER RANKS ARGUMENTS...: compared with one rank.
bits() {
	local what=$1 MPIRUN=$2 n=$3
	shift 3
	rm -f "$scratch/some.h5"
	answer "$n" --quiet "$@" --logits "$scratch/some.h5"
	same_file "text of $what" "$scratch/one.txt" "$out"
	same_file "logits of $what" "$scratch/one.h5" "$scratch/some.h5"
}

test_bits() {
	launch 8 hostname || fail 'hostname' "$err"
	same 'the hosts' '2 host1 2 host2 2 host3 2 host4' \
		"$(sort "$out" | uniq -c | xargs)"
	set -- "$scratch/gqa.h5" --grid 8x8 --prompt 'A prompt' -n 12
	answer 1 --quiet "$@" --logits "$scratch/one.h5"
	cp "$out" "$scratch/one.txt"
	bits 'a rank a host' "$spread" 4 "$@"
	bits 'two ranks a host' "$MPIRUN" 8 "$@"
	bits 'eight ranks without shared memory' "$MPIRUN" 8 "$@" \
		--no-shared-memory
	# Two by two of a host, where their order has none beside its like.
	bits 'ranks by turns' "$spread" 8 "$@" --rank-grid 4x2 \
		--report "$scratch/turns.json"
	same 'nodes, edges, those between nodes, and by order' '4 10 6 10' \
		"$(for key in nodes all between_nodes between_nodes_in_order
		do
			value $key "$scratch/turns.json"
		done | xargs)"
}

# broken WHAT LIMIT COMMAND...: breaks a job that decodes.
broken() {
	local what=$1 limit=$2 mpirun status=0
	shift 2
	rm -f "$out" "$err"
	$spread -n 4 "$WAFERLLM" "$scratch/long.h5" --prompt Hello -n 29000 \
		--logits "$scratch/l.h5" </dev/null >"$out" 2>"$err" &
	mpirun=$!
	started 'Hello.' || fail "$what: never decodes" "$err"
	SECONDS=0
	"$@"
	ended "$what" "$limit"
	wait $mpirun || status=$?
	[ $status != 0 ] || fail "$what: status 0" "$err"
	# The leader may have come to an end in order.
	[ ! -e "$scratch/l.h5" ] ||
		[ "$(numbers "$scratch/l.h5" tokens | grep -c .)" -gt 0 ] ||
		fail "$what: half a file of logits is left"
}

# The first host has mpirun and the leader.
test_cut_off() {
	broken 'host3 is cut off' 30 unplug host3
	holds 'host3 is cut off' 'on node host3' "$err"
	plug_again host3
	broken 'host1 is cut off' 30 unplug host1
	holds 'host1 is cut off' 'lost communication' "$err"
	plug_again host1
}

test_killed() {
	broken 'a rank on host3 is killed' 15 kill_on host3 waferllm
	holds 'a rank on host3 is killed' 'on node host3 exited on signal 9' \
		"$err"
	broken 'a daemon on host2 is killed' 15 kill_on host2 orted
	holds 'a daemon on host2 is killed' 'on node host2' "$err"
	! full || broken 'mpirun is killed' 15 kill_on host1 mpirun
}

test_lost() {
	local status=0
	unplug host4
	SECONDS=0
	launch 4 "$WAFERLLM" --version || status=$?
	[ $status != 0 ] || fail 'host4 is lost: status 0' "$err"
	holds 'host4 is lost' 'host4' "$err"
	holds 'host4 is lost' 'unable to reliably start' "$err"
	ended 'host4 is lost from the start' 30
}

random_model gqa 1 "$gqa_keys"
random_model long 1 "$gqa_keys" 30000
test_bits
test_cut_off
test_killed
test_lost
finish
