/* The shape of a Llama-family model and the list of its tensors. Pure
 * arithmetic, without files or MPI; not collective. Every matrix is k-major,
 * [k][n], for y[n] = sum over k of x[k] W[k][n].
 *
 * Channel order (established by import, independent of any grid): key and value
 * channels are ordered (KV head g, channel c). Query channels, which are the
 * columns of wq and the rows of wo, are ordered (KV head g, channel c, query
 * head r of the group), so that a query channel is placed on the core of its
 * key channel. RoPE rotates channels 2i and 2i+1 of a head. */
#ifndef WL_MODEL_H
#define WL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/type.h"

#define WL_MAX_STOP 64

struct model {
	int dim;          /* E: width of the residual stream */
	int hidden_dim;   /* F: FFN width */
	int n_layers;
	int n_heads;      /* query heads */
	int n_kv_heads;   /* divides n_heads */
	int head_dim;     /* even */
	int vocab_size;   /* V */
	int max_seq_len;  /* context, tokens */
	double rope_theta;
	double rms_eps;
	bool tied;        /* the output head is the embedding */
	bool qkv_bias;    /* q, k and v have biases */
	bool rope_scaled; /* RoPE's frequencies are divided by T_ROPE_FACTORS */
	int bos_id;       /* -1: none */
	int n_stop;       /* generation ends at any of stop_id[0..n_stop) */
	int stop_id[WL_MAX_STOP];
};

enum tensor_kind {
	T_EMBEDDING,    /* [E][V] */
	T_ROPE_FACTORS, /* [head_dim / 2], only when rope_scaled */
	T_ATTN_NORM,    /* [E] */
	T_WQ,           /* [E][q channels] */
	T_WK,           /* [E][kv channels] */
	T_WV,           /* [E][kv channels] */
	T_BQ,           /* [q channels], biases only when qkv_bias */
	T_BK,           /* [kv channels] */
	T_BV,           /* [kv channels] */
	T_WO,           /* [q channels][E] */
	T_FFN_NORM,     /* [E] */
	T_GATE,         /* [E][F] */
	T_UP,           /* [E][F] */
	T_DOWN,         /* [F][E] */
	T_NORM,         /* [E] */
	T_HEAD,         /* [E][V], only when not tied */
	T_NKINDS
};

struct tensor_shape {
	size_t rows, cols; /* a vector has rows == 1 */
	bool vector;
};

/* Channels of all KV heads; */
int model_kv_dim(const struct model *m);
/* channels of all query heads; */
int model_q_dim(const struct model *m);
/* query heads per KV head. */
int model_group(const struct model *m);

/* Whether generation ends at id. */
bool model_stops_at(const struct model *m, int id);

/* Whether each layer has a tensor of this kind, rather than the whole model. */
bool tensor_per_layer(enum tensor_kind kind);
/* Whether the model has tensors of this kind (no head when tied, and so on). */
bool tensor_present(const struct model *m, enum tensor_kind kind);
/* Rows and columns of a tensor, elements. */
struct tensor_shape tensor_shape(const struct model *m, enum tensor_kind kind);
/* Writes e.g. "layers.3.wq" or "norm" into name[size]. */
void tensor_name(enum tensor_kind kind, int layer, char *name, size_t size);

/* Checks that every field is in range, so that products of fields cannot
 * overflow. `what` names the file in the message. 0, or -1 and err. */
int model_check(const struct model *m, const char *what, struct wl_error *err);

/* Whether two models are equal in every field. */
bool model_same(const struct model *a, const struct model *b);

/* Calls visit for every tensor, in file order, until it returns nonzero.
 * Returns the last value that visit returned. */
int model_each_tensor(const struct model *m,
                      int (*visit)(void *ctx, enum tensor_kind, int layer),
                      void *ctx);

/* Elements of all tensors together. */
uint64_t model_parameters(const struct model *m);

#endif
