/* Reads a model from a GGUF file: its shape from the metadata, its tensors by
 * llama.cpp's names. Unknown metadata of the architecture are refused, since
 * they may change what the model computes. */
#include "config.h"
#include "import/import.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf.h"
#include "gguf_split.h"
#include "simd/convert.h"
#include "vocab_read.h"

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
	bool rotate_half; /* llama.cpp's converter permutes Llama's q and k to
	                   * adjacent pairs, but not Qwen2's */
	bool always_bias;
} architectures[] = {
	{ "llama", false, false },
	{ "qwen2", true, true },
};

/* The known keys after "llama." or "qwen2."; not all are used. */
static const char *const known_keys[] = {
	"attention.head_count", "attention.head_count_kv",
	"attention.key_length", "attention.layer_norm_epsilon",
	"attention.layer_norm_rms_epsilon",
	"attention.sliding_window", "attention.value_length", "block_count",
	"context_length", "embedding_length", "expert_count",
	"expert_feed_forward_length", "expert_gating_func",
	"expert_shared_feed_forward_length", "expert_used_count",
	"expert_weights_norm", "expert_weights_scale", "feed_forward_length",
	"rope.dimension_count",
	"rope.freq_base", "rope.scale_linear", "rope.scaling.factor",
	"rope.scaling.finetuned", "rope.scaling.original_context_length",
	"rope.scaling.type", "rope.scaling.yarn_beta_fast",
	"rope.scaling.yarn_beta_slow", "tensor_data_layout", "vocab_size",
};

/* Keys that change the answer unless they have this value. or_zero: llama.cpp
 * treats 0 as this value. */
static const struct {
	const char *name;
	double value;
	bool or_zero;
} neutral_keys[] = {
	{ "attention.causal", 1, false },
	{ "attention.clamp_kqv", 0, false },
	{ "attention.max_alibi_bias", 0, false },
	{ "attn_logit_softcapping", 0, false },
	{ "embedding_scale", 1, true },
	{ "expert_group_count", 0, false },
	{ "expert_shared_count", 0, false },
	{ "final_logit_softcapping", 0, false },
	{ "leading_dense_block_count", 0, false },
	{ "logit_scale", 1, true },
	{ "nextn_predict_layers", 0, false },
	{ "pooling_type", 0, false },
	{ "residual_scale", 1, true },
	{ "rope.scaling.attn_factor", 1, false },
	{ "use_parallel_residual", 0, false },
};

struct reader {
	const struct gguf *g;
	const struct architecture *arch;
	struct import_model *m;
	char key[128];   /* the result of the last key() */
	struct wl_error *err;
};

/* --- Metadata --- */

/* "ARCHITECTURE.NAME"; valid until the next call. */
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

/* Reads a number for all layers, or an array of one per layer, all equal.
 * model.n_layers must be set. */
