/* The innermost loops and the conversions at every level of vector instructions
 * that this processor has. For all sizes they must have the same bits as
 * multiply-adds one after the other, and as the conversions in C. */
#include "config.h"
#include "simd/vec.h"

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "made_up.h"
#include "simd/convert.h"
#include "simd/simd.h"
#include "suite.h"

/* Elements of a type, and the floats that they are. */
struct stored {
	char *data;
	float *x;
};

static struct stored made(struct dice *d, enum wl_type type, size_t n)
{
	struct stored s = { wl_malloc(n, wl_type_size(type)),
	                    wl_malloc(n, sizeof *s.x) };
	uint64_t key = made_key(dice_throw(d, 0, 1 << 30), 0, 0);

	for (size_t i = 0; i < n; i++)
		s.x[i] = made_uniform(key, i);
	wl_from_f32(s.data, s.x, type, n);
	wl_to_f32(s.x, s.data, type, n);
	return s;
}

static void done(struct stored *s)
{
	free(s->data);
	free(s->x);
}

static void check_same(const float *got, const float *want, size_t n,
                       const char *what, enum wl_type type)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&got[i], &want[i], sizeof *got))
			ck_abort_msg("%s, %s: element %zu of %zu: %a, not %a",
			             what, wl_type_name(type), i, n, got[i],
			             want[i]);
}

/* C [m][ldc] += A B, by definition. */
static void slow_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
                      size_t col, const float *b, size_t ldb, float *c,
                      size_t ldc)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			for (size_t p = 0; p < k; p++)
				c[i * ldc + j] = fmaf(a[i * row + p * col],
				                      b[p * ldb + j],
				                      c[i * ldc + j]);
}

/* Seldom a large one: deeper than what products take at a time. */
static size_t throw_depth(struct dice *d, int max)
{
	return dice_throw(d, 0, dice_throw(d, 0, 15) ? max : 200);
}

static void try_gemm(struct dice *d, enum wl_type type)
{
	size_t m = dice_throw(d, 0, 20), n = dice_throw(d, 0, 120);
	size_t k = throw_depth(d, 30), col = dice_throw(d, 1, 3);
	size_t row = k * col + dice_throw(d, 0, 2);
	size_t ldb = n + dice_throw(d, 0, 5), ldc = n + dice_throw(d, 0, 5);
	struct stored a = made(d, WL_F32, m * row + 1);
	/* Not an element more than the last row's. */
	struct stored b = made(d, type, k ? (k - 1) * ldb + n : 0);
	struct stored c = made(d, WL_F32, m * ldc);
	float *want = wl_malloc(m * ldc, sizeof *want);

	memcpy(want, c.x, m * ldc * sizeof *want);
	slow_gemm(m, n, k, a.x, row, col, b.x, ldb, want, ldc);
	vec_gemm(m, n, k, a.x, row, col, type, b.data, ldb, c.x, ldc);
	check_same(c.x, want, m * ldc, "gemm", type);
	free(want);
	done(&c);
	done(&b);
	done(&a);
}

enum { MOST_TERMS = 70 };

static void try_terms(struct dice *d, enum wl_type type)
{
	size_t m = dice_throw(d, 0, 12), n = dice_throw(d, 0, 60);
	size_t count = dice_throw(d, 0, MOST_TERMS), size = m * n;
	bool fresh = dice_throw(d, 0, 1);
	struct stored a[MOST_TERMS], b[MOST_TERMS], c = made(d, WL_F32, size);
	struct vec_term term[MOST_TERMS];
	float *want = wl_calloc(size, sizeof *want);

	if (!fresh)
		memcpy(want, c.x, size * sizeof *want);
	for (size_t i = 0; i < count; i++) {
		size_t k = throw_depth(d, 9);

		a[i] = made(d, WL_F32, m * k);
		b[i] = made(d, type, k * n);
		term[i] = (struct vec_term){ a[i].x, b[i].data, k };
		slow_gemm(m, n, k, a[i].x, k, 1, b[i].x, n, want, n);
	}
	vec_gemm_terms(m, n, count, term, type, fresh, c.x);
	check_same(c.x, want, size, "terms", type);
	for (size_t i = 0; i < count; i++) {
		done(&a[i]);
		done(&b[i]);
	}
	free(want);
	done(&c);
}

static void try_gemv(struct dice *d, enum wl_type type)
{
	size_t n = dice_throw(d, 0, 150), k = dice_throw(d, 0, 40);
	size_t stride = dice_throw(d, 1, 3), ldw = n + dice_throw(d, 0, 5);
	struct stored x = made(d, WL_F32, k * stride + 1);
	struct stored w = made(d, type, k ? (k - 1) * ldw + n : 0);
	struct stored y = made(d, WL_F32, n);
	float *want = wl_malloc(n, sizeof *want);

	memcpy(want, y.x, n * sizeof *want);
	slow_gemm(1, n, k, x.x, 0, stride, w.x, ldw, want, n);
	vec_gemv(k, n, x.x, stride, type, w.data, ldw, y.x);
	check_same(y.x, want, n, "gemv", type);
	free(want);
	done(&y);
	done(&w);
	done(&x);
}

