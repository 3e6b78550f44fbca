#include "config.h"
#include "simd/simd.h"

#ifdef SIMD_X86
#include <cpuid.h>

/* Some compilers' __builtin_cpu_supports does not accept "f16c". */
static int has_f16c(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}
#endif

/* Detected level (-1: not yet) and upper limit. Concurrent first calls all
 * store the same level, so the race is benign. */
static int found = -1, limit = SIMD_LEVELS - 1;

static enum simd_level find_level(void)
{
#ifdef SIMD_X86
	__builtin_cpu_init();
	/* The extensions of each level that the innermost loops use. */
	if (__builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512cd") &&
	    __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl"))
		return SIMD_V4;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	    __builtin_cpu_supports("bmi2") && has_f16c())
		return SIMD_V3;
#endif
	return SIMD_PLAIN;
}

enum simd_level simd_level(void)
{
	if (found < 0)
		found = find_level();
	return found < limit ? found : limit;
}

enum simd_level simd_limit(enum simd_level max)
{
	limit = max;
	return simd_level();
}

const char *simd_name(enum simd_level level)
{
	static const char *const name[SIMD_LEVELS] = {
		[SIMD_PLAIN] = "plain C",
		[SIMD_V3] = "x86-64-v3 (AVX2)",
		[SIMD_V4] = "x86-64-v4 (AVX-512)",
	};

	return name[level];
}
