/* Imports of GGUF files: whole models made here, of both families and with
 * tensors of every type, come back element by element; with one change each
 * they must be refused and leave nothing behind. Serial, without MPI_Init. */
#include "config.h"
#include "import/import.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "made_gguf.h"
#include "made_up.h"
#include "model/checkpoint.h"
#include "simd/convert.h"
#include "suite.h"
#include "text_lab.h"

/* A scratch folder, made and removed by main, and the files in it. */
static char dir[64], src[128], dest[128];

/* --- A model --- */

/* Head size other than E / H; E and F are whole blocks of 32; two rows more
 * than there are tokens. The byte-level family has biases. */
enum { E = 32, F = 64, L = 2, H = 4, G = 2, HD = 32, S = 16, GROUP = H / G,
       V = N_TOKENS + 2 };

/* Tensor types by kind; vectors are F32. */
static uint32_t type_of(enum tensor_kind kind)
{
	switch (kind) {
	case T_EMBEDDING:
	case T_WO:
	case T_DOWN:
		return MADE_T_Q8_0;
	case T_WQ:
	case T_UP:
		return MADE_T_Q4_0;
	case T_WK:
	case T_HEAD:
		return MADE_T_F16;
	case T_WV:
		return MADE_T_BF16;
	default:
		return MADE_T_F32;
	}
}

static uint64_t element_key(enum tensor_kind kind, int layer, int row)
{
	return made_key(kind, layer, row);
}

/* The scale of a block, a power of two that all types have. */
static float scale(enum tensor_kind kind, int layer, int row, int block)
{
	int power = element_key(kind, layer, row) / (block + 1) % 5;

	return ldexpf(block % 2 ? -1 : 1, power - 2);
}

/* -8..7, or -128..127 where the type has room for it. */
static int quantum(enum tensor_kind kind, int layer, int row, int col)
{
	uint64_t key = element_key(kind, layer, row);
	int half = type_of(kind) == MADE_T_Q4_0 ? 8 : 128;

	return (int)(made_mix(key + col) % (2 * half)) - half;
}

/* Output n, input k of a matrix as the file means it; exact in all types. */
static float element(enum tensor_kind kind, int layer, int row, int col)
{
	return scale(kind, layer, row, col / 32) *
	       quantum(kind, layer, row, col);
}

static void put_block(struct made_bytes *b, enum tensor_kind kind, int layer,
                      int row, int block)
{
	int q[32];

	for (int i = 0; i < 32; i++)
		q[i] = quantum(kind, layer, row, 32 * block + i);
	made_put_int(b, wl_f32_to_f16(scale(kind, layer, row, block)), 2);
	for (int i = 0; i < 32 && type_of(kind) == MADE_T_Q8_0; i++)
		made_put_int(b, q[i], 1);
	for (int i = 0; i < 16 && type_of(kind) == MADE_T_Q4_0; i++)
		made_put_int(b, (q[i] + 8) | (q[i + 16] + 8) << 4, 1);
}

static void put_row(struct made_bytes *b, enum tensor_kind kind, int layer,
                    int row, int cols)
{
	uint32_t type = type_of(kind);

	if (type == MADE_T_Q8_0 || type == MADE_T_Q4_0) {
		for (int block = 0; block < cols / 32; block++)
			put_block(b, kind, layer, row, block);
		return;
	}
	for (int i = 0; i < cols; i++) {
		float f = element(kind, layer, row, i);

		if (type == MADE_T_F16)
			made_put_int(b, wl_f32_to_f16(f), 2);
		else if (type == MADE_T_BF16)
			made_put_int(b, wl_f32_to_bf16(f), 2);
		else
			made_put_f32(b, f);
	}
}

/* rows 0: a vector. */
static void put_tensor(struct made_gguf *g, const char *name,
                       enum tensor_kind kind, int layer, int rows, int cols)
{
	if (!made_gguf_tensor(g, name, type_of(kind), rows, cols))
		return;
	for (int row = 0; row < (rows ? rows : 1); row++)
		put_row(&g->data, kind, layer, row, cols);
}

static void put_layer(struct made_gguf *g, int layer)
{
	static const struct {
		const char *name;
		enum tensor_kind kind;
		int rows, cols;
	} t[] = {
		{ "attn_norm.weight", T_ATTN_NORM, 0, E },
		{ "attn_q.weight", T_WQ, H * HD, E },
		{ "attn_k.weight", T_WK, G * HD, E },
		{ "attn_v.weight", T_WV, G * HD, E },
		{ "attn_output.weight", T_WO, E, H * HD },
		{ "ffn_norm.weight", T_FFN_NORM, 0, E },
		{ "ffn_gate.weight", T_GATE, F, E },
		{ "ffn_up.weight", T_UP, F, E },
		{ "ffn_down.weight", T_DOWN, E, F },
		{ "attn_q.bias", T_BQ, 0, H * HD },
		{ "attn_k.bias", T_BK, 0, G * HD },
		{ "attn_v.bias", T_BV, 0, G * HD },
	};

	for (int i = 0; i < (qwen ? 12 : 9); i++) {
		char name[64];

		snprintf(name, sizeof name, "blk.%d.%s", layer, t[i].name);
		put_tensor(g, name, t[i].kind, layer, t[i].rows, t[i].cols);
	}
}

