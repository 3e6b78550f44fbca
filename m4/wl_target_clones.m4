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
}
/* As another file calls it: some compilers give it another name. */
int from_elsewhere(int x) __asm__("twice");
]], [[return twice(21) != 42 || from_elsewhere(3) != 6;]])],
	[wl_target_clones=yes], [wl_target_clones=no], [wl_target_clones=no])
AC_MSG_RESULT([$wl_target_clones])
AS_IF([test $wl_target_clones = yes],
	[AC_DEFINE([HAVE_TARGET_CLONES], [1],
	[Define to 1 if functions can be compiled for several x86-64 levels.])])
])

# Defines HAVE_TARGET_LEVELS when functions can be compiled for single x86-64
# levels, which takes the compiler alone.
AC_DEFUN([WL_TARGET_LEVELS], [
AC_MSG_CHECKING([for __attribute__((target("arch=x86-64-v4")))])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#pragma GCC diagnostic error "-Wattributes"
#include <immintrin.h>
__attribute__((target("arch=x86-64-v3"))) int narrow(void)
{
	return _mm_cvtsi128_si32(_mm256_castsi256_si128(_mm256_set1_epi32(1)));
}
__attribute__((target("arch=x86-64-v4"))) int wide(void)
{
	return _mm512_reduce_add_epi32(_mm512_set1_epi32(1));
}]], [[return narrow() + wide();]])],
	[wl_target_levels=yes], [wl_target_levels=no])
AC_MSG_RESULT([$wl_target_levels])
AS_IF([test $wl_target_levels = yes],
	[AC_DEFINE([HAVE_TARGET_LEVELS], [1],
	[Define to 1 if functions can be compiled for single x86-64 levels.])])
])
