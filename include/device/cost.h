/* The cost model: cycles of a core for each kind of work, rounded up. Moves
 * follow PLMR (WaferLLM, OSDI'25, section 3.1): alpha cycles per hop, beta
 * cycles per software stage. Vector instructions and loops follow WaferLLM's
 * published kernels. n counts elements of the ledger's type; words have 32
 * bits. Not collective. */
#ifndef WL_COST_H
#define WL_COST_H

#include "base/partition.h"
#include "device/ledger.h"

/* Operations that one exponential takes: range reduction, a polynomial of the
 * seventh degree, the power of two (vec.c). */
#define COST_EXP_OPS 14

/* Operations on each element of an operator that is not a product:
 * RMSNorm (add its square, multiply by the inverse root and by the weight);
 * RoPE (two products, a sum); SwiGLU (an exponential, the sigmoid, two
 * products); softmax over the scores of one new token (maximum, exponential,
 * sum, scale), and over those of a prompt (mask and division besides). */
#define COST_NORM_OPS 3
#define COST_ROPE_OPS 3
#define COST_SWIGLU_OPS (COST_EXP_OPS + 5)
#define COST_SOFTMAX_OPS (COST_EXP_OPS + 3)
#define COST_MASKED_SOFTMAX_OPS (COST_EXP_OPS + 5)

/* Bytes of n elements; words of a message of n elements, rounded up. */
uint64_t cost_bytes(const struct ledger *l, uint64_t n);
uint64_t cost_words(const struct ledger *l, uint64_t n);

/* Words of the messages that parallel lines carry at the same time: the sum
 * over all lines, and the longest message. */
struct wire_words {
	uint64_t all, max;
};
/* Line i carries partition_size(p, i) * across elements. */
struct wire_words cost_parts(const struct ledger *l, const struct partition *p,
                             uint64_t across);
/* Each of `lines` lines carries `words` words. */
static inline struct wire_words cost_lines(uint64_t lines, uint64_t words)
{
	return (struct wire_words){ lines * words, words };
}

/* Cycles to stream words over one link; of the latency of a path of `hops`
 * links; of `stages` successive cores that receive, compute and forward. */
uint64_t cost_wire(const struct ledger *l, uint64_t words);
uint64_t cost_hops(const struct ledger *l, uint64_t hops);
uint64_t cost_stages(const struct ledger *l, uint64_t stages);

/* Cores that relay in software along a path of `hops` links when every core of
 * the line is a source with its own path through all others. A router gives
 * each axis half of its paths, so hardware covers that many hops at a time and
 * a core relays between two such stretches. 0: the paths suffice. */
uint64_t cost_relays(const struct ledger *l, uint64_t hops);

/* Cycles to start an operator: ledger_op charges them for each of its runs. */
uint64_t cost_operator_start(const struct ledger *l);

/* Cycles to set up one step of a ring shift; to relay a message to the next
 * core in software; to start a GEMV. */
uint64_t cost_exchange(const struct ledger *l);
uint64_t cost_relay(const struct ledger *l);
uint64_t cost_start(const struct ledger *l);

/* Cycles of vector instructions of n elements each. */
uint64_t cost_vector(const struct ledger *l, uint64_t instructions,
                     uint64_t n);

/* Cycles of C[m][n] += A[m][k] B[k][n]: one instruction of length m for each k
 * and column of B, as in the published kernels. */
uint64_t cost_gemm(const struct ledger *l, uint64_t m, uint64_t n,
                   uint64_t k);

/* Cycles of y[n] += x[k] W[k][n]: one instruction of length n for each k. */
uint64_t cost_gemv(const struct ledger *l, uint64_t k, uint64_t n);

/* The charge of a product. macs, busiest: multiply-adds of all cores and of the
 * busiest core; cycles: of the busiest core. */
struct charge cost_product(const struct ledger *l, uint64_t macs,
                           uint64_t busiest, uint64_t cycles);

/* The charge of element-wise work of ops operations per element. all: elements
 * on all cores; the busiest core has `rows` rows of at most n. */
struct charge cost_elements(const struct ledger *l, uint64_t ops,
                            uint64_t rows, uint64_t n, uint64_t all);

#endif
