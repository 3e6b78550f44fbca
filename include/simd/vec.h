/* Arithmetic inside one core (or, where each result is a core's own, across
 * a rank's cores at once). Sums run in increasing index order with one fused
 * multiply-add per term, whatever the vector length of the processor, so that
 * results do not depend on it. No function here knows of grids or moves. */
#ifndef WL_VEC_H
#define WL_VEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/type.h"

/* Floats of a vector, whatever the processor has (lanes.h). */
#define VEC_LANES 16

/* y[j] = fma(x[i * stride], w[i * ldw + j], y[j]) for i = 0..k-1 in order,
 * j = 0..n-1; w's elements are of the type, and exact as floats. */
void vec_gemv(size_t k, size_t n, const float *x, size_t stride,
              enum wl_type type, const void *w, size_t ldw, float *y);

/* A matrix in panels, for a product that streams it: [panels][k][columns], each
 * of VEC_PANEL columns but the last, which has as many as are left, and zeros
 * up to a multiple of a vector. */
#define VEC_PANEL 32

/* Columns of a matrix of n in panels. */
static inline size_t vec_panel_pitch(size_t n)
{
	return (n + VEC_LANES - 1) / VEC_LANES * VEC_LANES;
}

/* And of the panel that begins at column `first`. */
static inline size_t vec_panel_width(size_t n, size_t first)
{
	size_t rest = vec_panel_pitch(n) - first;

	return rest < VEC_PANEL ? rest : VEC_PANEL;
}

/* One of several products with matrices of the same n: x [k], w [k][n] in
 * panels, y [vec_panel_pitch(n)]. */
struct vec_stream {
	size_t k;
	const float *x;
	const void *w;
	float *y;
};

/* y[j] = fma(x[i], w[i][j], ... fma(x[0], w[0][j], 0)) of each product. Several
 * panels stream through at the same time, from places far apart: a processor
 * reads so faster than one after the other. */
void vec_gemv_streams(size_t count, const struct vec_stream *streams, size_t n,
                      enum wl_type type);

/* C[i][j] = fma(A[i][p], B[p][j], C[i][j]) for p = 0..k-1 in order; A's element
 * (i,p) is a[i * row + p * col], B (of the type) and C are row-major with
 * leading dimensions. */
void vec_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
              size_t col, enum wl_type type, const void *b, size_t ldb,
              float *c, size_t ldc);

/* One of several products that add up: a [m][k], b [k][n], both dense. */
struct vec_term {
	const float *a;
	const void *b;
	size_t k;
};

/* C [m][n], dense, plus (or, if fresh, 0 plus) all terms, one after the other,
 * as that many vec_gemm would have it. */
void vec_gemm_terms(size_t m, size_t n, size_t count,
                    const struct vec_term *terms, enum wl_type type,
                    bool fresh, float *c);

/* y += x. */
void vec_add(size_t n, const float *x, float *y);
/* y *= s. */
void vec_scale(size_t n, float s, float *y);
/* Sum of squares, in order. */
float vec_sum_squares(size_t n, const float *x);
/* y = x * s * w, the product taken in this order. */
void vec_norm_scale(size_t n, const float *x, float s, const float *w,
                    float *y);
/* Largest element; minus infinity when there is none. */
float vec_max(size_t n, const float *x);
/* x = exp(x - top), by one polynomial of relative error below 1e-7;
 * exp(-infinity) is 0. */
void vec_exp(size_t n, float top, float *x);
/* Sum, in order. */
float vec_sum(size_t n, const float *x);
/* gate = gate / (1 + exp(-gate)) * up. */
void vec_swiglu(size_t n, float *gate, const float *up);
/* Rotates `pairs` pairs of channels (2i, 2i+1), each channel holding rep
 * query heads side by side: x[2i*rep + r], x[(2i+1)*rep + r], by the angle
 * whose cosine and sine are at cs[2i], cs[2i+1]. */
void vec_rope(size_t pairs, size_t rep, const float *cs, float *x);

#endif
