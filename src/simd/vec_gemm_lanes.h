/* C += A B for one core's tiles. A block of C stays in registers during the
 * loop over k.
 *
 *            j ... j+47
 *   p        [ B: three vectors ]
 *   i  a --> [ C: 8 x 3 vectors ]     for p = 0..k-1:  C[i][.] += a[i][p] B[p]
 *   i+7
 *
 * Processors with fewer registers use smaller blocks. Whatever the block size,
 * the terms of one element of C are added in the order of p. */
#ifndef WL_VEC_GEMM_LANES_H
#define WL_VEC_GEMM_LANES_H

#include "lanes.h"
#include "loops.h"

/* Width of the largest block of C, in vectors. */
#define GEMM_WIDTH 3

/* B is prefetched this many rows ahead: where B is wider than the block, the
 * hardware prefetcher does not recognize the pattern. */
#define GEMM_AHEAD 16

/* The vector B[p][j..j+15]. Where fewer columns are left (not `whole`), the
 * remaining lanes hold arbitrary values, but nothing beyond the end of B is
 * read. */
LANES_INLINE lanes load_b(const struct gemm_update *q,
                          const struct gemm_term *t, size_t p, size_t j,
                          const bool whole, const size_t size, lanes_load *load)
{
	const char *at = t->b + (p * t->ldb + j) * size;
	char copy[LANES * sizeof(float)] = { 0 };

	if (whole || (t->k - 1 - p) * t->ldb + q->n - j >= LANES)
		return load(at);
	lanes_copy(copy, at, q->n - j, size);
	return load(copy);
}

LANES_INLINE void fetch_b(const struct gemm_term *t, size_t p, size_t j,
                          const int width, const size_t size)
{
	const char *at = t->b + (p * t->ldb + j) * size;

#pragma GCC unroll 3
	for (int v = 0; v < width; v++)
		__builtin_prefetch(at + v * LANES * size);
}

/* Prefetches one cache line of each row of A in the next block. */
LANES_INLINE void fetch_below(const struct gemm_update *q,
                              const struct gemm_term *t, const float *a,
                              const int rows)
{
	if (q->col != 1)
		return;
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
		__builtin_prefetch(a + (rows + r) * t->row);
}

/* A vector of C: all lanes if `whole`, else n lanes and zeros. */
LANES_INLINE lanes load_c(const float *c, const bool whole, size_t n)
{
	lanes x = lanes_zero();

	if (whole)
		return lanes_f32(c);
	lanes_copy(&x, c, n, sizeof *c);
	return x;
}

LANES_INLINE void store_c(float *c, lanes x, const bool whole, size_t n)
{
	if (whole)
		lanes_put(c, x);
	else
		lanes_copy(c, &x, n, sizeof *c);
}

/* Updates the block of `rows` rows and `width` vectors at C(i, j). If not
 * `whole`, it is one vector wide and only its first n - j lanes are in C. */
LANES_INLINE void block(const struct gemm_update *q, size_t i, size_t j,
                        const int rows, const int width, const bool whole,
                        const size_t size, lanes_load *load)
{
	float *c = q->c + i * q->ldc + j;
	lanes sum[GEMM_MAX_ROWS][GEMM_WIDTH];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
		for (int v = 0; v < width; v++)
			sum[r][v] = q->fresh ? lanes_zero()
			            : load_c(c + r * q->ldc + v * LANES, whole,
			                     q->n - j);
	for (const struct gemm_term *t = q->terms; t < q->terms + q->count;
	     t++) {
		const float *a = t->a + i * t->row;

		for (size_t p = 0; p < t->k; p++, a += q->col) {
			lanes b[GEMM_WIDTH];

			if (p % LANES == 0)
				fetch_below(q, t, a, rows);

#pragma GCC unroll 3
			for (int v = 0; v < width; v++)
				b[v] = load_b(q, t, p, j + v * LANES, whole,
				              size, load);
			fetch_b(t, p + GEMM_AHEAD, j, width, size);
#pragma GCC unroll 8
			for (int r = 0; r < rows; r++) {
				lanes x = lanes_all(a[r * t->row]);

#pragma GCC unroll 3
				for (int v = 0; v < width; v++)
					sum[r][v] = lanes_fma(x, b[v],
					                      sum[r][v]);
			}
		}
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
		for (int v = 0; v < width; v++)
			store_c(c + r * q->ldc + v * LANES, sum[r][v], whole,
			        q->n - j);
}

/* Updates all rows of `width` vectors of columns, starting at column j. */
LANES_INLINE void column(const struct gemm_update *q, size_t j, const int rows,
                         const int width, const bool whole, const size_t size,
                         lanes_load *load)
{
	size_t i = 0;

	for (; rows == 8 && i + 8 <= q->m; i += 8)
		block(q, i, j, 8, width, whole, size, load);
	for (; i + 4 <= q->m; i += 4)
		block(q, i, j, 4, width, whole, size, load);
	for (; i + 2 <= q->m; i += 2)
		block(q, i, j, 2, width, whole, size, load);
	for (; i < q->m; i++)
		block(q, i, j, 1, width, whole, size, load);
}

/* Updates all of C; rows, width: size of the largest block. */
LANES_INLINE void gemm(const struct gemm_update *q, const int rows,
                       const int width, const size_t size, lanes_load *load)
{
	size_t j = 0;

	for (; width >= 3 && j + 3 * LANES <= q->n; j += 3 * LANES)
		column(q, j, rows, 3, true, size, load);
	for (; width >= 2 && j + 2 * LANES <= q->n; j += 2 * LANES)
		column(q, j, rows, 2, true, size, load);
	for (; j + LANES <= q->n; j += LANES)
		column(q, j, rows, 1, true, size, load);
	if (j < q->n)
		column(q, j, rows, 1, false, size, load);
}

/* Largest block: 4 x 1 vectors with 16 registers of half a vector, 8 x 3 with
 * 32 registers of a whole vector. */
#define MAKE_GEMM(name, load, store, bytes)                                   \
	LANES_TARGET static void name(const struct gemm_update *q)            \
	{                                                                     \
		gemm(q, LANES_WIDE ? GEMM_MAX_ROWS : 4,                       \
		     LANES_WIDE ? GEMM_WIDTH : 1, bytes, load);               \
	}

LANES_TYPES(MAKE_GEMM, gemm)

#endif
