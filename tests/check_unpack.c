/* GGUF's packed types: every value of blocks of all bit patterns as each
 * element by itself is defined, scales in every place that they are packed
 * in, and sums of what ggml makes of the same blocks. Serial, without
 * MPI_Init. */
#include "config.h"
#include "import/source.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "made_up.h"
#include "simd/convert.h"
#include "suite.h"

enum { BLOCKS = 2000, MAX_BYTES = 210, MAX_ELEMENTS = 256 };

/* --- One element of a block --- */

/* The n bits of a byte that lie `at` bits up. */
static int bits(const unsigned char *p, int byte, int at, int n)
{
	return p[byte] >> at & ((1 << n) - 1);
}

static double half_at(const unsigned char *p, int byte)
{
	return wl_f16_to_f32(p[byte] | p[byte + 1] << 8);
}

static double q8_0(const unsigned char *p, int e)
{
	return half_at(p, 0) * (p[2 + e] < 128 ? p[2 + e] : p[2 + e] - 256);
}

static double q4_0(const unsigned char *p, int e)
{
	return half_at(p, 0) * (bits(p, 2 + e % 16, e / 16 * 4, 4) - 8);
}

static double q4_1(const unsigned char *p, int e)
{
	return half_at(p, 0) * bits(p, 4 + e % 16, e / 16 * 4, 4) +
	       half_at(p, 2);
}

static double q5_0(const unsigned char *p, int e)
{
	return half_at(p, 0) * (bits(p, 6 + e % 16, e / 16 * 4, 4) +
	                        16 * bits(p, 2 + e / 8, e % 8, 1) - 16);
}

static double q5_1(const unsigned char *p, int e)
{
	return half_at(p, 0) * (bits(p, 8 + e % 16, e / 16 * 4, 4) +
	                        16 * bits(p, 4 + e / 8, e % 8, 1)) +
	       half_at(p, 2);
}

static double q2_k(const unsigned char *p, int e)
{
	int q = bits(p, 16 + e / 128 * 32 + e % 32, e % 128 / 32 * 2, 2);

	return half_at(p, 80) * bits(p, e / 16, 0, 4) * q -
	       half_at(p, 82) * bits(p, e / 16, 4, 4);
}

static double q3_k(const unsigned char *p, int e)
{
	int q = bits(p, 32 + e / 128 * 32 + e % 32, e % 128 / 32 * 2, 2) +
	        4 * bits(p, e % 32, e / 32, 1);
	int g = e / 16, s = bits(p, 96 + g % 8, g / 8 * 4, 4) +
	                    16 * bits(p, 104 + g % 4, g / 4 * 2, 2);

	return half_at(p, 108) * (s - 32) * (q - 4);
}

/* Element e in a block that starts as those of Q4_K and Q5_K do. */
static double six_bits(const unsigned char *p, int e, int q)
{
	int g = e / 32;
	int s = g < 4 ? bits(p, 4 + g, 0, 6)
	              : bits(p, 8 + g, 0, 4) + 16 * bits(p, g, 6, 2);
	int m = g < 4 ? bits(p, 8 + g, 0, 6)
	              : bits(p, 8 + g, 4, 4) + 16 * bits(p, 4 + g, 6, 2);

	return half_at(p, 0) * s * q - half_at(p, 2) * m;
}

static double q4_k(const unsigned char *p, int e)
{
	return six_bits(p, e, bits(p, 16 + e / 64 * 32 + e % 32,
	                           e % 64 / 32 * 4, 4));
}

static double q5_k(const unsigned char *p, int e)
{
	return six_bits(p, e, bits(p, 48 + e / 64 * 32 + e % 32,
	                           e % 64 / 32 * 4, 4) +
	                      16 * bits(p, 16 + e % 32, e / 32, 1));
}

static double q6_k(const unsigned char *p, int e)
{
	int half = e / 128, run = e % 128 / 32, s = p[192 + e / 16];
	int q = bits(p, half * 64 + run % 2 * 32 + e % 32, run / 2 * 4, 4) +
	        16 * bits(p, 128 + half * 32 + e % 32, run * 2, 2);

	return half_at(p, 208) * (s < 128 ? s : s - 256) * (q - 32);
}

static int level(int q)
{
	static const int negative[] = { 127, 104, 83, 65, 49, 35, 22, 10 };
	static const int positive[] = { 1, 13, 25, 38, 53, 69, 89, 113 };

	return q < 8 ? -negative[q] : positive[q - 8];
}

static double iq4_nl(const unsigned char *p, int e)
{
	return half_at(p, 0) * level(bits(p, 2 + e % 16, e / 16 * 4, 4));
}

static double iq4_xs(const unsigned char *p, int e)
{
	int g = e / 32, s = bits(p, 4 + g / 2, g % 2 * 4, 4) +
	                    16 * bits(p, 2 + g / 4, g % 4 * 2, 2);

	return half_at(p, 0) * (s - 32) *
	       level(bits(p, 8 + g * 16 + e % 16, e / 16 % 2 * 4, 4));
}