static const char *arch(const char *key)
{
	static char text[64];

	snprintf(text, sizeof text, "%s.%s", qwen ? "qwen2" : "llama", key);
	return text;
}

static void put_shape(struct made_gguf *g)
{
	made_gguf_text(g, "general.architecture", qwen ? "qwen2" : "llama");
	made_gguf_int(g, arch("embedding_length"), E);
	made_gguf_int(g, arch("feed_forward_length"), F);
	made_gguf_int(g, arch("block_count"), L);
	made_gguf_int(g, arch("context_length"), S);
	made_gguf_int(g, arch("attention.head_count"), H);
	made_gguf_int(g, arch("attention.head_count_kv"), G);
	made_gguf_int(g, arch("attention.key_length"), HD);
	made_gguf_int(g, arch("attention.value_length"), HD);
	made_gguf_real(g, arch("attention.layer_norm_rms_epsilon"), 0x1p-17f);
}

static void put_tensors(struct made_gguf *g)
{
	put_tensor(g, "token_embd.weight", T_EMBEDDING, 0, V, E);
	for (int l = 0; l < L; l++)
		put_layer(g, l);
	put_tensor(g, "output_norm.weight", T_NORM, 0, 0, E);
	put_tensor(g, "output.weight", T_HEAD, 0, V, E);
}

/* The whole model, without what is called skip. */
static void put_model(struct made_gguf *g, const char *skip)
{
	made_gguf_init(g);
	g->skip = skip;
	put_shape(g);
	put_vocab(g);
	put_tensors(g);
	g->skip = NULL;
}

/* --- Helpers --- */

/* Imports g, which is freed; 0 or -1. */
static int import(struct made_gguf *g, struct wl_error *err)
{
	struct import_options o = { .source = src, .dest = dest, .type = -1,
	                            .quiet = 1 };

	made_gguf_save(g, src);
	made_gguf_fini(g);
	*err = (struct wl_error){ .text = "" };
	return import_run(&o, err);
}

static void import_refused(struct made_gguf *g, const char *says)
{
	int before;
	struct wl_error err;

	made_gguf_save(g, src);
	before = files_in(dir);
	ck_assert_msg(import(g, &err) == -1, "taken, not \"%s\"", says);
	one_line(&err, src, says);
	ck_assert_int_eq(files_in(dir), before);
}

/* --- Imports --- */

static struct checkpoint *import_made(struct made_gguf *g)
{
	struct checkpoint *c;
	struct wl_error err;

	ck_assert_msg(!import(g, &err), "%s", err.text);
	c = checkpoint_open(dest, MPI_COMM_NULL, &err);
	ck_assert_msg(c, "%s", err.text);
	return c;
}

/* Where a channel of head h goes within its kind's channels. */
static int q_place(int h, int c)
{
	return (h / GROUP * HD + c) * GROUP + h % GROUP;
}

/* From halves to adjacent pairs. */
static int pair_place(int c)
{
	return !qwen ? c : c < HD / 2 ? 2 * c : 2 * (c - HD / 2) + 1;
}

/* Where output n (of rows) and input k of the file's matrix lie. */
static void place(enum tensor_kind kind, int *k, int *n)
{
	if (kind == T_WQ || kind == T_BQ)
		*n = q_place(*n / HD, pair_place(*n % HD));
	if (kind == T_WK || kind == T_BK)
		*n = *n / HD * HD + pair_place(*n % HD);
	if (kind == T_WO)
		*k = q_place(*k / HD, *k % HD);
}

