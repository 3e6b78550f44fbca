/* Vector-matrix products, W of any element type, for one level of lanes.h.
 *
 * gemv: y += x W, streaming W row by row:
 *
 *   x0 W[0][.]  x1 W[1][.]  ...  x7 W[7][.]     eight rows at a time: y is
 *        |           |               |          loaded and stored once for
 *        +-----------+--- y[.] <-----+          eight terms, in order
 *
 * panels: y = x W for several W stored in panels (vec.h). Several panels are
 * streamed at the same time; the sums of each stay in registers:
 *
 *   w  [0][0..32) [1][0..32) ...  ->  y[0..32)
 *   w' [0][0..32) [1][0..32) ...  ->  y'[0..32)      and so on
 */
#ifndef WL_VEC_GEMV_LANES_H
#define WL_VEC_GEMV_LANES_H

#include "lanes.h"
#include "simd/vec.h"

/* Rows of W processed at a time: as many streams as a hardware prefetcher
 * follows. */
#define GEMV_ROWS 8

/* A matrix of `rows` rows of n elements, ld elements apart. */
struct matrix {
	size_t rows, n, ld;
};

/* The vector W[r][j..j+15], where the row may end sooner: the remaining lanes
 * then hold arbitrary values, but nothing beyond the end of W is read. `row` is
 * row r. */
LANES_INLINE lanes load_end(const struct matrix *s, size_t r, size_t j,
                            const char *row, const size_t size,
                            lanes_load *load)
{
	char copy[LANES * sizeof(float)] = { 0 };

	if ((s->rows - 1 - r) * s->ld + s->n - j >= LANES)
		return load(row + j * size);
	lanes_copy(copy, row + j * size, s->n - j, size);
	return load(copy);
}

/* y += sum over r of factor[r] W[r], `width` vectors of it, with row r at
 * row + r * step; prefetches the next `count` rows. */
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

/* y += x[r] W[r] for the `count` rows from `first` on. */
LANES_INLINE void add_rows(const struct matrix *s, size_t first,
                           const int count, const float *x, size_t stride,
                           const char *w, float *y, const size_t size,
                           lanes_load *load)
{
	const size_t step = s->ld * size;
	const char *row = w + first * step;
	lanes factor[GEMV_ROWS], sum;
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
	sum = lanes_zero();
	lanes_copy(&sum, y + j, s->n - j, sizeof *y);
	for (int r = 0; r < count; r++)
		sum = lanes_fma(factor[r], load_end(s, first + r, j, row +
		                                    r * step, size, load), sum);
	lanes_copy(y + j, &sum, s->n - j, sizeof *y);
}

LANES_INLINE void gemv(const struct matrix *s, const float *x, size_t stride,
                       const char *w, float *y, const size_t size,
                       lanes_load *load)
{
	size_t i = 0;

	for (; i + GEMV_ROWS <= s->rows; i += GEMV_ROWS)
		add_rows(s, i, GEMV_ROWS, x, stride, w, y, size, load);
	for (; i + GEMV_ROWS / 2 <= s->rows; i += GEMV_ROWS / 2)
		add_rows(s, i, GEMV_ROWS / 2, x, stride, w, y, size, load);
	for (; i < s->rows; i++)
		add_rows(s, i, 1, x, stride, w, y, size, load);
}

#define MAKE_GEMV(name, load, store, bytes)                                   \
	LANES_TARGET static void name(size_t k, size_t n, const float *x,     \
	                              size_t stride, const void *w,           \
	                              size_t ldw, float *y)                   \
	{                                                                     \
		gemv(&(struct matrix){ k, n, ldw }, x, stride, w, y, bytes,   \
		     load);                                                   \
	}

LANES_TYPES(MAKE_GEMV, gemv)

/* ---- panels ---- */

/* Panels streamed at the same time: the number that gives the highest memory
 * bandwidth and whose sums still fit the registers. */
