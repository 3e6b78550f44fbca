#!/usr/bin/env bash
# What make install brings: pages of the manual that show every option and
# render without a warning, words for the shell, a module file, scripts that
# work from where they are; all of it wherever the tree is moved to; and that
# make uninstall leaves no file.
# timeout: 120
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

verbs='run bench import info device shape'
installed=$scratch/installed # DESTDIR
bindir='' pkgdatadir='' mandir='' docdir='' completionsdir='' modulefilesdir=''
VERSION=''

# make_build TARGET: in the build tree, as a user types it.
make_build() {
	(unset MAKEFLAGS MAKELEVEL MFLAGS &&
		make -s -C "$WAFERLLM_BUILDDIR" "$1" DESTDIR="$installed") \
		>"$out" 2>"$err" || fail "make $1" "$err"
}

# Sets bindir and others as the program knows them, and VERSION.
read_places() {
	make -s --no-print-directory -C "$WAFERLLM_BUILDDIR" -f - show \
		>"$scratch/places" <<'END'
include Makefile
show:
	@$(foreach name,bindir pkgdatadir mandir docdir completionsdir \
		modulefilesdir VERSION,echo "$(name)='$($(name))'";)
END
	# shellcheck source=/dev/null
	. "$scratch/places"
}

# --- The manual ---

# help_options VERB: the options that its help shows.
help_options() {
	"$WAFERLLM" "$1" --help | sed -n 's/^  \(-[-a-z]*\).*/\1/p'
}

# page_options PAGE: those that begin an entry, as the page's source has them.
page_options() {
	sed -n '/^\.SH OPTIONS/,/^\.SH EXIT/s/^\\fB\(\\-[-a-z\\]*\)\\fR.*/\1/p' \
		"$1" | sed 's,\\,,g'
}

test_pages() {
	local verb page section
	for verb in $verbs; do
		page=$man/man1/waferllm-$verb.1
		same "options of $page" "$(help_options "$verb")" \
			"$(page_options "$page")"
	done
	same 'options of all verbs' "$(printf '%s\n' --help -h --version)" \
		"$(page_options "$man/man1/waferllm.1")"
	for page in "$man"/man1/*; do
		for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' \
			ENVIRONMENT FILES EXAMPLES 'SEE ALSO'; do
			grep -qx ".SH $section" "$page" ||
				fail "$page: no $section"
		done
	done
	for page in "$man"/man1/waferllm-*; do
		holds "$page" '.SH SIGNALS' "$page"
	done
	same 'pages' 7 "$(find "$man" -type f | wc -l)"
}

# silent WHAT COMMAND...: it succeeds and complains of nothing.
silent() {
	local what=$1
	shift
	"$@" >"$out" 2>&1 || fail "$what: status $?" "$out"
	[ ! -s "$out" ] || fail "$what" "$out"
}

test_rendering() {
	local page rendered=no
	for page in "$man"/man1/*; do
		if command -v groff >/dev/null; then
			silent "groff ${page##*/}" groff -man -Tutf8 -ww -z \
				"$page"
			rendered=yes
		fi
		if command -v mandoc >/dev/null; then
			silent "mandoc ${page##*/}" mandoc -Tlint -Wwarning \
				"$page"
			rendered=yes
		fi
	done
	[ $rendered = yes ] || skip 'pages rendered, neither groff nor mandoc'
	if ! command -v man >/dev/null; then
		skip 'pages found by man, no man'
		return
	fi
	for page in waferllm waferllm-run waferllm-bench waferllm-import \
		waferllm-info waferllm-device waferllm-shape; do
		silent "man $page" eval "LC_ALL=C.UTF-8 MANWIDTH=72 \
			man --warnings -M '$man' $page >'$scratch/shown'"
		holds "man $page" 'EXIT STATUS' "$scratch/shown"
	done
}

# The commands of pages are README's, which another test runs.
test_examples() {
	local page command
	grep '^    \$ ' "$WAFERLLM_SRCDIR/README" >"$scratch/readme"
	for page in "$man"/man1/*; do
		sed -n 's/^\$ //p' "$page" | sed 's/\\(aq/'\''/g; s/\\-/-/g' \
			>"$scratch/examples"
		[ -s "$scratch/examples" ] || fail "$page: no example"
		while read -r command; do
			grep -qxF "    \$ $command" "$scratch/readme" ||
				fail "${page##*/}: not in README: $command"
		done <"$scratch/examples"
	done
}

# --- Completion ---

# completes EXPECTED WORD...: what may stand for the last of these words, with
# spaces between; nothing where the shell is to name files.
completes() {
	local expected=$1
	shift
	# shellcheck disable=SC2034 # the script reads them
	COMP_WORDS=(waferllm "$@")
	# shellcheck disable=SC2034
	COMP_CWORD=$#
	COMPREPLY=()
	_waferllm || :
	same "completion of '$*'" "$expected" "${COMPREPLY[*]}"
}

