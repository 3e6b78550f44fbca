/* C += A B for one core's tiles: blocks of C stay in registers while all of k
 * passes.
 *
 *            j ... j+47
 *   p        [ B: three vectors ]
 *   i  a --> [ C: 8 x 3 vectors ]     for p = 0..k-1:  C[i][.] += a[i][p] B[p]
 *   i+7
 *
 * Processors with fewer registers have smaller blocks. Whatever the block, the
 * terms of one element of C are added in the order of p. */
#include "config.h"
#include "vec.h"

#include "lanes.h"

/* Largest block of C: rows, and vectors of columns. */
#define ROWS 8
#define WIDTH 3

/* A product, as vec_gemm has it; size: bytes of B's elements. */
struct product {
	size_t m, n, k;
	const float *a;
	size_t row, col;
	const char *b;
	size_t ldb, size;
	float *c;
	size_t ldc;
};

/* Vector p of B from column j on, of which the last of a row may reach into
 * what lies behind it; nothing behind B is read. */
LANES_INLINE lanes load_b(const struct product *q, size_t p, size_t j,
                          bool whole, lanes_load *load)
{
	const char *at = q->b + (p * q->ldb + j) * q->size;
	char copy[LANES * sizeof(float)] = { 0 };

	if (whole || (q->k - 1 - p) * q->ldb + q->n - j >= LANES)
		return load(at);
	memcpy(copy, at, (q->n - j) * q->size);
	return load(copy);
}

/* The block of `rows` rows and `width` vectors at (i, j) of C; not whole: one
 * vector, which has a part of its lanes in C. */
LANES_INLINE void block(const struct product *q, size_t i, size_t j,
                        const int rows, const int width, const bool whole,
                        lanes_load *load)
{
	const float *a = q->a + i * q->row;
	float *c = q->c + i * q->ldc + j;
	const size_t bytes = whole ? sizeof(lanes) : (q->n - j) * sizeof *c;
	lanes sum[ROWS][WIDTH] = { { { 0 } } };

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
		for (int v = 0; v < width; v++)
			memcpy(&sum[r][v], c + r * q->ldc + v * LANES, bytes);
	for (size_t p = 0; p < q->k; p++) {
		lanes b[WIDTH];

#pragma GCC unroll 3
		for (int v = 0; v < width; v++)
			b[v] = load_b(q, p, j + v * LANES, whole, load);
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++) {
			lanes x = lanes_all(a[r * q->row + p * q->col]);

#pragma GCC unroll 3
			for (int v = 0; v < width; v++)
				sum[r][v] = lanes_fma(x, b[v], sum[r][v]);
		}
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
		for (int v = 0; v < width; v++)
			memcpy(c + r * q->ldc + v * LANES, &sum[r][v], bytes);
}

/* All rows of the columns from j on, `width` vectors of them. */
LANES_INLINE void column(const struct product *q, size_t j, const int rows,
                         const int width, const bool whole, lanes_load *load)
{
	size_t i = 0;

	for (; rows == 8 && i + 8 <= q->m; i += 8)
		block(q, i, j, 8, width, whole, load);
	for (; i + 4 <= q->m; i += 4)
		block(q, i, j, 4, width, whole, load);
	for (; i + 2 <= q->m; i += 2)
		block(q, i, j, 2, width, whole, load);
	for (; i < q->m; i++)
		block(q, i, j, 1, width, whole, load);
}

/* rows, width: the largest block. */
LANES_INLINE void gemm(const struct product *q, const int rows,
                       const int width, lanes_load *load)
{
	size_t j = 0;

	for (; width >= 3 && j + 3 * LANES <= q->n; j += 3 * LANES)
		column(q, j, rows, 3, true, load);
	for (; width >= 2 && j + 2 * LANES <= q->n; j += 2 * LANES)
		column(q, j, rows, 2, true, load);
	for (; j + LANES <= q->n; j += LANES)
		column(q, j, rows, 1, true, load);
	if (j < q->n)
		column(q, j, rows, 1, false, load);
}

typedef void gemm_function(const struct product *q);

/* Sixteen registers of half a vector hold 4 x 1, 32 whole ones 8 x 3. */
#define MAKE(attribute, name, load, store, bytes, wide)                       \
	attribute static void name(const struct product *q)                   \
	{                                                                     \
		struct product p = *q;                                        \
		p.size = bytes;                                               \
		gemm(&p, wide ? 8 : 4, wide ? 3 : 1, load);                   \
	}

LANES_FUNCTIONS(MAKE, versions, gemm_function)

void vec_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
              size_t col, enum wl_type type, const void *b, size_t ldb,
              float *c, size_t ldc)
{
	versions[simd_level()][type](&(struct product){
		m, n, k, a, row, col, b, ldb, 0, c, ldc });
}