/* --- Blocks --- */

static const struct type {
	enum source_type type;
	int elements, bytes;
	int half[2];     /* where its binary16 are; -1: it has one */
	uint32_t crc;    /* of ggml's floats, see as_ggml_unpacks */
	double (*element)(const unsigned char *p, int e);
} types[] = {
	{ SOURCE_Q8_0, 32, 34, { 0, -1 }, 0x6f17c6d5, q8_0 },
	{ SOURCE_Q4_0, 32, 18, { 0, -1 }, 0x9d00162b, q4_0 },
	{ SOURCE_Q4_1, 32, 20, { 0, 2 }, 0x02ebdc8d, q4_1 },
	{ SOURCE_Q5_0, 32, 22, { 0, -1 }, 0x22102a19, q5_0 },
	{ SOURCE_Q5_1, 32, 24, { 0, 2 }, 0xdc370b78, q5_1 },
	{ SOURCE_Q2_K, 256, 84, { 80, 82 }, 0x0a506f9c, q2_k },
	{ SOURCE_Q3_K, 256, 110, { 108, -1 }, 0x50cbedf8, q3_k },
	{ SOURCE_Q4_K, 256, 144, { 0, 2 }, 0xd6fd069c, q4_k },
	{ SOURCE_Q5_K, 256, 176, { 0, 2 }, 0xe0ef2fbc, q5_k },
	{ SOURCE_Q6_K, 256, 210, { 208, -1 }, 0xc8227242, q6_k },
	{ SOURCE_IQ4_NL, 32, 18, { 0, -1 }, 0x0324ed36, iq4_nl },
	{ SOURCE_IQ4_XS, 256, 136, { 0, -1 }, 0xfa6db5af, iq4_xs },
};
#define N_TYPES (int)(sizeof types / sizeof *types)

/* Bytes of all values, binary16 of either sign in 2^-10..2^9: so that the sums
 * above are exact in double, and only their last rounding counts. */
static void make_blocks(unsigned char *p, const struct type *t, int n)
{
	for (int i = 0; i < n * t->bytes; i++)
		p[i] = made_key(t->type, i, 0) & 255;
	for (int b = 0; b < n; b++)
		for (int h = 0; h < 2; h++) {
			unsigned char *high = p + b * t->bytes + t->half[h] + 1;

			if (t->half[h] >= 0)
				*high = (*high & 0x83) |
				        (5 + made_key(b, h, 1) % 20) << 2;
		}
}

static void expect(const struct type *t, const unsigned char *p, int n)
{
	float *value = wl_malloc((size_t)n * t->elements, sizeof *value);

	source_to_f32(value, p, t->type, (size_t)n * t->elements);
	for (int i = 0; i < n * t->elements; i++) {
		int b = i / t->elements, e = i % t->elements;
		float want = (float)t->element(p + b * t->bytes, e);

		ck_assert_msg(value[i] == want, "%s: block %d, element %d: %a,"
		              " not %a", source_type_name(t->type), b, e,
		              value[i], want);
	}
	free(value);
}

START_TEST(every_element)
{
	const struct type *t = &types[_i];
	unsigned char *p = wl_malloc(BLOCKS, t->bytes);

	ck_assert_uint_eq(source_row_bytes(t->type, 3 * t->elements),
	                  3 * t->bytes);
	for (int n = 1; n < t->elements; n++)
		ck_assert_uint_eq(source_row_bytes(t->type, n), 0);
	ck_assert_int_eq(source_exact(t->type), WL_F32);
	make_blocks(p, t, BLOCKS);
	expect(t, p, BLOCKS);
	free(p);
}
END_TEST

/* All ones or zeros in a byte, its neighbours the other way. */
START_TEST(every_byte)
{
	const struct type *t = &types[_i];
	unsigned char p[MAX_BYTES];

	for (int byte = 0; byte < 2 * t->bytes; byte++) {
		int ones = byte % 2;

		memset(p, ones ? 0 : 255, t->bytes);
		p[byte / 2] = ones ? 255 : 0;
		for (int h = 0; h < 2; h++)
			if (t->half[h] >= 0) {
				p[t->half[h]] = 0x12;
				p[t->half[h] + 1] = h ? 0x3c : 0xb8;
			}
		expect(t, p, 1);
	}
}
END_TEST

/* The same blocks, unpacked by ggml's dequantize_row_*, have these CRC-32 as
 * little-endian float32. */
START_TEST(as_ggml_unpacks)
{
	const struct type *t = &types[_i];
	unsigned char *p = wl_malloc(BLOCKS, t->bytes);
	float value[MAX_ELEMENTS];
	uint32_t crc = 0;

	make_blocks(p, t, BLOCKS);
	for (int b = 0; b < BLOCKS; b++) {
		source_to_f32(value, p + b * t->bytes, t->type, t->elements);
		crc = wl_crc32(crc, value, 4 * t->elements);
	}
	ck_assert_msg(crc == t->crc, "%s: 0x%08x", source_type_name(t->type),
	              crc);
	free(p);
}
END_TEST

