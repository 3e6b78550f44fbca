#!/usr/bin/env bash
# Where the host's time goes (--profile), in reports and tables: rows add up,
# figures are in order, and the answer stays what it is. And runs without an
# account, by which its cost is measured.
# timeout: 300
# shellcheck disable=SC2016 # programs of awk
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

need_launcher
model=$scratch/gqa.h5
random_model gqa 5 "$gqa_keys"
set -- "$model" --prompt 'A prompt' -n 40 --prefill-grid 7x9 \
	--decode-grid 6x5 --temperature 0.8 --seed 3

# rows LIST FILE: of a report's profile, a line for each row and kind: PHASE,
# operator (with _ for blanks; - in the list of phases), kind, min, mean, max,
# rank.
rows() {
	awk -v list="$1" '
		/^  "profile": / { on = 1 }
		/^  "versions": / { on = 0 }
		!on { next }
		{ gsub(/no operator/, "no_operator") }
		{ gsub(/kv shift/, "kv_shift"); gsub(/ffn /, "ffn_") }
		{ gsub(/[",:]/, "") }
		$2 == "[" { here = $1 == list; next }
		!here { next }
		$1 == "phase" { phase = $2; op = "-" }
		$1 == "operator" { op = $2 }
		$2 == "{" { kind = $1 }
		$1 ~ /_seconds$/ { v[$1] = $2 }
		$1 == "max_rank" {
			print phase, op, kind, v["min_seconds"],
				v["mean_seconds"], v["max_seconds"], $2
		}' "$2"
}

# check WHAT PROGRAM FILE: PROGRAM is for awk and says what is wrong.
check() {
	local found
	found=$(awk "$2" "$3")
	[ -z "$found" ] || fail "$1: $found" "$3"
}

# check_rows WHAT RANKS REPORT
check_rows() {
	rows operators "$3" >"$scratch/operators"
	rows phases "$3" >"$scratch/phases"
	same "kinds of $1" 'all compute exchange wait' \
		"$(cut -d ' ' -f 3 "$scratch/operators" | sort -u | xargs)"
	same "phases of $1" 'load prefill transition decode' \
		"$(cut -d ' ' -f 1 "$scratch/phases" | uniq | xargs)"
	cat "$scratch/operators" "$scratch/phases" >"$scratch/both"
	check "figures of $1" "
		!(0 <= \$4 && \$4 <= \$5 * (1 + 1e-9) &&
			\$5 <= \$6 * (1 + 1e-9)) { print \"order:\", \$0 }
		!(0 <= \$7 && \$7 < $2) { print \"rank:\", \$0 }
		$2 == 1 && \$4 != \$6 { print \"one rank:\", \$0 }
		$2 == 1 && \$3 == \"wait\" && \$6 && \$2 !~ /^(-|no_op)/ {
			print \"alone:\", \$0 }" \
		"$scratch/both"
	check "kinds of $1 add up" '
		$3 == "all" { all[$1 $2] = $5; next }
		{ sum[$1 $2] += $5 }
		END { for (i in all)
			if ((all[i] - sum[i]) ^ 2 > (1e-9 * all[i]) ^ 2)
				print i, all[i], sum[i] }' "$scratch/both"
	check "operators of $1 add up" '
		$2 == "-" { all[$1 $3] = $5; next }
		{ sum[$1 $3] += $5 }
		END { for (i in all)
			if ((all[i] - sum[i]) ^ 2 > (1e-9 * all[i]) ^ 2)
				print i, all[i], sum[i] }' "$scratch/both"
}

# check_phases WHAT REPORT: the ranks' time of a phase is the one that the
# leader took with another clock, but for what lies between the two; a busy
# host may let that be long.
check_phases() {
	local phase
	for phase in load prefill transition decode; do
		awk -v p="$phase" -v t="$(value "${phase}_seconds" "$2")" '
			$1 == p && $3 == "all" {
				more = 0.05 * t + 0.1
				ok = $4 - more <= t && t <= $6 + more
			}
			END { exit !ok }' "$scratch/phases" ||
			fail "$1: $phase took another time" "$scratch/phases"
	done
}

# of PHASE OPERATOR KIND FIELD: from the rows last checked.
of() {
	awk -v p="$1" -v o="$2" -v k="$3" -v f="$4" \
		'$1 == p && $2 == o && $3 == k { print $f }' \
		"$scratch/operators"
}

# The profile changes no bit of text and logits, and has its table.
test_profile() {
	local n report=$scratch/r.json
	answer 1 "$@" --quiet --logits "$scratch/plain.h5"
	cp "$out" "$scratch/plain.txt"
	for n in 1 2 6; do
		answer "$n" "$@" --profile --report "$report" \
			--logits "$scratch/some.h5"
		same_file "text on $n ranks" "$scratch/plain.txt" "$out"
		same_file "logits on $n ranks" "$scratch/plain.h5" \
			"$scratch/some.h5"
		holds "table on $n ranks" 'host time by operator' "$err"
		same "tables on $n ranks" 4 "$(grep -c \
			', .* compute  *exchange  *wait$' "$err")"
		same "long lines on $n ranks" '' \
			"$(grep '^waferllm: .\{71\}' "$err" || :)"
		check_rows "$n ranks" "$n" "$report"
		check_phases "$n ranks" "$report"
		rm "$report" "$scratch/some.h5"
	done
	# The leader alone picks tokens and writes logits; the others hear of
	# it. What they wait for in qkv, they do not compute.
	same 'who chooses' 0 "$(of decode no_operator compute 7)"
	awk -v w="$(of decode no_operator wait 6)" \
		-v c="$(of decode no_operator compute 6)" \
		'BEGIN { exit !(w > 0.2 * c) }' ||
		fail 'nobody waits for the choice' "$scratch/operators"
	check 'products compute, exchange and wait' '
		($2 == "qkv" || $2 == "ffn_up" || $2 == "head") && !$6 {
			print "never:", $0 }' "$scratch/operators"
}

test_reports() {
	local report=$scratch/r.h5
	answer 2 "$@" --profile --quiet --report "$report"
	[ ! -s "$err" ] || fail 'not quiet' "$err"
	h5dump -d /host/profile/operators/wait.max_seconds "$report" \
		>"$scratch/dump" || fail 'no wait.max_seconds'
	h5dump -a /host/profile/phases/rows "$report" | grep -q ': 4$' ||
		fail 'other than four phases'
	answer 1 "$@" --report "$scratch/r.json"
	holds 'a report without a profile' '"profile": null' "$scratch/r.json"
	grep -q 'host time by operator' "$err" && fail 'a table unasked' "$err"
	return 0
}

# Without an account the answer is the same, and nothing emulated is shown.
test_no_account() {
	local n
	for n in 1 6; do
		answer "$n" "$@" --no-account --profile
		same_file "text without an account, $n ranks" \
			"$scratch/plain.txt" "$out"
		holds 'no account' '40 new, no account' "$err"
		holds 'host figures' '  speed         prefill' "$err"
		holds 'a profile' 'host time by operator' "$err"
		grep -qi emulated "$err" && fail 'an account' "$err"
	done
	refuse '--no-account and --report exclude each other' "$model" \
		--no-account --report "$new/r.json"
	refuse '--no-account and --strict exclude each other' "$model" \
		--no-account --strict
	refuse '--dry-run and --no-account exclude each other' "$model" \
		--dry-run --prompt-tokens 3 --no-account
	refuse '--dry-run and --profile exclude each other' "$model" \
		--dry-run --prompt-tokens 3 --profile
	refuse_on 2 '--dry-run and --profile exclude each other' "$model" \
		--dry-run --prompt-tokens 3 --profile
}

test_profile "$@"
test_reports "$@"
test_no_account "$@"
finish
