#!/usr/bin/env bash
# What a user sees first: a terminal's lines, control characters, tables whose
# columns do not touch, where a dry run's result goes, why an analysis failed.
# timeout: 120
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

model=$scratch/gqa.h5
random_model gqa 3 "$gqa_keys" 400

# on_terminal COMMAND: what one shows, in $out, as one that runs there writes
# it: of a terminal's driver come the carriage returns.
on_terminal() {
	timeout 60 script -qec "$1" /dev/null </dev/null >"$scratch/raw" ||
		fail "status $? of $1" "$scratch/raw"
	sed 's/\r$//' "$scratch/raw" >"$out"
}

# not_glued WHAT: each line on $out that has "waferllm: " begins with it.
not_glued() {
	! grep -a '.waferllm: ' "$out" ||
		fail "$1: a line is glued to text" "$out"
}

need_script() {
	command -v script >/dev/null && return
	skip "$1, no script(1)"
	return 1
}

# ways to start a run
ways=("$WAFERLLM")
[ -z "$MPIRUN" ] || ways+=("$MPIRUN -n 2 $WAFERLLM")

test_lines() {
	local way run="$model --prompt 'Hello there' -n 4"
	need_script 'lines on a terminal' || return 0
	for way in "${ways[@]}"; do
		on_terminal "$way $run"
		not_glued "$way"
		holds "$way" 'waferllm: prefill: 2 of 2 layers' "$out"
		[ "$(grep -an '^Hello there' "$out" | cut -d: -f1)" -gt \
			"$(grep -an '2 of 2 layers' "$out" | cut -d: -f1)" ] ||
			fail "$way: the prompt comes before prefill" "$out"
		# shellcheck disable=SC2086 # the launcher has flags
		eval "$way $run" >"$scratch/text" 2>"$err"
		same "$way: lines on standard output" 'Hello there' \
			"$(head -c 11 "$scratch/text")"
		! grep -a waferllm: "$scratch/text" ||
			fail "$way: a line in the text" "$scratch/text"
	done
}

# A clock that runs a hundred times faster makes progress lines come.
fast_clock() {
	local mpicc=${MPICC:-mpicc}
	command -v "$mpicc" >/dev/null || return 1
	"$mpicc" -fPIC -shared -o "$scratch/fast.so" -x c - -ldl <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
	int (*real)(clockid_t, struct timespec *) =
		(int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
		                                             "clock_gettime");
	int rc = real(id, t);

	if (id == CLOCK_MONOTONIC) {
		t->tv_sec = t->tv_sec % 100000 * 100 + t->tv_nsec / 10000000;
		t->tv_nsec = t->tv_nsec % 10000000 * 100;
	}
	return rc;
}
END
}

test_progress() {
	local run
	random_model long 1 "$gqa_keys" 3000
	run="$WAFERLLM $scratch/long.h5 --prompt Hello -n 2500"
	$run >"$scratch/text" 2>"$err" || fail 'a long run' "$err"
	if ! fast_clock; then
		skip 'lines of progress, no mpicc'
		return
	fi
	run="env LD_PRELOAD=$scratch/fast.so \
ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 $run"
	# To two files: nothing is added to either.
	$run >"$out" 2>"$err" || fail 'a fast clock' "$err"
	holds 'progress' 'waferllm: decode: ' "$err"
	! grep '^$' "$err" || fail 'blank lines without need' "$err"
	same_file 'the text beside progress' "$scratch/text" "$out"
	# To one.
	$run >"$out" 2>&1 || fail 'both in one file' "$out"
	holds 'progress in one file' 'waferllm: decode: ' "$out"
	not_glued 'both in one file'
	need_script 'progress on a terminal' || return 0
	on_terminal "$run"
	holds 'progress on a terminal' 'waferllm: decode: ' "$out"
	not_glued 'progress on a terminal'
}

# shown FILE: its bytes as a terminal is to show them.
shown() {
	python3 - "$1" <<'END'
import sys

data, shown, at = open(sys.argv[1], "rb").read(), b"", 0
while at < len(data):
    for size in range(1, 5):
        try:
            one = data[at:at + size].decode()
        except UnicodeDecodeError:
            continue
        if len(one) == 1:
            break
    else:
        one, size = chr(data[at]), 0
    plain = size and (one in "\n\t" or 32 <= ord(one) < 127 or
                      ord(one) >= 160)
    shown += one.encode() if plain else b"\\x%02x" % ord(one)
    at += size or 1
sys.stdout.buffer.write(shown)
END
}

