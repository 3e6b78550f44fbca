/* The level of vector instructions that this process uses. Results do not
 * depend on it. Not collective. */
#ifndef WL_SIMD_H
#define WL_SIMD_H

/* Defined where single functions can be compiled for instruction sets beyond
 * the program's baseline. Include config.h first. */
#if defined __x86_64__ && defined HAVE_TARGET_LEVELS
#define SIMD_X86 1
#endif

enum simd_level { SIMD_PLAIN, SIMD_V3, SIMD_V4, SIMD_LEVELS };

/* The highest level that the processor supports, the program was built with
 * and simd_limit permits. */
enum simd_level simd_level(void);
/* Sets the highest level to use from now on; returns the level in use. For
 * tests. */
enum simd_level simd_limit(enum simd_level max);
/* "plain C", "x86-64-v3 (AVX2)", "x86-64-v4 (AVX-512)". Static storage. */
const char *simd_name(enum simd_level level);

#endif
