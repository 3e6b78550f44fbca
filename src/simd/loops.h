/* The innermost loops of products and conversions, built for each level of
 * vector instructions: what vec.h and convert.h call. */
#ifndef WL_LOOPS_H
#define WL_LOOPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/type.h"
#include "simd/vec.h"

/* The products that add up in C. All have A's column stride, and row strides and
 * B's leading dimension of their own. */
struct kernel_term {
	const float *a;
	const char *b;
	size_t k, row, ldb;
};

/* Rows of C that stay in registers together, at most. */
#define KERNEL_GEMM_ROWS 8

struct kernel_gemm {
	size_t m, n;
	const struct kernel_term *terms;
	size_t count, col;
	bool fresh;          /* C begins at 0 */
	float *c;
	size_t ldc;
};

typedef void kernel_gemm_function(const struct kernel_gemm *q);
/* As vec_gemv and vec_gemv_streams. */
typedef void kernel_gemv_function(size_t k, size_t n, const float *x,
                                  size_t stride, const void *w, size_t ldw,
                                  float *y);
typedef void kernel_panels_function(size_t count,
                                    const struct vec_stream *streams, size_t n);
/* Converts whole vectors of n elements; returns how many elements they are. */
typedef size_t kernel_widen_function(float *dst, const void *src, size_t n);
typedef size_t kernel_narrow_function(void *dst, const float *src, size_t n);

/* Of each element type. */
struct loops {
	kernel_gemm_function *gemm[WL_NTYPES];
	kernel_gemv_function *gemv[WL_NTYPES];
	kernel_panels_function *panels[WL_NTYPES];
	kernel_widen_function *widen[WL_NTYPES];
	kernel_narrow_function *narrow[WL_NTYPES];
};

/* Those of each level, as far as the program was built with it. */
extern const struct loops loops_plain, loops_v3, loops_v4;

/* Those of simd_level(). Not collective. */
const struct loops *loops(void);

#endif