enum { MOST_STREAMS = 9 };

/* W [k][n] in panels, element by element. */
static char *panels_of(const struct stored *w, enum wl_type type, size_t k,
                       size_t n)
{
	size_t size = wl_type_size(type);
	char *panels = wl_calloc(k * vec_panel_pitch(n), size);

	for (size_t i = 0; i < k; i++)
		for (size_t j = 0; j < n; j++) {
			size_t first = j / VEC_PANEL * VEC_PANEL;
			size_t width = vec_panel_width(n, first);

			memcpy(panels + (first * k + i * width + j - first) *
			       size, w->data + (i * n + j) * size, size);
		}
	return panels;
}

static void try_streams(struct dice *d, enum wl_type type)
{
	size_t n = dice_throw(d, 0, dice_throw(d, 0, 1) ? 300 : 70);
	size_t count = dice_throw(d, 0, MOST_STREAMS),
	       pitch = vec_panel_pitch(n);
	size_t k = dice_throw(d, 0, 20);
	struct vec_stream streams[MOST_STREAMS];
	float *want = wl_calloc(count * pitch, sizeof *want);
	float *y = wl_malloc(count * pitch, sizeof *y);

	for (size_t i = 0; i < count; i++) {
		/* Mostly of as many rows. */
		size_t rows = k + !dice_throw(d, 0, 3);
		struct stored x = made(d, WL_F32, rows);
		struct stored w = made(d, type, rows * n);

		streams[i] = (struct vec_stream){
			rows, x.x, panels_of(&w, type, rows, n),
			y + i * pitch };
		slow_gemm(1, n, rows, x.x, 0, 1, w.x, n, want + i * pitch, n);
		free(x.data);
		done(&w);
	}
	vec_gemv_streams(count, streams, n, type);
	for (size_t i = 0; i < count; i++) {
		check_same(y + i * pitch, want + i * pitch, n, "streams", type);
		free((void *)(uintptr_t)streams[i].x);
		free((void *)(uintptr_t)streams[i].w);
	}
	free(want);
	free(y);
}

/* Any bits, often those of numbers that are special. */
static void throw_bits(struct dice *d, unsigned char *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = dice_throw(d, 0, 3) ? dice_throw(d, 0, 255)
		        : dice_throw(d, 0, 1) ? 0xff : 0x7f;
}

/* The conversions of arrays against those of one number. */
static void try_convert(struct dice *d, enum wl_type type)
{
	size_t n = dice_throw(d, 0, 100), size = wl_type_size(type);
	unsigned char *raw = wl_malloc(n, 4), *out = wl_malloc(n + 1, size);
	float *x = wl_malloc(n, sizeof *x), *wide = wl_malloc(n, sizeof *wide);

	throw_bits(d, raw, 4 * n);
	memcpy(x, raw, 4 * n);
	memset(out, 0x55, (n + 1) * size);
	wl_to_f32(wide, raw, type, n);
	wl_from_f32(out, x, type, n);
	for (size_t i = 0; i < n; i++) {
		uint16_t h, put;
		float want;

		if (type == WL_F32) {
			ck_assert_mem_eq(&wide[i], raw + 4 * i, 4);
			ck_assert_mem_eq(out + 4 * i, raw + 4 * i, 4);
			continue;
		}
		memcpy(&h, raw + 2 * i, sizeof h);
		memcpy(&put, out + 2 * i, sizeof put);
		want = type == WL_F16 ? wl_f16_to_f32(h) : wl_bf16_to_f32(h);
		ck_assert_mem_eq(&wide[i], &want, sizeof want);
		ck_assert_uint_eq(put, type == WL_F16 ? wl_f32_to_f16(x[i])
		                                      : wl_f32_to_bf16(x[i]));
	}
	ck_assert_int_eq(out[n * size], 0x55);
	wl_round(x, type, n);
	wl_to_f32(wide, out, type, n);
	ck_assert_mem_eq(x, wide, n * sizeof *x);
	free(wide);
	free(x);
	free(out);
	free(raw);
}

static void (*const tries[])(struct dice *d, enum wl_type type) = {
	try_gemm, try_terms, try_gemv, try_streams, try_convert,
};

START_TEST(every_level)
{
	struct dice d = { .key = _i + 1 };
	enum simd_level level = simd_limit(_i);

	for (int i = 0; i < 1500; i++)
		for (size_t t = 0; t < sizeof tries / sizeof *tries; t++)
			tries[t](&d, (enum wl_type)(i % WL_NTYPES));
	ck_assert_int_le(level, _i);
	simd_limit(SIMD_LEVELS - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vec");
	TCase *c = tcase_create("all");

	suite_add_tcase(s, c);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, every_level, 0, SIMD_LEVELS);
	return run_suite(s);
}
