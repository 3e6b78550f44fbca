#!/usr/bin/env bash
# Files that are named: any name will do; what is written replaces nothing of
# another kind and nothing that the run reads, and is whole or not there; a
# disk that fails is one line with its reason, status 1.
# timeout: 240
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

random_model gqa 1 "$gqa_keys"
model=$scratch/gqa.h5
shape=$scratch/gqa.json
short=(--prompt x -n 2 --quiet)

# succeed WHAT ARGUMENTS...
succeed() {
	local what=$1 status=0
	shift
	timeout 30 "$WAFERLLM" "$@" >"$out" 2>"$err" </dev/null || status=$?
	same "status of $what" 0 $status
	[ ! -s "$err" ] || fail "$what" "$err"
}

# --- Names ---

# deep LENGTH: makes a folder whose path has so many bytes, and goes there.
deep() {
	local left part
	cd "$scratch"
	while left=$(($1 - ${#PWD} - 1)) && [ $left -gt 0 ]; do
		part=$((left > 200 ? 200 : left))
		# No part may be left over that is the slash alone.
		[ $((left - part)) != 1 ] || part=$((part - 1))
		part=$(printf "%0${part}d" 0)
		mkdir -p "$part"
		cd "$part"
	done
}

# run_all_of FOLDER: every option that takes a path, with names in there.
run_all_of() {
	local d=$1 n=${#1}
	cp -f "$model" m.h5
	cp -f "$shape" s.json
	cp -f "$WAFERLLM_SRCDIR/data/devices/wse2.json" d.json
	printf 'x' >p.txt
	succeed "a model, $n bytes" "$d/m.h5" -n 2 --quiet --prompt-file \
		"$d/p.txt" --logits "$d/l.h5" --report "$d/r.json" \
		--device "$d/d.json"
	succeed "info, $n bytes" info "$d/m.h5"
	succeed "a shape, $n bytes" run --dry-run --shape "$d/s.json" \
		--grid 4x4 --prompt-tokens 2 -n 2 --quiet --report "$d/r.h5"
	succeed "import, $n bytes" import --random "$d/s.json" "$d/i.h5" \
		--quiet
	if [ -n "$MPIRUN" ]; then
		launch 2 timeout 30 "$WAFERLLM" "$d/m.h5" "${short[@]}" \
			--logits "$d/l2.h5" --report "$d/r2.json" ||
			fail "two ranks, $n bytes" "$err"
		cmp l.h5 l2.h5 || fail "two ranks, $n bytes: other logits"
	fi
	same "files, $n bytes" 'd.json i.h5 l.h5 m.h5 p.txt r.h5 r.json s.json' \
		"$(find . -type f ! -name '[lr]2*' -printf '%f\n' | sort |
			xargs)"
}

test_long_paths() {
	local length
	for length in 240 260 500 4000; do
		deep $((length - 5))
		run_all_of "$PWD"
		rm -f ./*
	done
	cd "$scratch"
	refuse 'File name too long' "$(printf '/%04999d' 0)"
}

test_odd_names() {
	local name
	cd "$(mktemp -d -p "$scratch")"
	for name in a : a:b ufs:a 'a b' $'\303\244' $'a\nb' '%s' '~' "$(printf \
		'%0250d' 0)"; do
		cp "$model" "./$name"
		timeout 20 "$WAFERLLM" run "${short[@]}" -- "$name" \
			>"$out" 2>"$err" || fail "a model called $name" "$err"
		[ -z "$MPIRUN" ] || launch 2 timeout 30 "$WAFERLLM" run \
			"${short[@]}" -- "$name" ||
			fail "a model called $name on two ranks" "$err"
		succeed "a report called $name.json" "$model" "${short[@]}" \
			--report "$name.json" --logits "$name.l"
		same "files of $name" 3 "$(find . -type f -printf x | wc -c)"
		rm -f -- "./$name" "./$name.json" "./$name.l"
	done
	cd "$scratch"
}

# A folder that cannot be written to is no matter where nothing is written.
test_read_only() {
	local d=$scratch/read-only
	mkdir "$d"
	cp "$model" "$d/m.h5"
	chmod 555 "$d"
	chmod 444 "$d/m.h5"
	succeed 'a model in a read-only folder' "$d/m.h5" "${short[@]}"
	if [ "$(id -u)" != 0 ]; then
		refuse 'its folder cannot be written to' "$model" "${short[@]}" \
			--logits "$d/l.h5"
	fi
	chmod 755 "$d"
}

# --- What may be replaced ---

test_other_files() {
	local before file
	succeed 'a report' "$model" "${short[@]}" --report "$scratch/r.h5"
	succeed 'logits' "$model" "${short[@]}" --logits "$scratch/l.h5"
	printf 'precious' >"$scratch/text"
	# Somebody's report, not ours.
	printf '{\n "format": "quarterly report",\n "x": 1}' \
		>"$scratch/other.json"
	before=$(cd "$scratch" && cksum gqa.h5 r.h5 l.h5 text other.json)
	for file in gqa.h5 r.h5 text; do
		refuse "option --logits: $scratch/$file: " "$model" \
			"${short[@]}" --logits "$scratch/$file"
	done
	for file in gqa.h5 l.h5 other.json; do
		refuse "option --report: $scratch/$file: " "$model" \
			"${short[@]}" --report "$scratch/$file"
	done
	for file in r.h5 l.h5 text; do
		refuse "$scratch/$file: exists and is not a checkpoint" import \
			--random "$shape" "$scratch/$file"
	done
	refuse 'is an input of this run' "$model" --logits "$model"
	same 'what must stay' "$before" \
		"$(cd "$scratch" && cksum gqa.h5 r.h5 l.h5 text other.json)"
	: >"$scratch/empty.h5"
	succeed 'an empty file' "$model" "${short[@]}" --logits \
		"$scratch/empty.h5"
	same_file 'in place of an empty file' "$scratch/l.h5" \
		"$scratch/empty.h5"
	chmod 640 "$scratch/l.h5"
	succeed 'logits again' "$model" "${short[@]}" --logits "$scratch/l.h5"
	same 'permissions' 640 "$(stat -c %a "$scratch/l.h5")"
}

# An input of the kind of the output: the prompt is a report.
test_inputs() {
	local r=$scratch/both.json before
	succeed 'a report' "$model" "${short[@]}" --report "$r"
	head -c 60 "$r" >"$scratch/head.json"
	before=$(cksum <"$scratch/head.json")
	ln -s head.json "$scratch/again.json"
	refuse 'is an input of this run' "$model" --prompt-file \
		"$scratch/head.json" --report "$scratch/again.json"
	same 'the prompt' "$before" "$(cksum <"$scratch/head.json")"
	# shellcheck disable=SC2094 # the same file on purpose
	same 'status of a prompt on standard input' 2 "$(
		timeout 20 "$WAFERLLM" "$model" -n 2 --prompt-file - --report \
			"$scratch/head.json" <"$scratch/head.json" \
			>"$out" 2>"$err" || echo $?)"
	holds 'a prompt on standard input' 'is an input of this run' "$err"
	same 'the prompt' "$before" "$(cksum <"$scratch/head.json")"
	ln "$model" "$scratch/hard.h5"
	refuse 'is an input of this run' "$model" --logits "$scratch/hard.h5"
	refuse 'name the same file' "$model" --logits "$new/x.h5" --report \
		"$new/../new/x.h5"
}

test_links() {
	local d=$scratch/links
	mkdir "$d" "$d/there"
	ln -s there/r.json "$d/one.json"
	ln -s one.json "$d/two.json"
	succeed 'a link to nothing yet' "$model" "${short[@]}" --report \
		"$d/two.json"
	succeed 'a link to a report' "$model" "${short[@]}" --report \
		"$d/two.json"
	same 'what links lead to' 'one.json there two.json' \
		"$(find "$d" -maxdepth 1 -mindepth 1 -printf '%f\n' | sort |
			xargs)"
	same 'links' 2 "$(find "$d" -maxdepth 1 -type l -printf x | wc -c)"
	[ -s "$d/there/r.json" ] || fail 'no report where the link leads'
	ln -s round.json "$d/about.json"
	ln -s about.json "$d/round.json"
	refuse 'symbolic links' "$model" "${short[@]}" --report "$d/round.json"
	ln -s nowhere/r.json "$d/lost.json"
	refuse 'cannot open its folder: No such file' "$model" "${short[@]}" --report \
		"$d/lost.json"
	ln -s ../gqa.h5 "$d/model.h5"
	refuse 'is an input of this run' "$model" --logits "$d/model.h5"
}

test_devices() {
	local before
	before=$(stat -c %t,%T,%a /dev/null)
	succeed 'to /dev/null' "$model" "${short[@]}" --report /dev/null \
		--logits /dev/null
	same '/dev/null' "$before" "$(stat -c %t,%T,%a /dev/null)"
	mkfifo "$scratch/pipe.h5" "$scratch/pipe"
	cat "$scratch/pipe.h5" >"$scratch/got.h5" &
	succeed 'logits' "$model" "${short[@]}" --logits "$scratch/l0.h5"
	succeed 'logits to a pipe' "$model" "${short[@]}" --logits \
		"$scratch/pipe.h5"
	wait
	same_file 'through a pipe' "$scratch/l0.h5" "$scratch/got.h5"
	cat "$scratch/pipe" >"$scratch/got.json" &
	succeed 'a report to a pipe' "$model" "${short[@]}" --report \
		"$scratch/pipe"
	wait
	holds 'a report through a pipe' '"format": "waferllm report"' \
		"$scratch/got.json"
	[ -p "$scratch/pipe" ] || fail 'the pipe was replaced'
	# shellcheck disable=SC2094 # the same file on purpose
	timeout 20 "$WAFERLLM" "$model" "${short[@]}" --report \
		"$scratch/mixed.json" >"$scratch/mixed.json" 2>"$err" &&
		fail 'a report into standard output'
	holds 'a report into standard output' 'standard output' "$err"
	refuse 'standard output has the text' "$model" --logits -
	# A disk, and a socket.
	if mknod "$scratch/disk.json" b 7 250 2>/dev/null; then
		refuse 'is neither a file nor a pipe' "$model" --report \
			"$scratch/disk.json"
	else
		skip 'an output to a block device, mknod needs root'
	fi
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$scratch/socket.json"
	refuse 'is neither a file nor a pipe' "$model" --report \
		"$scratch/socket.json"
}

# --- A disk that fails ---

# broken WHAT REASON ARGUMENTS...: status 1, one line with the reason, nothing
# new in $new.
broken() {
	local what=$1 reason=$2 status=0
	shift 2
	timeout 20 "$@" >"$out" 2>"$err" </dev/null || status=$?
	same "status of $what" 1 $status
	same "lines of $what" 1 "$(grep -c '' "$err")"
	holds "$what" "$reason" "$err"
	[ -z "$(ls -A "$new")" ] || fail "$what leaves $(ls -A "$new")"
	rm -rf "${new:?}"/*
}

# fail_all CALL ERRNO REASON BYTES
fail_all() {
	local what="$1 fails, $3" disk
	disk=(env "LD_PRELOAD=$scratch/failing.so" "FAILING_FILE=$new/"
		"FAILING_CALL=$1" "FAILING_ERRNO=$2" "FAILING_BYTES=$4"
		"$WAFERLLM")
	broken "logits: $what" "$new/l.h5: cannot be written: $3" "${disk[@]}" \
		"$model" --prompt x -n 40 --quiet --logits "$new/l.h5"
	broken "report, JSON: $what" "$new/r.json: cannot be written: $3" \
		"${disk[@]}" "$model" "${short[@]}" --report "$new/r.json"
	broken "report, HDF5: $what" "$new/r.h5: cannot be written: $3" \
		"${disk[@]}" "$model" "${short[@]}" --report "$new/r.h5"
	broken "dry run: $what" "$new/r.h5: cannot be written: $3" \
		"${disk[@]}" run --dry-run --quiet --prompt-tokens 3 -n 3 \
		--report "$new/r.h5"
	broken "bench: $what" "$new/r.json: cannot be written: $3" \
		"${disk[@]}" bench gemm --dry-run --grid 4x4 -m 16 --quiet \
		--report "$new/r.json"
	fail_import "$@"
}

# The same for import alone.
fail_import() {
	broken "import: $1 fails, $3" "$new/m.h5: cannot be written: $3" \
		env "LD_PRELOAD=$scratch/failing.so" "FAILING_FILE=$new/" \
		"FAILING_CALL=$1" "FAILING_ERRNO=$2" "FAILING_BYTES=$4" \
		"$WAFERLLM" import --random "$shape" "$new/m.h5" --quiet
}

test_failing_disk() {
	local mpicc=${MPICC:-mpicc} at
	if grep -q 'fsanitize' "$WAFERLLM_BUILDDIR/Makefile"; then
		skip 'a disk that fails, sanitizers come first'
		return
	fi
	if ! "$mpicc" -shared -fPIC -o "$scratch/failing.so" \
		"$WAFERLLM_SRCDIR/tests/shim/failing_writes.c" -ldl 2>"$err"
	then
		skip "a disk that fails, no $mpicc"
		return
	fi
	for at in 0 2000; do
		fail_all pwrite 28 'No space left on device' $at
	done
	fail_all pwrite 5 'Input/output error' 1000
	fail_all pwrite 122 'Disk quota exceeded' 2500
	fail_import fsync 122 'Disk quota exceeded' 0
	fail_all close 5 'Input/output error' 0
	fail_all rename 28 'No space left on device' 0
	if [ -n "$MPIRUN" ]; then
		LD_PRELOAD=$scratch/failing.so FAILING_FILE=$new/ \
			FAILING_CALL=pwrite FAILING_ERRNO=28 \
			FAILING_BYTES=9000 launch 3 timeout 60 "$WAFERLLM" \
			"$model" --prompt x -n 40 --quiet \
			--logits "$new/l.h5" && fail 'logits on 3 ranks'
		same 'lines on 3 ranks' 1 "$(grep -c '^waferllm: ' "$err")"
		holds 'logits on 3 ranks' 'No space left' "$err"
		[ -z "$(ls -A "$new")" ] || fail 'logits on 3 ranks: left'
		none_left 'logits on 3 ranks'
	fi
}

# The real thing, where a disk can be made.
test_full_disk() {
	local d=$scratch/disk
	mkdir "$d"
	if ! mount -t tmpfs -o size=64k none "$d" 2>/dev/null; then
		skip 'a full disk, mount needs root'
		return
	fi
	new=$d broken 'logits on a full disk' 'No space left on device' \
		"$WAFERLLM" "$model" --prompt x -n 90 --quiet --logits "$d/l.h5" \
		--grid 4x4
	umount "$d"
}

test_long_paths
test_odd_names
test_read_only
test_other_files
test_inputs
test_links
test_devices
test_failing_disk
test_full_disk
finish
