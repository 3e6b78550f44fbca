/* The block layouts of ggml's ggml-common.h. The comments list the fields of a
 * block in order, then the formula of a value. d and m are binary16 scales of
 * the block's numbers and of its minima, q are the numbers, s their scales.
 * "q: 4 bits, runs of 16" describes how numbers are packed, see fields(). */
#include "config.h"
#include "unpack.h"

#include <stdint.h>

#include "simd/convert.h"

#define Q_K 256 /* elements of the larger blocks */

static float half(const unsigned char *p)
{
	return wl_f16_to_f32(p[0] | p[1] << 8);
}

/* Unpacks numbers of `bits` bits from p[n] and ORs them into q, shifted left by
 * `up`. Each run of bytes has 8 / bits runs of numbers: number i of each of
 * these is in byte i, and the first run is in the lowest bits. */
static inline void fields(uint8_t *q, int up, const unsigned char *p, int n,
                          int run, int bits)
{
	for (const unsigned char *end = p + n; p < end; p += run)
		for (int at = 0; at < 8; at += bits, q += run)
			for (int i = 0; i < run; i++)
				q[i] |= (p[i] >> at & ((1 << bits) - 1)) << up;
}

/* --- Blocks of 32 --- */

/* d, then q: int8; the value is d q. */
void unpack_q8_0(float *to, const unsigned char *p)
{
	float d = half(p);

	for (int i = 0; i < 32; i++)
		to[i] = d * (int8_t)p[2 + i];
}

/* d, then q: 4 bits, runs of 16; d (q - 8). */
void unpack_q4_0(float *to, const unsigned char *p)
{
	uint8_t q[32] = { 0 };
	float d = half(p);

	fields(q, 0, p + 2, 16, 16, 4);
	for (int i = 0; i < 32; i++)
		to[i] = d * (q[i] - 8);
}

/* d, m, then q: 4 bits, runs of 16; d q + m. */
void unpack_q4_1(float *to, const unsigned char *p)
{
	uint8_t q[32] = { 0 };
	float d = half(p), m = half(p + 2);

	fields(q, 0, p + 4, 16, 16, 4);
	for (int i = 0; i < 32; i++)
		to[i] = d * q[i] + m;
}

/* d, then q's highest bits: 1 bit, runs of 1, and the others: 4 bits, runs of
 * 16; d (q - 16). */
void unpack_q5_0(float *to, const unsigned char *p)
{
	uint8_t q[32] = { 0 };
	float d = half(p);

	fields(q, 4, p + 2, 4, 1, 1);
	fields(q, 0, p + 6, 16, 16, 4);
	for (int i = 0; i < 32; i++)
		to[i] = d * (q[i] - 16);
}

/* d, m, then q as in Q5_0; d q + m. */
void unpack_q5_1(float *to, const unsigned char *p)
{
	uint8_t q[32] = { 0 };
	float d = half(p), m = half(p + 2);

	fields(q, 4, p + 4, 4, 1, 1);
	fields(q, 0, p + 8, 16, 16, 4);
	for (int i = 0; i < 32; i++)
		to[i] = d * q[i] + m;
}

/* The values of the numbers in the IQ4 types. */
static const int8_t levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
	                           1, 13, 25, 38, 53, 69, 89, 113 };

/* d, then q: 4 bits, runs of 16; d levels[q]. */
void unpack_iq4_nl(float *to, const unsigned char *p)
{
	uint8_t q[32] = { 0 };
	float d = half(p);

	fields(q, 0, p + 2, 16, 16, 4);
	for (int i = 0; i < 32; i++)
		to[i] = d * levels[q[i]];
}

/* --- Blocks of 256, with scales for 16 or 32 elements each --- */

/* s[16]: 4 bits of scale, then 4 of minimum; q: 2 bits, runs of 32; d, m.
 * d s q - m min. */
void unpack_q2_k(float *to, const unsigned char *p)
{
	uint8_t q[Q_K] = { 0 };
	float d = half(p + 80), m = half(p + 82);

	fields(q, 0, p + 16, 64, 32, 2);
	for (int g = 0; g < Q_K / 16; g++) {
		float scale = d * (p[g] & 15), min = m * (p[g] >> 4);

		for (int i = 16 * g; i < 16 * (g + 1); i++)
			to[i] = scale * q[i] - min;
	}
}

