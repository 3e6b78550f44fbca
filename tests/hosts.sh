# shellcheck shell=bash
# Sourced after tests/common.sh by a test that wants several hosts: network
# namespaces on a bridge, each with an address, a name and, but for the first,
# an SSH server. The test goes on as host1. Its processes have a namespace,
# too, and it is their first: when it ends, in whatever way, the kernel ends
# all others and takes the networks away.

scratch=${scratch:?tests/common.sh comes first}
others='host2 host3 host4'

# Starts the same script again as host1, or leaves the test out.
enter_hosts() {
	local tool
	# The first process of namespaces of its own, which it may change.
	[ $$ != 1 ] || [ -z "${WAFERLLM_HOSTS-}" ] || return 0
	need_launcher
	case $(${MPIRUN%% *} --version 2>/dev/null) in
	*'Open MPI'*' '[1-4].*) ;;
	*) skip_all 'the launcher is not mpirun of Open MPI 4' ;;
	esac
	for tool in unshare ip ssh ssh-keygen dropbear dropbearkey; do
		command -v $tool >/dev/null || skip_all "no $tool"
	done
	set -- unshare --pid --fork --kill-child --mount-proc --mount --net \
		--uts
	"$@" sh -c 'hostname host1 && mount -t tmpfs none /run &&
		ip netns add wire && ip -n wire link add type bridge &&
		ip -n wire link add type veth' 2>/dev/null ||
		skip_all 'no right to make network namespaces'
	rm -rf "$scratch"
	WAFERLLM_HOSTS=1 exec "$@" bash "$0"
}

# The user's home is the scratch directory, for ssh and its server.
make_home() {
	mkdir "$scratch/.ssh" "$scratch/mpi"
	export HOME=$scratch OMPI_MCA_orte_tmpdir_base=$scratch/mpi
	printf 'root:x:0:0::%s:/bin/sh\n' "$HOME" >"$scratch/passwd"
	ssh-keygen -q -t ed25519 -N '' -f "$scratch/key"
	cp "$scratch/key.pub" "$scratch/.ssh/authorized_keys"
	dropbearkey -t ed25519 -f "$scratch/hostkey" >/dev/null 2>&1
	printf '%s\n' "IdentityFile $scratch/key" 'BatchMode yes' \
		'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' \
		'LogLevel ERROR' 'ConnectTimeout 5' >"$scratch/ssh_config"
	export OMPI_MCA_plm_rsh_agent="ssh -F $scratch/ssh_config"
}

# plug HOST: links it with the bridge's port of the same name.
plug() {
	ip -n wire link add "$1" type veth peer name eth0 netns "$1"
	ip -n wire link set "$1" master bridge up
	ip -n "$1" link set lo up
	ip -n "$1" link set eth0 up
	ip -n "$1" address add "10.0.0.${1#host}/24" dev eth0
}

# serve HOST: as after a login there, nothing of our environment goes along.
serve() {
	# shellcheck disable=SC2016 # for the shell there
	ip netns exec "$1" env -i "PATH=$PATH" \
		"LD_LIBRARY_PATH=${LD_LIBRARY_PATH-}" unshare --uts sh -c \
		'hostname "$1" && exec dropbear -F -E -e -r "$2" -P ""' \
		serve "$1" "$scratch/hostkey" >"$scratch/$1.log" 2>&1 &
}

# Waits until all servers answer the first host: a link that has come up needs
# a moment, and an address that was asked for in vain is held to be missing.
reach_hosts() {
	local host tries=0
	for host in $others; do
		until (: <>"/dev/tcp/$host/22") 2>/dev/null; do
			tries=$((tries + 1))
			[ $tries -lt 50 ] || return 0
			sleep 0.2
		done
	done
}

# Sets hostfile, with two slots for each host.
start_hosts() {
	local host
	trap 'exit 143' TERM # which a first process would not heed
	mount -t tmpfs none /run
	mount -t tmpfs none /dev/shm
	hostname host1
	make_home
	hostfile=$scratch/hostfile
	for host in host1 $others; do
		echo "10.0.0.${host#host} $host" >>"$scratch/hosts"
		echo "$host slots=2" >>"$hostfile"
	done
	mount --bind "$scratch/passwd" /etc/passwd
	mount --bind "$scratch/hosts" /etc/hosts
	ip netns add wire
	ip -n wire link add bridge type bridge
	ip -n wire link set bridge up
	ip netns attach host1 $$
	plug host1
	for host in $others; do
		ip netns add "$host"
		plug "$host"
		serve "$host"
	done
	reach_hosts
}

# A host's link: down, and up again.
unplug() {
	ip -n wire link set "$1" down
}

plug_again() {
	ip -n wire link set "$1" up
	reach_hosts
}
