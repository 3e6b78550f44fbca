# Defines HAVE_TARGET_CLONES when a function that is compiled for several
# x86-64 levels links and runs: it takes the compiler, the linker and the C
# library (ifunc) to agree. Sets wl_target_clones to yes or no.
AC_DEFUN([WL_TARGET_CLONES], [
AC_MSG_CHECKING([for __attribute__((target_clones))])
AC_RUN_IFELSE([AC_LANG_PROGRAM([[
#pragma GCC diagnostic error "-Wattributes"
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
int twice(int x)
{
	return 2 * x;
}]], [[return twice(21) != 42;]])],
	[wl_target_clones=yes], [wl_target_clones=no], [wl_target_clones=no])
AC_MSG_RESULT([$wl_target_clones])
AS_IF([test $wl_target_clones = yes],
	[AC_DEFINE([HAVE_TARGET_CLONES], [1],
	[Define to 1 if functions can be compiled for several x86-64 levels.])])
])
