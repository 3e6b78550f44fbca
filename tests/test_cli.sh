#!/usr/bin/env bash
# The command line: a mistake is one clear line, status 2, nothing else; what
# is right goes to standard output and nothing but it.
# timeout: 240
# shellcheck disable=SC2059 # formats with bytes in octal
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

model=$scratch/gqa.h5
random_model gqa 1 "$gqa_keys"

# bytes NUMBER...: as int32, little-endian.
bytes() {
	local v
	for v; do
		printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $((v & 255)) \
			$((v >> 8 & 255)) $((v >> 16 & 255)) $((v >> 24 & 255)))"
	done
}

# put OFFSET FORMAT FILE: overwrites bytes.
put() {
	printf "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}

test_options() {
	local grid
	refuse '--bogus' --bogus
	refuse 'option -n needs an argument' "$model" -n
	refuse 'option --quiet takes no argument' "$model" --quiet=1
	refuse 'unexpected argument "extra"' "$model" extra
	for grid in 0x0 4x x4 4x4x4 -1x4 99999999999x1 '4 x4' 4X4 ''; do
		refuse "option --grid: \"$grid\"" "$model" --grid "$grid"
	done
	refuse 'option --prefill-grid: "5000x5000"' "$model" \
		--prefill-grid 5000x5000
	refuse 'option --rank-grid: 2x2' "$model" --rank-grid 2x2
	for n in 0 -1 abc 1e99 '' 1.5; do
		refuse "option -n: \"$n\"" "$model" -n "$n"
	done
	refuse 'option -n: ' "$model" -n 97
	refuse 'option --temperature: "-1"' "$model" --temperature -1
	refuse 'option --temperature: "nan"' "$model" --temperature nan
	refuse 'option --top-k: "-1"' "$model" --top-k=-1
	refuse 'option --top-p: "1.01"' "$model" --top-p 1.01
	refuse 'option --seed: "-1"' "$model" --seed -1
	refuse 'option --dtype: "int8"' import --dtype int8
}

test_prompts() {
	refuse '--prompt and --prompt-file' "$model" --prompt a \
		--prompt-file b
	refuse 'byte 1 (0xFF)' "$model" --prompt $'a\xff'
	printf 'ab\0c' >"$scratch/nul"
	refuse "$scratch/nul: text: byte 2 is NUL" "$model" \
		--prompt-file "$scratch/nul"
	refuse 'byte 2 is NUL' "$model" --prompt-file - <"$scratch/nul"
	refuse "$scratch/none: No such file" "$model" \
		--prompt-file "$scratch/none"
	refuse "$new" "$model" --prompt-file "$new"
	printf '%097d' 0 >"$scratch/long"
	refuse "context of 96" "$model" --prompt-file "$scratch/long"
}

# Checkpoints that are not, or were.
test_checkpoints() {
	local bytes length at broken=$scratch/broken.h5
	bytes=$(stat -c %s "$model")
	refuse "$scratch/none.h5: No such file" "$scratch/none.h5"
	refuse "$scratch/none.h5" info "$scratch/none.h5"
	refuse "$new: " "$new"
	refuse "$scratch/gqa.json: is a JSON file, not an HDF5 file" "$scratch/gqa.json"
	for length in 0 4 600 4096 $((bytes / 2)) $((bytes - 1)); do
		head -c $length "$model" >"$broken"
		refuse "$broken: " "$broken"
		refuse "$broken: " info "$broken"
	done
	# Weights are nearly all of a file. 0x55 is not there yet.
	at=$((bytes / 2))
	cp "$model" "$broken"
	put $at '\125' "$broken"
	refuse "$broken: tensor layers." "$broken" --quiet
	holds 'a flipped byte' 'checksum' "$err"
	# A byte of the header, which has a checksum of HDF5's.
	cp "$model" "$broken"
	put 64 '\125' "$broken"
	refuse "$broken: " "$broken"
	refuse "$scratch/nowhere/l.h5: " "$model" \
		--logits "$scratch/nowhere/l.h5"
	refuse "$new: is a directory" "$model" --logits "$new"
}

test_later_version() {
	local mpicc=${MPICC:-mpicc} later=$scratch/later.h5
	# shellcheck disable=SC2046 # flags
	if ! "$mpicc" -o "$scratch/later" -x c - $(variable HDF5_CFLAGS) \
		$(variable HDF5_LIBS) 2>"$err" <<'END'
#include <hdf5.h>
int main(int argc, char **argv)
{
	long long later = 3;
	hid_t file = H5Fopen(argv[argc - 1], H5F_ACC_RDWR, H5P_DEFAULT);
	hid_t version = H5Aopen(file, "format_version", H5P_DEFAULT);
	int bad = H5Awrite(version, H5T_NATIVE_LLONG, &later) < 0;

	H5Aclose(version);
	return H5Fclose(file) < 0 || bad;
}
END
	then
		skip "a later format_version, no $mpicc with HDF5"
		return
	fi
	cp "$model" "$later"
	"$scratch/later" "$later" || fail 'making a later version'
	refuse "$later: format_version is 3" "$later"
	refuse "$later: format_version is 3" info "$later"
}

# A llama2.c checkpoint of zeros with the header that is given, its weights
# and its tables of angles; one layer, 4 channels a head.
zeros_bin() {
	bytes "$@"
	head -c $((4 * (259 * 8 + 8 + 8 * 8 + 2 * 8 * 4 + 8 * 8 + 8 + \
		3 * 8 * 12 + 8 + 16 * 4))) /dev/zero
}

# The tokenizer of 259 pieces for it.
byte_tokenizer() {
	local i
	bytes 8 0 5
	printf '<unk>'
	bytes 0 5
	printf '\n<s>\n'
	bytes 0 6
	printf '\n</s>\n'
	for i in {0..255}; do
		printf '\0\0\0\0\6\0\0\0<0x%02X>' "$i"
	done
}

test_import() {
	local i v bin=$scratch/x.bin tok=$scratch/x.tok field length size
	local shape=(8 12 1 2 1 259 16)
	byte_tokenizer >"$tok"
	zeros_bin "${shape[@]}" >"$bin"
	size=$(stat -c %s "$bin")
	# The rest is refused for what is changed, and this is not.
	"$WAFERLLM" import "$bin" "$scratch/x.h5" --tokenizer "$tok" \
		2>"$err" || fail 'import of zeros' "$err"
	for i in "${!shape[@]}"; do
		for v in 0 -5 $((shape[i] + 1)) $((shape[i] * 2)) 2147483647; do
			field=("${shape[@]}")
			field[i]=$v
			zeros_bin "${field[@]}" >"$scratch/lie.bin"
			refuse "$scratch/lie.bin: " import --quiet \
				"$scratch/lie.bin" "$new/x.h5" \
				--tokenizer "$tok"
		done
	done
	for length in 0 3 27 28 $((size / 2)) $((size - 1)); do
		head -c $length "$bin" >"$scratch/short.bin"
		refuse "$scratch/short.bin: " import --quiet \
			"$scratch/short.bin" "$new/x.h5" --tokenizer "$tok"
	done
	for length in 0 4 7 1000 $(($(stat -c %s "$tok") - 1)); do
		head -c $length "$tok" >"$scratch/short.tok"
		refuse "$scratch/short.tok: " import --quiet "$bin" \
			"$new/x.h5" --tokenizer "$scratch/short.tok"
	done
	refuse "$bin: " import --quiet "$bin" "$new/x.h5" --tokenizer "$bin"
	refuse "$scratch/none: No such file" import --quiet "$bin" \
		"$new/x.h5" --tokenizer "$scratch/none"
	refuse "$scratch/none: No such file" import --quiet "$scratch/none" \
		"$new/x.h5" --tokenizer "$tok"
	refuse "$scratch/nowhere/x.h5: " import --quiet "$bin" \
		"$scratch/nowhere/x.h5" --tokenizer "$tok"
	refuse "$new: is a directory" import --quiet "$bin" "$new" \
		--tokenizer "$tok"
	refuse 'SOURCE and DEST.h5' import "$bin"
	refuse '--tokenizer FILE' import "$bin" "$new/x.h5"
}

# refuse_shape WORDS JSON
refuse_shape() {
	printf '%s\n' "$2" >"$scratch/bad.json"
	refuse "$1" import --quiet --random "$scratch/bad.json" "$new/x.h5"
	holds "$2" "$scratch/bad.json: " "$err"
}

test_shapes() {
	local keys="\"n_layers\": 1, \"max_seq_len\": 8, $five_keys"
	refuse_shape 'line 1' '{ "dim": 8, }'
	refuse_shape 'not a JSON object' '[]'
	refuse_shape '"dim" is missing' '{}'
	refuse_shape 'unknown key "width"' "{ \"width\": 8, $keys }"
	refuse_shape '"rms_eps" must be' "{ \"rms_eps\": \"1\", $keys }"
	refuse_shape 'n_layers' "{ ${keys/: 1,/: 0,} }"
	refuse_shape 'n_heads' "{ ${keys/: 5,/: 7,} }"
	refuse_shape 'must be a 32-bit integer' "{ ${keys/: 8,/: 8e9,} }"
	refuse "$scratch/none.json: " import --random "$scratch/none.json" \
		"$new/x.h5"
	refuse 'takes DEST.h5 alone' import --random "$scratch/gqa.json" \
		"$scratch/gqa.json" "$new/x.h5"
}

test_ranks() {
	local broken=$scratch/broken.h5
	if [ -z "$MPIRUN" ]; then
		skip 'several ranks, no mpirun'
		return
	fi
	refuse_on 4 'No such file' "$scratch/none.h5"
	refuse_on 4 'unknown option --bogus' "$model" --bogus
	refuse_on 4 'option --rank-grid: 2x3' "$model" --rank-grid 2x3
	refuse_on 4 'option --rank-grid: 4x1 ranks do not fit' "$model" \
		--rank-grid 4x1 --grid 3x3
	refuse_on 4 'not valid UTF-8' "$model" --prompt $'\xc3'
	refuse_on 4 "$scratch/nowhere/l.h5: " "$model" \
		--logits "$scratch/nowhere/l.h5"
	head -c 40000 "$model" >"$broken"
	refuse_on 4 "$broken: " "$broken"
	cp "$model" "$broken"
	put $(($(stat -c %s "$broken") / 2)) '\125' "$broken"
	refuse_on 4 'checksum' "$broken" --quiet
	# The byte is a number still.
	answer 4 "$broken" --quiet --no-verify --prompt x -n 2
	# A file that was to be written too, and ranks that idle.
	refuse_on 6 'checksum' "$broken" --quiet --logits "$new/l.h5" \
		--rank-grid 2x2
	refuse_on 61 'option -n: "0"' "$model" -n 0
}

test_help() {
	local verb option
	for verb in '' run import info device shape; do
		# shellcheck disable=SC2086 # no verb, no word
		"$WAFERLLM" $verb --help >"$out" 2>"$err" ||
			fail "$verb --help" "$err"
		[ ! -s "$err" ] || fail "$verb --help" "$err"
		cp "$out" "$scratch/help.$verb"
		sed -n 's,^\t{ \([A-Z |]*\)\, "\(-[a-z-]*\)".*,\1:\2,p' \
			"$WAFERLLM_SRCDIR/src/base/options.c" >"$scratch/options"
		while read -r option; do
			holds "$verb --help" "  $option" "$out"
		done < <(grep -i "^[^:]*\<${verb:-run}\>" "$scratch/options" |
			sed 's/.*://')
	done
	[ "$(wc -l <"$scratch/options")" -ge 18 ] ||
		fail 'the table of options' "$scratch/options"
	holds '--help' 'import' "$scratch/help."
	"$WAFERLLM" --version >"$out"
	holds '--version' 'HDF5 ' "$out"
	same '--version' "waferllm $(sed -n \
		's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' \
		"$WAFERLLM_BUILDDIR/config.h")" "$(head -n 1 "$out")"
	"$WAFERLLM" info "$model" >"$out"
	holds 'info' 'layers.1.down' "$out"
}

# Every number of a device file, with its unit and source.
test_devices() {
	local name key value unit
	local mine=$scratch/mine.json devices=$WAFERLLM_SRCDIR/data/devices
	answer 1 device
	[ ! -s "$err" ] || fail 'device' "$err"
	same 'known devices' "$(cd "$devices" && printf '%s\n' ./*.json |
		sed 's/^..//; s/.json$//' | LC_ALL=C sort)" \
		"$(tail -n +2 "$out" | awk '{ print $1 }')"
	holds 'device' '  994x750      49.2 kB    36.6 GB  1.10 GHz  15.0 kW ' \
		"$out"
	for name in wse2 "$devices/wse2.json"; do
		answer 1 device "$name"
		holds "device $name" 'Cerebras WSE-2' "$out"
		same "numbers of $name" "$(grep -c '"value"' \
			"$devices/wse2.json")" "$(grep -c ' source: ' "$out")"
		while read -r key value unit; do
			grep -q "^$key  *$value  $unit  *[a-z0-9]" "$out" ||
				fail "device $name: no $key $value $unit" "$out"
		done < <(sed -n 's/^\t\t"\(.*\)": {/\1/p
			s/^\t\t\t"\(value\|unit\)": "\{0,1\}\(.[^",]*\)"*,/\2/p' \
			"$devices/wse2.json" | paste -d ' ' - - -)
		holds "device $name" 'source: Luczynski et al.' "$out"
		holds "device $name" 'notes: static_share: 349.0' "$out"
		same "lines of $name" '' "$(tail -n +4 "$out" | grep '.\{81\}' ||
			:)"
	done
	answer 1 device wse2 --set hop_cycles=2.5 --set clock=850
	grep -q '^hop_cycles  *2.5  cycles ' "$out" || fail '--set' "$out"
	holds '--set' 'set by --set; 1 in the file' "$out"
	same 'what is set' 2 "$(grep -c 'set by --set' "$out")"
	refuse 'did you mean wse2?' device wse4
	refuse 'known: blackhole, dojo-d1' device nothing-of-the-kind
	! grep 'did you mean' "$err" || fail 'a guess' "$err"
	refuse 'unexpected argument "wse3"' device wse2 wse3
	refuse 'option --set needs a device' device --set clock=3
	refuse '"hop" is none' device wse2 --set hop=1
	refuse 'must be between' device wse2 --set static_share=2
	refuse 'sram_reserved' device wse2 --set sram=2000
	refuse "$scratch/none.json: No such file" device "$scratch/none.json"
	refuse "$scratch: is a directory" device "$scratch"
	refuse 'is a shape, not a device' device "$scratch/gqa.json"
	refuse 'is an HDF5 file' device "$model"
	sed 's/"MHz"/"GHz"/' "$devices/wse2.json" >"$mine"
	refuse "$mine: " device "$mine"
	printf '{ "name": ' >"$mine"
	refuse "$mine: " device "$mine"
	# What a file says does not command a terminal.
	sed 's/Cerebras WSE-2/W\\u009b31mSE/' "$devices/wse2.json" >"$mine"
	answer 1 device "$mine"
	holds 'a title' 'W?31mSE' "$out"
}

