#include "config.h"
#include "simd/vec.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "loops.h"

void vec_gemv(size_t k, size_t n, const float *x, size_t stride,
              enum wl_type type, const void *w, size_t ldw, float *y)
{
	loops()->gemv[type](k, n, x, stride, w, ldw, y);
}

void vec_gemv_streams(size_t count, const struct vec_stream *streams, size_t n,
                      enum wl_type type)
{
	loops()->panels[type](count, streams, n);
}

/* The compiler builds these functions for several instruction sets; the loader
 * picks one when the program starts. fmaf is one instruction in the vector
 * versions and the C library's exact routine in the plain one, so results are
 * bit-identical. */
#ifdef HAVE_TARGET_CLONES
#define WL_CLONES __attribute__((target_clones("arch=x86-64-v4", \
                                               "arch=x86-64-v3", "default")))
#else
#define WL_CLONES
#endif

WL_CLONES
void vec_add(size_t n, const float *restrict x, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

WL_CLONES
void vec_scale(size_t n, float s, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] *= s;
}

WL_CLONES
float vec_sum_squares(size_t n, const float *x)
{
	float sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = fmaf(x[i], x[i], sum);
	return sum;
}

WL_CLONES
void vec_norm_scale(size_t n, const float *restrict x, float s,
                    const float *restrict w, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] * s * w[i];
}

WL_CLONES
float vec_max(size_t n, const float *x)
{
	float max[VEC_LANES], top = -INFINITY;
	size_t i = 0;

	for (int l = 0; l < VEC_LANES; l++)
		max[l] = top;
	for (; i + VEC_LANES <= n; i += VEC_LANES)
		for (int l = 0; l < VEC_LANES; l++)
			max[l] = x[i + l] > max[l] ? x[i + l] : max[l];
	for (int l = 0; l < VEC_LANES; l++)
		top = max[l] > top ? max[l] : top;
	for (; i < n; i++)
		top = x[i] > top ? x[i] : top;
	return top;
}

float vec_sum(size_t n, const float *x)
{
	float sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return sum;
}

/* exp(x) for x <= 88: x = n ln 2 + r with |r| <= ln 2 / 2, and the Taylor
 * series of exp(r) to r^7 (remainder below 6e-9). ln 2 is split into two
 * constants so that r is accurate (Cody and Waite, Software Manual for the
 * Elementary Functions, 1980). Below -87 the result is flushed to 0. */
static inline float exp_poly(float x)
{
	const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds */
	float shifted = fmaf(x, 1.44269504f, magic);
	float n = shifted - magic;
	float r = fmaf(n, -0.693359375f, x);
	uint32_t bits;
	float scale, p;

	r = fmaf(n, 2.12194440e-4f, r);
	p = fmaf(r, 1.0f / 5040, 1.0f / 720);
	p = fmaf(p, r, 1.0f / 120);
	p = fmaf(p, r, 1.0f / 24);
	p = fmaf(p, r, 1.0f / 6);
	p = fmaf(p, r, 0.5f);
	p = fmaf(p, r, 1.0f);
	p = fmaf(p, r, 1.0f);
	/* Build 2^n in the exponent field; shifted's low bits hold n. */
	memcpy(&bits, &shifted, sizeof bits);
	bits = (bits << 23) + 0x3f800000u;
	memcpy(&scale, &bits, sizeof scale);
	return x < -87.0f ? 0.0f : p * scale;
}

WL_CLONES
void vec_exp(size_t n, float top, float *x)
{
	for (size_t i = 0; i < n; i++)
		x[i] = exp_poly(x[i] - top);
}

WL_CLONES
void vec_swiglu(size_t n, float *restrict gate, const float *restrict up)
{
	for (size_t i = 0; i < n; i++) {
		/* exp of minus |gate| cannot overflow. */
		float e = exp_poly(-fabsf(gate[i]));
		float sigmoid = (gate[i] < 0 ? e : 1.0f) / (1.0f + e);

		gate[i] = gate[i] * sigmoid * up[i];
	}
}

WL_CLONES
void vec_rope(size_t pairs, size_t rep, const float *restrict cs,
              float *restrict x)
{
	for (size_t i = 0; i < pairs; i++)
		for (size_t r = 0; r < rep; r++) {
			float *even = &x[2 * i * rep + r], *odd = even + rep;
			float c = cs[2 * i], s = cs[2 * i + 1];
			float a = *even, b = *odd;

			*even = a * c - b * s;
			*odd = a * s + b * c;
		}
}
