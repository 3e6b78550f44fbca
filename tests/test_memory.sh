#!/usr/bin/env bash
# A rank's memory is its share of the model, not the model: 400 MB of weights
# on 16 ranks. Import has one tensor in memory.
# timeout: 240
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

[ -z "$(variable SANITIZER_FLAGS)" ] ||
	skip_all 'the sanitizers take memory of their own'

# peak COMMAND...: MiB that it has had.
peak() {
	python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)' "$@"
}

test_import() {
	local most
	if ! command -v python3 >/dev/null; then
		skip 'memory of import, no python3'
		return
	fi
	python3 "$WAFERLLM_SRCDIR/tests/models.py" large "$scratch/large"
	most=$(peak "$WAFERLLM" import --quiet "$scratch/large" \
		"$scratch/large.h5") || fail 'import of the large model'
	rm "$scratch/large.h5"
	echo "import of a tensor of 128 MiB: $most MiB"
	if [ "${most:-0}" -lt 128 ] || [ "${most:-0}" -gt 176 ]; then
		fail "import took $most MiB"
	fi
}

# Scores of 200,000 tokens are 160 GB for each of 256 heads. Found out before
# anything is loaded.
test_refusal() {
	if ! grep -q '^MemAvailable:' /proc/meminfo 2>/dev/null; then
		skip 'requests that do not fit, no MemAvailable here'
		return
	fi
	random_model long 1 '"dim": 512, "hidden_dim": 16, "n_heads": 256,
		"n_kv_heads": 2, "vocab_size": 300' 300000
	printf '%0200000d' 0 | tr 0 . >"$scratch/prompt"
	refuse "long.h5 and 200258 tokens need at least" "$scratch/long.h5" \
		--prompt-file "$scratch/prompt" -n 256 --logits "$new/l.h5"
	refuse "(1 of the 1 ranks), which has" "$scratch/long.h5" \
		--prompt-file "$scratch/prompt" -n 256
}

test_import
test_refusal
need_launcher

# largest MODEL: MiB that its largest of 16 ranks has had.
largest() {
	answer 16 "$scratch/$1.h5" --prompt hi -n 2 --grid 4x4
	sed -n 's/^waferllm: .*; memory of the largest: \([0-9]*\) MiB$/\1/p' "$err"
}

# 103 million floats.
random_model gqa 1 "$gqa_keys"
random_model big 1 '"dim": 1024, "hidden_dim": 2816, "n_heads": 16,
	"n_kv_heads": 16, "vocab_size": 300' 64 8
megabytes=$(($(stat -c %s "$scratch/big.h5") >> 20))
same 'a model of 400 MB' yes \
	"$([ $megabytes -ge 380 ] && [ $megabytes -le 410 ] && echo yes)"

# What MPI, HDF5 and the program itself take is what a tiny model takes. Beyond
# it a rank has its share of the weights, and pieces of the tensor that is
# being read or re-laid, among them what it passes on to others: a third of a
# share was found, three quarters are allowed. A rank that keeps both phases'
# forms of the weights, or two ranks' shares, has more.
base=$(largest gqa)
most=$(largest big)
share=$((megabytes / 16))
echo "$megabytes MiB on 16 ranks: largest $most MiB, $base MiB without model"
if [ "${base:-0}" -lt 1 ] || [ "${most:-0}" -lt $((base + share / 2)) ]; then
	fail 'unlikely figures' "$err"
fi
[ "$most" -le $((base + share * 7 / 4)) ] ||
	fail "more than 7/4 of a share of $share MiB beside $base MiB"
finish
