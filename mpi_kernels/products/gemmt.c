/* MeshGEMM-T: products with a transposed factor that nobody transposes.
 *
 *   step s: row y has block b = ring[(pos(y) - s) mod P] of n in hand
 *
 *   row y   A(y,0) B(b,0)^T   A(y,1) B(b,1)^T   A(y,2) B(b,2)^T
 *                 \------------> C(y,b) <------------/
 *           summed on the column of block b; then B goes one step along y
 *
 * Every row has another block in hand, so each row's sum has another root. The
 * attention of prefill (attention.c) is this inside each head's columns, with
 * its scores kept where they are summed.
 *
 * Source: WaferLLM (OSDI'25), section 5.4. */
#include "config.h"
#include "mpi_kernels/products/gemmt.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/cost.h"
#include "mpi_kernels/moves/line.h"
#include "mpi_kernels/moves/shift.h"
#include "simd/vec.h"

static const struct gemmt_algorithm table[] = {
	{ "meshgemm-t", "B on the interleaved ring, sums to the block's column",
	  RING_INTERLEAVE },
	{ "cannon-t", "the same, B's last block all the way back in each step",
	  RING_NATURAL },
};

const struct gemmt_algorithm *gemmt_at(size_t i)
{
	return &table[i];
}

size_t gemmt_count(void)
{
	return sizeof table / sizeof *table;
}

/* A step as all rows see it: the block that each has in hand, where its sum
 * goes and how many words that is. [rows] each. */
struct step {
	int *block, *root;
	size_t *words;
};

static void find_step(const struct gemmt *p, struct step *s)
{
	const struct tiles *b = p->b;
	int to_column = b->ring.parts / p->c->grid->cols;

	for (int y = 0; y < p->c->grid->rows; y++) {
		/* Every column's block is the same: B is not skewed. */
		s->block[y] = tiles_block(b, 0, y * b->path->per_core);
		s->root[y] = s->block[y] / to_column;
		s->words[y] = (size_t)partition_size(&p->a->fixed, y) *
		              partition_size(&b->ring, s->block[y]);
	}
}

/* This rank's partial sums: [own columns][own rows][m][n of the block]. */
static void partial_sums(const struct gemmt *p, const struct step *s,
                         float *part, size_t stride)
{
	const struct grid *g = p->c->grid;

	memset(part, 0, stride * grid_width(g) * sizeof *part);
	for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
		float *to = part + (x - g->x.local.lo) * stride;

		for (int y = g->y.local.lo; y < g->y.local.hi; y++) {
			int k = tiles_ring_extent(p->a, y, x);
			int n = partition_size(&p->b->ring, s->block[y]);

			vec_gemm(partition_size(&p->a->fixed, y), n, k,
			         tiles_at(p->a, y, x), k, 1, WL_F32,
			         tiles_at(p->b, y, x), n, to, n);
			to += s->words[y];
		}
	}
}

/* Copies finished blocks to their places in C. */
static void keep_sums(const struct gemmt *p, const struct step *s,
                      const float *part, size_t stride)
{
	const struct grid *g = p->c->grid;

	for (int y = g->y.local.lo; y < g->y.local.hi; y++) {
		int x = s->root[y],
		    n = partition_size(&p->b->ring, s->block[y]);

		if (line_has(&g->x, x)) {
			const float *from = part + (x - g->x.local.lo) * stride;
			int width = partition_size(&p->c->ring, x);
			float *to = tiles_at(p->c, y, x) +
			            partition_start(&p->b->ring, s->block[y]) -
			            partition_start(&p->c->ring, x);

			for (int i = 0; i < partition_size(&p->a->fixed, y);
			     i++)
				memcpy(to + (size_t)i * width,
				       from + (size_t)i * n, n * sizeof *to);
		}
		part += s->words[y];
	}
}

static void reduce_step(const struct gemmt *p, const struct step *s)
{
	struct grid *g = p->c->grid;
	const struct line_parts parts = { g->rows, g->y.local, s->words,
	                                  s->root };
	size_t stride = line_parts_words(&parts);
	float *part = NULL;

	if (!g->dry) {
		part = line_buffer(&g->x, LINE_PARTIAL, stride * grid_width(g));
		partial_sums(p, s, part, stride);
	}
	line_reduce(&g->x, 0, g->cols - 1, &parts, LINE_ADD, part, stride);
	if (part)
		keep_sums(p, s, part, stride);
}

/* Bytes of one block's sums on the fullest core. */
static uint64_t sum_bytes(const struct gemmt *p)
{
	return cost_bytes(p->c->grid->ledger,
	                  (uint64_t)partition_max(&p->b->ring) *
	                          partition_max(&p->a->fixed));
}

void gemmt_run(const struct gemmt *p)
{
	struct grid *g = p->c->grid;
	struct ledger *l = g->ledger;
	uint64_t m = partition_max(&p->a->fixed),
		 k = partition_max(&p->a->ring);
	struct step s = { wl_malloc(g->rows, sizeof *s.block),
	                  wl_malloc(g->rows, sizeof *s.root),
	                  wl_malloc(g->rows, sizeof *s.words) };
	const struct charge product = cost_product(
		l, (uint64_t)p->a->fixed.n * p->a->ring.n * p->b->ring.n,
		m * k * p->b->ring.n, 0);
	const struct charge step_product = {
		.compute_cycles = cost_gemm(l, m, partition_max(&p->b->ring), k)
	};

	ledger_charge(l, &product);
	ledger_alloc(l, SRAM_BUFFERS, sum_bytes(p));
	for (int step = 0; step < p->b->path->n; step++) {
		struct tiles_shift shift;

		find_step(p, &s);
		ledger_overlap_begin(l);
		ledger_charge(l, &step_product);
		tiles_shift_start(&shift, p->b, NULL);
		ledger_overlap_end(l);
		reduce_step(p, &s);
		tiles_shift_finish(&shift);
	}
	ledger_free(l, SRAM_BUFFERS, sum_bytes(p));
	free(s.words);
	free(s.root);
	free(s.block);
}
