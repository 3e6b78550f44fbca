/* Element types against arithmetic in double: every 16-bit value, and around
 * every place where rounding decides. */
#include "config.h"
#include "simd/convert.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

struct format {
	const char *name;
	int fraction_bits;
	int least_exponent; /* of a normal number */
	double largest;
	float (*widen)(uint16_t);
	uint16_t (*narrow)(float);
};

static const struct format formats[] = {
	{ "f16", 10, -14, 65504, wl_f16_to_f32, wl_f32_to_f16 },
	{ "bf16", 7, -126, 0x1.fep127, wl_bf16_to_f32, wl_f32_to_bf16 },
};

/* The value of bits h by the definition of the format; no NaN. */
static double value_of(const struct format *f, uint16_t h)
{
	int exponent_bits = 15 - f->fraction_bits;
	int exponent = (h & 0x7fff) >> f->fraction_bits;
	double fraction = ldexp(h & ((1 << f->fraction_bits) - 1),
	                        -f->fraction_bits);
	double v;

	if (exponent == (1 << exponent_bits) - 1)
		v = INFINITY;
	else if (exponent == 0)
		v = ldexp(fraction, f->least_exponent);
	else
		v = ldexp(1 + fraction, exponent - 1 + f->least_exponent);
	return h & 0x8000 ? -v : v;
}

static int is_nan(const struct format *f, uint16_t h)
{
	return (h & 0x7fff) > (0x7fff >> f->fraction_bits << f->fraction_bits);
}

/* x rounded to the format by the definition of rounding. */
static double rounded(const struct format *f, double x)
{
	int exponent;
	double unit, r;

	if (x == 0 || isinf(x))
		return x;
	frexp(x, &exponent);
	exponent--; /* |x| is now in 1..2 times 2^exponent */
	if (exponent < f->least_exponent)
		exponent = f->least_exponent;
	unit = ldexp(1, exponent - f->fraction_bits);
	r = rint(x / unit) * unit; /* the default mode: ties to even */
	return fabs(r) > f->largest ? copysign(INFINITY, x) : r;
}

static float float_of(uint32_t x)
{
	float v;

	memcpy(&v, &x, sizeof v);
	return v;
}

static int same(double a, double b)
{
	return a == b && !signbit(a) == !signbit(b);
}

static void check_narrow(const struct format *f, float x)
{
	uint16_t h = f->narrow(x);

	if (isnan(x) ? !is_nan(f, h) || !signbit(x) != !(h & 0x8000)
	             : is_nan(f, h) || !same(value_of(f, h), rounded(f, x)))
		ck_abort_msg("%s: %a became 0x%04x", f->name, x, h);
}

START_TEST(every_value)
{
	const struct format *f = &formats[_i];

	for (int h = 0; h < 65536; h++) {
		float x = f->widen(h);

		if (is_nan(f, h)) {
			ck_assert(isnan(x));
			ck_assert(is_nan(f, f->narrow(x)));
		} else if (!same(x, value_of(f, h)) || f->narrow(x) != h) {
			ck_abort_msg("%s: 0x%04x: %a, back 0x%04x", f->name,
			             h, x, f->narrow(x));
		}
	}
}
END_TEST

/* Halfway between neighbours, and the floats just beside. */
START_TEST(every_tie)
{
	const struct format *f = &formats[_i];
	double step;

	for (int h = 0; value_of(f, h) < f->largest; h++) {
		double low = value_of(f, h), high = value_of(f, h + 1);
		float tie = (float)(low + (high - low) / 2);
		int even = h & 1 ? h + 1 : h;

		ck_assert_int_eq(f->narrow(tie), even);
		ck_assert_int_eq(f->narrow(-tie), 0x8000 | even);
		ck_assert_int_eq(f->narrow(nextafterf(tie, 0)), h);
		ck_assert_int_eq(f->narrow(nextafterf(tie, INFINITY)), h + 1);
	}
	/* The tie above the largest number goes to infinity. */
	step = ldexp(1, ilogb(f->largest) - f->fraction_bits);
	ck_assert(isinf(f->widen(f->narrow((float)(f->largest + step / 2)))));
	ck_assert(f->widen(f->narrow(nextafterf(
	                  (float)(f->largest + step / 2), 0))) == f->largest);
}
END_TEST

/* Every upper half of a float with lower halves on both sides of every bit,
 * and some arbitrary ones. */
