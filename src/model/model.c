#include "config.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"

/* size_t must be able to count the bytes of a whole tensor. */
_Static_assert(sizeof(size_t) >= 8, "a 64-bit size_t is needed");

int model_kv_dim(const struct model *m)
{
	return m->n_kv_heads * m->head_dim;
}

int model_q_dim(const struct model *m)
{
	return m->n_heads * m->head_dim;
}

int model_group(const struct model *m)
{
	return m->n_heads / m->n_kv_heads;
}

bool model_stops_at(const struct model *m, int id)
{
	for (int i = 0; i < m->n_stop; i++)
		if (m->stop_id[i] == id)
			return true;
	return false;
}

/* The extent of an axis of a tensor, see axis_size. */
enum axis { ONE, DIM, HIDDEN, QDIM, KVDIM, PAIRS, VOCAB };

/* All tensors. A vector is ONE x its length. */
static const struct {
	const char *name;
	bool per_layer;
	enum axis rows, cols;
} tensors[T_NKINDS] = {
	[T_EMBEDDING]    = { "embedding",      false, DIM,    VOCAB },
	[T_ROPE_FACTORS] = { "rope_factors",   false, ONE,    PAIRS },
	[T_ATTN_NORM]    = { "attention_norm", true,  ONE,    DIM },
	[T_WQ]           = { "wq",             true,  DIM,    QDIM },
	[T_WK]           = { "wk",             true,  DIM,    KVDIM },
	[T_WV]           = { "wv",             true,  DIM,    KVDIM },
	[T_BQ]           = { "bq",             true,  ONE,    QDIM },
	[T_BK]           = { "bk",             true,  ONE,    KVDIM },
	[T_BV]           = { "bv",             true,  ONE,    KVDIM },
	[T_WO]           = { "wo",             true,  QDIM,   DIM },
	[T_FFN_NORM]     = { "ffn_norm",       true,  ONE,    DIM },
	[T_GATE]         = { "gate",           true,  DIM,    HIDDEN },
	[T_UP]           = { "up",             true,  DIM,    HIDDEN },
	[T_DOWN]         = { "down",           true,  HIDDEN, DIM },
	[T_NORM]         = { "norm",           false, ONE,    DIM },
	[T_HEAD]         = { "head",           false, DIM,    VOCAB },
};

static size_t axis_size(const struct model *m, enum axis a)
{
	switch (a) {
	case ONE:
		return 1;
	case DIM:
		return m->dim;
	case HIDDEN:
		return m->hidden_dim;
	case QDIM:
		return model_q_dim(m);
	case KVDIM:
		return model_kv_dim(m);
	case PAIRS:
		return m->head_dim / 2;
	case VOCAB:
		return m->vocab_size;
	}
	return 0;
}

bool tensor_per_layer(enum tensor_kind kind)
{
	return tensors[kind].per_layer;
}

bool tensor_present(const struct model *m, enum tensor_kind kind)
{
	switch (kind) {
	case T_ROPE_FACTORS:
		return m->rope_scaled;
	case T_BQ:
	case T_BK:
	case T_BV:
		return m->qkv_bias;
	case T_HEAD:
		return !m->tied;
	default:
		return true;
	}
}

struct tensor_shape tensor_shape(const struct model *m, enum tensor_kind kind)
{
	return (struct tensor_shape){
		.rows = axis_size(m, tensors[kind].rows),
		.cols = axis_size(m, tensors[kind].cols),
		.vector = tensors[kind].rows == ONE,
	};
}

void tensor_name(enum tensor_kind kind, int layer, char *name, size_t size)
{
	if (tensors[kind].per_layer)
		snprintf(name, size, "layers.%d.%s", layer, tensors[kind].name);
	else
		snprintf(name, size, "%s", tensors[kind].name);
}

/* The bounds are generous for models of this family, and small enough that
 * every product of two fields fits an int64 and n_heads * head_dim an int. */
static int check_ranges(const struct model *m, const char *what,
                        struct wl_error *err)
{
	const struct {
		const char *name;
		int value, max;
	} field[] = {
		{ "dim", m->dim, 1 << 20 },
		{ "hidden_dim", m->hidden_dim, 1 << 20 },
		{ "n_layers", m->n_layers, 1 << 12 },
		{ "n_heads", m->n_heads, 1 << 14 },
		{ "n_kv_heads", m->n_kv_heads, 1 << 14 },
		{ "head_dim", m->head_dim, 1 << 16 },
		{ "vocab_size", m->vocab_size, 1 << 22 },
		{ "max_seq_len", m->max_seq_len, OPTIONS_MAX_CONTEXT },
	};