test_completion() {
	local verb
	# shellcheck source=/dev/null
	. "$installed$completionsdir/waferllm"
	if command -v shellcheck >/dev/null; then
		shellcheck "$installed$completionsdir/waferllm" ||
			fail 'shellcheck'
	fi
	for verb in $verbs; do
		completes "$(help_options "$verb" | xargs)" "$verb" -
	done
	completes "$verbs help" ''
	completes "$verbs" help ''
	completes 'import info' i
	completes '--prompt --prompt-file --prompt-ids --prompt-tokens' --prompt
	completes '--temperature --top-k --top-p' run model.h5 --t
	completes '' run ''
	completes '' mod
	completes 'f32 f16 bf16' run --dtype ''
	completes 'bf16' import --dtype b
	completes 'shift concat' --prompt x --kv ''
	completes 'shift' run --kv = sh
	completes 'concat' run --kv = c
	completes 'shift concat' run --kv =
	completes 'auto' run --grid a
	completes '' bench gemm --grid a
	completes 'waferllm megatron t10 ladder' run --system ''
	completes 'cannon' run --gemm can
	completes 'ring' run --allreduce r
	completes 'wse2 wse3' bench gemv --device w
	completes 'qwen2-72b qwen2.5-1.5b' run --shape q
	completes 'llama2-13b llama2-7b' import --random llama2
	completes 'wse2 wse3' device ws
	completes 'qwen2-72b qwen2.5-1.5b' shape q
	completes '' info d
	completes '--set --help -h --version' device -
	completes '' run --report ''
	completes '' run -n ''
	completes 'gemm gemm-t gemv' bench g
	completes '' bench gemm g
	completes 'summa' bench gemm --algo su
	completes 'meshgemm,cannon,summa' bench gemm --algo meshgemm,cannon,su
	completes 'ktree1 ktree ktree3 ktree4' bench gemv --algo k
	completes '--report --repeat --quiet' bench host -
}

# Where no word fits, bash names files.
test_registration() {
	same 'registered' 'complete -o default -F _waferllm waferllm' \
		"$(complete -p waferllm)"
}

# --- Module file, recipe ---

# module_loads WHAT FILE FOLDER TOP: what the module file puts into PATH, and
# the top of the tree that its help names.
module_loads() {
	tclsh "$scratch/module.tcl" "$2" >"$out" 2>"$err" || fail 'tclsh' "$err"
	same "$1" "$(printf '%s\n' 'conflict waferllm' "PATH $3")" \
		"$(grep -v '^whatis' "$out")"
	holds "$1, help" "$4$data/jobs" "$err"
	holds "$1, help" "$4$docdir/README" "$err"
}

test_module() {
	local file place
	file=$installed$modulefilesdir/$VERSION
	! grep -n '@' "$file" || fail 'marks are left in the module file'
	same 'its first line' '#%Module1.0' "$(head -n 1 "$file")"
	if ! command -v tclsh >/dev/null; then
		skip 'the module file, no tclsh'
		return
	fi
	cat >"$scratch/module.tcl" <<'END'
proc module-whatis {text} { puts "whatis $text" }
proc conflict {name} { puts "conflict $name" }
proc prepend-path {name value} { puts "$name $value" }
set ModulesCurrentModulefile [lindex $argv 0]
source $ModulesCurrentModulefile
ModulesHelp
END
	module_loads 'the module file' "$file" "$installed$bindir" "$installed"
	mv "$installed" "$scratch/moved é tree"
	place=$scratch/'moved é tree'
	module_loads 'the module file, moved' \
		"$place$modulefilesdir/$VERSION" "$place$bindir" "$place"
	mkdir "$scratch/site"
	ln -s "$place$modulefilesdir/$VERSION" "$scratch/site/linked"
	module_loads 'a link to it' "$scratch/site/linked" "$place$bindir" \
		"$place"
	cp "$place$modulefilesdir/$VERSION" "$scratch/site/copied"
	module_loads 'a copy without its tree' "$scratch/site/copied" \
		"$bindir" ''
	mv "$place" "$installed"
}