START_TEST(many_floats)
{
	const struct format *f = &formats[_i];
	uint32_t arbitrary = 12345;

	for (uint32_t upper = 0; upper < 65536; upper++) {
		for (int bit = 0; bit <= 16; bit++) {
			uint32_t edge = (upper << 16) + (1u << bit);

			check_narrow(f, float_of(edge - 1));
			check_narrow(f, float_of(edge));
			check_narrow(f, float_of(edge + 1));
		}
		arbitrary = arbitrary * 1664525u + 1013904223u;
		check_narrow(f, float_of(upper << 16 | arbitrary >> 16));
	}
}
END_TEST

#ifdef __FLT16_MAX__
START_TEST(compiler_agrees)
{
	uint32_t x = 1;

	for (int i = 0; i < 1 << 20; i++) {
		_Float16 h;
		uint16_t bits;

		x = x * 1664525u + 1013904223u;
		h = (_Float16)float_of(x);
		memcpy(&bits, &h, sizeof bits);
		if (!isnan(float_of(x)))
			ck_assert_int_eq(wl_f32_to_f16(float_of(x)), bits);
	}
}
END_TEST
#endif

/* Bytes as they stand in a file, at an odd address. */
START_TEST(arrays)
{
	static const struct {
		enum wl_type type;
		const char *bytes;
		size_t size;
	} row[] = {
		{ WL_F32, "\0\0\x80\x3f\0\0\x20\xc0\x01\0\0\0", 12 },
		{ WL_F16, "\x00\x3c\x00\xc1\x01\x00", 6 },
		{ WL_BF16, "\x80\x3f\x20\xc0\x01\x00", 6 },
	};
	static const double third[] = { 0x1p-149, 0x1p-24, 0x1p-133 };
	char odd[16], back[16];
	float x[4] = { 7, 7, 7, 7 };

	memcpy(odd + 1, row[_i].bytes, row[_i].size);
	wl_to_f32(x, odd + 1, row[_i].type, 3);
	ck_assert(x[0] == 1 && x[1] == -2.5 && x[2] == third[_i]);
	ck_assert(x[3] == 7);
	memset(back, 0x55, sizeof back);
	wl_from_f32(back + 1, x, row[_i].type, 3);
	ck_assert_mem_eq(back + 1, row[_i].bytes, row[_i].size);
	ck_assert_int_eq(back[0], 0x55);
	ck_assert_int_eq(back[1 + row[_i].size], 0x55);
	wl_to_f32(x + 3, odd, row[_i].type, 0);
	ck_assert(x[3] == 7);
}
END_TEST

/* Any one element, at the beginning, in the middle or behind whole vectors. */
START_TEST(all_finite)
{
	static const struct {
		uint32_t largest, infinite, nan;
	} row[WL_NTYPES] = {
		[WL_F32] = { 0x7f7fffff, 0x7f800000, 0x7f800001 },
		[WL_F16] = { 0x7bff, 0x7c00, 0x7c01 },
		[WL_BF16] = { 0x7f7f, 0x7f80, 0x7fff },
	};
	size_t size = wl_type_size(_i);
	uint32_t sign = 1u << (8 * size - 1), x[101];
	const uint32_t bad[] = { row[_i].infinite, row[_i].nan,
	                         row[_i].infinite | sign, row[_i].nan | sign };

	for (size_t n = 0; n <= 101; n++) {
		uint32_t max[] = { row[_i].largest, row[_i].largest | sign };

		for (size_t i = 0; i < n; i++)
			memcpy((char *)x + i * size, &max[i % 2], size);
		ck_assert(wl_all_finite(x, _i, n));
		for (size_t i = 0; i < n; i++) {
			char *at = (char *)x + i * size;

			memcpy(at, &bad[(n + i) % 4], size);
			ck_assert(!wl_all_finite(x, _i, n));
			ck_assert(wl_all_finite(x, _i, i));
			memcpy(at, &max[0], size);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("convert");
	TCase *c = tcase_create("all");

	suite_add_tcase(s, c);
	tcase_add_loop_test(c, every_value, 0, 2);
	tcase_add_loop_test(c, every_tie, 0, 2);
	tcase_add_loop_test(c, many_floats, 0, 2);
#ifdef __FLT16_MAX__
	tcase_add_test(c, compiler_agrees);
#endif
	tcase_add_loop_test(c, arrays, 0, 3);
	tcase_add_loop_test(c, all_finite, 0, WL_NTYPES);
	return run_suite(s);
}
