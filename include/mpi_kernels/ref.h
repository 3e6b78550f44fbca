/* The slow, obvious truth on one core, in double: the oracle of everything in
 * mpi_kernels/. Nothing here is called by a run. */
#ifndef WL_REF_H
#define WL_REF_H

#include "model/model.h"

/* c[m][n] = a[m][k] b[k][n]. */
void ref_gemm(int m, int n, int k, const float *a, const float *b, double *c);

/* y = x / sqrt(mean(x^2) + eps) * w. */
void ref_norm(int n, double eps, const double *x, const float *w, double *y);

/* Causal attention of one layer: q [tokens][(KV head, channel, query head)],
 * k, v [tokens][(KV head, channel)], o as q. */
void ref_attention(const struct model *m, int tokens, const double *q,
                   const double *k, const double *v, double *o);

/* One layer's weights, whole, as model.h lays them out. */
struct ref_layer {
	const float *attention_norm, *wq, *wk, *wv, *wo;
	const float *bq, *bk, *bv; /* NULL: none */
	const float *ffn_norm, *gate, *up, *down;
};

/* All of a model. head is embedding when tied; rope_factors may be NULL. */
struct ref_weights {
	const float *embedding, *rope_factors, *norm, *head;
	const struct ref_layer *layer;
};

/* logits[tokens][vocab] of every position of ids[tokens]. */
void ref_forward(const struct model *m, const struct ref_weights *w,
                 int tokens, const int *ids, double *logits);

#endif