/* q's highest bits: 1 bit, runs of 32, and the others: 2 bits, runs of 32;
 * s[16]: low 4 bits, runs of 8, and high 2 bits, runs of 4; d.
 * d (s - 32) (q - 4). */
void unpack_q3_k(float *to, const unsigned char *p)
{
	uint8_t q[Q_K] = { 0 }, s[16] = { 0 };
	float d = half(p + 108);

	fields(q, 2, p, 32, 32, 1);
	fields(q, 0, p + 32, 64, 32, 2);
	fields(s, 0, p + 96, 8, 8, 4);
	fields(s, 4, p + 104, 4, 4, 2);
	for (int g = 0; g < Q_K / 16; g++) {
		float scale = d * (s[g] - 32);

		for (int i = 16 * g; i < 16 * (g + 1); i++)
			to[i] = scale * (q[i] - 4);
	}
}

/* Unpacks 8 scales and 8 minima of 6 bits from 12 bytes. The first 4 scales are
 * the low 6 bits of bytes 0..3, the first 4 minima those of bytes 4..7. Of the
 * last 4, the high 2 bits are in the same bytes, the low 4 bits in bytes 8..11:
 * a scale in the low half, a minimum in the high half. */
static void six_bit_scales(uint8_t s[8], uint8_t min[8],
                           const unsigned char p[12])
{
	for (int i = 0; i < 4; i++) {
		s[i] = p[i] & 63;
		min[i] = p[4 + i] & 63;
		s[4 + i] = p[i] >> 6 << 4 | (p[8 + i] & 15);
		min[4 + i] = p[4 + i] >> 6 << 4 | p[8 + i] >> 4;
	}
}

/* to = d s q - m min for q[256] in groups of 32; p: d, m, scales, minima. */
static void scale_groups(float *to, const uint8_t *q, const unsigned char *p)
{
	uint8_t s[8], mins[8];
	float d = half(p), m = half(p + 2);

	six_bit_scales(s, mins, p + 4);
	for (int g = 0; g < Q_K / 32; g++) {
		float scale = d * s[g], min = m * mins[g];

		for (int i = 32 * g; i < 32 * (g + 1); i++)
			to[i] = scale * q[i] - min;
	}
}

/* d, m, scales and minima; q: 4 bits, runs of 32. */
void unpack_q4_k(float *to, const unsigned char *p)
{
	uint8_t q[Q_K] = { 0 };

	fields(q, 0, p + 16, 128, 32, 4);
	scale_groups(to, q, p);
}

/* d, m, scales and minima; q's highest bits: 1 bit, runs of 32, and the
 * others: 4 bits, runs of 32. */
void unpack_q5_k(float *to, const unsigned char *p)
{
	uint8_t q[Q_K] = { 0 };

	fields(q, 4, p + 16, 32, 32, 1);
	fields(q, 0, p + 48, 128, 32, 4);
	scale_groups(to, q, p);
}

/* q's low bits: 4 bits, runs of 64, and high ones: 2 bits, runs of 32; s[16]:
 * int8; d. (d s) (q - 32). */
void unpack_q6_k(float *to, const unsigned char *p)
{
	uint8_t q[Q_K] = { 0 };
	float d = half(p + 208);

	fields(q, 0, p, 128, 64, 4);
	fields(q, 4, p + 128, 64, 32, 2);
	for (int g = 0; g < Q_K / 16; g++) {
		float scale = d * (int8_t)p[192 + g];

		for (int i = 16 * g; i < 16 * (g + 1); i++)
			to[i] = scale * (q[i] - 32);
	}
}

/* d; s[8]: high 2 bits, runs of 1, and low 4 bits, runs of 1; q: 4 bits, runs
 * of 16. d (s - 32) levels[q]. */
void unpack_iq4_xs(float *to, const unsigned char *p)
{
	uint8_t q[Q_K] = { 0 }, s[8] = { 0 };
	float d = half(p);

	fields(s, 4, p + 2, 2, 1, 2);
	fields(s, 0, p + 4, 4, 1, 4);
	fields(q, 0, p + 8, 128, 16, 4);
	for (int g = 0; g < Q_K / 32; g++) {
		float scale = d * (s[g] - 32);

		for (int i = 32 * g; i < 32 * (g + 1); i++)
			to[i] = scale * levels[q[i]];
	}
}
