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

/* Rows of B that are asked for before they are used: where B is wider than the
 * block, processors do not see by themselves what comes next. */
#define AHEAD 16

/* The products that add up in C. All have A's column stride, and row strides and
 * B's leading dimension of their own. */
struct term {
	const float *a;
	const char *b;
	size_t k, row, ldb;
};

struct product {
	size_t m, n;
	const struct term *terms;
	size_t count, col;
	bool fresh;          /* C begins at 0 */
	float *c;
	size_t ldc;
};

/* Vector p of B from column j on, of which the last of a row may reach into
 * what lies behind it; nothing behind B is read. */
LANES_INLINE lanes load_b(const struct product *q, const struct term *t,
                          size_t p, size_t j, const bool whole,
                          const size_t size, lanes_load *load)
{
	const char *at = t->b + (p * t->ldb + j) * size;
	char copy[LANES * sizeof(float)] = { 0 };

	if (whole || (t->k - 1 - p) * t->ldb + q->n - j >= LANES)
		return load(at);
	lanes_copy(copy, at, q->n - j, size);
	return load(copy);
}

LANES_INLINE void fetch_b(const struct term *t, size_t p, size_t j,
                          const int width, const size_t size)
{
	const char *at = t->b + (p * t->ldb + j) * size;

#pragma GCC unroll 3
	for (int v = 0; v < width; v++)
		__builtin_prefetch(at + v * LANES * size);
}

/* The rows of A that the next block has, a line of each. */
LANES_INLINE void fetch_below(const struct product *q, const struct term *t,
                              const float *a, const int rows)
{
	if (q->col != 1)
		return;
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
		__builtin_prefetch(a + (rows + r) * t->row);
}

/* A vector of C, of which only n lanes are C's if it is not whole. */
LANES_INLINE lanes load_c(const float *c, const bool whole, size_t n)
{
	lanes x = { 0 };

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

/* The block of `rows` rows and `width` vectors at (i, j) of C; not whole: one
 * vector, which has a part of its lanes in C. */
LANES_INLINE void block(const struct product *q, size_t i, size_t j,
                        const int rows, const int width, const bool whole,
                        const size_t size, lanes_load *load)
{
	float *c = q->c + i * q->ldc + j;
	lanes sum[ROWS][WIDTH] = { { { 0 } } };

	if (!q->fresh) {
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
			for (int v = 0; v < width; v++)
				sum[r][v] = load_c(c + r * q->ldc + v * LANES,
				                   whole, q->n - j);
	}
	for (const struct term *t = q->terms; t < q->terms + q->count; t++) {
		const float *a = t->a + i * t->row;

		for (size_t p = 0; p < t->k; p++, a += q->col) {
			lanes b[WIDTH];

			if (p % LANES == 0)
				fetch_below(q, t, a, rows);

#pragma GCC unroll 3
			for (int v = 0; v < width; v++)
				b[v] = load_b(q, t, p, j + v * LANES, whole,
				              size, load);
			fetch_b(t, p + AHEAD, j, width, size);
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

/* All rows of the columns from j on, `width` vectors of them. */
LANES_INLINE void column(const struct product *q, size_t j, const int rows,
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

/* rows, width: the largest block. */
LANES_INLINE void gemm(const struct product *q, const int rows,
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

typedef void gemm_function(const struct product *q);

/* Sixteen registers of half a vector hold 4 x 1, 32 whole ones 8 x 3. */
#define MAKE(attribute, name, load, store, bytes, wide)                       \
	attribute static void name(const struct product *q)                   \
	{                                                                     \
		gemm(q, wide ? 8 : 4, wide ? 3 : 1, bytes, load);             \
	}

LANES_FUNCTIONS(MAKE, versions, gemm_function)

/* Terms that are in hand together. */
#define MANY 64

/* Rows of B, in all terms in hand, that blocks one below the other find in the
 * closest cache: a column of them is half of it. */
#define DEEP 64

/* A product whose terms are added up a part at a time. */
struct batch {
	struct term term[MANY];
	struct product q;
	gemm_function *run;
	size_t deep;         /* rows of B in hand */
};

static void flush(struct batch *b)
{
	b->run(&b->q);
	b->q.fresh = false;
	b->q.count = 0;
	b->deep = 0;
}

/* Puts a term in hand, in pieces if it is deep and there are blocks below each
 * other. */
static void add_term(struct batch *b, struct term t, size_t size)
{
	size_t most = b->q.m > ROWS ? DEEP : SIZE_MAX, k = t.k;

	do {
		t.k = k < most ? k : most;
		if (b->q.count == MANY || b->deep + t.k > most)
			flush(b);
		b->term[b->q.count++] = t;
		b->deep += t.k;
		t.a += t.k * b->q.col;
		t.b += t.k * t.ldb * size;
		k -= t.k;
	} while (k);
}

static void batch_init(struct batch *b, const struct product *q,
                       enum wl_type type)
{
	b->q = *q;
	b->q.terms = b->term;
	b->run = versions[simd_level()][type];
	b->deep = 0;
}

void vec_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
              size_t col, enum wl_type type, const void *b, size_t ldb,
              float *c, size_t ldc)
{
	struct batch all;

	batch_init(&all, &(struct product){ .m = m, .n = n, .col = col, .c = c,
	                                    .ldc = ldc }, type);
	add_term(&all, (struct term){ a, b, k, row, ldb }, wl_type_size(type));
	flush(&all);
}

void vec_gemm_terms(size_t m, size_t n, size_t count,
                    const struct vec_term *terms, enum wl_type type,
                    bool fresh, float *c)
{
	struct batch all;

	batch_init(&all, &(struct product){ .m = m, .n = n, .col = 1,
	                                    .fresh = fresh, .c = c, .ldc = n },
	           type);
	for (size_t i = 0; i < count; i++)
		add_term(&all, (struct term){ terms[i].a, terms[i].b,
		                              terms[i].k, terms[i].k, n },
		         wl_type_size(type));
	flush(&all);
}
