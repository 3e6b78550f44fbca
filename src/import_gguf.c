/* A model in a GGUF file: its shape from the metadata, its tensors by the
 * names that llama.cpp gives them. Metadata of the architecture that is not
 * known here is refused: it may change what the model computes. */
#include "config.h"
#include "import.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "gguf.h"
#include "gguf_split.h"

#define EMBEDDING "token_embd.weight"
#define HEAD "output.weight"
#define FACTORS "rope_freqs.weight"

static const struct source_names names = {
	.layer_prefix = "blk.",
	.name = {
		[T_EMBEDDING] = EMBEDDING, [T_ATTN_NORM] = "attn_norm.weight",
		[T_WQ] = "attn_q.weight", [T_WK] = "attn_k.weight",
		[T_WV] = "attn_v.weight", [T_BQ] = "attn_q.bias",
		[T_BK] = "attn_k.bias", [T_BV] = "attn_v.bias",
		[T_WO] = "attn_output.weight", [T_FFN_NORM] = "ffn_norm.weight",
		[T_GATE] = "ffn_gate.weight", [T_UP] = "ffn_up.weight",
		[T_DOWN] = "ffn_down.weight", [T_NORM] = "output_norm.weight",
		[T_HEAD] = HEAD,
	},
};

static const struct architecture {
	const char *name;
	bool rotate_half; /* llama.cpp's converters make adjacent pairs of
	                   * Llama's q and k, and leave Qwen2's as they are */
	bool always_bias;
} architectures[] = {
	{ "llama", false, false },
	{ "qwen2", true, true },
};

/* What the keys behind "llama." or "qwen2." may be; not all are read. */
static const char *const known_keys[] = {
	"attention.head_count", "attention.head_count_kv",
	"attention.key_length", "attention.layer_norm_rms_epsilon",
	"attention.sliding_window", "attention.value_length", "block_count",
	"context_length", "embedding_length", "expert_count",
	"expert_used_count", "feed_forward_length", "rope.dimension_count",
	"rope.freq_base", "rope.scale_linear", "rope.scaling.factor",
	"rope.scaling.finetuned", "rope.scaling.original_context_length",
	"rope.scaling.type", "tensor_data_layout", "vocab_size",
};

struct reader {
	const struct gguf *g;
	const struct architecture *arch;
	struct import_model *m;
	char key[128];   /* the last one made by key() */
	struct wl_error *err;
};

/* --- Metadata --- */

/* The architecture's key, until the next call. */
static const char *key(struct reader *r, const char *name)
{
	snprintf(r->key, sizeof r->key, "%s.%s", r->arch->name, name);
	return r->key;
}

static int get_int(struct reader *r, const char *name, int lo, int *v)
{
	int64_t value;

	if (gguf_get_int(r->g, key(r, name), lo, INT_MAX, &value, r->err))
		return -1;
	*v = value;
	return 0;
}

static int get_int_or(struct reader *r, const char *name, int lo,
                      int otherwise, int *v)
{
	*v = otherwise;
	return gguf_has(r->g, key(r, name)) ? get_int(r, name, lo, v) : 0;
}

static int get_real_or(struct reader *r, const char *name, double otherwise,
                       double *v)
{
	*v = otherwise;
	if (!gguf_has(r->g, key(r, name)))
		return 0;
	return gguf_get_real(r->g, r->key, v, r->err);
}

static int read_architecture(struct reader *r)
{
	static const char where[] = "general.architecture";
	const char *name;
	size_t len;

	if (gguf_get_string(r->g, where, &name, &len, r->err))
		return -1;
	for (size_t i = 0; i < sizeof architectures / sizeof *architectures;
	     i++)
		if (gguf_text_is(name, len, architectures[i].name)) {
			r->arch = &architectures[i];
			return 0;
		}
	return gguf_refuse(r->g, where, name, len, r->err);
}

static bool known_key(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++)
		if (gguf_text_is(s, len, known_keys[i]))
			return true;
	return false;
}

static int refuse_unknown_keys(const struct reader *r)
{
	const char *arch = r->arch->name, *s;
	size_t skip = strlen(arch) + 1, len;

	for (size_t i = 0; (s = gguf_key(r->g, i, &len)); i++)
		if (len >= skip && memcmp(s, arch, skip - 1) == 0 &&
		    s[skip - 1] == '.' && !known_key(s + skip, len - skip))
			return gguf_refuse(r->g, "metadata key", s, len,
			                   r->err);
	return 0;
}

/* --- Shape --- */

/* Channels of a head: by key_length and value_length, which may both be
 * missing, or as many as the heads' share of the embedding. */
