/* Products of tiles, split into batches for the innermost loops
 * (vec_gemm_lanes.h) so that each batch's part of B stays in the L1 cache. */
#include "config.h"
#include "simd/vec.h"

#include <stdint.h>

#include "loops.h"

/* Most terms of a batch. */
#define MAX_TERMS 64

/* Most rows of B in a batch, over all its terms, where C has several blocks one
 * below the other: these reuse the same columns of B, which then fill half of
 * the L1 cache. */
#define MAX_DEPTH 64

/* The terms gathered so far for one call of the innermost loop. */
struct batch {
	struct gemm_term term[MAX_TERMS];
	struct gemm_update q;
	loops_gemm *run;
	size_t depth;        /* rows of B in the batch */
};

static void flush(struct batch *b)
{
	b->run(&b->q);
	b->q.fresh = false;
	b->q.count = 0;
	b->depth = 0;
}

/* Adds a term to the batch, cut along k where MAX_DEPTH applies. */
static void add_term(struct batch *b, struct gemm_term t, size_t size)
{
	size_t max = b->q.m > GEMM_MAX_ROWS ? MAX_DEPTH : SIZE_MAX, k = t.k;

	do {
		t.k = k < max ? k : max;
		if (b->q.count == MAX_TERMS || b->depth + t.k > max)
			flush(b);
		b->term[b->q.count++] = t;
		b->depth += t.k;
		t.a += t.k * b->q.col;
		t.b += t.k * t.ldb * size;
		k -= t.k;
	} while (k);
}

static void batch_init(struct batch *b, const struct gemm_update *q,
                       enum wl_type type)
{
	b->q = *q;
	b->q.terms = b->term;
	b->run = loops()->gemm[type];
	b->depth = 0;
}

void vec_gemm(size_t m, size_t n, size_t k, const float *a, size_t row,
              size_t col, enum wl_type type, const void *b, size_t ldb,
              float *c, size_t ldc)
{
	struct batch all;

	batch_init(&all, &(struct gemm_update){ .m = m, .n = n, .col = col,
	                                        .c = c, .ldc = ldc }, type);
	add_term(&all, (struct gemm_term){ a, b, k, row, ldb },
	         wl_type_size(type));
	flush(&all);
}

void vec_gemm_terms(size_t m, size_t n, size_t count,
                    const struct vec_term *terms, enum wl_type type,
                    bool fresh, float *c)
{
	struct batch all;

	batch_init(&all, &(struct gemm_update){ .m = m, .n = n, .col = 1,
	                                        .fresh = fresh, .c = c,
	                                        .ldc = n }, type);
	for (size_t i = 0; i < count; i++)
		add_term(&all,
		         (struct gemm_term){ terms[i].a, terms[i].b,
		                             terms[i].k, terms[i].k, n },
		         wl_type_size(type));
	flush(&all);
}
