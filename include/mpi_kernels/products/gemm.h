/* Matrix products on a core grid: one problem, one algorithm a file, one table
 * (gemm.c). To add one: write its file, add its row.
 *
 * All cut k in as many blocks as the least common multiple of the grid's sides
 * (one a core on a square grid), so that A's columns and B's rows, which lie
 * along unequal sides, meet block by block. The sums of C run over blocks in
 * an order that follows from algorithm and grid alone. */
#ifndef WL_GEMM_H
#define WL_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "grid/tiles.h"

/* C = A B. A [m][k]: rows on y, k on x, in k's blocks; B [k][n]: k on y, in the
 * same blocks, columns on x; C [m][n] at home, ring axis x, a tile a core.
 * Tiles are row-major, A's and C's of floats. A and B lie where gemm_align and
 * gemm_weights_init put them, and do so again in the end. */
struct gemm {
	struct tiles *a, *b, *c;
};

struct gemm_algorithm {
	const char *name, *help;
	enum ring_kind ring; /* that the operands travel on */
	bool skewed;         /* operands start from skewed positions */
	bool whole;          /* a core holds whole columns of B, [k][n on x],
	                        or, with ring axis x, whole rows, [k on x][n];
	                        false: k is cut in gemm_blocks blocks */
	/* 0 if the algorithm runs on a grid of so many cores; else -1, and err
	 * says why it does not. Not collective. */
	int (*applies)(struct rxc cores, struct wl_error *err);
	/* C = A B; C's old content is lost. Collective over the grid. */
	void (*run)(const struct gemm *p);
};

/* MeshGEMM: as many steps as blocks, each a two-hop shift of A along x and of
 * B along y, overlapped with the product of the tiles in hand.
 * Cost charged: m k n multiply-adds; each step the longer of exchange and
 * product, after the exchange's set-up.
 * Source: WaferLLM (OSDI'25), section 5.3. */
void gemm_mesh(const struct gemm *p);

/* Cannon's algorithm: the same on the ring in natural order, whose last tile
 * has the whole line to go back in each step. Cost charged: likewise.
 * Source: Cannon (1969); WaferLLM (OSDI'25), section 5.1. */
void gemm_cannon(const struct gemm *p);

/* SUMMA: A and B stay; for each block its column of A is broadcast along x and
 * its row of B along y, the next one's while the product of this one runs.
 * Cost charged: line_broadcast, in step with the product.
 * Source: van de Geijn and Watts (1997); WaferLLM (OSDI'25), section 5.1. */
void gemm_summa(const struct gemm *p);

/* All-gather: every core first gets its rows of A and its columns of B whole,
 * then multiplies by itself. Cost charged: line_allgather along both axes at
 * the same time, then the product.
 * Source: WaferLLM (OSDI'25), section 5.1 (as on GPU and TPU pods). */
void gemm_allgather(const struct gemm *p);

/* Tensor parallelism in one dimension (gemm_megatron.c). It belongs to a
 * system of its own and is not in the table; it applies to a single row of
 * cores. Cost charged: each step the longer of a two-hop shift and the product.
 */
extern const struct gemm_algorithm gemm_megatron;

/* The table. gemm_find: NULL when there is no such name; gemm_at: i below
 * gemm_count, in the table's order, of which the first is the default. */
const struct gemm_algorithm *gemm_find(const char *name);
const struct gemm_algorithm *gemm_at(size_t i);
size_t gemm_count(void);

/* Number of blocks that k is cut in on this grid: the least common multiple of
 * its sides. Not collective. */
int gemm_blocks(const struct grid *g);

/* Whether a grid of so many cores cuts k in no more blocks than products
 * support. 0, or -1 and err. Not collective. */
int gemm_check_blocks(struct rxc cores, struct wl_error *err);

/* Warns on standard error of a grid that cuts k in so many blocks that the
 * steps of a product become many and short. Call on one rank. */
void gemm_warn_blocks(struct rxc cores);

/* Makes B's tiles of that type, in the places from which the algorithm reads
 * them. k and n: over the core rows and columns; k spread where the grid
 * is uneven. Free with tiles_fini. */
void gemm_weights_init(const struct gemm_algorithm *alg, struct tiles *b,
                       struct grid *g, enum wl_type type, struct partition k,
                       struct partition n, enum sram sram);

/* Whether dimensions that the algorithm sums over have to lie spread on this
 * grid (partition.h), so that both of its sides cut them in the same blocks. */
bool gemm_disperses(const struct gemm_algorithm *alg, const struct grid *g);

/* Brings an activation [m][k], at home with a tile a core, into the form and
 * places in which the algorithm reads A: all products that read it share that.
 * a's own tiles may be given up for others. Collective over the grid. Cost
 * charged: the skew, if there is one; a finer cut stays within its core. */
void gemm_align(const struct gemm_algorithm *alg, struct tiles *a);

#endif