static int read_head_dim(struct reader *r)
{
	struct model *m = &r->m->model;
	int share = m->dim % m->n_heads ? 0 : m->dim / m->n_heads;
	int value, turned;

	if (get_int_or(r, "attention.key_length", 1, share, &m->head_dim) ||
	    get_int_or(r, "attention.value_length", 1, share, &value))
		return -1;
	if (m->head_dim != value)
		return wl_error_set(r->err, "%s: %s is %d, but keys have %d"
		                    " channels a head", gguf_path(r->g),
		                    key(r, "attention.value_length"), value,
		                    m->head_dim);
	if (value == 0)
		return wl_error_set(r->err, "%s: %s.embedding_length %d is not"
		                    " a multiple of attention.head_count %d",
		                    gguf_path(r->g), r->arch->name, m->dim,
		                    m->n_heads);
	if (get_int_or(r, "rope.dimension_count", 0, m->head_dim, &turned))
		return -1;
	if (turned != m->head_dim)
		return wl_error_set(r->err, "%s: %s is %d, must be all %d"
		                    " channels of a head", gguf_path(r->g),
		                    r->key, turned, m->head_dim);
	return 0;
}

/* 0 says that there is none. */
static int read_window(struct reader *r)
{
	int window;

	if (get_int_or(r, "attention.sliding_window", 0, 0, &window))
		return -1;
	if (window > 0)
		import_window_cap(r->m, window);
	return 0;
}

static int refuse_experts(struct reader *r)
{
	int experts;

	if (get_int_or(r, "expert_count", 0, 0, &experts))
		return -1;
	if (experts > 0)
		return wl_error_set(r->err, "%s: %s is %d, mixtures of experts"
		                    " are not supported", gguf_path(r->g),
		                    r->key, experts);
	return 0;
}

static int read_shape(struct reader *r)
{
	struct model *m = &r->m->model;

	if (get_int(r, "embedding_length", 1, &m->dim) ||
	    get_int(r, "feed_forward_length", 1, &m->hidden_dim) ||
	    get_int(r, "block_count", 1, &m->n_layers) ||
	    get_int(r, "context_length", 1, &m->max_seq_len) ||
	    get_int(r, "attention.head_count", 1, &m->n_heads) ||
	    get_int_or(r, "attention.head_count_kv", 1, m->n_heads,
	               &m->n_kv_heads) ||
	    gguf_get_real(r->g, key(r, "attention.layer_norm_rms_epsilon"),
	                  &m->rms_eps, r->err) ||
	    get_real_or(r, "rope.freq_base", 1e4, &m->rope_theta) ||
	    read_window(r) || refuse_experts(r))
		return -1;
	return read_head_dim(r);
}

/* --- Vocabulary --- */

/* The embedding's rows decide how many ids the model has; the tokenizer may
 * have fewer. */
static int read_vocab_size(struct reader *r)
{
	struct model *m = &r->m->model;
	const struct vocab *v = &r->m->vocab;
	const struct source_tensor *t = source_find(&r->m->sources, EMBEDDING);
	int said;

	if (!t)
		return wl_error_set(r->err, "%s: tensor %s is missing",
		                    gguf_path(r->g), EMBEDDING);
	if (t->rows > INT_MAX || (int)t->rows < v->n)
		return wl_error_set(r->err, "%s: tokenizer.ggml.tokens has %d"
		                    " values, but %s %llu rows",
		                    gguf_path(r->g), v->n, EMBEDDING,
		                    (unsigned long long)t->rows);
	m->vocab_size = t->rows;
	if (get_int_or(r, "vocab_size", 1, m->vocab_size, &said))
		return -1;
	if (said != m->vocab_size && said != v->n)
		return wl_error_set(r->err, "%s: %s is %d, but there are %d"
		                    " tokens and %s has %d rows",
		                    gguf_path(r->g), r->key, said, v->n,
		                    EMBEDDING, m->vocab_size);
	return 0;
}

static int read_stops(struct reader *r)
{
	static const char *const stop[] = {
		"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
		"tokenizer.ggml.eom_token_id",
	};
	struct model *m = &r->m->model;

	m->bos_id = r->m->vocab.bos_id;
	for (size_t i = 0; i < sizeof stop / sizeof *stop; i++) {
		int64_t id;

		if (!gguf_has(r->g, stop[i]))
			continue;
		if (gguf_get_int(r->g, stop[i], 0, r->m->vocab.n - 1, &id,
		                 r->err))
			return -1;
		if (!model_stops_at(m, id))
			m->stop_id[m->n_stop++] = id;
	}
	return 0;
}

/* --- RoPE --- */

