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
	enum ring_kind ring; /* that operands travel on, */
	bool skewed;         /* from their skewed places */
	/* C = A B; C's old content is lost. Collective over the grid. */
	void (*run)(const struct gemm *p);
	bool blocks;         /* k is cut in gemm_blocks blocks along both axes;
	                        else B is [k][n on x] or, on a ring along x,
	                        [k on x][n], each core's part in one piece */
	/* Whether it runs on a grid; NULL: on any. */
	bool (*applies)(const struct grid *g);
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

/* In one dimension: see the file. Not in the table: it runs on a line alone.
 * Cost charged: each step the longer of a two-hop shift and the product. */
extern const struct gemm_algorithm gemm_megatron;

/* The table. gemm_find: NULL when there is no such name; gemm_at: i below
 * gemm_count, in the table's order, of which the first is the default. */
const struct gemm_algorithm *gemm_find(const char *name);
const struct gemm_algorithm *gemm_at(size_t i);
size_t gemm_count(void);

/* Whether an algorithm runs on a grid, as its row says. */
bool gemm_applies(const struct gemm_algorithm *alg, const struct grid *g);

/* Blocks that k is cut in on this grid. */
int gemm_blocks(const struct grid *g);

/* More of them than this make a product's steps so short, and so many, that a
 * user should know: rows, columns, blocks. More than the most are refused. */
#define GEMM_MANY_BLOCKS 2048
#define GEMM_MOST_BLOCKS (1 << 19)
#define GEMM_BLOCKS_REFUSAL "core grid: %dx%d cores cut the inner " \
	"dimension of products in %d blocks, more than %d"
#define GEMM_BLOCKS_WARNING "waferllm: warning: %dx%d cores cut the inner " \
	"dimension of products in %d blocks, their least common multiple; " \
	"sides with a common factor need fewer"

/* Makes B's tiles of that type, in the places from which the algorithm reads
 * them. k and n: over the core rows and columns; k spread where the grid
 * is uneven. Free with tiles_fini. */
void gemm_weights_init(const struct gemm_algorithm *alg, struct tiles *b,
                       struct grid *g, enum wl_type type, struct partition k,
                       struct partition n, enum sram sram);

/* Whether dimensions that the algorithm sums over have to lie spread on this
 * grid (block.h), so that both of its sides cut them in the same blocks. */
bool gemm_disperses(const struct gemm_algorithm *alg, const struct grid *g);

/* Brings an activation [m][k], at home with a tile a core, into the form and
 * places in which the algorithm reads A: all products that read it share that.
 * a's own tiles may be given up for others. Collective over the grid. Cost
 * charged: the skew, if there is one; a finer cut stays within its core. */
void gemm_align(const struct gemm_algorithm *alg, struct tiles *a);

#endif
