#!/usr/bin/env bash
# Data flows one way: a file uses only its own folder and those above it in the
# list of src/README. Holds every include and every call against the list. Needs
# no build: tests/test_layers.sh
set -eu

top=${WAFERLLM_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check TREE: prints a line, with file and line number, for each use of a later
# folder and each file in no folder. The status is 1 if there is any.
check() {
	(
		cd "$1"
		find src mpi_kernels include \
			-name '*.[ch]' -o -name '*.def' | LC_ALL=C sort |
			xargs awk -f "$scratch/check.awk" src/README
	)
}

cat >"$scratch/check.awk" <<'AWK'
function complain(line, text) {
	printf "%s:%d: %s\n", FILENAME, line, text
	bad = 1
}

# The folder of a file; include/X is the public part of src/X.
function folder_of(file) {
	sub("/[^/]*$", "", file)
	if (file ~ "^include/mpi_kernels")
		sub("^include/", "", file)
	else
		sub("^include", "src", file)
	return file
}

# The file that an include names: beside the file that says so, or public.
function resolve(name,    beside) {
	beside = FILENAME
	sub("[^/]*$", "", beside)
	if (known[beside name])
		return beside name
	return known["include/" name] ? "include/" name : ""
}

# Takes comments, strings and characters out of a line.
function code_of(text,    out, end) {
	out = ""
	while (text != "") {
		if (in_comment) {
			end = index(text, "*/")
			if (!end)
				return out
			text = substr(text, end + 2)
			in_comment = 0
		} else if (match(text, /\/\*|"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/)) {
			out = out substr(text, 1, RSTART - 1) " "
			in_comment = substr(text, RSTART, 2) == "/*"
			text = substr(text, RSTART + (in_comment ? 2 : RLENGTH))
		} else {
			return out text
		}
	}
	return out
}

# A definition begins at the left margin and ends with "{" there. A static one
# hides others of its name in its file.
function note_definition(code) {
	if (code ~ /^static/ && match(code, /[a-z_0-9A-Z]+\(/))
		hidden[FILENAME, substr(code, RSTART, RLENGTH - 1)] = 1
	if (code ~ /^[a-z]/ && code !~ /^static|^typedef/ &&
	    match(code, /[a-z_0-9A-Z]+\(/))
		name = substr(code, RSTART, RLENGTH - 1)
	if (code ~ /;[ \t]*$/)
		name = ""
	if (code ~ /^\{/ && name != "") {
		home[name] = folder
		name = ""
	}
}

function note_calls(code,    rest, called, before) {
	rest = code
	while (match(rest, /[A-Za-z_][A-Za-z_0-9]*[ ]*\(/)) {
		before = substr(rest, 1, RSTART - 1)
		called = substr(rest, RSTART, RLENGTH - 1)
		sub(/ +$/, "", called)
		rest = substr(rest, RSTART + RLENGTH)
		if (before ~ /(\.|->)$/)
			continue
		calls++
		call_name[calls] = called
		call_file[calls] = FILENAME
		call_line[calls] = FNR
	}
}

BEGIN {
	for (i = 2; i < ARGC; i++)
		known[ARGV[i]] = 1
}

FILENAME == "src/README" {
	if (match($0, /^(src|mpi_kernels)(\/[a-z_]+)?  /))
		place[$1] = ++places
	next
}

FNR == 1 {
	folder = folder_of(FILENAME)
	in_comment = 0
	name = ""
	if (!(folder in place))
		complain(1, folder " is no folder of src/README")
}

{
	used = ""
	if (match($0, /^[ \t]*#[ \t]*include[ \t]+"[^"]+"/)) {
		used = $0
		gsub(/^[^"]*"|".*$/, "", used)
	}
	if (used != "" && used != "config.h") {
		file = resolve(used)
		if (file == "")
			complain(FNR, "there is no " used)
		else if (place[folder_of(file)] > place[folder])
			complain(FNR, folder " includes " used " of " \
			         folder_of(file))
	}
	code = code_of($0)
	if (FILENAME ~ /\.c$/)
		note_definition(code)
	note_calls(code)
}

END {
	for (i = 1; i <= calls; i++) {
		from = folder_of(call_file[i])
		if (!(call_name[i] in home) ||
		    (call_file[i], call_name[i]) in hidden ||
		    place[home[call_name[i]]] <= place[from])
			continue
		printf "%s:%d: %s calls %s of %s\n", call_file[i],
		       call_line[i], from, call_name[i], home[call_name[i]]
		bad = 1
	}
	if (!places) {
		print "src/README: no list of folders"
		bad = 1
	}
	exit bad
}
AWK

failures=0

# finds WHAT LINE: the check of the made-up tree prints just this line.
finds() {
	local status=0
	check "$scratch/tree" >"$scratch/found" || status=$?
	if [ "$(cat "$scratch/found")" != "$2" ] || [ $status = 0 ]; then
		echo "FAILED: $1: expected '$2', found:"
		cat "$scratch/found"
		failures=$((failures + 1))
	fi
}

# A tree of two folders without fault, and then with one of each kind.
make_tree() {
	rm -rf "$scratch/tree"
	mkdir -p "$scratch"/tree/{src/low,src/high,include/low,include/high} \
		"$scratch/tree/mpi_kernels"
	cd "$scratch/tree"
	printf '%s\n' 'src/low    below' 'src/high    above' >src/README
	echo 'int low(int);' >include/low/low.h
	echo 'int high(int);' >include/high/high.h
	printf '%s\n' '#include "low/low.h"' '/* high(1) */' 'int low(int n)' \
		'{' '	return n ? h->high(n) : puts("high(");' '}' \
		>src/low/low.c
	printf '%s\n' '#include "high/high.h"' '#include "low/low.h"' \
		'int high(int n)' '{' '	return low(n);' '}' >src/high/high.c
	cd - >/dev/null
}

make_tree
check "$scratch/tree" || {
	echo 'FAILED: a tree without fault'
	failures=$((failures + 1))
}
sed -i '1a #include "high/high.h"' "$scratch/tree/src/low/low.c"
finds 'a header of a later folder' \
	'src/low/low.c:2: src/low includes high/high.h of src/high'
make_tree
sed -i 's/return n/return high(n)/' "$scratch/tree/src/low/low.c"
finds 'a call of a later folder' \
	'src/low/low.c:5: src/low calls high of src/high'
make_tree
mkdir "$scratch/tree/src/other"
echo >"$scratch/tree/src/other/new.c"
finds 'a file in no folder' \
	'src/other/new.c:1: src/other is no folder of src/README'

check "$top" || {
	echo 'FAILED: the files above use a folder that comes later'
	failures=$((failures + 1))
}
[ $failures = 0 ]
