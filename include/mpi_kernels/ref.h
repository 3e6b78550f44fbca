/* Plain one-core implementations in double precision, which the tests compare
 * mpi_kernels/ with. A run calls none of them. All arrays are row-major and
 * belong to the caller; nothing is collective. */
#ifndef WL_REF_H
#define WL_REF_H

#include "model/model.h"

/* c[m][n] = a[m][k] b[k][n]. */
void ref_gemm(int m, int n, int k, const float *a, const float *b, double *c);

/* y = x / sqrt(mean(x^2) + eps) * w. */
void ref_norm(int n, double eps, const double *x, const float *w, double *y);

/* Causal attention of one layer: q, o [tokens][(KV head, channel, query head)];
 * k, v [tokens][(KV head, channel)]. */
void ref_attention(const struct model *m, int tokens, const double *q,
                   const double *k, const double *v, double *o);

/* One layer's weights, in the layout of model.h, unpartitioned. */
struct ref_layer {
	const float *attention_norm, *wq, *wk, *wv, *wo;
	const float *bq, *bk, *bv; /* biases; NULL where there are none */
	const float *ffn_norm, *gate, *up, *down;
};

/* A model's weights. With tied embeddings, head is embedding. rope_factors may
 * be NULL. */
struct ref_weights {
	const float *embedding, *rope_factors, *norm, *head;
	const struct ref_layer *layer; /* [n_layers] */
};

/* Runs the model on ids [tokens]: logits [tokens][vocab] of every position. */
void ref_forward(const struct model *m, const struct ref_weights *w,
                 int tokens, const int *ids, double *logits);

#endif
