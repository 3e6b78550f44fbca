# WL_FIND(NAME, WAYS, LIBS, INCLUDES, BODY)
#
# Finds a library by compiling and linking a program made of INCLUDES and BODY.
# NAME_CFLAGS and NAME_LIBS are used as they are when the user gave one of
# them. Otherwise each of WAYS is tried, a pkg-config module, a compiler wrapper
# (*cc) that knows -show, or a library (-l*), and at last plain LIBS. Sets and
# substitutes NAME_CFLAGS and NAME_LIBS, and sets wl_found to the way that
# worked or "no".
AC_DEFUN([WL_FIND], [
AC_ARG_VAR([$1_CFLAGS], [preprocessor flags for $1, where not found by itself])
AC_ARG_VAR([$1_LIBS], [linker flags for $1, where not found by itself])
AC_MSG_CHECKING([for $1])
wl_found=no
wl_save_CPPFLAGS=$CPPFLAGS
wl_save_LIBS=$LIBS
wl_ways="$2 plain"
test -z "$$1_CFLAGS$$1_LIBS" || wl_ways=given
for wl_way in $wl_ways; do
	AS_CASE([$wl_way],
	[given], [wl_cflags=$$1_CFLAGS wl_libs=$$1_LIBS],
	[plain], [wl_cflags= wl_libs="$3"],
	[*cc], [WL_SHOW([$wl_way])],
	[-l*], [wl_cflags= wl_libs=$wl_way],
	[wl_cflags=`$PKG_CONFIG --cflags $wl_way 2>/dev/null` || continue
	wl_libs=`$PKG_CONFIG --libs $wl_way 2>/dev/null`])
	CPPFLAGS="$wl_cflags $wl_save_CPPFLAGS"
	LIBS="$wl_libs $wl_save_LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([$4], [$5])], [wl_found=$wl_way])
	test "$wl_found" = no || break
done
CPPFLAGS=$wl_save_CPPFLAGS
LIBS=$wl_save_LIBS
AS_IF([test "$wl_found" = no], [wl_cflags= wl_libs=])
$1_CFLAGS=$wl_cflags
$1_LIBS=$wl_libs
AC_MSG_RESULT([$wl_found])
])

# WL_SHOW(WRAPPER): wl_cflags and wl_libs from what WRAPPER -show prints.
AC_DEFUN([WL_SHOW], [
wl_cflags= wl_libs=
for wl_word in `$1 -show 2>/dev/null`; do
	AS_CASE([$wl_word],
	[-I*|-D*], [wl_cflags="$wl_cflags $wl_word"],
	[-L*|-l*|-Wl,*|*.a|*.so], [wl_libs="$wl_libs $wl_word"])
done
])

# WL_MISSING(WHAT, DEBIAN, SPACK, MODULE, [HINT]): stops and says what to get.
AC_DEFUN([WL_MISSING], [AC_MSG_ERROR(m4_normalize([no usable $1: install $2
(Debian) or $3 (Spack), or load a module such as $4 $5]))])