	for (size_t i = 0; i < sizeof field / sizeof *field; i++)
		if (field[i].value < 1 || field[i].value > field[i].max)
			return wl_error_set(err, "%s: %s is %d, must be 1..%d",
			                    what, field[i].name,
			                    field[i].value, field[i].max);
	return 0;
}

static int check_heads(const struct model *m, const char *what,
                       struct wl_error *err)
{
	if (m->n_heads % m->n_kv_heads)
		return wl_error_set(err, "%s: n_heads %d is not a multiple of"
		                    " n_kv_heads %d", what, m->n_heads,
		                    m->n_kv_heads);
	if (m->head_dim % 2)
		return wl_error_set(err, "%s: head_dim %d is odd, RoPE rotates"
		                    " pairs", what, m->head_dim);
	if (model_q_dim(m) > 1 << 20)
		return wl_error_set(err, "%s: n_heads * head_dim is %d, must be"
		                    " at most %d", what, model_q_dim(m),
		                    1 << 20);
	return 0;
}

static int check_tokens(const struct model *m, const char *what,
                        struct wl_error *err)
{
	if (m->bos_id < -1 || m->bos_id >= m->vocab_size)
		return wl_error_set(err, "%s: bos_id %d is outside the"
		                    " vocabulary of %d", what, m->bos_id,
		                    m->vocab_size);
	if (m->n_stop < 0 || m->n_stop > WL_MAX_STOP)
		return wl_error_set(err, "%s: n_stop is %d, must be 0..%d",
		                    what, m->n_stop, WL_MAX_STOP);
	for (int i = 0; i < m->n_stop; i++)
		if (m->stop_id[i] < 0 || m->stop_id[i] >= m->vocab_size)
			return wl_error_set(err, "%s: stop id %d is outside the"
			                    " vocabulary of %d", what,
			                    m->stop_id[i], m->vocab_size);
	return 0;
}

int model_check(const struct model *m, const char *what, struct wl_error *err)
{
	if (check_ranges(m, what, err) || check_heads(m, what, err))
		return -1;
	if (!(m->rope_theta > 0) || !isfinite(m->rope_theta))
		return wl_error_set(err, "%s: rope_theta is %g, must be finite"
		                    " and above 0", what, m->rope_theta);
	if (!(m->rms_eps >= 0) || !isfinite(m->rms_eps))
		return wl_error_set(err, "%s: rms_eps is %g, must be finite and"
		                    " not negative", what, m->rms_eps);
	return check_tokens(m, what, err);
}

/* Visits the kinds [lo, hi) that the model has, for one layer. */
static int visit_kinds(const struct model *m, int lo, int hi, int layer,
                       int (*visit)(void *ctx, enum tensor_kind, int layer),
                       void *ctx)
{
	for (int k = lo; k < hi; k++) {
		int rc = tensor_present(m, k) ? visit(ctx, k, layer) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

int model_each_tensor(const struct model *m,
                      int (*visit)(void *ctx, enum tensor_kind, int layer),
                      void *ctx)
{
	int rc = visit_kinds(m, T_EMBEDDING, T_ATTN_NORM, 0, visit, ctx);

	for (int l = 0; l < m->n_layers && !rc; l++)
		rc = visit_kinds(m, T_ATTN_NORM, T_NORM, l, visit, ctx);
	if (!rc)
		rc = visit_kinds(m, T_NORM, T_NKINDS, 0, visit, ctx);
	return rc;
}

bool model_same(const struct model *a, const struct model *b)
{
	bool same = a->dim == b->dim && a->hidden_dim == b->hidden_dim &&
	            a->n_layers == b->n_layers && a->n_heads == b->n_heads &&
	            a->n_kv_heads == b->n_kv_heads &&
	            a->head_dim == b->head_dim &&
	            a->vocab_size == b->vocab_size &&
	            a->max_seq_len == b->max_seq_len &&
	            a->rope_theta == b->rope_theta &&
	            a->rms_eps == b->rms_eps && a->tied == b->tied &&
	            a->qkv_bias == b->qkv_bias &&
	            a->rope_scaled == b->rope_scaled &&
	            a->bos_id == b->bos_id && a->n_stop == b->n_stop;

	for (int i = 0; same && i < a->n_stop; i++)
		same = a->stop_id[i] == b->stop_id[i];
	return same;
}

struct parameters {
	const struct model *model;
	uint64_t n;
};

static int add_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct parameters *p = ctx;
	struct tensor_shape s = tensor_shape(p->model, kind);

	(void)layer;
	p->n += (uint64_t)s.rows * s.cols;
	return 0;
}

uint64_t model_parameters(const struct model *m)
{
	struct parameters p = { m, 0 };

	model_each_tensor(m, add_tensor, &p);
	return p.n;
}