/* Every element of every tensor must be where it belongs. */
static int check_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct checkpoint *c = ctx;
	struct tensor_shape s = tensor_shape(checkpoint_model(c), kind);
	size_t all = s.rows * s.cols;
	float *value = wl_malloc(all, sizeof *value);
	void *raw = wl_malloc(all, sizeof *value);
	enum wl_type type = checkpoint_type(c, kind, layer);
	uint32_t from = type_of(kind);
	struct wl_error err;

	ck_assert_int_eq(type, from == MADE_T_F16 ? WL_F16 :
	                 from == MADE_T_BF16 ? WL_BF16 : WL_F32);
	ck_assert(!checkpoint_read_rows(c, kind, layer, 0,
	                                s.vector ? s.cols : s.rows, raw,
	                                &err));
	wl_to_f32(value, raw, type, all);
	for (size_t i = 0; i < all && kind != T_ROPE_FACTORS; i++) {
		int row = s.vector ? 0 : i / s.rows;
		int col = s.vector ? i : i % s.rows;
		int n = s.vector ? col : row, k = s.vector ? 0 : col;
		float want = element(kind, layer, row, col);

		place(kind, &k, &n);
		if (value[(size_t)k * s.cols + n] != want)
			ck_abort_msg("kind %d, layer %d, row %d, col %d: %g,"
			             " not %g", kind, layer, row, col,
			             value[(size_t)k * s.cols + n], want);
	}
	free(value);
	free(raw);
	return 0;
}

START_TEST(whole_model)
{
	const struct model *m;
	struct checkpoint *c;
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = _i;
	put_model(&g, NULL);
	c = import_made(&g);
	m = checkpoint_model(c);
	ck_assert(m->dim == E && m->hidden_dim == F && m->n_layers == L &&
	          m->n_heads == H && m->n_kv_heads == G && m->head_dim == HD &&
	          m->vocab_size == V && m->max_seq_len == S);
	ck_assert(m->rope_theta == 1e4 && m->rms_eps == 0x1p-17);
	ck_assert(!m->tied && m->qkv_bias == qwen && !m->rope_scaled);
	ck_assert_int_eq(m->bos_id, qwen ? -1 : 1);
	ck_assert_int_eq(m->n_stop, 1);
	ck_assert_int_eq(m->stop_id[0], qwen ? 259 : 2);
	ck_assert_msg(strcmp(checkpoint_origin(c), qwen ?
	              "GGUF file model.gguf (qwen2)" :
	              "GGUF file model.gguf (llama)") == 0, "%s",
	              checkpoint_origin(c));
	ck_assert_int_eq(model_each_tensor(m, check_tensor, c), 0);
	ck_assert_int_eq(checkpoint_read_vocab(c, &v, &err), 0);
	ck_assert_int_eq(v.n, V);
	ck_assert_int_eq(v.type[V - 1], PIECE_UNUSED);
	vocab_fini(&v);
	checkpoint_close(c);
}
END_TEST

/* Files that end within their tensors' data. */
START_TEST(cut_data)
{
	qwen = false;
	for (int cut = 1; cut < 40; cut += 13) {
		struct made_gguf g;

		put_model(&g, NULL);
		g.data.n -= cut;
		import_refused(&g, "output.weight: its");
	}
}
END_TEST

/* The model with one pair or tensor left out or changed. */
static void put_changed(struct made_gguf *g, const struct change *c)
{
	qwen = c->qwen;
	put_model(g, c->key);
	put_change(g, c);
}

