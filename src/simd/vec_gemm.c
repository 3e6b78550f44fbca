/* Products of tiles, taken apart into what the innermost loops
 * (vec_gemm_lanes.h) do best. */
#include "config.h"
#include "simd/vec.h"

#include <stdint.h>

#include "loops.h"

/* Terms that are in hand together. */
#define MANY 64

/* Rows of B, in all terms in hand, that blocks one below the other find in the
 * closest cache: a column of them is half of it. */
#define DEEP 64

/* A product whose terms are added up a part at a time. */
struct batch {
	struct kernel_term term[MANY];
	struct kernel_gemm q;
	kernel_gemm_function *run;
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
static void add_term(struct batch *b, struct kernel_term t, size_t size)
{
	size_t max = b->q.m > KERNEL_GEMM_ROWS ? DEEP : SIZE_MAX, k = t.k;

	do {
		t.k = k < max ? k : max;
		if (b->q.count == MANY || b->deep + t.k > max)
			flush(b);
		b->term[b->q.count++] = t;
		b->deep += t.k;
		t.a += t.k * b->q.col;
		t.b += t.k * t.ldb * size;
		k -= t.k;
	} while (k);
}

static void batch_init(struct batch *b, const struct kernel_gemm *q,
                       enum wl_type type)
{
	b->q = *q;
	b->q.terms = b->term;
	b->run = loops()->gemm[type];
	b->deep = 0;
}

void vec_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
              size_t col, enum wl_type type, const void *b, size_t ldb,
              float *c, size_t ldc)
{
	struct batch all;

	batch_init(&all, &(struct kernel_gemm){ .m = m, .n = n, .col = col,
	                                        .c = c, .ldc = ldc }, type);
	add_term(&all, (struct kernel_term){ a, b, k, row, ldb },
	         wl_type_size(type));
	flush(&all);
}

void vec_gemm_terms(size_t m, size_t n, size_t count,
                    const struct vec_term *terms, enum wl_type type,
                    bool fresh, float *c)
{
	struct batch all;

	batch_init(&all, &(struct kernel_gemm){ .m = m, .n = n, .col = 1,
	                                        .fresh = fresh, .c = c,
	                                        .ldc = n }, type);
	for (size_t i = 0; i < count; i++)
		add_term(&all,
		         (struct kernel_term){ terms[i].a, terms[i].b,
		                               terms[i].k, terms[i].k, n },
		         wl_type_size(type));
	flush(&all);
}