# A shape's numbers and the bytes that follow from them.
test_shape_verb() {
	local name shapes=$WAFERLLM_SRCDIR/data/shapes mine=$scratch/mine.json
	answer 1 shape
	[ ! -s "$err" ] || fail 'shape' "$err"
	same 'known shapes' "$(cd "$shapes" && printf '%s\n' ./*.json |
		sed 's/^..//; s/.json$//' | LC_ALL=C sort)" \
		"$(tail -n +2 "$out" | awk '{ print $1 }' | LC_ALL=C sort)"
	same 'a row' 'llama3-8b 8.03 billion 32 4096 14336 32 8 128256 8192' \
		"$(grep '^llama3-8b ' "$out" | xargs)"
	for name in llama3-8b "$shapes/llama3-8b.json"; do
		answer 1 shape "$name"
		for words in 'dim 4096 ' 'n_kv_heads 8 ' 'head_dim 128 ' \
			'rope_theta 500000 ' 'tied false ' \
			'source Llama 3 8B' 'parameters 8030261248 ' \
			'weights 32.1 GB as f32, 16.1 GB as f16, 16.1 GB as' \
			'KV of a token 262 kB as f32, 131 kB as f16'; do
			tr -s ' ' <"$out" | grep -q "^$words" ||
				fail "shape $name: $words" "$out"
		done
	done
	answer 1 shape "$scratch/gqa.json"
	grep -q '^source  *not given' "$out" || fail 'no source' "$out"
	printf '{ "source": 3, "n_layers": 1, "max_seq_len": 8, %s }' \
		"$five_keys" >"$mine"
	refuse '"source" must be a string' shape "$mine"
	printf '{ "source": "a\\u009bb", "n_layers": 1, "max_seq_len": 8, %s }' \
		"$five_keys" >"$mine"
	answer 1 shape "$mine"
	grep -q '^source  *a?b' "$out" || fail 'a source' "$out"
	refuse 'did you mean llama3-8b?' shape llama3-8
	refuse 'unexpected argument "b"' shape llama3-8b b
	refuse 'unknown option --set' shape llama3-8b --set dim=3
	refuse 'is a device, not a shape' shape \
		"$WAFERLLM_SRCDIR/data/devices/wse2.json"
	refuse "$scratch/none.json: No such file" shape "$scratch/none.json"
}