static int get_each(struct reader *r, const char *name, int *v)
{
	struct gguf_walk w;
	struct wl_error none;
	int value;

	if (gguf_get_array(r->g, key(r, name), GGUF_INTS, &w, &none))
		return get_int(r, name, 1, v);
	if (w.n != (uint64_t)r->m->model.n_layers)
		return wl_error_set(r->err, "%s: %s has %llu values, must be"
		                    " an integer or one for each of %d layers",
		                    gguf_path(r->g), r->key,
		                    (unsigned long long)w.n,
		                    r->m->model.n_layers);
	*v = gguf_next_int(&w);
	if (*v < 1)
		return wl_error_set(r->err, "%s: %s is %d, must be at least 1",
		                    gguf_path(r->g), r->key, *v);
	while (--w.n > 0) {
		value = gguf_next_int(&w);
		if (value != *v)
			return wl_error_set(r->err, "%s: %s differs between"
			                    " layers (%d and %d), which is not"
			                    " supported", gguf_path(r->g),
			                    r->key, *v, value);
	}
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

/* Whether a key that exists has this numeric or boolean value. */
static bool is_value(const struct gguf *g, const char *key, double value)
{
	struct wl_error none;
	double real;
	int64_t number;
	bool on;

	if (gguf_get_bool(g, key, &on, &none) == 0)
		return on == value;
	if (gguf_get_int(g, key, INT_MIN, INT_MAX, &number, &none) == 0)
		return number == value;
	return gguf_get_real(g, key, &real, &none) == 0 &&
	       fabs(real - value) <= 1e-6 * fabs(value);
}

static bool is_neutral(struct reader *r, const char *name)
{
	for (size_t i = 0; i < sizeof neutral_keys / sizeof *neutral_keys; i++)
		if (strcmp(neutral_keys[i].name, name) == 0)
			return is_value(r->g, key(r, name),
			                neutral_keys[i].value) ||
			       (neutral_keys[i].or_zero &&
			        is_value(r->g, key(r, name), 0));
	/* 0 means the default, 1 / sqrt(head_dim). */
	return strcmp(name, "attention.scale") == 0 &&
	       (is_value(r->g, key(r, name), 0) ||
	        is_value(r->g, key(r, name), 1 / sqrt(r->m->model.head_dim)));
}

static bool known_key(struct reader *r, const char *s, size_t len)
{
	char name[64];

	for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++)
		if (gguf_text_is(s, len, known_keys[i]))
			return true;
	if (len >= sizeof name)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)len, s);
	return is_neutral(r, name);
}

static int refuse_unknown_keys(struct reader *r)
{
	const char *arch = r->arch->name, *s;
	size_t skip = strlen(arch) + 1, len;

	for (size_t i = 0; (s = gguf_key(r->g, i, &len)); i++)
		if (len >= skip && memcmp(s, arch, skip - 1) == 0 &&
		    s[skip - 1] == '.' && !known_key(r, s + skip, len - skip))
			return gguf_refuse(r->g, "metadata key", s, len,
			                   r->err);
	return 0;
}

/* --- Shape --- */

/* Reads the channels per head: key_length and value_length, which must agree
 * and default to dim / n_heads. */
static int read_head_dim(struct reader *r)
{
	struct model *m = &r->m->model;
	int share = m->dim % m->n_heads ? 0 : m->dim / m->n_heads;
	int value, rotated;

	if (get_int_or(r, "attention.key_length", 1, share, &m->head_dim) ||
	    get_int_or(r, "attention.value_length", 1, share, &value))
		return -1;
	if (m->head_dim != value)
		return wl_error_set(r->err, "%s: %s is %d, but keys have %d"
		                    " channels per head", gguf_path(r->g),
		                    key(r, "attention.value_length"), value,
		                    m->head_dim);
	if (value == 0)
		return wl_error_set(r->err, "%s: %s.embedding_length %d is not"
		                    " a multiple of attention.head_count %d",
		                    gguf_path(r->g), r->arch->name, m->dim,
		                    m->n_heads);
	if (get_int_or(r, "rope.dimension_count", 0, m->head_dim, &rotated))
		return -1;
	if (rotated != m->head_dim)
		return wl_error_set(r->err, "%s: %s is %d, must be %d, all"
		                    " channels of a head", gguf_path(r->g),
		                    r->key, rotated, m->head_dim);
	return 0;
}

/* A sliding window of 0 means that there is none. */
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
	    get_int(r, "block_count", 1, &m->n_layers) ||
	    get_each(r, "feed_forward_length", &m->hidden_dim) ||
	    get_int(r, "context_length", 1, &m->max_seq_len) ||
	    get_each(r, "attention.head_count", &m->n_heads))
		return -1;
	m->n_kv_heads = m->n_heads;
	if ((gguf_has(r->g, key(r, "attention.head_count_kv")) &&
	     get_each(r, "attention.head_count_kv", &m->n_kv_heads)) ||
	    gguf_get_real(r->g, key(r, "attention.layer_norm_rms_epsilon"),
	                  &m->rms_eps, r->err) ||
	    get_real_or(r, "rope.freq_base", 1e4, &m->rope_theta) ||
	    read_window(r) || refuse_experts(r))
		return -1;
	return read_head_dim(r);
}

