/* Vectors of 16 floats in plain C, for the innermost loops, and how functions
 * are built for several instruction sets. An operation on a vector is that of
 * each lane by itself, so that results are the same whatever the processor
 * has. Bodies are inlined into a version for each level; which one runs is
 * decided when it is called (simd.h). */
#ifndef WL_LANES_H
#define WL_LANES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "convert.h"
#include "simd.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "elements lie in memory as in a checkpoint: little-endian"
#endif

#define LANES 16

#define LANES_INLINE static inline __attribute__((always_inline))

/* What a function of each level begins with. */
#define LANES_PLAIN
#ifdef SIMD_X86
#include <immintrin.h>
#define LANES_V3 __attribute__((target("arch=x86-64-v3")))
#define LANES_V4 __attribute__((target("arch=x86-64-v4")))
#endif

typedef float lanes __attribute__((vector_size(64)));

/* Ways to make 16 floats of 16 stored elements, and to store them. */
typedef lanes lanes_load(const void *p);
typedef void lanes_store(void *p, lanes x);

LANES_INLINE lanes lanes_all(float x)
{
	return x - (lanes){ 0 };
}

/* a b + c, one rounding: compilers see one instruction in it, where the
 * processor has it. */
LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
	lanes r;

	for (int i = 0; i < LANES; i++)
		r[i] = fmaf(a[i], b[i], c[i]);
	return r;
}

LANES_INLINE lanes lanes_f32(const void *p)
{
	lanes r;

	memcpy(&r, p, sizeof r);
	return r;
}

LANES_INLINE lanes lanes_bf16_plain(const void *p)
{
	uint16_t h[LANES];
	lanes r;

	memcpy(h, p, sizeof h);
	for (int i = 0; i < LANES; i++)
		r[i] = wl_bf16_to_f32(h[i]);
	return r;
}

LANES_INLINE lanes lanes_f16_plain(const void *p)
{
	uint16_t h[LANES];
	lanes r;

	memcpy(h, p, sizeof h);
	for (int i = 0; i < LANES; i++)
		r[i] = wl_f16_to_f32(h[i]);
	return r;
}

/* Copies n < 16 units of so many bytes, without a call. */
LANES_INLINE void lanes_copy(void *to, const void *from, size_t n,
                             const size_t unit)
{
	char *t = to;
	const char *f = from;

#pragma GCC unroll 4
	for (int part = LANES / 2; part; part /= 2)
		if (n & part) {
			memcpy(t, f, part * unit);
			t += part * unit;
			f += part * unit;
		}
}

LANES_INLINE void lanes_put(void *p, lanes x)
{
	memcpy(p, &x, sizeof x);
}

/* To nearest, ties to even; a NaN is made quiet and stays one. Not by the
 * processor's instruction, which takes subnormals for 0. */
LANES_INLINE void lanes_put_bf16(void *p, lanes x)
{
	uint16_t h[LANES];
	uint32_t w[LANES];

	memcpy(w, &x, sizeof w);
	for (int i = 0; i < LANES; i++) {
		uint32_t nearest = w[i] + 0x7fff + (w[i] >> 16 & 1);
		uint32_t nan = w[i] | 0x400000;

		h[i] = ((w[i] & 0x7fffffff) > 0x7f800000 ? nan : nearest) >> 16;
	}
	memcpy(p, h, sizeof h);
}

LANES_INLINE void lanes_put_f16_plain(void *p, lanes x)
{
	uint16_t h[LANES];

	for (int i = 0; i < LANES; i++)
		h[i] = wl_f32_to_f16(x[i]);
	memcpy(p, h, sizeof h);
}

#ifdef SIMD_X86
LANES_V3 LANES_INLINE lanes lanes_f16_v3(const void *p)
{
	const __m128i *half = p;
	const __m256 two[] = { _mm256_cvtph_ps(_mm_loadu_si128(half)),
	                       _mm256_cvtph_ps(_mm_loadu_si128(half + 1)) };
	lanes r;

	memcpy(&r, two, sizeof r);
	return r;
}

/* As integers: the upper halves of floats. */
LANES_V3 LANES_INLINE lanes lanes_bf16_v3(const void *p)
{
	const __m128i *half = p;
	__m256i two[2];
	lanes r;

	for (int i = 0; i < 2; i++)
		two[i] = _mm256_slli_epi32(_mm256_cvtepu16_epi32(
			_mm_loadu_si128(half + i)), 16);
	memcpy(&r, two, sizeof r);
	return r;
}

LANES_V3 LANES_INLINE void lanes_put_f16_v3(void *p, lanes x)
{
	__m128i *half = p;
	__m256 two[2];

	memcpy(two, &x, sizeof two);
	for (int i = 0; i < 2; i++)
		_mm_storeu_si128(half + i, _mm256_cvtps_ph(
			two[i], _MM_FROUND_TO_NEAREST_INT));
}

LANES_V4 LANES_INLINE lanes lanes_f16_v4(const void *p)
{
	return (lanes)_mm512_cvtph_ps(_mm256_loadu_si256(p));
}

LANES_V4 LANES_INLINE lanes lanes_bf16_v4(const void *p)
{
	return (lanes)_mm512_slli_epi32(_mm512_cvtepu16_epi32(
		_mm256_loadu_si256(p)), 16);
}

LANES_V4 LANES_INLINE void lanes_put_f16_v4(void *p, lanes x)
{
	_mm256_storeu_si256(p, _mm512_cvtps_ph((__m512)x,
	                                       _MM_FROUND_TO_NEAREST_INT));
}
#endif

/* Makes a function of each level and element type by MAKE(attribute, its name,
 * a way to load and to store, bytes of an element, whether there are registers
 * for 32 vectors), and a table name[level][type] of them. */
#define LANES_OF_LEVEL(MAKE, name, level, attribute, wide)                    \
	MAKE(attribute, name##_f32_##level, lanes_f32, lanes_put, 4, wide)    \
	MAKE(attribute, name##_f16_##level, lanes_f16_##level,                \
	     lanes_put_f16_##level, 2, wide)                                  \
	MAKE(attribute, name##_bf16_##level, lanes_bf16_##level,              \
	     lanes_put_bf16, 2, wide)
#define LANES_ROW(name, level) { [WL_F32] = name##_f32_##level,               \
	[WL_F16] = name##_f16_##level, [WL_BF16] = name##_bf16_##level }
#ifdef SIMD_X86
#define LANES_FUNCTIONS(MAKE, name, function)                                 \
	LANES_OF_LEVEL(MAKE, name, plain, LANES_PLAIN, 0)                     \
	LANES_OF_LEVEL(MAKE, name, v3, LANES_V3, 0)                           \
	LANES_OF_LEVEL(MAKE, name, v4, LANES_V4, 1)                           \
	static function *const name[SIMD_LEVELS][WL_NTYPES] = {               \
		[SIMD_PLAIN] = LANES_ROW(name, plain),                        \
		[SIMD_V3] = LANES_ROW(name, v3),                              \
		[SIMD_V4] = LANES_ROW(name, v4) };
#else
#define LANES_FUNCTIONS(MAKE, name, function)                                 \
	LANES_OF_LEVEL(MAKE, name, plain, LANES_PLAIN, 0)                     \
	static function *const name[SIMD_LEVELS][WL_NTYPES] = {               \
		[SIMD_PLAIN] = LANES_ROW(name, plain) };
#endif

#endif