static const struct change bad_model[] = {
	{ 0, "general.architecture", '-', 0, 0, "architecture is missing" },
	{ 0, "general.architecture", 's', 0, "gpt2", "\"gpt2\" is not" },
	{ 0, "general.architecture", 's', 0, "llama4", "\"llama4\" is not" },
	{ 0, "split.count", 'i', 2, 0, "split.no is missing" },
	{ 0, "split.count", 'i', 65536, 0, "is 65536, must be 0..65535" },
	{ 0, "split.count", 'i', -1, 0, "split.count is -1, must be 0..6" },
	{ 0, "split.count", 'i', 0, 0, NULL },
	{ 0, "split.count", 's', 0, "2", "split.count is of type string" },
	{ 0, "split.count", 'i', 1, 0, NULL },
	{ 0, "llama.embedding_length", '-', 0, 0, "length is missing" },
	{ 0, "llama.embedding_length", 'i', 0, 0, "must be 1..2147483647" },
	{ 0, "llama.embedding_length", 'i', 64, 0, "token_embd.weight is" },
	{ 0, "llama.embedding_length", 'i', 1 << 21, 0, "dim is 2097152" },
	{ 0, "llama.feed_forward_length", 'I', 64, 0, "length has 1 values" },
	{ 0, "llama.feed_forward_length", 'i', 32, 0, "ffn_gate.weight is" },
	{ 0, "llama.block_count", 'i', -1, 0, "block_count is -1" },
	{ 0, "llama.block_count", 'i', 3, 0, "blk.2.attn_norm.weight is mis" },
	{ 0, "llama.block_count", 'i', 1, 0, "blk.1.attn_k.weight is not k" },
	{ 0, "llama.context_length", '-', 0, 0, "context_length is missing" },
	{ 0, "llama.context_length", 'f', 16, 0, "must be an integer" },
	{ 0, "llama.attention.head_count", '-', 0, 0, "count is missing" },
	{ 0, "llama.attention.head_count", 'i', 0, 0, "head_count is 0" },
	{ 0, "llama.attention.head_count_kv", 'i', 3, 0, "n_kv_heads 3" },
	{ 0, "llama.attention.head_count_kv", '-', 0, 0, "attn_k.weight is" },
	{ 0, "llama.attention.head_count_kv", 'I', 2, 0, "must be an integ" },
	{ 0, "llama.attention.head_count_kv", 'F', 2, 0, "an array of type" },
	{ 0, "llama.attention.causal", 'b', 1, 0, NULL },
	{ 0, "llama.attention.causal", 'b', 0, 0, "causal\" is not" },
	{ 0, "llama.attention.causal", 's', 0, "1", "causal\" is not" },
	{ 0, "llama.rope.scaling.attn_factor", 'f', 1, 0, NULL },
	{ 0, "llama.rope.scaling.attn_factor", 'f', 2, 0, "attn_factor\" is" },
	{ 0, "llama.rope.scaling.attn_factor", 'f', 0, 0, "attn_factor\" is" },
	{ 0, "llama.attention.scale", 'f', 0.17677669f, 0, NULL },
	{ 0, "llama.attention.scale", 'f', 0, 0, NULL },
	{ 0, "llama.logit_scale", 'f', 0.5, 0, "logit_scale\" is not" },
	{ 0, "llama.embedding_scale", 'f', 0, 0, NULL },
	{ 0, "llama.expert_shared_count", 'i', 0, 0, NULL },
	{ 0, "llama.expert_shared_count", 'i', 1, 0, "shared_count\" is not" },
	{ 0, "llama.something_new", 'i', 0, 0, "something_new\" is not" },
	{ 0, "llama.attention.key_length", 'i', 16, 0, "value_length is 32" },
	{ 0, "llama.attention.value_length", 'i', 16, 0, "_length is 16" },
	{ 0, "llama.attention.value_length", '-', 0, 0, "_length is 8" },
	{ 0, "llama.attention.layer_norm_rms_epsilon", '-', 0, 0, "missing" },
	{ 0, "llama.attention.layer_norm_rms_epsilon", 'f', -1, 0, "rms_eps" },
	{ 0, "llama.attention.layer_norm_rms_epsilon", 'i', 1, 0, "a float" },
	{ 0, "llama.rope.freq_base", 'f', 0, 0, "rope_theta is 0" },
	{ 0, "llama.rope.freq_base", 'f', NAN, 0, "rope_theta is " },
	{ 0, "llama.rope.freq_base", 's', 0, "x", "freq_base is of type str" },
	{ 0, "llama.rope.dimension_count", 'i', 16, 0, "count is 16, must" },
	{ 0, "llama.rope.dimension_count", 'i', 32, 0, NULL },
	{ 0, "llama.rope.scaling.type", 's', 0, "yarn", "\"yarn\" is not" },
	{ 0, "llama.rope.scaling.type", 's', 0, "none", NULL },
	{ 0, "llama.rope.scaling.factor", 'f', 0, 0, NULL },
	{ 0, "llama.rope.scaling.factor", 'f', -1, 0, "factor is -1, must" },
	{ 0, "llama.rope.scaling.factor", 'f', INFINITY, 0, "factor is inf" },
	{ 0, "llama.rope.scaling.factor", 'i', 2, 0, "must be a float" },
	{ 0, "llama.rope.scale_linear", 'f', -2, 0, "scale_linear is -2" },
	{ 0, "llama.vocab_size", 'i', 271, 0, "llama.vocab_size is 271" },
	{ 0, "llama.vocab_size", 'i', 270, 0, NULL },
	{ 0, "llama.vocab_size", 'i', 272, 0, NULL },
	{ 0, "llama.expert_count", 'i', 8, 0, "expert_count is 8" },
	{ 0, "llama.expert_count", 'i', 0, 0, NULL },
	{ 0, "llama.attention.sliding_window", 'i', -1, 0, "window is -1" },
	{ 0, "llama.attention.sliding_window", 'f', 15, 0, "must be an int" },
	{ 0, "llama.attention.scale", 'f', 1, 0, "\"llama.attention.scale\"" },
	{ 0, "llamas.attention.scale", 'f', 1, 0, NULL },
	{ 1, "qwen2.logit_scale", 'f', 1, 0, NULL },
	{ 1, "qwen2.logit_scale", 'f', 2, 0, "\"qwen2.logit_scale\" is not" },
	{ 0, TOK "eot_token_id", 'i', 270, 0, NULL },
	{ 0, TOK "eot_token_id", 'i', V, 0, NULL },
	{ 0, TOK "eos_token_id", 's', 0, "2", "eos_token_id is of type" },
	{ 0, TOK "eos_token_id", 'F', 2, 0, "eos_token_id is an array" },
	{ 0, TOK "eos_token_id", 'I', 2, 0, NULL },
	{ 0, TOK "eom_token_id", 'f', 2, 0, "eom_token_id is of type" },
	{ 0, TOK "tokens", '-', 0, 0, "tokenizer.ggml.tokens is missing" },
	{ 0, "token_embd.weight", '-', 0, 0, "token_embd.weight is missing" },
	{ 0, "output_norm.weight", '-', 0, 0, "output_norm.weight is missing" },
	{ 0, "blk.1.ffn_up.weight", '-', 0, 0, "blk.1.ffn_up.weight is miss" },
	{ 1, "blk.0.attn_q.bias", '-', 0, 0, "blk.0.attn_q.bias is missing" },
	{ 1, "blk.1.attn_v.bias", '-', 0, 0, "blk.1.attn_v.bias is missing" },
	{ 1, "qwen2.block_count", '-', 0, 0, "qwen2.block_count is missing" },
};
#define N_BAD_MODEL (int)(sizeof bad_model / sizeof *bad_model)