/* --- Scales in 12 bytes --- */

/* Where the six bits of a scale lie: the bits of two bytes that hold its low
 * and its high part, low bits first. */
struct place {
	unsigned char low, low_mask, high, high_mask;
};

/* From the start of the 12 bytes: 8 scales, 8 minima. */
static const struct place k4_place[16] = {
	{ 0, 0x3f, 0, 0 }, { 1, 0x3f, 0, 0 },
	{ 2, 0x3f, 0, 0 }, { 3, 0x3f, 0, 0 },
	{ 8, 0x0f, 0, 0xc0 }, { 9, 0x0f, 1, 0xc0 },
	{ 10, 0x0f, 2, 0xc0 }, { 11, 0x0f, 3, 0xc0 },
	{ 4, 0x3f, 0, 0 }, { 5, 0x3f, 0, 0 },
	{ 6, 0x3f, 0, 0 }, { 7, 0x3f, 0, 0 },
	{ 8, 0xf0, 4, 0xc0 }, { 9, 0xf0, 5, 0xc0 },
	{ 10, 0xf0, 6, 0xc0 }, { 11, 0xf0, 7, 0xc0 },
};

static const struct place q3_place[16] = {
	{ 0, 0x0f, 8, 0x03 }, { 1, 0x0f, 9, 0x03 },
	{ 2, 0x0f, 10, 0x03 }, { 3, 0x0f, 11, 0x03 },
	{ 4, 0x0f, 8, 0x0c }, { 5, 0x0f, 9, 0x0c },
	{ 6, 0x0f, 10, 0x0c }, { 7, 0x0f, 11, 0x0c },
	{ 0, 0xf0, 8, 0x30 }, { 1, 0xf0, 9, 0x30 },
	{ 2, 0xf0, 10, 0x30 }, { 3, 0xf0, 11, 0x30 },
	{ 4, 0xf0, 8, 0xc0 }, { 5, 0xf0, 9, 0xc0 },
	{ 6, 0xf0, 10, 0xc0 }, { 7, 0xf0, 11, 0xc0 },
};

/* One scale or minimum is 63, all others 0, every number is 1: of either sign
 * of the block's scale. */
START_TEST(largest_scale)
{
	const bool q5 = _i >= 32;
	const int which = _i % 16, negative = _i / 16 % 2;
	unsigned char p[176] = { 0 };
	float value[256];

	p[1] = negative ? 0xc0 : 0x40; /* d: 2 */
	p[3] = negative ? 0xb8 : 0x38; /* m: 1/2 */
	p[4 + k4_place[which].low] |= k4_place[which].low_mask;
	p[4 + k4_place[which].high] |= k4_place[which].high_mask;
	memset(p + (q5 ? 48 : 16), 0x11, 128);
	source_to_f32(value, p, q5 ? SOURCE_Q5_K : SOURCE_Q4_K, 256);
	for (int e = 0; e < 256; e++) {
		float want = e / 32 != which % 8 ? 0 : which < 8 ? 126 : -31.5f;

		ck_assert_float_eq(value[e], negative ? -want : want);
	}
}
END_TEST

/* The same of Q3_K, whose scales are less 32 and whose numbers are -3 here. */
START_TEST(largest_scale_of_q3_k)
{
	unsigned char p[110] = { 0 };
	float value[256];

	memset(p + 32, 0x55, 64);
	p[96 + q3_place[_i].low] |= q3_place[_i].low_mask;
	p[96 + q3_place[_i].high] |= q3_place[_i].high_mask;
	p[109] = 0xbc; /* d: -1 */
	source_to_f32(value, p, SOURCE_Q3_K, 256);
	for (int e = 0; e < 256; e++)
		ck_assert_float_eq(value[e], e / 16 == _i ? 93 : -96);
}
END_TEST

/* A scale that is no number, or the last before: nothing finite is made of
 * the one, and nothing else of the other. */
START_TEST(largest_halves)
{
	const struct type *t = &types[_i];
	unsigned char p[MAX_BYTES];
	float value[MAX_ELEMENTS];

	for (int infinite = 0; infinite < 2; infinite++) {
		memset(p, 0x6d, t->bytes);
		p[t->half[0]] = infinite ? 0 : 0xff;
		p[t->half[0] + 1] = infinite ? 0x7c : 0x7b;
		source_to_f32(value, p, t->type, t->elements);
		for (int e = 0; e < t->elements; e++)
			ck_assert_int_eq(!isfinite(value[e]), infinite);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("unpack");
	TCase *t = tcase_create("unpack");

	tcase_add_loop_test(t, every_element, 0, N_TYPES);
	tcase_add_loop_test(t, every_byte, 0, N_TYPES);
	tcase_add_loop_test(t, as_ggml_unpacks, 0, N_TYPES);
	tcase_add_loop_test(t, largest_scale, 0, 64);
	tcase_add_loop_test(t, largest_scale_of_q3_k, 0, 16);
	tcase_add_loop_test(t, largest_halves, 0, N_TYPES);
	suite_add_tcase(s, t);
	return run_suite(s);
}