# recipe WITH: what package.py asks Spack for, and then configure's options; a
# variant is there or not. Spack is not, but for what the recipe uses.
recipe() {
	"$python3" -B - "$WAFERLLM_SRCDIR/jobs/site/spack/package.py" "$1" \
		<<'END'
import sys, types

def module(name, **has):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(has)

class Package:
    def with_or_without(self, name):
        return [("--with-" if self.spec.on else "--without-") + name]

class Of:
    mpicc = "mpicc"
    libs = types.SimpleNamespace(ld_flags="-lscalapack")

class Spec(dict):
    def __init__(self, on):
        self.on = on
    def satisfies(self, what):
        return self.on and what == "+scalapack"
    def __getitem__(self, name):
        return Of

def say(*args, **keys):
    print(*args, *[f"{k}={keys[k]}" for k in keys])

def ignore(*args, **keys):
    pass

for name in ("spack_repo", "spack_repo.builtin", "spack",
             "spack_repo.builtin.build_systems"):
    module(name)
module("spack_repo.builtin.build_systems.autotools", AutotoolsPackage=Package)
module("spack.package", depends_on=say, variant=ignore, version=ignore,
       license=ignore)
scope = {}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), scope)
package = scope["Waferllm"]()
package.spec = Spec(sys.argv[2] == "with")
print(*package.configure_args(), sep="\n")
END
}

