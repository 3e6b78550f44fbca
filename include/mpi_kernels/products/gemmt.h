/* Products with a transposed factor on a core grid, none of which is transposed
 * on the mesh. One algorithm on two rings. */
#ifndef WL_GEMMT_H
#define WL_GEMMT_H

#include "mpi_kernels/products/gemm.h"

/* C = A B^T. A [m][k]: rows on y, k on x, at home; B^T [k][n]: n travelling on
 * y in as many blocks as a product has (gemm_blocks), k on x, at home; C
 * [m][n] at home, ring axis x, a tile a core. Tiles are row-major; n is cut
 * alike for B and C, spread where the grid is uneven. */
struct gemmt {
	struct tiles *a, *b, *c;
};

struct gemmt_algorithm {
	const char *name, *help;
	enum ring_kind ring; /* that B travels on */
};

/* As many steps as blocks: each core multiplies the block in hand by its own
 * k, the row's cores sum up where the block's column is, and B goes one ring
 * step on. C's old content is lost; B is home again. Collective over the grid.
 * Cost charged: m k n multiply-adds; in each step the product with B's shift,
 * then the reduction.
 * Source: WaferLLM (OSDI'25), section 5.4 (dist-GEMM-T). */
void gemmt_run(const struct gemmt *p);

/* The table, as that of gemm.h. */
const struct gemmt_algorithm *gemmt_at(size_t i);
size_t gemmt_count(void);

#endif
