/* Arithmetic on one core's data, or on the data of all cores of a rank at once
 * where every result belongs to one core. Sums run in increasing index order
 * with one fused multiply-add per term, so results do not depend on the
 * processor's vector length. No function here knows about grids or moves, is
 * collective, or fails. All arrays belong to the caller. */
#ifndef WL_VEC_H
#define WL_VEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/type.h"

/* Floats per vector, whatever the processor's registers (lanes.h). */
#define VEC_LANES 16

/* y[j] = fma(x[i * stride], w[i * ldw + j], y[j]) for i = 0..k-1 in order,
 * j = 0..n-1. w's elements are of the given type and convert to float
 * exactly. */
void vec_gemv(size_t k, size_t n, const float *x, size_t stride,
              enum wl_type type, const void *w, size_t ldw, float *y);

/* A matrix [k][n] stored in panels, for products that stream it once:
 * [panels][k][columns]. Each panel has VEC_PANEL columns; the last has the
 * columns that are left, padded with zeros to a multiple of VEC_LANES. */
#define VEC_PANEL 32

/* Columns of all panels, padding included. */
static inline size_t vec_panel_pitch(size_t n)
{
	return (n + VEC_LANES - 1) / VEC_LANES * VEC_LANES;
}

/* Columns of the panel that begins at column `first`, padding included. */
static inline size_t vec_panel_width(size_t n, size_t first)
{
	size_t rest = vec_panel_pitch(n) - first;

	return rest < VEC_PANEL ? rest : VEC_PANEL;
}

/* One product y = x W of several with the same n: x [k], w [k][n] in panels,
 * y [vec_panel_pitch(n)]. */
struct vec_stream {
	size_t k;
	const float *x;
	const void *w;
	float *y;
};

/* y[j] = fma(x[k-1], w[k-1][j], ... fma(x[0], w[0][j], 0)) for each product.
 * Several panels are streamed at the same time from distant addresses, which
 * gives more memory bandwidth than one after the other. */
void vec_gemv_streams(size_t count, const struct vec_stream *streams, size_t n,
                      enum wl_type type);

/* C[i][j] = fma(A[i][p], B[p][j], C[i][j]) for p = 0..k-1 in order. A [m][k]
 * has element (i,p) at a[i * row + p * col]; B [k][n], of the given type, and
 * C [m][n] are row-major with leading dimensions ldb and ldc. */
void vec_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
              size_t col, enum wl_type type, const void *b, size_t ldb,
              float *c, size_t ldc);

/* One product A B of a sum: a [m][k], b [k][n], both dense. */
struct vec_term {
	const float *a;
	const void *b;
	size_t k;
};

/* Adds all terms in order to C [m][n], dense, or to 0 if fresh; the same bits
 * as one vec_gemm per term. */
void vec_gemm_terms(size_t m, size_t n, size_t count,
                    const struct vec_term *terms, enum wl_type type,
                    bool fresh, float *c);

/* y += x. */
void vec_add(size_t n, const float *x, float *y);
/* y *= s. */
void vec_scale(size_t n, float s, float *y);
/* Sum of squares, in index order, fused. */
float vec_sum_squares(size_t n, const float *x);
/* y = (x * s) * w, element by element. */
void vec_norm_scale(size_t n, const float *x, float s, const float *w,
                    float *y);
/* Largest element; minus infinity if n is 0. */
float vec_max(size_t n, const float *x);
/* x = exp(x - top) by one polynomial, relative error below 1e-7; exp(-infinity)
 * is 0. x - top must not exceed 88. */
void vec_exp(size_t n, float top, float *x);
/* Sum, in index order. */
float vec_sum(size_t n, const float *x);
/* gate = gate / (1 + exp(-gate)) * up. */
void vec_swiglu(size_t n, float *gate, const float *up);
/* RoPE: rotates each pair i of channels (2i, 2i+1) by the angle with cosine
 * cs[2i] and sine cs[2i+1]. Each channel holds rep query heads side by side:
 * the pair of head r is x[2i * rep + r], x[(2i+1) * rep + r]. */
void vec_rope(size_t pairs, size_t rep, const float *cs, float *x);

#endif
