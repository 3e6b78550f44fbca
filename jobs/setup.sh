# shellcheck shell=bash
# Sourced by jobs/quickstart.sh, tests/run.sh and tests/mpirun.sh: packages,
# build, launcher. The caller must set top, the source directory, beforehand.
# Messages go to stderr.

top=${top:?the script that sources this sets it}

say() {
	printf '%s\n' "$*" >&2
}

has() {
	command -v "$1" >/dev/null 2>&1
}

pkg_config_knows() {
	local module
	for module; do
		pkg-config --exists "$module" 2>/dev/null && return
	done
	return 1
}

# Whether the C text on stdin preprocesses without errors.
preprocesses() {
	"${MPICC:-mpicc}" -E -DPCRE2_CODE_UNIT_WIDTH=8 - >/dev/null 2>&1
}

has_library() {
	pkg_config_knows "$2" || echo "#include <$1>" | preprocesses
}

has_parallel_hdf5() {
	has h5pcc || pkg_config_knows hdf5-openmpi hdf5-mpi ||
		printf '%s\n' '#include <hdf5.h>' '#ifndef H5_HAVE_PARALLEL' \
			'#error' '#endif' | preprocesses
}

# ScaLAPACK has no headers.
has_scalapack() {
	pkg_config_knows scalapack-openmpi scalapack
}

# imports MODULE: whether a Python that analysis may use has the module.
imports() {
	python3 -c "import $1" 2>/dev/null ||
		/usr/bin/python3 -c "import $1" 2>/dev/null
}

# Debian package:Spack package:module:how to detect it without dpkg
needs='build-essential:gcc, gmake:gcc:has cc && has make
autoconf:autoconf:autotools:has autoreconf
automake:automake:autotools:has automake
pkg-config:pkgconf:pkgconf:has pkg-config
openmpi-bin:openmpi:openmpi:has mpirun
libopenmpi-dev:openmpi:openmpi:has mpicc
libhdf5-openmpi-dev:hdf5+mpi:hdf5 (parallel):has_parallel_hdf5
libhwloc-dev:hwloc:hwloc:has_library hwloc.h hwloc
libjansson-dev:jansson:jansson:has_library jansson.h jansson
zlib1g-dev:zlib:zlib:has_library zlib.h zlib
libdeflate-dev:libdeflate:libdeflate:has_library libdeflate.h libdeflate
libpcre2-dev:pcre2:pcre2:has_library pcre2.h libpcre2-8
libutf8proc-dev:utf8proc:utf8proc:has_library utf8proc.h libutf8proc
libscalapack-openmpi-dev:netlib-scalapack:scalapack:has_scalapack
check:check:check:has_library check.h check
python3:python:python:has python3
python3-matplotlib:py-matplotlib:matplotlib:imports matplotlib
python3-h5py:py-h5py:h5py:imports h5py
hdf5-tools:hdf5:hdf5:has h5dump'

# The same for packages that only tests need; and for daemons of which a test
# starts an instance of its own.
tests_need='groff-base:groff:groff:has groff
iproute2:iproute2:iproute2:has ip
dropbear-bin:dropbear:dropbear:has dropbear'
daemons='munge:munge:munge:has munge
slurmctld:slurm:slurm:has sbatch
slurmd:slurm:slurm:has sbatch'

# Sets missing to the Debian names of the packages that are missing.
find_missing() {
	local package test
	missing=
	while IFS=: read -r package _ _ test; do
		dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
			grep -q ' installed$' && continue
		eval "$test" </dev/null || missing="$missing $package"
	done <<<"$needs"
	missing=${missing# }
}

say_missing() {
	local package spack module
	say "missing, and not installed ($1):"
	while IFS=: read -r package spack module _; do
		case " $missing " in *" $package "*) ;; *) continue ;; esac
		say "  Debian $package, Spack $spack, module $module"
	done <<<"$needs"
	say 'going on with what is there'
}

# Installs missing packages if apt is available and permitted.
install_packages() {
	local root=
	find_missing
	[ -n "$missing" ] || return 0
	if ! has apt-get; then
		say_missing 'no apt-get here'
		return 0
	fi
	if [ "$(id -u)" != 0 ]; then
		# Ask for a password only on a terminal.
		if [ -t 0 ]; then root=sudo; else root='sudo -n'; fi
		if ! $root true 2>/dev/null; then
			say_missing 'neither root nor sudo'
			return 0
		fi
	fi
	say "installing: $missing"
	# shellcheck disable=SC2086 # words on purpose
	if ! { $root apt-get -q update && $root env \
		DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		--no-install-recommends install $missing; } </dev/null >&2; then
		say_missing 'apt-get failed'
	fi
	find_missing
}