# says WHAT EXPECTED-START ARGUMENTS...: all of the answer is on standard
# output: the prompt, at least a byte that follows, a newline.
says() {
	local what=$1 start=$2
	shift 2
	"$WAFERLLM" "$model" "$@" >"$out" 2>"$err" || fail "$what" "$err"
	same "$what" "$start" "$(head -c ${#start} "$out")"
	same "the end of $what" 1 "$(tail -c 1 "$out" | grep -c '^$')"
	[ "$(wc -c <"$out")" -gt $((${#start} + 1)) ] ||
		fail "$what: nothing new" "$out"
}

test_answers() {
	says 'a prompt' 'Hello there' --prompt 'Hello there' -n 3
	holds 'a run that is not quiet' 'waferllm: ' "$err"
	cp "$out" "$scratch/hello"
	says '--quiet' 'Hello there' --prompt='Hello there' -n 3 --quiet
	same_file '--prompt=TEXT' "$scratch/hello" "$out"
	[ ! -s "$err" ] || fail '--quiet' "$err"
	printf 'Hello there' >"$scratch/prompt"
	says 'a file' 'Hello there' --prompt-file "$scratch/prompt" -n 3
	same_file '--prompt-file' "$scratch/hello" "$out"
	says 'standard input' 'Hello there' --prompt-file - -n 3 \
		<"$scratch/prompt"
	same_file '--prompt-file -' "$scratch/hello" "$out"
	says 'no prompt' '' --prompt '' -n 2
	says 'one token' 'Hello there' --prompt 'Hello there' -n 1
	says 'the last of the context' '' -n 95 --prompt ''
	if [ -n "$MPIRUN" ]; then
		answer 4 "$model" --prompt 'Hello there' -n 3
		same_file '4 ranks' "$scratch/hello" "$out"
	fi
}

# Nobody reads: ends long before the 30000 tokens are there.
test_pipe() {
	random_model long 1 "$gqa_keys" 30000
	same 'what is read' 'Hello' "$(timeout 20 "$WAFERLLM" --quiet \
		"$scratch/long.h5" --prompt 'Hello there' -n 29000 2>"$err" |
		head -c 5 || :)"
	none_left 'a reader that is gone'
	[ -n "$MPIRUN" ] || return 0
	# shellcheck disable=SC2086 # the launcher has flags
	timeout 20 $MPIRUN -n 4 "$WAFERLLM" --quiet "$scratch/long.h5" \
		--prompt 'Hello there' -n 29000 2>"$err" </dev/null |
		head -c 5 >"$out" || :
	none_left 'a reader of 4 ranks that is gone'
}

# Verbs of one process do without MPI_Init, which costs time and may fail on a
# login node.
test_no_mpi() {
	local shim=$scratch/init.so mpicc=${MPICC:-mpicc}
	if ! command -v "$mpicc" >/dev/null; then
		skip "verbs without MPI_Init, no $mpicc"
		return
	fi
	"$mpicc" -fPIC -shared -o "$shim" -x c - <<'END'
#include <mpi.h>
#include <stdio.h>
int MPI_Init(int *argc, char ***argv)
{
	fputs("MPI_Init\n", stderr);
	return PMPI_Init(argc, argv);
}
END
	(
		export ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0
		export LD_PRELOAD=$shim
		"$WAFERLLM" --help
		"$WAFERLLM" --version
		"$WAFERLLM" info
		"$WAFERLLM" info "$model"
		"$WAFERLLM" device wse2
		"$WAFERLLM" shape
		"$WAFERLLM" import --quiet --random "$scratch/gqa.json" \
			"$scratch/again.h5"
		"$WAFERLLM" info "$scratch/none.h5" || :
		"$WAFERLLM" "$model" --quiet -n 1 2>"$scratch/with"
	) >/dev/null 2>"$err"
	holds 'a run' 'MPI_Init' "$scratch/with"
	! grep -q MPI_Init "$err" || fail 'MPI_Init in a serial verb' "$err"
}

test_options
test_prompts
test_checkpoints
test_later_version
test_import
test_shapes
test_ranks
test_help
test_devices
test_shape_verb
test_answers
test_pipe
test_no_mpi
finish