#define STREAMS (LANES_WIDE ? 4 : 2)
#define VECTORS (VEC_PANEL / LANES)
/* Software prefetch distance, bytes. Used for narrow elements and for few
 * streams, which are consumed faster than the hardware prefetches them. */
#define AHEAD 1024

_Static_assert(VECTORS == 2, "a panel is one or two vectors wide");

/* A panel: x [k], w [k][vectors], y [vectors]. */
struct panel {
	size_t k, vectors;
	const float *x;
	const char *w;
	float *y;
};

LANES_INLINE struct panel panel_at(const struct vec_stream *streams, size_t n,
                                   size_t i, const size_t size)
{
	size_t panels = (n + VEC_PANEL - 1) / VEC_PANEL;
	const struct vec_stream *s = &streams[i / panels];
	size_t first = i % panels * VEC_PANEL;

	return (struct panel){ s->k, vec_panel_width(n, first) / LANES, s->x,
	                       (const char *)s->w + first * s->k * size,
	                       s->y + first };
}

/* Multiplies `count` panels with the same number of rows, each `width` vectors
 * wide. */
LANES_INLINE void add_panels(const int count, const struct panel *p,
                             const int width, const size_t size,
                             lanes_load *load)
{
	const size_t row = width * LANES * size;
	const bool prefetch = size < 4 || !LANES_WIDE;
	lanes sum[STREAMS][VECTORS];

#pragma GCC unroll 4
	for (int s = 0; s < count; s++)
#pragma GCC unroll 4
		for (int v = 0; v < width; v++)
			sum[s][v] = lanes_zero();
	for (size_t k = 0; k < p->k; k++)
#pragma GCC unroll 4
		for (int s = 0; s < count; s++) {
			lanes x = lanes_all(p[s].x[k]);
			const char *w = p[s].w + k * row;

			for (size_t i = 0; prefetch && i < width * LANES * size;
			     i += 64)
				__builtin_prefetch(w + AHEAD + i);
#pragma GCC unroll 4
			for (int v = 0; v < width; v++)
				sum[s][v] = lanes_fma(x, load(w + v * LANES *
				                              size), sum[s][v]);
		}
#pragma GCC unroll 4
	for (int s = 0; s < count; s++)
#pragma GCC unroll 4
		for (int v = 0; v < width; v++)
			lanes_put(p[s].y + v * LANES, sum[s][v]);
}

/* All panels of all products, numbered through, are cut into STREAMS ranges:
 * stream s takes panels [start[s], start[s + 1]). */
LANES_INLINE void gemv_panels(size_t count, const struct vec_stream *streams,
                              size_t n, const size_t size, lanes_load *load)
{
	size_t panels = count * ((n + VEC_PANEL - 1) / VEC_PANEL);
	size_t start[STREAMS + 1];
	struct panel p[STREAMS];

	for (size_t s = 0; s <= STREAMS; s++)
		start[s] = s * panels / STREAMS;
	for (size_t i = 0; i < (panels + STREAMS - 1) / STREAMS; i++) {
		bool alike = true;
		int here = 0;

		for (int s = 0; s < STREAMS; s++) {
			if (start[s] + i >= start[s + 1])
				continue;
			p[here] = panel_at(streams, n, start[s] + i, size);
			alike = alike && p[here].k == p->k &&
			        p[here].vectors == VECTORS;
			here++;
		}
		if (alike && here == STREAMS) {
			add_panels(STREAMS, p, VECTORS, size, load);
			continue;
		}
		for (int s = 0; s < here; s++)
			if (p[s].vectors == VECTORS)
				add_panels(1, &p[s], VECTORS, size, load);
			else
				add_panels(1, &p[s], 1, size, load);
	}
}

#define MAKE_PANELS(name, load, store, bytes)                                 \
	LANES_TARGET static void name(size_t count,                           \
	                              const struct vec_stream *streams,       \
	                              size_t n)                               \
	{                                                                     \
		gemv_panels(count, streams, n, bytes, load);                  \
	}

LANES_TYPES(MAKE_PANELS, panels)

#endif