# Libraries are those of jobs/setup.sh's table; options are configure's own.
test_recipe() {
	local package option
	python3=$(variable PYTHON3)
	if ! "$python3" -c '' 2>/dev/null; then
		skip 'the recipe, no Python 3'
		return
	fi
	recipe with >"$out" 2>"$err" || fail 'the recipe' "$err"
	while read -r package; do
		grep -q "^$package\( \|@\|+\|$\)" "$out" ||
			fail "the recipe has no $package" "$out"
	done < <(sed -n 's/^\(lib\|zlib\)[^:]*:\([a-z0-9-]*\).*/\2/p' \
		"$WAFERLLM_SRCDIR/jobs/setup.sh" | sed 's/openmpi/mpi/
		s/^zlib/&-api/; s/netlib-//')
	"$WAFERLLM_SRCDIR/configure" --help >"$scratch/configure"
	while read -r option; do
		holds 'configure' "$option" "$scratch/configure"
	done < <(sed -n 's/^\(--with-[a-z0-9]*\)$/\1/p' "$out")
	holds 'with ScaLAPACK' --with-scalapack "$out"
	holds 'with ScaLAPACK' 'SCALAPACK_LIBS=-lscalapack' "$out"
	recipe without >"$out"
	holds 'without ScaLAPACK' --without-scalapack "$out"
	holds 'the recipe' "/waferllm-$VERSION.tar.gz" \
		"$WAFERLLM_SRCDIR/jobs/site/spack/package.py"
	holds 'the recipe' "version(\"$VERSION\")" \
		"$WAFERLLM_SRCDIR/jobs/site/spack/package.py"
}

# --- Scripts, where they are installed ---

test_scripts() {
	local script path=$installed$bindir:$PATH
	# In the usual tree they need no PATH, and take no other program.
	if [ "${bindir%/bin}" = "${data%/share/waferllm}" ]; then
		mkdir "$scratch/other"
		ln -s "$(command -v false)" "$scratch/other/waferllm"
		path=$scratch/other:$PATH
	fi
	python3=$(variable PYTHON3)
	if ! "$python3" -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
		2>/dev/null; then
		skip 'installed analysis, no Python 3.9'
	else
		(cd "$scratch" && PATH="$path" "$python3" \
			"$installed$data/analysis/paper_tables.py" \
			--tables 5 --no-figures) >"$out" 2>"$err" ||
			fail 'paper_tables.py' "$err"
		holds 'paper_tables.py' 'published' "$out"
	fi
	for script in "$installed$data"/jobs/*; do
		bash -n "$script" || fail "$script"
	done
	# It gets as far as the program.
	(cd "$scratch" && PATH="$path" BENCH_SHAPE=none \
		"$installed$data/jobs/bench.sh") \
		</dev/null >"$out" 2>"$err" && fail 'bench.sh without a shape'
	holds 'bench.sh' 'none' "$err"
}

# --- The tree, moved ---

# data_of PROGRAM: the folder of data that it uses.
data_of() {
	"$1" --version | sed -n 's/^data //p'
}

# hidden FOLDER COMMAND...: the command, as if the folder were not there.
hidden() {
	local folder=$1
	shift
	if [ ! -e "$folder" ]; then
		"$@"
	else
		# shellcheck disable=SC2016 # for sh
		unshare -m sh -c 'mount -t tmpfs none "$1" && shift && "$@"' \
			- "$folder" "$@"
	fi
}

# A device that the moved tree alone has, the default model, and links.
test_moved_data() {
	local program=$1$bindir/waferllm folder
	folder=$(realpath "$1$data")
	same "data of $1" "$folder" "$(data_of "$program")"
	sed 's/"wse2"/"mine"/' "$1$data/devices/wse2.json" \
		>"$1$data/devices/mine.json"
	"$program" run --dry-run --device mine --shape llama3-8b \
		--grid 20x20 --prompt-tokens 4 -n 2 --quiet \
		--report "$scratch/r.json" || fail "a device of $1"
	rm "$1$data/devices/mine.json"
	WAFERLLM=$program refuse \
		"no such device in $folder/devices (known: blackhole, " \
		--device mine
	WAFERLLM=$program refuse \
		"no such shape in $folder/shapes (known: bench-110m, " \
		import --random mine "$new/m.h5"
	[ -z "$MPIRUN" ] || WAFERLLM=$program answer 3 --prompt Hi -n 3 \
		--report "$scratch/r.json"
	[ -z "$MPIRUN" ] || same "default model of $1" \
		"$folder/default.h5" "$(value source "$scratch/r.json")"
	mkdir "$scratch/linked"
	ln -s "$program" "$scratch/linked/wl"
	same 'data of a link' "$folder" "$(data_of "$scratch/linked/wl")"
	same 'data by PATH' "$folder" "$(PATH=$scratch/linked:$PATH data_of wl)"
	same 'data by another name' "$folder" "$(cd "$1$bindir" &&
		(exec -a nobody ./waferllm --version) | sed -n 's/^data //p')"
	rm -r "$scratch/linked"
}

# Without data beside it, the program looks where it was installed, and in no
# source tree.
test_without_data() {
	local alone=$scratch/alone words
	mkdir -p "$alone$bindir"
	cp "$installed$bindir/waferllm" "$alone$bindir"
	if [ -d "$data/devices" ]; then
		same 'data of a program alone' "$data" \
			"$(data_of "$alone$bindir/waferllm")"
	fi
	if ! hidden "$data" true 2>/dev/null; then
		skip 'no data, for they are installed and we are not root'
		return
	fi
	same 'no data' "in none of $alone$data, $data" \
		"$(hidden "$data" "$alone$bindir/waferllm" --version |
			sed -n 's/^data //p')"
	for words in '--device wse2' 'bench gemv --dry-run --grid 4x4 -k 8'; do
		# shellcheck disable=SC2086 # words on purpose
		hidden "$data" "$alone$bindir/waferllm" $words \
			>"$out" 2>"$err" && fail "$words without data"
		holds "$words without data" "$alone$data, $data" "$err"
		same "lines of $words without data" 1 "$(grep -c '' "$err")"
	done
}

test_moved() {
	local place
	test_moved_data "$installed"
	place=$scratch/$'moved \303\251 tree'
	cp -R "$installed" "$place"
	test_moved_data "$place" # the old one is still there
	mv "$installed" "$scratch/away"
	test_moved_data "$place"
	if unshare -m umount -l /proc 2>/dev/null; then
		# shellcheck disable=SC2016 # for sh
		same 'data without /proc' "$(realpath "$place$data")" \
			"$(unshare -m sh -c 'umount -l /proc && "$0" --version' \
			"$place$bindir/waferllm" | sed -n 's/^data //p')"
	else
		skip 'a machine without /proc, not root'
	fi
	mv "$scratch/away" "$installed"
	rm -r "$place"
	test_without_data
	same 'data of the program that make built' \
		"$(realpath "$WAFERLLM_SRCDIR/data")" \
		"$(realpath "$(data_of "$WAFERLLM")")"
}

# --- What was built ---

test_build() {
	local words
	"$WAFERLLM" info >"$out" 2>"$err" || fail 'info' "$err"
	"$WAFERLLM" --version >"$scratch/version"
	same_file 'info and --version' "$scratch/version" "$out"
	for words in '^waferllm ' '^HDF5 .*parallel' '^hwloc ' '^jansson ' \
		'^zlib ' '^libdeflate ' '^PCRE2 ' '^utf8proc ' \
		'^\(no \)\?ScaLAPACK$' '^SIMD \(plain\|x86-64\)' '^data /'; do
		grep -q "$words" "$out" || fail "info: no $words" "$out"
	done
	[ -f "$(sed -n 's/^data //p' "$out")/default.h5" ] ||
		fail 'no default.h5 in the directory of data' "$out"
}

read_places
make_build install
data=$pkgdatadir
man=$installed$mandir
test_pages
test_rendering
test_examples
test_completion
test_registration
test_module
test_recipe
test_scripts
test_moved
test_build
same 'the program' "$(cksum <"$WAFERLLM")" \
	"$(cksum <"$installed$bindir/waferllm")"
for file in "$installed$docdir"/{README,LICENSE} \
	"$installed$data"/{README,default.h5,shapes/llama3-8b.json} \
	"$installed$data"/{devices/wse3.json,published/table2.json}; do
	[ -s "$file" ] || fail "$file is not installed"
done
make_build uninstall
same 'what make uninstall leaves' '' "$(find "$installed" ! -type d)"
finish