/* --- Vocabulary --- */

/* The number of ids is the number of rows of the embedding; the tokenizer may
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
	if (t->rows > INT_MAX)
		return wl_error_set(r->err, "%s: %s has %llu rows",
		                    gguf_path(r->g), EMBEDDING,
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

/* Adds the stop ids of a key: one id, or an array. */
static int read_stop(struct reader *r, const char *name)
{
	struct gguf_walk w;
	struct wl_error none;
	char where[256];
	int64_t id;

	snprintf(where, sizeof where, "%.200s: %s", gguf_path(r->g), name);
	if (gguf_get_array(r->g, name, GGUF_INTS, &w, &none))
		return gguf_get_int(r->g, name, INT64_MIN, INT64_MAX, &id,
		                    r->err) ||
		       import_add_stop(r->m, id, where, r->err) ? -1 : 0;
	for (; w.n > 0; w.n--)
		if (import_add_stop(r->m, gguf_next_int(&w), where, r->err))
			return -1;
	return 0;
}

/* Notes that a special piece's id is a default because its key is missing.
 * Returns whether that is so. */
static bool note_default(struct reader *r, const char *name, int id)
{
	if (id < 0 || gguf_has(r->g, name))
		return false;
	import_note(r->m, "%s: %s is missing: taken as %d, as llama.cpp does",
	            gguf_path(r->g), name, id);
	return true;
}

static int read_stops(struct reader *r)
{
	static const char *const stop[] = {
		"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eos_token_ids",
		"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eot_token_ids",
		"tokenizer.ggml.eom_token_id", "tokenizer.ggml.eom_token_ids",
	};
	struct model *m = &r->m->model;
	struct vocab *v = &r->m->vocab;

	m->bos_id = v->bos_id;
	note_default(r, "tokenizer.ggml.bos_token_id", m->bos_id);
	if (note_default(r, stop[0], v->eos_id) &&
	    import_add_stop(r->m, v->eos_id, stop[0], r->err))
		return -1;
	for (size_t i = 0; i < sizeof stop / sizeof *stop; i++)
		if (gguf_has(r->g, stop[i]) && read_stop(r, stop[i]))
			return -1;
	v->eos_id = m->n_stop ? m->stop_id[0] : -1;
	return 0;
}

/* --- RoPE --- */

/* Whether the scaling factor is 1, with which yarn has no effect. */
static bool has_no_factor(struct reader *r)
{
	return is_value(r->g, key(r, "rope.scaling.factor"), 1);
}

/* Reads the factor that divides all frequencies. A factor without a type is
 * linear. */
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
	if (!gguf_text_is(type, len, "linear") &&
	    !(gguf_text_is(type, len, "yarn") && has_no_factor(r)))
		return gguf_refuse(r->g, key(r, "rope.scaling.type"), type,
		                   len, r->err);
	if (!gguf_has(r->g, key(r, "rope.scaling.factor")))
		key(r, "rope.scale_linear"); /* its older name */
	if (gguf_has(r->g, r->key) &&
	    gguf_get_real(r->g, r->key, factor, r->err))
		return -1;
	/* llama.cpp writes 0 for no scaling. */
	if (*factor == 0)
		*factor = 1;
	if (!(*factor > 0) || !isfinite((float)*factor))
		return wl_error_set(r->err, "%s: %s is %g, must be finite and"
		                    " above 0", gguf_path(r->g), r->key,
		                    *factor);
	return 0;
}

/* Reads the file's factor for each pair of channels, if it has them. */
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

	if (read_architecture(r) || read_shape(r) ||
	    refuse_unknown_keys(r) ||
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
	/* read_rope allocates memory by the shape, so check that first. */
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
