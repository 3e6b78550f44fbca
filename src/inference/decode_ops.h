/* The operators of a decode step on the vectors of decode_state. One call
 * each: it names the operator to the ledger, charges it, and, unless this is a
 * dry run, computes and rounds to the type that cores store. Collective over
 * the decode grid. */
#ifndef WL_DECODE_OPS_H
#define WL_DECODE_OPS_H

#include "inference/inference.h"

/* h = norm(x), [E on y]. */
void decode_norm(struct inference *w, const struct vector_weights *weights);

/* out = in W: in on the axis of W's k, out on the other. */
void decode_product(struct inference *w, const struct gemv_matrix *m,
                    const float *in, float *out, enum op op);
/* x += in W, for a matrix whose columns are cut as x is. */
void decode_add_product(struct inference *w, const struct gemv_matrix *m,
                        const float *in, enum op op);

/* Adds the biases of q, k and v, if the model has them: their sums are
 * complete and the same on every row. Part of the product's operator. */
void decode_add_biases(struct inference *w, const struct layer_weights *l);

/* RoPE on q and k of state.qkv, by state.angles. */
void decode_rotate(struct inference *w);

/* Appends k and v of state.qkv to the layer's cache (kvcache_append). */
void decode_append(struct inference *w, int layer);

/* state.o = attention of q in state.qkv, rotated, over the layer's cache, which
 * includes the newest token. Three operators: scores, softmax, values. */
void decode_attention(struct inference *w, int layer);

/* ffn[0..F) = silu(gate) * up, of state.ffn [gate | up]. */
void decode_swiglu(struct inference *w, const struct gemv_matrix *up);

/* Rounds n elements to the type in which cores store them. */
void decode_round_to_storage(const struct inference *w, float *x, size_t n);

#endif