START_TEST(bad_models)
{
	const struct change *c = &bad_model[_i];
	struct made_gguf g;
	struct wl_error err;

	put_changed(&g, c);
	if (c->says)
		import_refused(&g, c->says);
	else
		ck_assert_msg(!import(&g, &err), "%s", err.text);
}
END_TEST

/* A window below the context caps it; the origin says so. */
START_TEST(windows_cap_the_context)
{
	static const struct {
		int qwen, window, context;
		const char *origin;
	} row[] = {
		{ 0, 15, 15, "(llama), context 15 of 16: its sliding window" },
		{ 1, 15, 15, "(qwen2), context 15 of 16: its sliding window" },
		{ 0, 1, 1, "(llama), context 1 of 16: its sliding window" },
		{ 0, 16, 16, "(llama)" },
		{ 1, 2147483647, 16, "(qwen2)" },
		{ 0, 0, 16, "(llama)" },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct made_gguf g;
		struct checkpoint *c;
		const char *at;

		qwen = row[i].qwen;
		put_model(&g, NULL);
		made_gguf_int(&g, arch("attention.sliding_window"),
		              row[i].window);
		c = import_made(&g);
		ck_assert_int_eq(checkpoint_model(c)->max_seq_len,
		                 row[i].context);
		at = strchr(checkpoint_origin(c), '(');
		ck_assert_str_eq(at, row[i].origin);
		checkpoint_close(c);
	}
}
END_TEST

/* Tensors that do not fit the model, or that it does not have. */
START_TEST(bad_model_tensors)
{
	static const struct {
		const char *skip, *name;
		uint32_t type, rows, cols;
		const char *says;
	} row[] = {
		{ "token_embd.weight", "token_embd.weight", 1, N_TOKENS - 1, E,
		  "output.weight is 272 x 32 (2-D), the model's shape needs" },
		{ "token_embd.weight", "token_embd.weight", 1, 0, E,
		  "bos_id 1 is outside the vocabulary of 1" },
		{ NULL, "blk.0.attn_output.bias", 0, E, 1,
		  "blk.0.attn_output.bias is not known" },
		{ NULL, "blk.1.attn_q_norm.weight", 0, 0, HD,
		  "blk.1.attn_q_norm.weight is not known" },
		{ NULL, "rope_freqs.weight", 0, 0, HD / 2 - 1,
		  "rope_freqs.weight must be a vector of 16 F32" },
		{ NULL, "rope_freqs.weight", 1, 0, HD / 2,
		  "rope_freqs.weight must be a vector of 16 F32" },
		{ NULL, "rope_freqs.weight", 0, 1, HD / 2,
		  "rope_freqs.weight must be a vector of 16 F32" },
		{ NULL, "rope_freqs.weight", 0, 0, HD / 2,
		  "rope_freqs.weight[0] is 0, must be finite and above 0" },
		{ "blk.1.attn_k.weight", "blk.1.attn_k.weight", 1, E, E,
		  "blk.1.attn_k.weight is 32 x 32 (2-D)" },
	};
	struct made_gguf g;

	qwen = false;
	put_model(&g, row[_i].skip);
	made_gguf_tensor(&g, row[_i].name, row[_i].type, row[_i].rows,
	                 row[_i].cols);
	for (uint32_t i = 0; i < (row[_i].rows ? row[_i].rows : 1) *
	     row[_i].cols * (row[_i].type == 1 ? 2 : 4); i++)
		made_put(&g.data, "", 1);
	import_refused(&g, row[_i].says);
}
END_TEST

/* --- Models in several files --- */

/* Until the next call. */
static const char *part_path(int no, int count)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/m-%05d-of-%05d.gguf", dir, no + 1,
	         count);
	return path;
}