test_control_characters() {
	local way run
	need_script 'control characters' || return 0
	# ESC, BEL, CR, DEL, CSI of C1, letters of two to four bytes; and what
	# a random model comes to: bytes of all kinds, a token each.
	printf 'A\033[31m\007\rb\177\302\233c%s\td\n' \
		$'\303\251\342\202\254\360\237\230\200' >"$scratch/prompt"
	run="$model --quiet --prompt-file $scratch/prompt -n 250 \
--temperature 2 --seed 4"
	for way in "${ways[@]}"; do
		# shellcheck disable=SC2086 # words
		$way $run >"$scratch/text" 2>"$err" || fail "$way" "$err"
		# shellcheck disable=SC2086
		same "$way: what a pipe gets" \
			"$(cksum <"$scratch/text")" "$($way $run | cksum)"
		same "$way: the prompt's bytes" \
			"$(cksum <"$scratch/prompt")" "$(head -c "$(wc -c \
			<"$scratch/prompt")" "$scratch/text" | cksum)"
		grep -qaP '[\x80-\x9f]' "$scratch/text" ||
			fail "$way: no bytes of interest" "$scratch/text"
		on_terminal "$way $run"
		shown "$scratch/text" >"$scratch/shown"
		same_file "$way on a terminal" "$scratch/shown" "$out"
		! LC_ALL=C grep -qa $'[\1-\10\13-\37\177]' "$out" ||
			fail "$way: control characters" "$out"
	done
	[ -n "$MPIRUN" ] || return 0
	# A script between mpirun and the program changes nothing.
	printf '#!/bin/sh\n%s "$@"\ntrue\n' "$WAFERLLM" >"$scratch/wrapped"
	chmod +x "$scratch/wrapped"
	# shellcheck disable=SC2086
	$MPIRUN -n 2 "$scratch/wrapped" $run >"$out" 2>"$err" </dev/null
	same_file 'a script under mpirun' "$scratch/text" "$out"
	on_terminal "$MPIRUN -n 2 $scratch/wrapped $run"
	same_file 'a script on a terminal' "$scratch/shown" "$out"
	# A file of mpirun's own gets the bytes, whatever a terminal shows.
	on_terminal "$MPIRUN --output-filename $scratch/split -n 2 \
$WAFERLLM $run"
	same_file '--output-filename' "$scratch/text" \
		"$(find "$scratch/split" -path '*rank.0/stdout')"
}

# Names that files and users make up, in messages and tables.
test_names() {
	local esc=$'\033[31m' csi=$'\302\2331m' name
	name="$scratch/n$esc$csi.h5"
	cp "$model" "$name"
	for run in "info" "run --dry-run --prompt-tokens 3" "run -n 1 --prompt x"
	do
		# shellcheck disable=SC2086 # words
		"$WAFERLLM" $run "$name" >"$out" 2>&1 || fail "$run" "$out"
		holds "$run" 'n?[31m?1m.h5' <(tr -d '\n' <"$out" |
			sed 's/waferllm: *//g')
	done
	rm "$name"
	refuse "n?[31m?1m.h5: No such file" "$name"
}

# Dry runs whose columns would touch in a row of fixed widths.
test_columns() {
	local grid
	for grid in 1x1 16x16 660x660; do
		answer 1 run --dry-run --shape llama3-8b --grid $grid \
			--prompt-tokens 8000 -n 2
		grep -A 2 'waferllm: phase *grid ' "$out" | tail -n 2 >"$scratch/rows"
		same "rows of $grid" 2 \
			"$(grep -c " $grid " "$scratch/rows")"
		# name, cores, regions, needed, held, bytes of bytes in two or
		# three words, routes, busy
		awk '{ $0 = substr($0, 11) }
			$2 != "'$grid'" || NF < 8 || NF > 10 ||
			$(NF - 1) !~ "^[0-9]+/[0-9]+$" || $NF !~ /^[<0-9.]+%$/ {
				exit 1 }' "$scratch/rows" ||
			fail "columns of $grid touch" "$scratch/rows"
	done
}

