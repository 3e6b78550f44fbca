/* Vectors of 16 floats in plain C, for the innermost loops. An operation on a
 * vector is that of each lane by itself, so that results are the same whatever
 * the processor has. What includes this is built once for each level of vector
 * instructions (simd.h), as LANES_LEVEL: 0, 3 or 4; which one runs is decided
 * when it is called (kernels.h). */
#ifndef WL_LANES_H
#define WL_LANES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd/convert.h"
#include "simd/simd.h"
#include "simd/vec.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "elements lie in memory as in a checkpoint: little-endian"
#endif

#define LANES VEC_LANES

/* What functions of a level begin with, and bytes of a register. */
#if LANES_LEVEL == 4
#define LANES_TARGET __attribute__((target("arch=x86-64-v4")))
#define LANES_PART 64
#elif LANES_LEVEL == 3
#define LANES_TARGET __attribute__((target("arch=x86-64-v3")))
#define LANES_PART 32
#else
#define LANES_TARGET
#if defined __AVX512F__
#define LANES_PART 64
#elif defined __AVX__
#define LANES_PART 32
#else
#define LANES_PART 16
#endif
#endif
#define LANES_INLINE LANES_TARGET static inline __attribute__((always_inline))
#ifdef SIMD_X86
#include <immintrin.h>
#endif

/* As many registers as it takes: compilers keep vectors that are wider than
 * those in memory. */
#define LANES_PARTS (64 / LANES_PART)
#define LANES_EACH (LANES / LANES_PARTS)
typedef float lanes_part __attribute__((vector_size(LANES_PART)));
typedef struct { lanes_part part[LANES_PARTS]; } lanes;

/* Whether there are registers for 32 of them. */
#define LANES_WIDE (LANES_PART == 64)

/* Ways to make 16 floats of 16 stored elements, and to store them. */
typedef lanes lanes_load(const void *p);
typedef void lanes_store(void *p, lanes x);

LANES_INLINE lanes lanes_all(float x)
{
	lanes r = { { { 0 } } };

#pragma GCC unroll 4
	for (int i = 0; i < LANES_PARTS; i++)
		r.part[i] = x - (lanes_part){ 0 };
	return r;
}

LANES_INLINE lanes lanes_zero(void)
{
	return lanes_all(0);
}

/* a b + c, one rounding. */
#if LANES_LEVEL == 4
LANES_INLINE lanes_part lanes_fma_part(lanes_part a, lanes_part b, lanes_part c)
{
	return (lanes_part)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#elif LANES_LEVEL == 3
LANES_INLINE lanes_part lanes_fma_part(lanes_part a, lanes_part b, lanes_part c)
{
	return (lanes_part)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
#else
/* Compilers see one instruction in it, where the processor has it. */
LANES_INLINE lanes_part lanes_fma_part(lanes_part a, lanes_part b, lanes_part c)
{
	lanes_part r = { 0 };

	for (int i = 0; i < LANES_EACH; i++)
		r[i] = fmaf(a[i], b[i], c[i]);
	return r;
}
#endif

LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
	lanes r = { { { 0 } } };

#pragma GCC unroll 4
	for (int i = 0; i < LANES_PARTS; i++)
		r.part[i] = lanes_fma_part(a.part[i], b.part[i], c.part[i]);
	return r;
}

/* Part by part: compilers copy a structure through memory. */
LANES_INLINE lanes lanes_f32(const void *p)
{
	lanes r = { { { 0 } } };

#pragma GCC unroll 4
	for (int i = 0; i < LANES_PARTS; i++)
		memcpy(&r.part[i], (const char *)p + i * LANES_PART,
		       LANES_PART);
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
#pragma GCC unroll 4
	for (int i = 0; i < LANES_PARTS; i++)
		memcpy((char *)p + i * LANES_PART, &x.part[i], LANES_PART);
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

#if LANES_LEVEL == 4
LANES_INLINE lanes lanes_f16(const void *p)
{
	return (lanes){ { (lanes_part)_mm512_cvtph_ps(
		_mm256_loadu_si256(p)) } };
}

/* As integers: the upper halves of floats. */
LANES_INLINE lanes lanes_bf16(const void *p)
{
	return (lanes){ { (lanes_part)_mm512_slli_epi32(
		_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16) } };
}

LANES_INLINE void lanes_put_f16(void *p, lanes x)
{
	_mm256_storeu_si256(p, _mm512_cvtps_ph((__m512)x.part[0],
	                                       _MM_FROUND_TO_NEAREST_INT));
}
#elif LANES_LEVEL == 3
LANES_INLINE lanes lanes_f16(const void *p)
{
	const __m128i *half = p;

	return (lanes){ {
		(lanes_part)_mm256_cvtph_ps(_mm_loadu_si128(half)),
		(lanes_part)_mm256_cvtph_ps(_mm_loadu_si128(half + 1)) } };
}

LANES_INLINE lanes lanes_bf16(const void *p)
{
	const __m128i *half = p;

	return (lanes){ {
		(lanes_part)_mm256_slli_epi32(_mm256_cvtepu16_epi32(
			_mm_loadu_si128(half)), 16),
		(lanes_part)_mm256_slli_epi32(_mm256_cvtepu16_epi32(
			_mm_loadu_si128(half + 1)), 16) } };
}

LANES_INLINE void lanes_put_f16(void *p, lanes x)
{
	__m128i *half = p;

	for (int i = 0; i < 2; i++)
		_mm_storeu_si128(half + i, _mm256_cvtps_ph(
			(__m256)x.part[i], _MM_FROUND_TO_NEAREST_INT));
}
#else
LANES_INLINE lanes lanes_one_by_one(const void *p, float (*to_f32)(uint16_t))
{
	uint16_t h[LANES];
	float x[LANES];

	memcpy(h, p, sizeof h);
	for (int i = 0; i < LANES; i++)
		x[i] = to_f32(h[i]);
	return lanes_f32(x);
}

LANES_INLINE lanes lanes_f16(const void *p)
{
	return lanes_one_by_one(p, wl_f16_to_f32);
}

LANES_INLINE lanes lanes_bf16(const void *p)
{
	return lanes_one_by_one(p, wl_bf16_to_f32);
}

LANES_INLINE void lanes_put_f16(void *p, lanes x)
{
	uint16_t h[LANES];
	float f[LANES];

	memcpy(f, &x, sizeof f);
	for (int i = 0; i < LANES; i++)
		h[i] = wl_f32_to_f16(f[i]);
	memcpy(p, h, sizeof h);
}
#endif

/* Makes a function of each element type by MAKE(its name, a way to load and to
 * store, bytes of an element), and their table for struct loops. */
#define LANES_TYPES(MAKE, name)                                               \
	MAKE(name##_f32, lanes_f32, lanes_put, 4)                             \
	MAKE(name##_f16, lanes_f16, lanes_put_f16, 2)                         \
	MAKE(name##_bf16, lanes_bf16, lanes_put_bf16, 2)
#define LANES_TABLE(name) { [WL_F32] = name##_f32, [WL_F16] = name##_f16,     \
	                    [WL_BF16] = name##_bf16 }

#endif
