/* y += x W with W's rows streaming through, of any element type.
 *
 *   x0 W[0][.]  x1 W[1][.]  ...  x7 W[7][.]     eight rows at a time: y is
 *        |           |               |          loaded and stored once for
 *        +-----------+--- y[.] <-----+          eight terms, in order
 */
#include "config.h"
#include "vec.h"

#include "lanes.h"

/* Rows of W that are in hand together: as many streams as a processor's
 * prefetcher follows. */
#define ROWS 8

/* A matrix of `rows` rows of n elements, ld elements apart. */
struct streams {
	size_t rows, n, ld;
};

/* A whole vector from column j of row r, of which only some lanes may be the
 * row's: those behind it are what lies there, but nothing behind the matrix is
 * read. */
LANES_INLINE lanes load_end(const struct streams *s, size_t r, size_t j,
                            const char *row, const size_t size,
                            lanes_load *load)
{
	char copy[LANES * sizeof(float)] = { 0 };

	if ((s->rows - 1 - r) * s->ld + s->n - j >= LANES)
		return load(row + j * size);
	lanes_copy(copy, row + j * size, s->n - j, size);
	return load(copy);
}

/* y[0..width vectors) += factor[r] W[r], row r at `row` + r * step; asks for the
 * rows that come next. */
LANES_INLINE void add_vectors(const int count, const int width,
                              const lanes *factor, const char *row,
                              size_t step, float *y, const size_t size,
                              lanes_load *load)
{
	lanes sum[2];

#pragma GCC unroll 2
	for (int v = 0; v < width; v++)
		sum[v] = lanes_f32(y + v * LANES);
#pragma GCC unroll 8
	for (int r = 0; r < count; r++) {
		const char *at = row + r * step;

		for (size_t line = 0; line < width * LANES * size; line += 64)
			__builtin_prefetch(at + count * step + line);
#pragma GCC unroll 2
		for (int v = 0; v < width; v++)
			sum[v] = lanes_fma(factor[r], load(at + v * LANES *
			                                   size), sum[v]);
	}
#pragma GCC unroll 2
	for (int v = 0; v < width; v++)
		lanes_put(y + v * LANES, sum[v]);
}

/* y += x[r] W[r] of `count` rows from `first` on. */
LANES_INLINE void add_rows(const struct streams *s, size_t first,
                           const int count, const float *x, size_t stride,
                           const char *w, float *y, const size_t size,
                           lanes_load *load)
{
	const size_t step = s->ld * size;
	const char *row = w + first * step;
	lanes factor[ROWS], sum = { 0 };
	size_t j = 0;

	for (int r = 0; r < count; r++)
		factor[r] = lanes_all(x[(first + r) * stride]);
	for (; j + 2 * LANES <= s->n; j += 2 * LANES)
		add_vectors(count, 2, factor, row + j * size, step, y + j,
		            size, load);
	for (; j + LANES <= s->n; j += LANES)
		add_vectors(count, 1, factor, row + j * size, step, y + j,
		            size, load);
	if (j == s->n)
		return;
	sum = (lanes){ 0 };
	lanes_copy(&sum, y + j, s->n - j, sizeof *y);
	for (int r = 0; r < count; r++)
		sum = lanes_fma(factor[r], load_end(s, first + r, j, row +
		                                    r * step, size, load), sum);
	lanes_copy(y + j, &sum, s->n - j, sizeof *y);
}

LANES_INLINE void gemv(const struct streams *s, const float *x, size_t stride,
                       const char *w, float *y, const size_t size,
                       lanes_load *load)
{
	size_t i = 0;

	for (; i + ROWS <= s->rows; i += ROWS)
		add_rows(s, i, ROWS, x, stride, w, y, size, load);
	for (; i + ROWS / 2 <= s->rows; i += ROWS / 2)
		add_rows(s, i, ROWS / 2, x, stride, w, y, size, load);
	for (; i < s->rows; i++)
		add_rows(s, i, 1, x, stride, w, y, size, load);
}

typedef void gemv_function(size_t k, size_t n, const float *x, size_t stride,
                           const void *w, size_t ldw, float *y);

#define MAKE(attribute, name, load, store, bytes, wide)                       \
	attribute static void name(size_t k, size_t n, const float *x,        \
	                           size_t stride, const void *w, size_t ldw,  \
	                           float *y)                                  \
	{                                                                     \
		gemv(&(struct streams){ k, n, ldw }, x, stride, w, y, bytes,  \
		     load);                                                   \
	}

LANES_FUNCTIONS(MAKE, versions, gemv_function)

/* Columns that are done at a time: their part of y stays in the closest cache
 * while all rows pass. */
#define COLUMNS 4096

void vec_gemv(size_t k, size_t n, const float *x, size_t stride,
              enum wl_type type, const void *w, size_t ldw, float *y)
{
	gemv_function *run = versions[simd_level()][type];
	size_t size = wl_type_size(type);

	for (size_t j = 0; j < n; j += COLUMNS)
		run(k, n - j < COLUMNS ? n - j : COLUMNS, x, stride,
		    (const char *)w + j * size, ldw, y + j);
}