enum { N_LLAMA_TENSORS = 3 + 9 * L };

/* Part `no` of count: the first has the metadata. */
static void put_part(struct made_gguf *g, int no, int count, const char *skip)
{
	made_gguf_init(g);
	g->skip = skip;
	g->part = no;
	g->parts = count;
	if (no == 0) {
		put_shape(g);
		put_vocab(g);
	}
	made_gguf_int(g, "split.no", no);
	made_gguf_int(g, "split.count", count);
	made_gguf_int(g, "split.tensors.count", N_LLAMA_TENSORS);
	put_tensors(g);
	g->skip = NULL;
	g->parts = 0;
}

static void save_parts(int count)
{
	struct made_gguf g;

	qwen = false;
	for (int no = 0; no < count; no++) {
		put_part(&g, no, count, NULL);
		made_gguf_save(&g, part_path(no, count));
		made_gguf_fini(&g);
	}
}

static void remove_parts(int count)
{
	for (int no = 0; no < count; no++)
		unlink(part_path(no, count));
}

static int import_part(int no, int count, struct wl_error *err)
{
	struct import_options o = { .source = part_path(no, count),
	                            .dest = dest, .type = -1, .quiet = 1 };

	*err = (struct wl_error){ .text = "" };
	unlink(dest);
	return import_run(&o, err);
}

/* Given by any of its parts; also where parts have no tensors. */
START_TEST(split_model)
{
	const int count = (int[]){ 2, 3, N_LLAMA_TENSORS + 2 }[_i];
	struct checkpoint *c;
	struct wl_error err;

	save_parts(count);
	for (int no = 0; no < count; no += count > 3 ? 9 : 1) {
		ck_assert_msg(!import_part(no, count, &err), "%s", err.text);
		c = checkpoint_open(dest, MPI_COMM_NULL, &err);
		ck_assert_msg(c, "%s", err.text);
		ck_assert_int_eq(model_each_tensor(checkpoint_model(c),
		                                   check_tensor, c), 0);
		ck_assert(strstr(checkpoint_origin(c), "m-00001-of-0"));
		checkpoint_close(c);
	}
	remove_parts(count);
}
END_TEST

/* A change in one of three parts, the part that is given to import, and the
 * one that the message must name. */
static const struct {
	int part, given, named;
	struct change c;
} bad_part[] = {
	{ 0, 0, 0, { 0, "split.no", '-', 0, 0, "split.no is missing" } },
	{ 0, 0, 0, { 0, "split.no", 'i', 3, 0,
	  "split.no is 3, must be 0..2" } },
	{ 0, 0, 0, { 0, "split.no", 'i', 1, 0, "must end in -00002-of-0000" } },
	{ 0, 2, 0, { 0, "split.no", 'i', 1, 0,
	  "is part 2 of 3 (split.no, sp" } },
	{ 0, 0, 0, { 0, "split.count", 'i', 2, 0,
	  "must end in -00001-of-00002" } },
	{ 0, 0, 0, { 0, "split.count", 'i', 0, 0,
	  "blk.0.attn_norm.weight is mi" } },
	{ 0, 0, 0, { 0, "split.count", 'i', 65535, 0,
	  "end in -00001-of-65535" } },
	{ 0, 0, 0, { 0, "split.count", 'i', 1 << 30, 0, "must be 0..65535" } },
	{ 0, 0, 0, { 0, "split.count", 'f', 3, 0, "must be an integer" } },
	{ 0, 1, 0, { 0, "split.count", '-', 0, 0,
	  "is part 1 of 1 (split.no" } },
	{ 0, 0, 0, { 0, "split.tensors.count", '-', 0, 0,
	  "count is missing" } },
	{ 0, 0, 0, { 0, "split.tensors.count", 'i', 22, 0,
	  "split.tensors.count is 22, but the 3 parts have 21" } },
	{ 0, 0, 0, { 0, "split.tensors.count", 'i', 0, 0, "parts have 21" } },
	{ 1, 0, 1, { 0, "split.no", '-', 0, 0, "split.no is missing" } },
	{ 1, 0, 1, { 0, "split.no", 'i', 0, 0,
	  "is part 1 of 3 (split.no, split.count), not 2 of 3" } },
	{ 1, 0, 1, { 0, "split.no", 'i', 2, 0, "is part 3 of 3" } },
	{ 1, 0, 1, { 0, "split.count", '-', 0, 0, "is part 1 of 1" } },
	{ 1, 0, 1, { 0, "split.count", 'i', 0, 0, "is part 1 of 1" } },
	{ 1, 1, 1, { 0, "split.count", 'i', 0, 0,
	  "general.architecture is mi" } },
	{ 2, 1, 2, { 0, "split.count", 'i', 4, 0, "is part 3 of 4" } },
	{ 2, 2, 2, { 0, "split.no", 'i', 0, 0, "general.architecture is mi" } },
	{ 2, 0, 2, { 0, "llama.block_count", 'i', 3, 0,
	  "llama.block_count differs from " } },
	{ 2, 0, 2, { 0, "llama.block_count", 'I', 2, 0,
	  "block_count differs" } },
	{ 2, 0, 2, { 0, "llama.attention.scale", 'f', 2, 0, "scale differs" } },
	{ 2, 0, -1, { 0, "llama.block_count", 'i', 2, 0, NULL } },
	{ 2, 0, -1, { 0, "general.architecture", 's', 0, "llama", NULL } },
	{ 2, 0, 2, { 0, "general.architecture", 's', 0, "qwen2", "differs" } },
	{ 2, 0, -1, { 0, "general.alignment", 'i', 32, 0, NULL } },
};
#define N_BAD_PARTS (int)(sizeof bad_part / sizeof *bad_part)