# The same for packages that only tests need, except daemons whose packages
# would start services on this machine: the test then says what is missing.
install_for_tests() {
	local needs=$tests_need
	[ -d /run/systemd/system ] || needs=$needs$'\n'$daemons
	install_packages
}

# An in-place build would shadow the objects of an out-of-tree build.
clean_source_tree() {
	[ -f "$top/config.status" ] || return 0
	say 'the source tree was configured in place: make distclean there'
	make -s -C "$top" distclean >/dev/null
}

# Configures again if the tree has moved or other packages are installed.
configure_build() {
	local state="$top $missing" build="$top/build"
	if [ ! -f "$top/configure" ] || [ ! -f "$top/Makefile.in" ]; then
		say 'autoreconf -i'
		(cd "$top" && autoreconf -i >&2) || return
	fi
	if [ -f "$build/Makefile" ] &&
		[ "$(cat "$build/.setup" 2>/dev/null)" = "$state" ]; then
		return 0
	fi
	say 'configure (everything it says: build/config.log)'
	mkdir -p "$build" || return
	rm -f "$build/.setup" "$build/.installed"
	(cd "$build" && MPICC=${MPICC:-mpicc} \
		../configure -q --prefix="$build/install" >&2) || return
	printf '%s\n' "$state" >"$build/.setup"
}

build_and_install() {
	local build="$top/build"
	make -s -C "$build" -j "$(jobs_at_once)" >&2 || return
	if [ -x "$build/install/bin/waferllm" ] &&
		[ -f "$build/.installed" ] && [ -z "$(find "$build/waferllm" \
		"$top/data" -newer "$build/.installed")" ]; then
		return 0
	fi
	make -s -C "$build" install >/dev/null || return
	touch "$build/.installed"
}

jobs_at_once() {
	nproc 2>/dev/null || echo 2
}

# All the steps above.
set_up() {
	install_packages && clean_source_tree && configure_build &&
		build_and_install
}

# Prints flags that may allow the launcher $1 to start more ranks than cores,
# and as root. One candidate per line, the most likely first.
launcher_flags() {
	local root=
	[ "$(id -u)" != 0 ] || root=--allow-run-as-root
	case $("$1" --version 2>/dev/null | head -n 1) in
	*'Open MPI'*' '[1-4].*)
		echo "$root --oversubscribe --bind-to none" ;;
	*'Open MPI'* | *prrte* | *PRRTE*)
		echo "$root --map-by :OVERSUBSCRIBE --bind-to none" ;;
	esac
	echo "$root"
	echo ''
}

# Sets launcher to mpirun with its flags. The result is cached in the file $1
# until mpirun or the user changes. WAFERLLM_MPIRUN is used unchanged.
find_launcher() {
	local cache=$1 mpirun key flags
	launcher=${WAFERLLM_MPIRUN-}
	[ -z "$launcher" ] || return 0
	if ! mpirun=$(command -v mpirun || command -v mpiexec); then
		say 'no mpirun: install openmpi-bin (Debian) or openmpi (Spack),' \
			'load an openmpi module, or set WAFERLLM_MPIRUN'
		return 1
	fi
	key="$mpirun $("$mpirun" --version 2>&1 | head -n 1) $(id -u)"
	if [ -f "$cache" ] && [ "$(head -n 1 "$cache")" = "$key" ]; then
		launcher=$(tail -n 1 "$cache")
		return 0
	fi
	while read -r flags; do
		launcher="$mpirun${flags:+ $flags}"
		# More ranks than most machines have slots.
		# shellcheck disable=SC2086
		timeout 60 $launcher -n "$(($(jobs_at_once) + 2))" true \
			</dev/null >/dev/null 2>&1 || continue
		printf '%s\n' "$key" "$launcher" >"$cache.$$" &&
			mv "$cache.$$" "$cache"
		return 0
	done < <(launcher_flags "$mpirun")
	say "$mpirun does not run 'true': set WAFERLLM_MPIRUN to a command" \
		'that takes -n RANKS PROGRAM'
	launcher=
	return 1
}
