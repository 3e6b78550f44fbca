/* Which vector instructions this process uses. Results do not depend on it. */
#ifndef WL_SIMD_H
#define WL_SIMD_H

/* Functions can be built for instruction sets beyond those the program as a
 * whole may use: config.h comes first. */
#if defined __x86_64__ && defined HAVE_TARGET_LEVELS
#define SIMD_X86 1
#endif

enum simd_level { SIMD_PLAIN, SIMD_V3, SIMD_V4, SIMD_LEVELS };

/* The best that the processor has and the program was built with, or less
 * where simd_limit says so. Not collective. */
enum simd_level simd_level(void);
/* Uses no more than that from now on; returns the level used: for tests. */
enum simd_level simd_limit(enum simd_level max);
/* "plain C", "x86-64-v3 (AVX2)", "x86-64-v4 (AVX-512)". */
const char *simd_name(enum simd_level level);

#endif
