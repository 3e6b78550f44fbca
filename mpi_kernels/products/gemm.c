/* The table of products, and how their operands lie. */
#include "config.h"
#include "mpi_kernels/products/gemm.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "mpi_kernels/moves/shift.h"

static const struct gemm_algorithm table[] = {
	{ "meshgemm", "two-hop shifts on the interleaved ring (WaferLLM)",
	  RING_INTERLEAVE, true, false, gemm_check_blocks, gemm_mesh },
	{ "cannon", "shifts by one core, the last tile all the way back",
	  RING_NATURAL, true, false, gemm_check_blocks, gemm_cannon },
	{ "summa", "broadcasts of a column of A and a row of B in each step",
	  RING_INTERLEAVE, false, false, gemm_check_blocks, gemm_summa },
	{ "allgather", "all of A's row and B's column on every core",
	  RING_INTERLEAVE, false, false, gemm_check_blocks, gemm_allgather },
};

const struct gemm_algorithm *gemm_at(size_t i)
{
	return &table[i];
}

size_t gemm_count(void)
{
	return sizeof table / sizeof *table;
}

const struct gemm_algorithm *gemm_find(const char *name)
{
	for (size_t i = 0; i < gemm_count(); i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

/* More blocks than this are reported to the user, and refused. */
enum { MANY_BLOCKS = 2048, MAX_BLOCKS = 1 << 19 };

static int least_common_multiple(int rows, int cols)
{
	int a = rows, b = cols;

	while (b) {
		int rest = a % b;

		a = b;
		b = rest;
	}
	return rows / a * cols;
}

int gemm_blocks(const struct grid *g)
{
	return least_common_multiple(g->rows, g->cols);
}

int gemm_check_blocks(struct rxc cores, struct wl_error *err)
{
	int blocks = least_common_multiple(cores.rows, cores.cols);

	if (blocks <= MAX_BLOCKS)
		return 0;
	return wl_error_set(err, "core grid: %dx%d cores cut the inner "
	                    "dimension of products in %d blocks, more than %d",
	                    cores.rows, cores.cols, blocks, MAX_BLOCKS);
}

void gemm_warn_blocks(struct rxc cores)
{
	int blocks = least_common_multiple(cores.rows, cores.cols);

	if (blocks <= MANY_BLOCKS)
		return;
	fprintf(stderr, "waferllm: warning: %dx%d cores cut the inner "
	        "dimension of products in %d blocks, their least common "
	        "multiple; sides with a common factor need fewer\n",
	        cores.rows, cores.cols, blocks);
	fflush(stderr);
}

bool gemm_disperses(const struct gemm_algorithm *alg, const struct grid *g)
{
	return grid_uneven(g) && !alg->whole;
}

/* k, cut over the cores of a line, in the blocks of the products. */
static struct partition blocks_of(const struct gemm_algorithm *alg,
                             const struct grid *g, struct partition k)
{
	WL_ASSERT(k.dispersed == gemm_disperses(alg, g));
	if (!alg->whole)
		k.parts = gemm_blocks(g);
	return k;
}

void gemm_weights_init(const struct gemm_algorithm *alg, struct tiles *b,
                       struct grid *g, enum wl_type type, struct partition k,
                       struct partition n, enum sram sram)
{
	tiles_init_on(b, g, AXIS_Y, alg->ring, type, blocks_of(alg, g, k), n,
	              sram);
	if (alg->skewed)
		tiles_set_skewed(b);
}

/* Cuts each core's tile [m][k] in those of its places, column by column. */
static void cut_tiles(const struct tiles *from, struct tiles *to)
{
	const struct grid *g = from->grid;
	int each = to->path->per_core;

	for (int y = g->y.local.lo; y < g->y.local.hi; y++)
		for (int x = g->x.local.lo; x < g->x.local.hi; x++) {
			int m = partition_size(&from->fixed, y);
			int k = partition_size(&from->ring, x);
			const float *in = tiles_at(from, y, x);

			for (int p = x * each; p < (x + 1) * each; p++) {
				int n = partition_size(&to->ring, p);
				float *out = *tiles_slot(to, y, p);

				for (int i = 0; i < m; i++)
					memcpy(out + (size_t)i * n,
					       in + (size_t)i * k,
					       n * sizeof *out);
				in += n;
			}
		}
}

void gemm_align(const struct gemm_algorithm *alg, struct tiles *a)
{
	struct grid *g = a->grid;
	struct partition k = blocks_of(alg, g, a->ring);

	if (k.parts != a->ring.parts || alg->ring != a->path->kind) {
		struct tiles finer;

		tiles_init_on(&finer, g, AXIS_X, alg->ring, WL_F32, k,
		              a->fixed, a->sram);
		if (!g->dry)
			cut_tiles(a, &finer);
		tiles_fini(a);
		*a = finer;
	}
	if (alg->skewed)
		tiles_skew(a);
}