START_TEST(bad_parts)
{
	const struct change *c = &bad_part[_i].c;
	int part = bad_part[_i].part, rc, before;
	struct made_gguf g;
	struct wl_error err;

	save_parts(3);
	put_part(&g, part, 3, c->key);
	put_change(&g, c);
	made_gguf_save(&g, part_path(part, 3));
	made_gguf_fini(&g);
	unlink(dest);
	before = files_in(dir);
	rc = import_part(bad_part[_i].given, 3, &err);
	ck_assert_msg(rc == (c->says ? -1 : 0), "%d: %s", _i, err.text);
	if (c->says) {
		one_line(&err, part_path(bad_part[_i].named, 3), c->says);
		ck_assert_int_eq(files_in(dir), before);
	}
	remove_parts(3);
}
END_TEST

/* Parts that are not there, or are another one. */
START_TEST(bad_part_files)
{
	char first[256], other[256];
	struct wl_error err;

	save_parts(3);
	strcpy(first, part_path(0, 3));
	strcpy(other, part_path(1, 3));
	unlink(other);
	ck_assert_int_eq(import_part(0, 3, &err), -1);
	one_line(&err, other, "is missing: ");
	ck_assert(strstr(err.text, "m-00001-of-00003.gguf is part 1 of 3"));
	ck_assert_int_eq(symlink(other, other), 0);
	ck_assert_int_eq(import_part(2, 3, &err), -1);
	one_line(&err, other, "symbolic links");
	unlink(other);
	ck_assert_int_eq(symlink(first, other), 0);
	ck_assert_int_eq(import_part(0, 3, &err), -1);
	one_line(&err, other, "is part 1 of 3 (split.no, split.count), not 2");
	unlink(other);
	ck_assert_int_eq(mkfifo(other, 0600), 0);
	ck_assert_int_eq(import_part(0, 3, &err), -1);
	one_line(&err, other, "not a regular file");
	unlink(other);
	ck_assert_int_eq(rename(first, other), 0);
	ck_assert_int_eq(import_part(2, 3, &err), -1);
	one_line(&err, first, "is missing: ");
	ck_assert_int_eq(import_part(1, 3, &err), -1);
	one_line(&err, other, "must end in -00001-of-00003.gguf");
	remove_parts(3);
}
END_TEST

/* A tensor that two parts have. */
START_TEST(tensor_in_two_parts)
{
	struct made_gguf g;
	struct wl_error err;

	save_parts(3);
	put_part(&g, 2, 3, NULL);
	put_tensor(&g, "token_embd.weight", T_EMBEDDING, 0, V, E);
	made_gguf_save(&g, part_path(2, 3));
	made_gguf_fini(&g);
	put_part(&g, 0, 3, "split.tensors.count");
	made_gguf_int(&g, "split.tensors.count", N_LLAMA_TENSORS + 1);
	made_gguf_save(&g, part_path(0, 3));
	made_gguf_fini(&g);
	ck_assert_int_eq(import_part(0, 3, &err), -1);
	one_line(&err, dir, "token_embd.weight occurs twice");
	remove_parts(3);
}
END_TEST

/* A scale of a block that is not finite. */
START_TEST(infinite_block)
{
	struct made_gguf g;
	static const char says[] = "token_embd.weight has the value";

	qwen = false;
	put_model(&g, NULL);
	made_put(&g.data, "", 0);
	memcpy(g.data.p + 34 * 5, _i ? "\x00\x7e" : "\x00\x7c", 2);
	import_refused(&g, says);
}
END_TEST

