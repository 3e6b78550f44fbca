/* The innermost loops of matrix products and conversions, one set for each
 * level of vector instructions (simd.h). vec.c, vec_gemm.c and convert.c call
 * them through loops(). Private to src/simd. */
#ifndef WL_LOOPS_H
#define WL_LOOPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/type.h"
#include "simd/vec.h"

/* One product A B of a sum. A [m][k] has element (i,p) at a[i * row + p * col],
 * with struct gemm_update's col; B [k][n] has rows ldb elements apart. */
struct gemm_term {
	const float *a;
	const char *b;
	size_t k, row, ldb;
};

/* Most rows of C that a block keeps in registers. */
#define GEMM_MAX_ROWS 8

/* C [m][n] += the sum of `count` terms, in their order. */
struct gemm_update {
	size_t m, n;
	const struct gemm_term *terms;
	size_t count, col;   /* col: A's column stride, in all terms */
	bool fresh;          /* C is overwritten instead of added to */
	float *c;
	size_t ldc;
};

typedef void loops_gemm(const struct gemm_update *q);
/* Arguments as for vec_gemv and vec_gemv_streams, but for the element type. */
typedef void loops_gemv(size_t k, size_t n, const float *x, size_t stride,
                        const void *w, size_t ldw, float *y);
typedef void loops_panels(size_t count, const struct vec_stream *streams,
                          size_t n);
/* Convert as many whole vectors as n elements fill. Return the number of
 * elements converted, at most n; the caller converts the rest. */
typedef size_t loops_widen(float *dst, const void *src, size_t n);
typedef size_t loops_narrow(void *dst, const float *src, size_t n);

/* One function per element type. */
struct loops {
	loops_gemm *gemm[WL_NTYPES];
	loops_gemv *gemv[WL_NTYPES];
	loops_panels *panels[WL_NTYPES];
	loops_widen *widen[WL_NTYPES];
	loops_narrow *narrow[WL_NTYPES];
};

/* One table per level. loops_v3 and loops_v4 exist only with SIMD_X86. */
extern const struct loops loops_plain, loops_v3, loops_v4;

/* The table for simd_level(). Static storage. Not collective. */
const struct loops *loops(void);

#endif
