/* Vectors of 16 floats for the innermost loops. Operations work lane by lane,
 * so results do not depend on the processor's vector length. Code that includes
 * this is compiled once per level of vector instructions (simd.h), with
 * LANES_LEVEL set to 0 (plain C), 3 or 4; loops() picks one at run time. */
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
#error "a little-endian host is needed: elements are stored as in checkpoints"
#endif

#define LANES VEC_LANES

/* LANES_TARGET: attribute of every function of the level. LANES_PART: bytes of
 * a vector register. */
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

/* A vector is an array of registers: compilers spill vector types that are
 * wider than a register to memory. */
#define LANES_PARTS (64 / LANES_PART)
#define LANES_EACH (LANES / LANES_PARTS)
typedef float lanes_part __attribute__((vector_size(LANES_PART)));
typedef struct { lanes_part part[LANES_PARTS]; } lanes;

/* Whether the processor has 32 registers of one whole vector each. */
#define LANES_WIDE (LANES_PART == 64)

/* Load 16 stored elements as floats; store 16 floats as elements. */
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

/* a * b + c, rounded once. */
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
/* Compilers turn this loop into one instruction where the target has it. */
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

/* Copied part by part: compilers copy whole structures through memory. */
LANES_INLINE lanes lanes_f32(const void *p)
{
	lanes r = { { { 0 } } };

#pragma GCC unroll 4
	for (int i = 0; i < LANES_PARTS; i++)
		memcpy(&r.part[i], (const char *)p + i * LANES_PART,
		       LANES_PART);
	return r;
}

/* Copies n < 16 elements of `unit` bytes each without calling memcpy. */
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

/* Rounds to nearest, ties to even; a NaN becomes quiet. The processor's own
 * instruction would flush subnormals to 0. */
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

/* A bfloat16 is the upper half of a float. */
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

/* LANES_TYPES defines one function per element type by
 * MAKE(name, load function, store function, bytes of an element); LANES_TABLE
 * lists those functions for struct loops. */
#define LANES_TYPES(MAKE, name)                                               \
	MAKE(name##_f32, lanes_f32, lanes_put, 4)                             \
	MAKE(name##_f16, lanes_f16, lanes_put_f16, 2)                         \
	MAKE(name##_bf16, lanes_bf16, lanes_put_bf16, 2)
#define LANES_TABLE(name) { [WL_F32] = name##_f32, [WL_F16] = name##_f16,     \
	                    [WL_BF16] = name##_bf16 }

#endif