/* All angles' divisors; the file's own and a linear factor multiply. */
START_TEST(rope_factors)
{
	static const char *const key[] = {
		NULL, "llama.rope.scaling.factor", "llama.rope.scale_linear",
		"llama.rope.scaling.factor",
	};
	const bool own = _i == 0 || _i == 3;
	const struct model *m;
	struct checkpoint *c;
	struct made_gguf g;
	struct wl_error err;
	float factor[HD / 2];

	qwen = false;
	put_model(&g, NULL);
	if (key[_i])
		made_gguf_real(&g, key[_i], 4);
	if (own) {
		made_gguf_tensor(&g, "rope_freqs.weight", MADE_T_F32, 0,
		                 HD / 2);
		for (int i = 0; i < HD / 2; i++)
			made_put_f32(&g.data, 1 + i / 2.0f);
	}
	c = import_made(&g);
	m = checkpoint_model(c);
	ck_assert(m->rope_scaled);
	ck_assert(!checkpoint_read_rows(c, T_ROPE_FACTORS, 0, 0, HD / 2, factor,
	                                &err));
	for (int i = 0; i < HD / 2; i++)
		ck_assert(factor[i] == (key[_i] ? 4 : 1) *
		          (own ? 1 + i / 2.0f : 1));
	checkpoint_close(c);
}
END_TEST

/* A tied head, all stops, Llama with biases on request: what whole_model
 * lacks. */
START_TEST(other_models)
{
	struct made_gguf g;
	struct checkpoint *c;
	const struct model *m;

	qwen = true;
	put_model(&g, "output.weight");
	made_gguf_int(&g, TOK "eot_token_id", 260);
	made_gguf_int(&g, TOK "eom_token_id", 259);
	made_gguf_real(&g, "qwen2.rope.freq_base", 1e6f);
	c = import_made(&g);
	m = checkpoint_model(c);
	ck_assert(m->tied && m->n_stop == 2 && m->rope_theta == 1e6);
	ck_assert(m->stop_id[0] == 259 && m->stop_id[1] == 260);
	ck_assert_int_eq(model_each_tensor(m, check_tensor, c), 0);
	checkpoint_close(c);

	qwen = false;
	put_model(&g, NULL);
	for (int l = 0; l < L; l++) {
		char name[64];

		snprintf(name, sizeof name, "blk.%d.attn_q.bias", l);
		put_tensor(&g, name, T_BQ, l, 0, H * HD);
		snprintf(name, sizeof name, "blk.%d.attn_k.bias", l);
		put_tensor(&g, name, T_BK, l, 0, G * HD);
		snprintf(name, sizeof name, "blk.%d.attn_v.bias", l);
		put_tensor(&g, name, T_BV, l, 0, G * HD);
	}
	c = import_made(&g);
	ck_assert(checkpoint_model(c)->qkv_bias);
	ck_assert_int_eq(model_each_tensor(checkpoint_model(c), check_tensor,
	                                   c), 0);
	checkpoint_close(c);
}
END_TEST

/* Whatever is in the file: refused with a line, or a model. */
START_TEST(garbled)
{
	for (int i = 0; i < 300; i++) {
		struct import_model m = { 0 };
		struct made_gguf g;
		struct wl_error err = { .text = "" };

		qwen = i % 2;
		put_model(&g, NULL);
		for (int k = 1 + draw(3); k > 0; k--) {
			struct made_bytes *b = draw(3) ? &g.pairs : &g.tensors;

			b->p[draw(b->n)] = draw(4) ? draw(256) : 0xff;
		}
		made_gguf_save(&g, src);
		made_gguf_fini(&g);
		if (import_read_gguf(src, &m, &err))
			one_line(&err, src, ": ");
		import_model_fini(&m);
	}
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("import_gguf");

	tcase_add_loop_test(t, whole_model, 0, 2);
	tcase_add_test(t, cut_data);
	tcase_add_loop_test(t, bad_models, 0, N_BAD_MODEL);
	tcase_add_test(t, windows_cap_the_context);
	tcase_add_loop_test(t, bad_model_tensors, 0, 9);
	tcase_add_loop_test(t, split_model, 0, 3);
	tcase_add_loop_test(t, bad_parts, 0, N_BAD_PARTS);
	tcase_add_test(t, bad_part_files);
	tcase_add_test(t, tensor_in_two_parts);
	tcase_add_loop_test(t, infinite_block, 0, 2);
	tcase_add_loop_test(t, rope_factors, 0, 4);
	tcase_add_test(t, other_models);
	tcase_add_test(t, garbled);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("import_gguf");
	int status;

	if (!scratch_make(dir, "check_import_gguf"))
		return EXIT_FAILURE;
	snprintf(src, sizeof src, "%s/model.gguf", dir);
	snprintf(dest, sizeof dest, "%s/dest.h5", dir);
	add_tests(s);
	status = run_suite(s);
	unlink(src);
	unlink(dest);
	rmdir(dir);
	return status;
}
