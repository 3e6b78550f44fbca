#include "config.h"
#include "convert.h"

#include <string.h>

#define F32_SIGN 0x80000000u
#define F32_INF 0x7f800000u

/* As float bits: the least number whose binary16 is infinite without any
 * rounding (2^16), and the least normal binary16 number (2^-14). */
#define F16_TOO_LARGE 0x47800000u
#define F16_LEAST_NORMAL 0x38800000u

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

	if (exponent == 0x1f)
		return float_of(sign | F32_INF | fraction << 13);
	if (exponent == 0) /* a multiple of 2^-24, exact as a float */
		return float_of(sign | bits_of(fraction * 0x1p-24f));
	return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Magnitude bits x below 2^-14 as a multiple of 2^-24. */
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
	if (x > F32_INF) {
		uint16_t fraction = x >> 13 & 0x3ff;

		/* A NaN must not lose all of its fraction. */
		return sign | 0x7c00 | (fraction ? fraction : 0x200);
	}
	if (x >= F16_TOO_LARGE)
		return sign | 0x7c00;
	if (x < F16_LEAST_NORMAL)
		return sign | f16_subnormal(x);
	/* A carry out of the fraction goes into the exponent, as it should,
	 * and from the largest number to infinity. */
	return sign | round_shift(x - (112u << 23), 13);
}

float wl_bf16_to_f32(uint16_t h)
{
	return float_of((uint32_t)h << 16);
}

uint16_t wl_f32_to_bf16(float f)
{
	uint32_t x = bits_of(f);

	if ((x & ~F32_SIGN) > F32_INF) /* keep a NaN's fraction from 0 */
		return x >> 16 | (x >> 16 & 0x7f ? 0 : 0x40);
	return round_shift(x, 16);
}

/* Little-endian bytes <-> numbers, on any host. */

static uint16_t get16(const unsigned char *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void put16(unsigned char *p, uint16_t v)
{
	p[0] = v & 0xff;
	p[1] = v >> 8;
}

static void put32(unsigned char *p, uint32_t v)
{
	put16(p, v & 0xffff);
	put16(p + 2, v >> 16);
}

void wl_to_f32(float *dst, const void *src, enum wl_type t, size_t n)
{
	const unsigned char *p = src;

	switch (t) {
	case WL_F32:
		for (size_t i = 0; i < n; i++)
			dst[i] = float_of(get32(p + 4 * i));
		break;
	case WL_F16:
		for (size_t i = 0; i < n; i++)
			dst[i] = wl_f16_to_f32(get16(p + 2 * i));
		break;
	case WL_BF16:
		for (size_t i = 0; i < n; i++)
			dst[i] = wl_bf16_to_f32(get16(p + 2 * i));
		break;
	case WL_NTYPES:
		break;
	}
}

void wl_from_f32(void *dst, const float *src, enum wl_type t, size_t n)
{
	unsigned char *p = dst;

	switch (t) {
	case WL_F32:
		for (size_t i = 0; i < n; i++)
			put32(p + 4 * i, bits_of(src[i]));
		break;
	case WL_F16:
		for (size_t i = 0; i < n; i++)
			put16(p + 2 * i, wl_f32_to_f16(src[i]));
		break;
	case WL_BF16:
		for (size_t i = 0; i < n; i++)
			put16(p + 2 * i, wl_f32_to_bf16(src[i]));
		break;
	case WL_NTYPES:
		break;
	}
}
