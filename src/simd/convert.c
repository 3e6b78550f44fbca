#include "config.h"
#include "simd/convert.h"

#include <string.h>

#include "loops.h"

#define F32_SIGN 0x80000000u
#define F32_INF 0x7f800000u

/* As float bits: 2^16, the power of two above the largest binary16 number
 * (those between the two round by the general rule), and 2^-14, the smallest
 * normal binary16 number. */
#define F16_TOO_LARGE 0x47800000u
#define F16_MIN_NORMAL 0x38800000u

static uint32_t bits_of(float f)
{
	uint32_t x;

	memcpy(&x, &f, sizeof x);
	return x;
}

static float float_of(uint32_t x)
{
	float f;

	memcpy(&f, &x, sizeof f);
	return f;
}

/* v / 2^s to the nearest integer, ties to even; s >= 1. */
static uint32_t round_shift(uint32_t v, int s)
{
	return (v + (1u << (s - 1)) - 1 + (v >> s & 1)) >> s;
}

float wl_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exponent = h >> 10 & 0x1f;
	uint32_t fraction = h & 0x3ff;

	if (exponent == 0x1f) /* a NaN becomes quiet, as on processors */
		return float_of(sign | F32_INF | fraction << 13 |
		                (fraction ? 0x400000 : 0));
	if (exponent == 0) /* a multiple of 2^-24, exact as a float */
		return float_of(sign | bits_of(fraction * 0x1p-24f));
	return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Rounds a magnitude below 2^-14, given as float bits, to a multiple of
 * 2^-24. */
static uint16_t f16_subnormal(uint32_t x)
{
	int exponent = x >> 23;
	int shift = 126 - exponent; /* value = significand * 2^-24 / 2^shift */

	if (shift > 24) /* below half of 2^-24 */
		return 0;
	return round_shift((x & 0x7fffff) | 0x800000, shift);
}

uint16_t wl_f32_to_f16(float f)
{
	uint32_t x = bits_of(f);
	uint16_t sign = x >> 16 & 0x8000;

	x &= ~F32_SIGN;
	if (x > F32_INF) /* a NaN becomes quiet, as on processors */
		return sign | 0x7e00 | (x >> 13 & 0x3ff);
	if (x >= F16_TOO_LARGE)
		return sign | 0x7c00;
	if (x < F16_MIN_NORMAL)
		return sign | f16_subnormal(x);
	/* A carry out of the fraction correctly increments the exponent, and
	 * turns the largest finite number into infinity. */
	return sign | round_shift(x - (112u << 23), 13);
}

float wl_bf16_to_f32(uint16_t h)
{
	return float_of((uint32_t)h << 16);
}

uint16_t wl_f32_to_bf16(float f)
{
	uint32_t x = bits_of(f);

	if ((x & ~F32_SIGN) > F32_INF) /* a NaN stays a NaN */
		return x >> 16 | 0x40;
	return round_shift(x, 16);
}

/* The last n < VEC_LANES elements, which fill no whole vector. */
static void widen_rest(float *dst, const void *src, enum wl_type t, size_t n)
{
	uint16_t h[VEC_LANES];

	if (t == WL_F32) {
		memcpy(dst, src, n * sizeof *dst);
		return;
	}
	memcpy(h, src, n * sizeof *h);
	for (size_t i = 0; i < n; i++)
		dst[i] = t == WL_F16 ? wl_f16_to_f32(h[i])
		                     : wl_bf16_to_f32(h[i]);
}

static void narrow_rest(void *dst, const float *src, enum wl_type t, size_t n)
{
	uint16_t h[VEC_LANES];

	if (t == WL_F32) {
		memcpy(dst, src, n * sizeof *src);
		return;
	}
	for (size_t i = 0; i < n; i++)
		h[i] = t == WL_F16 ? wl_f32_to_f16(src[i])
		                   : wl_f32_to_bf16(src[i]);
	memcpy(dst, h, n * sizeof *h);
}

void wl_to_f32(float *dst, const void *src, enum wl_type t, size_t n)
{
	size_t i = loops()->widen[t](dst, src, n);

	widen_rest(dst + i, (const char *)src + i * wl_type_size(t), t, n - i);
}

void wl_from_f32(void *dst, const float *src, enum wl_type t, size_t n)
{
	size_t i = loops()->narrow[t](dst, src, n);

	narrow_rest((char *)dst + i * wl_type_size(t), src + i, t, n - i);
}

void wl_round(float *x, enum wl_type t, size_t n)
{
	uint16_t h[32 * VEC_LANES];
	size_t max = sizeof h / sizeof *h;

	for (size_t i = 0; t != WL_F32 && i < n; i += max) {
		size_t part = n - i < max ? n - i : max;

		wl_from_f32(h, x + i, t, part);
		wl_to_f32(x + i, h, t, part);
	}
}

void wl_convert(void *dst, enum wl_type to, const void *src,
                enum wl_type from, size_t n)
{
	float x[32 * VEC_LANES];
	size_t max = sizeof x / sizeof *x;

	if (to == from) {
		memcpy(dst, src, n * wl_type_size(to));
		return;
	}
	for (size_t i = 0; i < n; i += max) {
		size_t part = n - i < max ? n - i : max;

		wl_to_f32(x, (const char *)src + i * wl_type_size(from), from,
		          part);
		wl_from_f32((char *)dst + i * wl_type_size(to), x, to, part);
	}
}

bool wl_all_finite(const void *p, enum wl_type t, size_t n)
{
	/* NaNs and infinities have all exponent bits set, so adding 1 to the
	 * exponent carries into the sign bit. */
	if (t == WL_F32) {
		const uint32_t *x = p;
		uint32_t found = 0;

		for (size_t i = 0; i < n; i++)
			found |= (x[i] & F32_INF) + 0x800000;
		return !(found & F32_SIGN);
	}
	const uint16_t *x = p, exponent = t == WL_F16 ? 0x7c00 : 0x7f80;
	const uint16_t lowest = exponent & -exponent;
	uint16_t found = 0;

	for (size_t i = 0; i < n; i++)
		found |= (x[i] & exponent) + lowest;
	return !(found & 0x8000);
}