/* What all angles are divided by. A factor without a type is linear. */
static int read_linear(struct reader *r, double *factor)
{
	const char *type = "linear";
	size_t len = strlen(type);

	*factor = 1;
	if (gguf_has(r->g, key(r, "rope.scaling.type")) &&
	    gguf_get_string(r->g, r->key, &type, &len, r->err))
		return -1;
	if (gguf_text_is(type, len, "none"))
		return 0;
	if (!gguf_text_is(type, len, "linear"))
		return gguf_refuse(r->g, r->key, type, len, r->err);
	if (!gguf_has(r->g, key(r, "rope.scaling.factor")))
		key(r, "rope.scale_linear"); /* its older name */
	if (gguf_has(r->g, r->key) &&
	    gguf_get_real(r->g, r->key, factor, r->err))
		return -1;
	/* llama.cpp's own way to say none. */
	if (*factor == 0)
		*factor = 1;
	if (!(*factor > 0) || !isfinite((float)*factor))
		return wl_error_set(r->err, "%s: %s is %g, must be finite and"
		                    " above 0", gguf_path(r->g), r->key,
		                    *factor);
	return 0;
}

/* The file's own factors, one for each pair of channels, where it has any. */
static int read_factors(struct reader *r, float *factor)
{
	struct sources *s = &r->m->sources;
	size_t n = r->m->model.head_dim / 2;
	const struct source_tensor *t = source_find(s, FACTORS);
	unsigned char *bytes;
	int rc;

	if (!t)
		return 0;
	if (t->type != SOURCE_F32 || !t->vector || t->cols != n)
		return wl_error_set(r->err, "%s: %s must be a vector of %zu F32"
		                    " elements", gguf_path(r->g), FACTORS, n);
	bytes = wl_malloc(n, 4);
	rc = source_read(s, t->file, t->at, bytes, 4 * n, r->err);
	if (rc == 0)
		wl_to_f32(factor, bytes, WL_F32, n);
	free(bytes);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (!(factor[i] > 0) || !isfinite(factor[i]))
			rc = wl_error_set(r->err, "%s: %s[%zu] is %g, must be"
			                  " finite and above 0",
			                  gguf_path(r->g), FACTORS, i,
			                  factor[i]);
	return rc;
}

static int read_rope(struct reader *r)
{
	struct model *m = &r->m->model;
	size_t n = m->head_dim / 2;
	float *factor = wl_malloc(n, sizeof *factor);
	double linear;

	r->m->rope_factors = factor;
	for (size_t i = 0; i < n; i++)
		factor[i] = 1;
	if (read_linear(r, &linear) || read_factors(r, factor))
		return -1;
	for (size_t i = 0; i < n; i++) {
		factor[i] *= (float)linear;
		if (!(factor[i] > 0) || !isfinite(factor[i]))
			return wl_error_set(r->err, "%s: %s times RoPE's linear"
			                    " factor is out of range",
			                    gguf_path(r->g), FACTORS);
		if (factor[i] != 1)
			m->rope_scaled = true;
	}
	return 0;
}

/* --- The whole --- */

static int read_model(struct reader *r)
{
	struct import_model *m = r->m;
	char bias[64];

	if (read_architecture(r) || refuse_unknown_keys(r) ||
	    read_shape(r) ||
	    vocab_read_gguf(r->g, &m->vocab, r->err) ||
	    gguf_split_add_tensors(r->g, &m->sources, r->err) ||
	    source_index(&m->sources, r->err) || read_vocab_size(r) ||
	    read_stops(r))
		return -1;
	source_tensor_name(&names, T_BQ, 0, bias, sizeof bias);
	m->model.qkv_bias = r->arch->always_bias ||
	                    source_find(&m->sources, bias);
	m->model.tied = !source_find(&m->sources, HEAD);
	m->rotate_half = r->arch->rotate_half;
	/* read_rope takes memory by the shape, which must be a sound one. */
	if (model_check(&m->model, gguf_path(r->g), r->err))
		return -1;
	return read_rope(r);
}

int import_read_gguf(const char *path, struct import_model *m,
                     struct wl_error *err)
{
	struct reader r = { .m = m, .err = err };
	struct gguf *g = gguf_split_open(path, err);
	const char *slash;
	int rc;

	*m = (struct import_model){ .names = &names };
	if (!g)
		return -1;
	r.g = g;
	rc = read_model(&r);
	path = gguf_path(g);
	slash = strrchr(path, '/');
	if (rc == 0)
		snprintf(m->origin, sizeof m->origin, "GGUF file %.400s (%s)",
		         slash ? slash + 1 : path, r.arch->name);
	gguf_close(g);
	return rc;
}