# No rate of a millionth, no time in thousands of seconds.
test_units() {
	answer 1 run --dry-run --shape llama3-8b --grid 1x1 \
		--prompt-tokens 4096 -n 2
	holds 'a slow request' ' 0.000132 ' "$out"
	holds 'a long prefill' ' 15169 s ' "$out"
	answer 1 run --dry-run --shape llama3-8b --grid 16x16 \
		--prompt-tokens 100 -n 2
	holds 'a slow request' ' 0.870 ' "$out"
}

test_dry_run() {
	# An 8B model does not fit so few cores.
	set -- run --dry-run --shape llama3-8b --grid 16x16 \
		--prompt-tokens 100 -n 2
	answer 1 "$@"
	holds 'a dry run' 'waferllm: decode ' "$out"
	[ ! -s "$err" ] || fail 'a dry run on standard error' "$err"
	# The figures say at once that the device cannot do it; why comes last.
	holds 'a dry run' 'as if no limit were violated' "$out"
	same 'violations' 3 "$(sed '1,/What is wrong/d' "$out" |
		grep -c '^waferllm:   violation  ')"
	answer 1 "$@" --quiet
	[ -z "$(cat "$out" "$err")" ] || fail '--quiet' "$out" "$err"
	[ -n "$MPIRUN" ] || return 0
	answer 2 "$@"
	holds 'a dry run on 2 ranks' 'waferllm: decode ' "$out"
	# A real run has its text there.
	answer 1 "$model" --prompt Hello -n 2
	! grep -a 'waferllm: ' "$out" || fail 'tables in the text' "$out"
	holds 'a real run' 'waferllm:   decode  ' "$err"
	! grep 'waferllm: decode ' "$err" || fail 'tables unasked' "$err"
	[ "$(grep -c 'waferllm:  ' "$err")" -le 30 ] ||
		fail 'no screenful' "$err"
	answer 1 "$model" --prompt Hello -n 2 --verbose
	holds '--verbose' 'waferllm:   decode  ' "$err"
	holds '--verbose' 'waferllm: decode ' "$err"
	! grep -a 'waferllm: ' "$out" || fail 'tables in the text' "$out"
}

# says WHAT EXPECTED: the line of a failed run that an analysis shows, whose
# standard error is on our input.
says() {
	printf '#!/bin/sh\ncat >&2 <<"END"\n%s\nEND\nexit 2\n' "$(cat)" \
		>"$scratch/failing"
	chmod +x "$scratch/failing"
	python3 "$WAFERLLM_SRCDIR/analysis/paper_tables.py" --tables 5 \
		--no-figures --waferllm "$scratch/failing" >"$out" \
		2>"$err" && fail "$1: no failure" "$out"
	same "$1" "$2" "$(sed 's/.*: status 2: //' "$err")"
}

test_analysis() {
	local rule=--------------------------------------------------------------
	says 'a ruler and our line' 'waferllm: option -n: no' <<-END
		$rule
		No network is there.

		  Local host: here
		$rule
		waferllm: option -n: no
		$rule
		mpirun has exited.
		$rule
	END
	says 'a ruler alone' 'No daemon could be started.' <<-END

		$rule
		==== ****
		No daemon could be started.
		It looks like that failed.
		$rule
	END
	says 'warnings before' 'waferllm: model.h5: damaged' <<-END
		waferllm: warning: slow
		waferllm: model.h5: damaged
	END
	says 'rulers' 'no reason given' <<-END
		$rule
		$rule
	END
}

# null among booleans of a report is no byte. (check_report compares all of
# both forms.)
test_null() {
	local letter
	if ! command -v h5dump >/dev/null; then
		skip 'null in HDF5, no h5dump'
		return
	fi
	set -- run --dry-run "$model" --prompt-tokens 5 -n 3
	answer 1 "$@" --report "$new/r.json"
	answer 1 "$@" --report "$new/r.h5"
	grep -q '^   "P": null' "$new/r.json" ||
		fail 'no verdict is null' "$new/r.json"
	for letter in P L M R; do
		same "null among the verdicts $letter" \
			"$(grep -c "^   \"$letter\": null" "$new/r.json")" \
			"$(h5dump -y -w 1 -d "/plmr/$letter.ok" "$new/r.h5" |
				grep -c '^ *-*nan')"
		! h5dump -y -w 1 -d "/plmr/$letter.ok" "$new/r.h5" |
			grep '^ *255' || fail "255 among the verdicts $letter"
	done
	rm -f "$new"/*
}

test_lines
test_progress
test_control_characters
test_names
test_columns
test_units
test_dry_run
test_analysis
test_null
finish
