#include "config.h"
#include "mpi_kernels/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void ref_gemm(int m, int n, int k, const float *a, const float *b, double *c)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			double sum = 0;

			for (int p = 0; p < k; p++)
				sum += (double)a[(size_t)i * k + p] *
				       b[(size_t)p * n + j];
			c[(size_t)i * n + j] = sum;
		}
}

void ref_norm(int n, double eps, const double *x, const float *w, double *y)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += x[i] * x[i];
	for (int i = 0; i < n; i++)
		y[i] = x[i] / sqrt(sum / n + eps) * w[i];
}

/* Attention of one query head (r of KV head g) at token i, over tokens 0..i. */
static void attend(const struct model *m, int i, int g, int r, const double *q,
                   const double *k, const double *v, double *o)
{
	int hd = m->head_dim, kv = model_kv_dim(m), group = model_group(m);
	double *s = wl_malloc(i + 1, sizeof *s), max = -INFINITY, sum = 0;
	size_t row = (size_t)i * kv;

	for (int j = 0; j <= i; j++) {
		s[j] = 0;
		for (int c = 0; c < hd; c++)
			s[j] += q[(row + g * hd + c) * group + r] *
			        k[(size_t)j * kv + g * hd + c];
		s[j] /= sqrt(hd);
		max = s[j] > max ? s[j] : max;
	}
	for (int j = 0; j <= i; j++)
		sum += s[j] = exp(s[j] - max);
	for (int c = 0; c < hd; c++) {
		double *out = &o[(row + g * hd + c) * group + r];

		*out = 0;
		for (int j = 0; j <= i; j++)
			*out += s[j] / sum * v[(size_t)j * kv + g * hd + c];
	}
	free(s);
}

void ref_attention(const struct model *m, int tokens, const double *q,
                   const double *k, const double *v, double *o)
{
	for (int i = 0; i < tokens; i++)
		for (int g = 0; g < m->n_kv_heads; g++)
			for (int r = 0; r < model_group(m); r++)
				attend(m, i, g, r, q, k, v, o);
}

/* y[n] = x[k] w[k][n] */
static void product(int n, int k, const double *x, const float *w, double *y)
{
	memset(y, 0, n * sizeof *y);
	for (int p = 0; p < k; p++)
		for (int j = 0; j < n; j++)
			y[j] += x[p] * w[(size_t)p * n + j];
}

/* y[n] = x[k] w[k][n] + b[n]; without a bias b is NULL. */
static void affine(int n, int k, const double *x, const float *w,
                   const float *b, double *y)
{
	product(n, k, x, w, y);
	for (int j = 0; b && j < n; j++)
		y[j] += b[j];
}

/* Rotates each pair of KV channels of x [kv_dim][group] by its angle at the
 * position. */
static void rope(const struct model *m, const float *factors, int position,
                 int group, double *x)
{
	for (int c = 0; c < model_kv_dim(m); c += 2) {
		int pair = c % m->head_dim / 2;
		double angle = position * pow(m->rope_theta, -2.0 * pair /
		                              m->head_dim);

		if (factors)
			angle /= factors[pair];
		for (int r = 0; r < group; r++) {
			double *a = &x[c * group + r], *b = a + group;
			double even = *a, odd = *b;

			*a = even * cos(angle) - odd * sin(angle);
			*b = even * sin(angle) + odd * cos(angle);
		}
	}
}

static void attention_block(const struct model *m, const struct ref_layer *l,
                            const float *factors, int tokens, double *x)
{
	int e = m->dim, qd = model_q_dim(m), kv = model_kv_dim(m);
	double *q = wl_calloc((size_t)tokens * qd, sizeof *q);
	double *o = wl_calloc((size_t)tokens * qd, sizeof *o);
	double *k = wl_calloc((size_t)tokens * kv, sizeof *k);
	double *v = wl_calloc((size_t)tokens * kv, sizeof *v);
	double *h = wl_calloc(e, sizeof *h);

	for (int t = 0; t < tokens; t++) {
		ref_norm(e, m->rms_eps, x + t * e, l->attention_norm, h);
		affine(qd, e, h, l->wq, l->bq, q + t * qd);
		affine(kv, e, h, l->wk, l->bk, k + t * kv);
		affine(kv, e, h, l->wv, l->bv, v + t * kv);
		rope(m, factors, t, model_group(m), q + t * qd);
		rope(m, factors, t, 1, k + t * kv);
	}
	ref_attention(m, tokens, q, k, v, o);
	for (int t = 0; t < tokens; t++) {
		product(e, qd, o + t * qd, l->wo, h);
		for (int i = 0; i < e; i++)
			x[t * e + i] += h[i];
	}
	free(h);
	free(v);
	free(k);
	free(o);
	free(q);
}

static void ffn_block(const struct model *m, const struct ref_layer *l,
                      double *x)
{
	int e = m->dim, f = m->hidden_dim;
	double *h = wl_calloc(e, sizeof *h);
	double *gate = wl_calloc(f, sizeof *gate),
	       *up = wl_calloc(f, sizeof *up);

	ref_norm(e, m->rms_eps, x, l->ffn_norm, h);
	product(f, e, h, l->gate, gate);
	product(f, e, h, l->up, up);
	for (int i = 0; i < f; i++)
		gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
	product(e, f, gate, l->down, h);
	for (int i = 0; i < e; i++)
		x[i] += h[i];
	free(up);
	free(gate);
	free(h);
}

void ref_forward(const struct model *m, const struct ref_weights *w,
                 int tokens, const int *ids, double *logits)
{
	int e = m->dim;
	double *x = wl_calloc((size_t)tokens * e, sizeof *x);
	double *h = wl_calloc(e, sizeof *h);

	for (int t = 0; t < tokens; t++)
		for (int i = 0; i < e; i++)
			x[t * e + i] = w->embedding[(size_t)i * m->vocab_size +
			                            ids[t]];
	for (int i = 0; i < m->n_layers; i++) {
		attention_block(m, &w->layer[i], w->rope_factors, tokens, x);
		for (int t = 0; t < tokens; t++)
			ffn_block(m, &w->layer[i], x + t * e);
	}
	for (int t = 0; t < tokens; t++) {
		ref_norm(e, m->rms_eps, x + t * e, w->norm, h);
		product(m->vocab_size, e, h, w->head,
		        logits + (size_t)t * m->vocab_size);
	}
	free(h);
	free(x);
}
