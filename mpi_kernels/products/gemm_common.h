/* Inside the products only (gemm_*.c): what they share. */
#ifndef WL_GEMM_COMMON_H
#define WL_GEMM_COMMON_H

#include "mpi_kernels/products/gemm.h"

/* Charges the multiply-adds of C = A B, but no cycles, and empties C. */
void gemm_start(const struct gemm *p);

/* The cycles of C += A B on the busiest core for k items of k. */
struct charge gemm_cycles(const struct gemm *p, int k);

/* The cycles of one step of a turn in which each core meets every block once:
 * those of the largest block, for which kernels are made; or, where blocks are
 * finer than cores are many, or empty, the mean, for a core waits for no others
 * than its neighbours. */
struct charge gemm_step_charge(const struct gemm *p);

/* The same where `blocks` go round, and one that is not empty takes cycles. */
uint64_t gemm_share(const struct partition *blocks, uint64_t cycles);

/* Whether k is cut in more blocks than one of the grid's sides has cores. */
bool gemm_is_finer(const struct gemm *p);

/* The whole product by operands that go round their rings: in each step every
 * core multiplies the tiles in hand while those of the next step come. */
void gemm_run_rings(const struct gemm *p);

/* Block b of k: this rank's rows of A's column b, [own m][k of b], and columns
 * of B's row b, core column by core column [k of b][n], of B's type, both
 * brought along the lines to every rank of them. */
struct panel {
	int block;
	float *a;
	void *b;             /* NULL in a dry run, both */
};

/* 32-bit words of an operand's panel of block b on this rank; none has more
 * than that of block 0. */
size_t gemm_panel_words(const struct tiles *t, int b);

/* Copies to a panel what this rank has of its block. */
void gemm_pack_panel(const struct gemm *p, const struct panel *panel);

/* C += A B for one panel on each core of this rank. */
void gemm_add_panel(const struct gemm *p, const struct panel *panel);

/* The core of a line, on which a block's home is. */
int gemm_home(const struct tiles *t, int block);

/* Words of block b over all parallel lines. */
struct wire_words gemm_wire(const struct tiles *t, int b);

#endif
