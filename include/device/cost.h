/* What things cost a core of the device, in whole cycles: the only formulas
 * of the account. PLMR (WaferLLM, OSDI'25, section 3.1) gives their form:
 * alpha a hop, beta a stage; vectors and loops after the published kernels.
 * n counts elements of the ledger's type unless a name says words (32 bits).
 * Not collective. */
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

/* Bytes of n elements; 32-bit words of a message of n elements. */
uint64_t cost_bytes(const struct ledger *l, uint64_t n);
uint64_t cost_words(const struct ledger *l, uint64_t n);

/* 32-bit words of a vector that lies on many parallel lines, a message on
 * each: of all of them together, and of the longest. */
struct wire_words {
	uint64_t all, max;
};
/* Line i carries partition_size(p, i) * across elements. */
struct wire_words cost_parts(const struct ledger *l, const struct partition *p,
                             uint64_t across);
/* Each of `lines` lines carries that many words. */
static inline struct wire_words cost_lines(uint64_t lines, uint64_t words)
{
	return (struct wire_words){ lines * words, words };
}

/* A stream of words over one link; a way of that many hops; of that many
 * cores that receive, work and send on. */
uint64_t cost_wire(const struct ledger *l, uint64_t words);
uint64_t cost_hops(const struct ledger *l, uint64_t hops);
uint64_t cost_stages(const struct ledger *l, uint64_t stages);

/* Cores that send on in software on a way of that many hops, where each core
 * of a line is a source by itself and wants a path of its own through all
 * others: a router holds half its paths for each axis, so that hardware covers
 * as many sources at a stretch, and software joins the stretches. 0: the
 * device has paths enough. */
uint64_t cost_relays(const struct ledger *l, uint64_t hops);

/* The set-up of a ring shift's step, the software that passes a message on to
 * the next core, the start of a GEMV. */
uint64_t cost_exchange(const struct ledger *l);
uint64_t cost_relay(const struct ledger *l);
uint64_t cost_start(const struct ledger *l);

/* That many vector instructions of n elements each. */
uint64_t cost_vector(const struct ledger *l, uint64_t instructions,
                     uint64_t n);

/* C[m][n] += A[m][k] B[k][n]: for each k and column of B one instruction of
 * length m, as the published kernels do it. */
uint64_t cost_gemm(const struct ledger *l, uint64_t m, uint64_t n,
                   uint64_t k);

/* y[n] += x[k] W[k][n]: for each k one instruction of length n. */
uint64_t cost_gemv(const struct ledger *l, uint64_t k, uint64_t n);

/* The charge of a product: multiply-adds of all cores and of the busiest. */
struct charge cost_product(const struct ledger *l, uint64_t macs,
                           uint64_t busiest, uint64_t cycles);

/* The charge of element-wise work: `rows` rows of at most n elements on the
 * busiest core, ops operations on each of `all` elements of all cores. */
struct charge cost_elements(const struct ledger *l, uint64_t ops,
                            uint64_t rows, uint64_t n, uint64_t all);

#endif
