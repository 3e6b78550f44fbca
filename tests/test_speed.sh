#!/usr/bin/env bash
# The speed of the host: what bench host measures and refuses. That a figure is
# there and follows from the others, never how large it is.
# timeout: 300
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

# value KEY FILE: of a .json report, the first of that name.
value() {
	sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" \
		"$2" | head -n 1
}

# true_of WHAT EXPRESSION NAME=NUMBER...: of awk; shows the numbers if not.
true_of() {
	local what=$1 expression=$2 pair names=()
	shift 2
	for pair; do
		names+=(-v "$pair")
	done
	awk "${names[@]}" "BEGIN { exit !($expression) }" ||
		fail "$what: not $expression with $*"
}

# host_is RANKS REPORT: what is printed and what is reported are one.
host_is() {
	local read compute line
	read=$(value read_gb_per_s "$2")
	compute=$(value fp32_gflops "$2")
	same "ranks of $2" "$1" "$(value ranks "$2")"
	true_of 'all is measured' \
		'read > 0 && compute > 0 && bytes >= 256 && cores > 0' \
		read="$read" compute="$compute" cores="$(value cores "$2")" \
		bytes="$(value read_bytes_per_rank "$2")"
	while read -r line; do
		grep -q "^$line" "$out" || fail "no line '$line'" "$out"
	done <<-END
		bench host, $1 ranks* on $(value cores "$2") cores.*, .* a rank
		memory read  *$(printf %.2f "$read") GB/s  *$(awk \
			-v n="$1" -v x="$read" 'BEGIN {
				printf "%.2f", x / n }') a rank$
		fp32 peak  *$(printf %.2f "$compute") GFLOP/s  *[0-9.]* a rank$
	END
	same 'lines of bench host' 3 "$(grep -c '' "$out")"
	same 'the format' 'waferllm host report' "$(value format "$2")"
	! grep -i 'cycles\|device\|plmr\|emulated\|grid' "$2" ||
		fail 'something emulated in a report of the host'
}

test_host() {
	local n
	for n in 1 3; do
		[ -n "$MPIRUN" ] || [ $n = 1 ] || break
		answer $n bench host --repeat 2 --report "$new/r.json"
		host_is $n "$new/r.json"
		same 'the passes' 2 "$(value --repeat "$new/r.json")"
		[ ! -s "$err" ] || fail 'bench host has something to say' "$err"
		rm -f "$new"/*
	done
	answer 1 bench host --repeat 1 --quiet --report "$new/r.h5"
	[ ! -s "$out" ] || fail 'a quiet one speaks' "$out"
	if command -v h5dump >/dev/null; then
		for n in read_gb_per_s fp32_gflops; do
			h5dump -a "/host/$n" "$new/r.h5" >"$scratch/dump" 2>&1
			grep -q '(0): [0-9.e+]*[1-9]' "$scratch/dump" ||
				fail "$n in HDF5" "$scratch/dump"
		done
	fi
	rm -f "$new"/*
}

# Every option is in check_options.
test_refused() {
	refuse 'option --dry-run is not for bench host' bench host --dry-run
	refuse 'option --grid is not for bench host' bench --grid 4x4 host
	refuse 'option --report' bench host --report "$scratch/none/r.json"
	refuse 'option --repeat' bench host --repeat 0
	refuse 'unexpected argument' bench host gemm
	[ -n "$MPIRUN" ] || return 0
	refuse_on 3 'option --check is not' bench host --check
	refuse_on 3 'option --report' bench host --report "$new"
}

test_host
test_refused
finish
