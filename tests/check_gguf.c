/* GGUF: files made here, sound ones that come back value by value and ones
 * with one lie each that must be refused; real vocabularies against published
 * vectors. Serial, without MPI_Init. */
#include "config.h"
#include "gguf.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "convert.h"
#include "import.h"
#include "made_gguf.h"
#include "made_up.h"
#include "text_lab.h"

/* A scratch folder, made and removed by main. */
static char dir[64], src[128], dest[128];

/* --- A model --- */

/* Head size other than E / H; E and F are whole blocks of 32. */
enum { E = 32, F = 64, L = 2, H = 4, G = 2, HD = 32, S = 16, GROUP = H / G,
       N_TOKENS = 270, V = 272 };

static bool qwen; /* the byte-level family with biases, else Llama */

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

/* A piece of the Llama family's vocabulary; 259 and up are words. */
static void spm_token(int i, char text[8], int *type, float *score)
{
	static const char *const word[] = {
		"\xe2\x96\x81", "a", "b", "ab", "\xe2\x96\x81" "ab", "aa",
		"<tool>", "c", "d", "e", "f",
	};
	static const char *const special[] = { "<unk>", "<s>", "</s>" };

	*type = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : i == 265 ? 4 : 1;
	*score = i < 259 ? 0 : -i;
	if (i >= 3 && i < 259)
		snprintf(text, 8, "<0x%02X>", i - 3);
	else
		snprintf(text, 8, "%s", i < 3 ? special[i] : word[i - 259]);
}

/* A piece of the other's: bytes in GPT-2's alphabet, then words. */
static void byte_token(int i, char text[8], int *type, float *score)
{
	static const char *const word[] = {
		"ab", "\xc4\xa0" "a", "\xc4\xa0" "ab", "<\xc3\xa9nd>", "<tool>",
		"[PAD]", "\xe4\xb8\xad", "aa", "bb", "aaa", "ba", "bab", "cc",
		"dd",
	};
	static const int word_type[] = { 1, 1, 1, 3, 4, 5, 1 };
	int shifted = 256;

	*type = i < 256 || i - 256 >= 7 ? 1 : word_type[i - 256];
	*score = 0;
	if (i >= 256) {
		snprintf(text, 8, "%s", word[i - 256]);
		return;
	}
	for (int b = 0; b < i; b++)
		shifted += b <= ' ' || (b >= 0x7f && b <= 0xa0) || b == 0xad;
	if (!(i <= ' ' || (i >= 0x7f && i <= 0xa0) || i == 0xad))
		shifted = i;
	memset(text, 0, 8);
	put_utf8(text, shifted);
}

static void put_tokens(struct made_gguf *g, int n)
{
	void (*token)(int, char *, int *, float *) = qwen ? byte_token
	                                                  : spm_token;
	char text[8];
	float score;
	int type;

	if (made_gguf_array(g, "tokenizer.ggml.tokens", MADE_STRING, n))
		for (int i = 0; i < n; i++) {
			token(i, text, &type, &score);
			made_put_string(&g->pairs, text, strlen(text));
		}
	if (made_gguf_array(g, "tokenizer.ggml.token_type", MADE_I32, n))
		for (int i = 0; i < n; i++) {
			token(i, text, &type, &score);
			made_put_int(&g->pairs, type, 4);
		}
	if (!qwen && made_gguf_array(g, "tokenizer.ggml.scores", MADE_F32, n))
		for (int i = 0; i < n; i++) {
			token(i, text, &type, &score);
			made_put_f32(&g->pairs, score);
		}
}

static void put_merges(struct made_gguf *g, const char *const *merge, int n)
{
	if (made_gguf_array(g, "tokenizer.ggml.merges", MADE_STRING, n))
		for (int i = 0; i < n; i++)
			made_put_string(&g->pairs, merge[i], strlen(merge[i]));
}

static const char *const merges[] = {
	"a b", "\xc4\xa0 a", "\xc4\xa0" "a b", "a a", "b b",
};
#define N_MERGES 5

static void put_vocab(struct made_gguf *g)
{
	made_gguf_text(g, "tokenizer.ggml.model", qwen ? "gpt2" : "llama");
	if (qwen)
		made_gguf_text(g, "tokenizer.ggml.pre", "qwen2");
	put_tokens(g, N_TOKENS);
	if (qwen)
		put_merges(g, merges, N_MERGES);
	made_gguf_int(g, "tokenizer.ggml.bos_token_id", qwen ? 259 : 1);
	made_gguf_int(g, "tokenizer.ggml.eos_token_id", qwen ? 259 : 2);
}

/* The whole model, without what is called skip. */
static void put_model(struct made_gguf *g, const char *skip)
{
	made_gguf_init(g);
	g->skip = skip;
	put_shape(g);
	put_vocab(g);
	put_tensor(g, "token_embd.weight", T_EMBEDDING, 0, V, E);
	for (int l = 0; l < L; l++)
		put_layer(g, l);
	put_tensor(g, "output_norm.weight", T_NORM, 0, 0, E);
	put_tensor(g, "output.weight", T_HEAD, 0, V, E);
	g->skip = NULL;
}

/* --- Helpers --- */

static void save(const struct made_gguf *g)
{
	size_t head;
	struct made_bytes b = made_gguf_file(g, &head);
	FILE *f = fopen(src, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(b.p, 1, b.n, f), b.n);
	fclose(f);
	free(b.p);
}

static void one_line(const struct wl_error *err, const char *file,
                     const char *says)
{
	ck_assert_msg(strstr(err->text, file) == err->text, "\"%s\" lacks %s",
	              err->text, file);
	ck_assert_msg(strstr(err->text, says), "\"%s\" lacks \"%s\"",
	              err->text, says);
	ck_assert(!strchr(err->text, '\n'));
}

/* Imports g, which is freed; 0 or -1. */
static int import(struct made_gguf *g, struct wl_error *err)
{
	struct import_options o = { .source = src, .dest = dest, .type = -1,
	                            .quiet = 1 };

	save(g);
	made_gguf_fini(g);
	*err = (struct wl_error){ "" };
	return import_run(&o, err);
}

static void import_refused(struct made_gguf *g, const char *says)
{
	int before;
	struct wl_error err;

	save(g);
	before = files_in(dir);
	ck_assert_msg(import(g, &err) == -1, "taken, not \"%s\"", says);
	one_line(&err, src, says);
	ck_assert_int_eq(files_in(dir), before);
}

/* Opens the bytes of g, which is freed; *bytes must stay as long. */
static struct gguf *open_made(struct made_gguf *g, struct made_bytes *bytes,
                              struct wl_error *err)
{
	size_t head;
	bool more;

	*bytes = made_gguf_file(g, &head);
	made_gguf_fini(g);
	*err = (struct wl_error){ "" };
	return gguf_read("made", bytes->p, bytes->n, bytes->n, &more, err);
}

static void open_refused(struct made_gguf *g, const char *says)
{
	struct made_bytes bytes;
	struct wl_error err;
	struct gguf *f = open_made(g, &bytes, &err);

	ck_assert_msg(!f, "taken, not \"%s\"", says);
	one_line(&err, "made: ", says);
	free(bytes.p);
}

/* --- The format --- */

START_TEST(every_cut)
{
	struct made_gguf g;
	struct made_bytes b;
	struct wl_error err;
	struct gguf *f;
	size_t head;
	bool more;

	made_gguf_init(&g);
	made_gguf_text(&g, "text", "abc");
	made_gguf_bool(&g, "flag", true);
	if (made_gguf_array(&g, "list", MADE_STRING, 2)) {
		made_put_string(&g.pairs, "", 0);
		made_put_string(&g.pairs, "xy", 2);
	}
	made_gguf_tensor(&g, "t", MADE_T_F32, 2, 3);
	made_put(&g.data, (float[6]){ 0 }, 24);
	b = made_gguf_file(&g, &head);
	made_gguf_fini(&g);
	for (size_t n = 0; n < head; n++) {
		char *cut = wl_malloc(n, 1);

		/* The file ends here; or there is more of it to read. */
		memcpy(cut, b.p, n);
		err.text[0] = '\0';
		ck_assert_ptr_null(gguf_read("made", cut, n, n, &more, &err));
		one_line(&err, "made: ", "");
		ck_assert(!more);
		ck_assert_ptr_null(gguf_read("made", cut, n, b.n, &more, &err));
		ck_assert(more);
		free(cut);
	}
	f = gguf_read("made", b.p, head, b.n, &more, &err);
	ck_assert_ptr_nonnull(f);
	gguf_close(f);
	free(b.p);
}
END_TEST

/* Files that end within their tensors' data. */
START_TEST(cut_data)
{
	for (int cut = 1; cut < 40; cut += 13) {
		struct made_gguf g;

		put_model(&g, NULL);
		g.data.n -= cut;
		import_refused(&g, "output.weight: its");
	}
}
END_TEST

START_TEST(integers)
{
	static const struct {
		uint32_t type;
		int size;
		int64_t v;
	} row[] = {
		{ MADE_U8, 1, 200 }, { MADE_I8, 1, -100 },
		{ MADE_U16, 2, 60000 }, { MADE_I16, 2, -30000 },
		{ MADE_U32, 4, 4000000000 }, { MADE_I32, 4, -2000000000 },
		{ MADE_U64, 8, INT64_MAX }, { MADE_I64, 8, INT64_MIN },
		{ MADE_I64, 8, -1 },
	};
	struct made_gguf g;
	struct made_bytes b;
	struct wl_error err;
	struct gguf *f;
	int64_t v;

	made_gguf_init(&g);
	made_gguf_key(&g, "key", row[_i].type);
	made_put_int(&g.pairs, row[_i].v, row[_i].size);
	f = open_made(&g, &b, &err);
	ck_assert_msg(f, "%s", err.text);
	ck_assert_int_eq(gguf_get_int(f, "key", INT64_MIN, INT64_MAX, &v, &err),
	                 0);
	ck_assert_int_eq(v, row[_i].v);
	if (v > INT64_MIN) {
		ck_assert_int_eq(gguf_get_int(f, "key", INT64_MIN, v - 1, &v,
		                              &err), -1);
		one_line(&err, "made: ", "key is ");
	}
	if (v < INT64_MAX)
		ck_assert_int_eq(gguf_get_int(f, "key", v + 1, INT64_MAX, &v,
		                              &err), -1);
	gguf_close(f);
	free(b.p);
}
END_TEST

START_TEST(other_values)
{
	struct made_gguf g;
	struct made_bytes b;
	struct wl_error err;
	struct gguf_walk w;
	struct gguf *f;
	const char *s;
	size_t len;
	int64_t i;
	double x;
	bool on;

	made_gguf_init(&g);
	made_gguf_text(&g, "text", "two words");
	made_gguf_real(&g, "real", 0.1f);
	made_gguf_key(&g, "double", MADE_F64);
	made_put(&g.pairs, &(double){ 0.1 }, 8);
	made_gguf_bool(&g, "yes", true);
	made_gguf_bool(&g, "no", false);
	made_gguf_key(&g, "huge", MADE_U64);
	made_put_int(&g.pairs, UINT64_MAX, 8);
	made_gguf_array(&g, "list", MADE_STRING, 2);
	made_put_string(&g.pairs, "first", 5);
	made_put_string(&g.pairs, "", 0);
	made_gguf_array(&g, "ints", MADE_U32, 2);
	made_put_int(&g.pairs, 7, 4);
	made_put_int(&g.pairs, -7, 4);
	made_gguf_array(&g, "reals", MADE_F32, 1);
	made_put_f32(&g.pairs, -2.5f);
	f = open_made(&g, &b, &err);
	ck_assert_msg(f, "%s", err.text);

	ck_assert(gguf_has(f, "list") && !gguf_has(f, "lis") &&
	          !gguf_has(f, "lists"));
	ck_assert_int_eq(gguf_get_string(f, "text", &s, &len, &err), 0);
	ck_assert(len == 9 && memcmp(s, "two words", 9) == 0);
	ck_assert_int_eq(gguf_get_real(f, "real", &x, &err), 0);
	ck_assert(x == 0.1f);
	ck_assert_int_eq(gguf_get_real(f, "double", &x, &err), 0);
	ck_assert(x == 0.1);
	ck_assert_int_eq(gguf_get_bool(f, "yes", &on, &err), 0);
	ck_assert(on);
	ck_assert_int_eq(gguf_get_bool(f, "no", &on, &err), 0);
	ck_assert(!on);
	ck_assert_int_eq(gguf_get_array(f, "list", GGUF_STRINGS, &w, &err), 0);
	s = gguf_next_string(&w, &len);
	ck_assert(w.n == 2 && len == 5 && memcmp(s, "first", 5) == 0);
	gguf_next_string(&w, &len);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(gguf_get_array(f, "ints", GGUF_INTS, &w, &err), 0);
	ck_assert_int_eq(gguf_next_int(&w), 7);
	ck_assert_int_eq(gguf_next_int(&w), -7);
	ck_assert_int_eq(gguf_get_array(f, "reals", GGUF_FLOATS, &w, &err), 0);
	ck_assert(gguf_next_float(&w) == -2.5f);

#define REFUSED(call, says) do { \
	ck_assert_int_eq(call, -1); \
	one_line(&err, "made: ", says); \
} while (0)
	REFUSED(gguf_get_int(f, "nil", 0, 1, &i, &err), "nil is missing");
	REFUSED(gguf_get_int(f, "real", 0, 1, &i, &err), "must be an integer");
	REFUSED(gguf_get_int(f, "yes", 0, 1, &i, &err), "of type bool");
	REFUSED(gguf_get_int(f, "ints", 0, 9, &i, &err), "array of type uint");
	REFUSED(gguf_get_int(f, "huge", 0, INT64_MAX, &i, &err),
	        "huge is 18446744073709551615");
	REFUSED(gguf_get_real(f, "huge", &x, &err), "must be a float");
	REFUSED(gguf_get_real(f, "reals", &x, &err), "must be a float");
	REFUSED(gguf_get_bool(f, "huge", &on, &err), "must be a bool");
	REFUSED(gguf_get_string(f, "list", &s, &len, &err), "must be a string");
	REFUSED(gguf_get_string(f, "no", &s, &len, &err), "must be a string");
	REFUSED(gguf_get_array(f, "text", GGUF_STRINGS, &w, &err),
	        "text must be an array of strings");
	REFUSED(gguf_get_array(f, "ints", GGUF_FLOATS, &w, &err),
	        "ints must be an array of float32");
	REFUSED(gguf_get_array(f, "nil", GGUF_INTS, &w, &err), "is missing");
	gguf_close(f);
	free(b.p);
}
END_TEST

/* A pair's bytes after its key: type and value. */
START_TEST(bad_pairs)
{
#define P(bytes) bytes, sizeof bytes - 1
	static const struct {
		const char *bytes;
		size_t n;
		const char *says;
	} row[] = {
		{ P("\x0d\0\0\0"), "key: unknown value type 13" },
		{ P("\xff\xff\xff\xff"), "unknown value type 4294967295" },
		{ P("\7\0\0\0\2"), "key: a bool is 2" },
		{ P("\x9\0\0\0\7\0\0\0\3\0\0\0\0\0\0\0\1\1\3"), "a bool is 3" },
		{ P("\x9\0\0\0\x9\0\0\0\1\0\0\0\0\0\0\0"), "array of arrays" },
		{ P("\x9\0\0\0\x0e\0\0\0\1\0\0\0\0\0\0\0"), "value type 14" },
		{ P("\x9\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
		  "key: 18446744073709551615 values of type uint8 do not fit" },
		{ P("\x9\0\0\0\x8\0\0\0\0\0\0\0\0\0\0\x20"),
		  "values of type string do not fit" },
		{ P("\x9\0\0\0\xc\0\0\0\1\0\0\0\0\0\0\x20"),
		  "values of type float64 do not fit" },
		{ P("\x9\0\0\0\4\0\0\0\2\0\0\0\0\0\0\0\1\1\1\1"),
		  "values of type uint32 do not fit in the 4 bytes" },
		{ P("\x8\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
		  "key: needs 18446744073709551615 bytes, but 0 are left" },
		{ P("\x9\0\0\0\x8\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x80"),
		  "key: needs 9223372036854775809 bytes" },
	};
	struct made_gguf g;

	made_gguf_init(&g);
	g.alignment = 1; /* no padding that could be taken for a value */
	g.n_pairs = 1;
	made_put_string(&g.pairs, "key", 3);
	made_put(&g.pairs, row[_i].bytes, row[_i].n);
	open_refused(&g, row[_i].says);
}
END_TEST
#define N_BAD_PAIRS 12

START_TEST(bad_headers)
{
	static const struct {
		uint32_t version;
		uint64_t n_tensors, n_pairs;
		const char *says;
	} row[] = {
		{ 1, 0, 0, "GGUF version 1 is not supported" },
		{ 0, 0, 0, "GGUF version 0 is not supported" },
		{ 4, 0, 0, "GGUF version 4 is not supported" },
		{ 0x03000000, 0, 0, "big-endian" },
		{ 3, UINT64_MAX, 0, "18446744073709551615 tensors do not fit" },
		{ 3, 0, UINT64_MAX, "18446744073709551615 metadata pairs do" },
		{ 3, 1, 0, "1 tensors do not fit" },
		{ 3, 0, 1, "1 metadata pairs do not fit" },
	};
	struct made_gguf g;

	made_gguf_init(&g);
	g.version = row[_i].version;
	g.n_tensors = row[_i].n_tensors;
	g.n_pairs = row[_i].n_pairs;
	g.alignment = 1;
	open_refused(&g, row[_i].says);
}
END_TEST

START_TEST(bad_names)
{
	static char name[65537];
	static const struct {
		size_t len;
		bool tensor;
		const char *says;
	} row[] = {
		{ 0, false, "metadata pair 0: its name has 0 bytes" },
		{ 65536, false, "its name has 65536 bytes, must be 1..65535" },
		{ 0, true, "tensor 0: its name has 0 bytes" },
		{ 65, true, "tensor 0: its name has 65 bytes, must be 1..64" },
		{ 3, false, "a NUL in its name" },
		{ 3, true, "a NUL in its name" },
		{ 65535, false, NULL },
		{ 64, true, NULL },
	};
	struct made_gguf g;
	struct made_bytes b, *to;
	struct wl_error err;
	struct gguf *f;

	made_gguf_init(&g);
	memset(name, row[_i].len == 3 ? '\0' : 'n', sizeof name);
	to = row[_i].tensor ? &g.tensors : &g.pairs;
	g.n_tensors = row[_i].tensor;
	g.n_pairs = !row[_i].tensor;
	made_put_string(to, name, row[_i].len);
	made_put(to, "\1\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
	if (row[_i].says) {
		open_refused(&g, row[_i].says);
		return;
	}
	f = open_made(&g, &b, &err);
	ck_assert_msg(f, "%s", err.text);
	gguf_close(f);
	free(b.p);
}
END_TEST

START_TEST(keys_twice)
{
	static const char *const key[] = { "a.b", "b", "a", "a.b" };
	struct made_gguf g;

	made_gguf_init(&g);
	for (int i = 0; i < 4; i++)
		made_gguf_int(&g, key[i], i);
	open_refused(&g, "made: a.b is there twice");
}
END_TEST

START_TEST(bad_alignments)
{
	static const struct {
		int64_t align;
		const char *says;
	} row[] = {
		{ 0, "general.alignment is 0" },
		{ 4, "general.alignment is 4, must be 8.." },
		{ -32, "general.alignment is -32" },
		{ 24, "must be a power of two" },
	};
	struct made_gguf g;

	made_gguf_init(&g);
	made_gguf_int(&g, "general.alignment", row[_i].align);
	open_refused(&g, row[_i].says);
	made_gguf_init(&g);
	made_gguf_text(&g, "general.alignment", "32");
	open_refused(&g, "general.alignment is of type string");
}
END_TEST

/* A tensor entry after its name, in a file with 64 bytes of data. */
struct entry {
	int n_dims;
	uint64_t dim[5];
	uint32_t type;
	uint64_t offset;
};

static void put_entry(struct made_gguf *g, const char *name,
                      const struct entry *t)
{
	g->n_tensors++;
	made_put_string(&g->tensors, name, strlen(name));
	made_put_int(&g->tensors, t->n_dims, 4);
	for (int i = 0; i < t->n_dims && i < 5; i++)
		made_put_int(&g->tensors, t->dim[i], 8);
	made_put_int(&g->tensors, t->type, 4);
	made_put_int(&g->tensors, t->offset, 8);
	while (g->data.n < 64)
		made_put(&g->data, "", 1);
}

/* Opens g, which is freed, and adds its tensors to s. */
static int add_made(struct made_gguf *g, struct sources *s,
                    struct wl_error *err)
{
	struct gguf *f;
	int rc;

	save(g);
	made_gguf_fini(g);
	*err = (struct wl_error){ "" };
	f = gguf_open(src, err);
	if (!f)
		return -1;
	rc = gguf_add_tensors(f, s, err);
	gguf_close(f);
	return rc ? rc : source_index(s, err);
}

START_TEST(bad_tensors)
{
	static const struct {
		struct entry t;
		const char *says;
	} row[] = {
		{ { 0, { 0 }, 0, 0 }, "t: 0 dimensions" },
		{ { 5, { 1, 1, 1, 1, 1 }, 0, 0 }, "t: 5 dimensions" },
		{ { 3, { 2, 2, 2 }, 0, 0 }, "t: 3 dimensions, must be 1 or 2" },
		{ { 4, { 2, 1, 1, 2 }, 0, 0 }, "t: 4 dimensions" },
		{ { 2, { 2, 0 }, 0, 0 }, "t: dimension 1 is 0" },
		{ { 1, { 0 }, 0, 0 }, "t: dimension 0 is 0" },
		{ { 1, { 4 }, 0, 8 }, "t: its offset 8 is no multiple of the"
		  " alignment 32" },
		{ { 1, { 4 }, 3, 0 }, "t: tensor type Q4_1 is not supported" },
		{ { 1, { 4 }, 12, 0 }, "t: tensor type Q4_K is not" },
		{ { 1, { 4 }, 23, 0 }, "t: tensor type IQ4_XS is not" },
		{ { 1, { 4 }, 28, 0 }, "t: tensor type F64 is not" },
		{ { 1, { 4 }, 4, 0 }, "t: unknown tensor type 4" },
		{ { 1, { 4 }, 4000000000, 0 }, "unknown tensor type 4000" },
		{ { 1, { 17 }, 0, 0 }, "t: its 68 bytes" },
		{ { 1, { 9 }, 0, 32 }, "t: its 36 bytes at offset" },
		{ { 1, { 4 }, 0, 64 }, "t: its 16 bytes" },
		{ { 1, { 4 }, 0, UINT64_MAX - 31 }, "t: its offset" },
		{ { 1, { UINT64_MAX }, 0, 0 }, "absurd extents" },
		{ { 2, { UINT64_C(1) << 32, UINT64_C(1) << 32 }, 0, 0 },
		  "absurd extents" },
		{ { 1, { 48 }, 8, 0 }, "no whole Q8_0 blocks" },
		{ { 2, { 31, 1 }, 2, 0 }, "no whole Q4_0 blocks" },
	};
	struct made_gguf g;
	struct sources s = { 0 };
	struct wl_error err;

	made_gguf_init(&g);
	put_entry(&g, "t", &row[_i].t);
	ck_assert_msg(add_made(&g, &s, &err) == -1, "taken, not \"%s\"",
	              row[_i].says);
	one_line(&err, src, row[_i].says);
	sources_fini(&s);
}
END_TEST
#define N_BAD_TENSORS 21

START_TEST(two_tensors)
{
	static const struct {
		const char *name;
		struct entry t;
		const char *says;
	} row[] = {
		{ "t", { 1, { 4 }, 0, 32 }, "t is there twice" },
		{ "u", { 1, { 4 }, 0, 0 }, "share bytes" },
		{ "u", { 1, { 4 }, 0, 32 }, NULL },
	};
	static const struct entry first = { 2, { 4, 2 }, 0, 0 };
	struct made_gguf g;
	struct sources s = { 0 };
	struct wl_error err;
	int rc;

	made_gguf_init(&g);
	put_entry(&g, "t", &first);
	put_entry(&g, row[_i].name, &row[_i].t);
	rc = add_made(&g, &s, &err);
	ck_assert_int_eq(rc, row[_i].says ? -1 : 0);
	if (row[_i].says)
		one_line(&err, src, row[_i].says);
	sources_fini(&s);
}
END_TEST

/* Shapes and places as the format means them; trailing ones are dropped; the
 * data start where the alignment says. */
START_TEST(sound_tensors)
{
	static const struct entry t[] = {
		{ 1, { 8 }, 0, 0 }, { 2, { 32, 1 }, 8, 0 },
		{ 4, { 4, 3, 1, 1 }, 30, 0 },
	};
	struct made_gguf g;
	struct made_bytes b;
	struct sources s = { 0 };
	struct wl_error err;
	size_t head;
	int align = 16 << 2 * _i;

	made_gguf_init(&g);
	g.alignment = align;
	made_gguf_int(&g, "general.alignment", align);
	put_entry(&g, "t", &t[_i]);
	b = made_gguf_file(&g, &head);
	free(b.p);
	ck_assert_msg(!add_made(&g, &s, &err), "%s", err.text);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.tensor[0].at, b.n - 64);
	ck_assert_uint_eq(s.tensor[0].cols, t[_i].dim[0]);
	ck_assert_uint_eq(s.tensor[0].rows, _i == 2 ? 3 : 1);
	ck_assert(s.tensor[0].vector == (_i == 0));
	ck_assert_int_eq(s.tensor[0].type, _i == 0 ? SOURCE_F32 :
	                 _i == 1 ? SOURCE_Q8_0 : SOURCE_BF16);
	sources_fini(&s);
}
END_TEST

/* More before the data than is read at first. */
START_TEST(long_head)
{
	struct made_gguf g;
	struct wl_error err;
	struct gguf *f;
	char *text = calloc(1, 3000001);
	const char *s;
	size_t len;

	memset(text, 'x', 3000000);
	made_gguf_init(&g);
	made_gguf_text(&g, "a", text);
	made_gguf_text(&g, "b", text);
	save(&g);
	made_gguf_fini(&g);
	f = gguf_open(src, &err);
	ck_assert_msg(f, "%s", err.text);
	ck_assert_int_eq(gguf_get_string(f, "b", &s, &len, &err), 0);
	ck_assert(len == 3000000 && memcmp(s, text, len) == 0);
	gguf_close(f);
	free(text);
}
END_TEST

/* A large file, all hole but for its start, whose one string would fill it. */
START_TEST(endless_head)
{
	struct made_gguf g;
	struct wl_error err;

	made_gguf_init(&g);
	made_gguf_key(&g, "a", MADE_STRING);
	made_put_int(&g.pairs, 900000000, 8);
	save(&g);
	made_gguf_fini(&g);
	ck_assert_int_eq(truncate(src, 1000000000), 0);
	ck_assert_ptr_null(gguf_open(src, &err));
	one_line(&err, src, "bytes before its tensor data");
}
END_TEST

START_TEST(no_file)
{
	struct wl_error err;

	ck_assert_ptr_null(gguf_open("/no/such", &err));
	one_line(&err, "/no/such: ", "");
	ck_assert_ptr_null(gguf_open("/tmp", &err));
	one_line(&err, "/tmp: ", "regular");
}
END_TEST

/* --- Vocabularies --- */

/* The vocabulary of g, which is freed. */
static int read_made(struct made_gguf *g, struct vocab *v,
                     struct wl_error *err)
{
	struct made_bytes b;
	struct gguf *f = open_made(g, &b, err);
	int rc;

	ck_assert_msg(f, "%s", err->text);
	rc = vocab_read_gguf(f, v, err);
	gguf_close(f);
	free(b.p);
	return rc;
}

static void vocab_refused(struct made_gguf *g, const char *says)
{
	struct wl_error err;
	struct vocab v;

	ck_assert_msg(read_made(g, &v, &err) == -1, "taken, not \"%s\"", says);
	one_line(&err, "made: ", says);
	ck_assert(v.text == NULL && v.n == 0);
}

static bool is_piece(const struct vocab *v, int id, int type, const char *text)
{
	size_t len = v->offset[id + 1] - v->offset[id];

	return v->type[id] == type && len == strlen(text) &&
	       memcmp(v->text + v->offset[id], text, len) == 0;
}

START_TEST(spm_pieces)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = false;
	made_gguf_init(&g);
	put_vocab(&g);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert_int_eq(v.n, N_TOKENS);
	ck_assert_int_eq(v.kind, VOCAB_SPM);
	ck_assert_int_eq(v.split, WORDS_NONE);
	ck_assert(v.add_space && v.bos_id == 1 && v.eos_id == 2);
	ck_assert(is_piece(&v, 0, PIECE_UNKNOWN, "<unk>"));
	ck_assert(is_piece(&v, 1, PIECE_CONTROL, "<s>"));
	ck_assert(is_piece(&v, 3 + 'x', PIECE_BYTE, "x"));
	ck_assert(is_piece(&v, 259, PIECE_NORMAL, " "));
	ck_assert(is_piece(&v, 263, PIECE_NORMAL, " ab"));
	ck_assert(is_piece(&v, 265, PIECE_USER, "<tool>"));
	ck_assert(v.score[263] == -263);
	vocab_fini(&v);
}
END_TEST

START_TEST(byte_pieces)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = true;
	made_gguf_init(&g);
	put_vocab(&g);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert_int_eq(v.kind, VOCAB_BPE);
	ck_assert_int_eq(v.split, WORDS_QWEN2);
	ck_assert(v.nfc && !v.whole_words && !v.add_space);
	ck_assert(v.bos_id == -1 && v.eos_id == 259);
	for (int b = 0; b < 256; b++) {
		ck_assert_uint_eq(v.offset[b + 1] - v.offset[b], 1);
		ck_assert_int_eq((unsigned char)v.text[v.offset[b]], b);
	}
	ck_assert(is_piece(&v, 258, PIECE_NORMAL, " ab"));
	ck_assert(is_piece(&v, 259, PIECE_CONTROL, "<\xc3\xa9nd>"));
	ck_assert(is_piece(&v, 260, PIECE_USER, "<tool>"));
	ck_assert(is_piece(&v, 261, PIECE_UNUSED, "[PAD]"));
	/* Normal, but no text in the alphabet of bytes. */
	ck_assert(is_piece(&v, 262, PIECE_UNUSED, "\xe4\xb8\xad"));
	ck_assert_uint_eq(v.n_merges, N_MERGES);
	ck_assert(v.merge[4] == 257 && v.merge[5] == 'b');
	vocab_fini(&v);
}
END_TEST

START_TEST(families)
{
	static const struct {
		const char *pre;
		enum word_split split;
		bool whole_words, nfc;
		int bos;
	} row[] = {
		{ "gpt-2", WORDS_GPT2, false, false, -1 },
		{ "llama-bpe", WORDS_LLAMA3, true, false, 259 },
		{ "llama3", WORDS_LLAMA3, true, false, 259 },
		{ "llama-v3", WORDS_LLAMA3, true, false, 259 },
		{ "qwen2", WORDS_QWEN2, false, true, -1 },
	};
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = true;
	for (int said = 0; said < 3; said++) {
		made_gguf_init(&g);
		g.skip = "tokenizer.ggml.pre";
		put_vocab(&g);
		g.skip = NULL;
		made_gguf_text(&g, "tokenizer.ggml.pre", row[_i].pre);
		if (said)
			made_gguf_bool(&g, "tokenizer.ggml.add_bos_token",
			               said == 2);
		ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
		ck_assert_int_eq(v.split, row[_i].split);
		ck_assert(v.whole_words == row[_i].whole_words);
		ck_assert(v.nfc == row[_i].nfc);
		ck_assert_int_eq(v.bos_id, said == 0 ? row[_i].bos :
		                 said == 1 ? -1 : 259);
		vocab_fini(&v);
	}
}
END_TEST

/* Where a file says otherwise. */
START_TEST(spm_settings)
{
	struct made_gguf g;
	struct wl_error err;
	struct vocab v;

	qwen = false;
	made_gguf_init(&g);
	g.skip = "tokenizer.ggml.eos_token_id";
	put_vocab(&g);
	put_merges(&g, merges, 1); /* as some real files have: ignored */
	made_gguf_bool(&g, "tokenizer.ggml.add_bos_token", false);
	made_gguf_bool(&g, "tokenizer.ggml.add_eos_token", false);
	made_gguf_bool(&g, "tokenizer.ggml.add_space_prefix", false);
	ck_assert_msg(!read_made(&g, &v, &err), "%s", err.text);
	ck_assert(v.bos_id == -1 && v.eos_id == -1 && !v.add_space);
	ck_assert_uint_eq(v.n_merges, 0);
	vocab_fini(&v);
}
END_TEST

/* One pair left out or in another one's place. kind: - none, i integer, b
 * bool, f float, s string, I an array of integers, F of floats, S of strings
 * (one value each). */
struct change {
	bool qwen;
	const char *key;
	char kind;
	double number;
	const char *text;
	const char *says; /* NULL: it is accepted */
};

static void put_change(struct made_gguf *g, const struct change *c)
{
	switch (c->kind) {
	case 'i':
		made_gguf_int(g, c->key, c->number);
		break;
	case 'b':
		made_gguf_bool(g, c->key, c->number);
		break;
	case 'f':
		made_gguf_real(g, c->key, c->number);
		break;
	case 's':
		made_gguf_text(g, c->key, c->text);
		break;
	case 'I':
		made_gguf_array(g, c->key, MADE_I32, 1);
		made_put_int(&g->pairs, c->number, 4);
		break;
	case 'F':
		made_gguf_array(g, c->key, MADE_F32, 1);
		made_put_f32(&g->pairs, c->number);
		break;
	case 'S':
		put_merges(g, &c->text, 1);
		break;
	}
}

#define TOK "tokenizer.ggml."

static const struct change bad_vocab[] = {
	{ 0, TOK "model", '-', 0, 0, "tokenizer.ggml.model is missing" },
	{ 0, TOK "model", 'i', 1, 0, "tokenizer.ggml.model is of type" },
	{ 0, TOK "model", 's', 0, "bert", "model \"bert\" is not supported" },
	{ 0, TOK "model", 's', 0, "llamas", "\"llamas\" is not supported" },
	{ 1, TOK "pre", '-', 0, 0, "tokenizer.ggml.pre is missing" },
	{ 1, TOK "pre", 's', 0, "default", "pre \"default\" is not" },
	{ 1, TOK "pre", 's', 0, "llama-bpe ", "pre \"llama-bpe \" is not" },
	{ 0, TOK "tokens", '-', 0, 0, "tokenizer.ggml.tokens is missing" },
	{ 0, TOK "tokens", 'I', 1, 0, "tokens must be an array of strings" },
	{ 0, TOK "token_type", '-', 0, 0, "token_type is missing" },
	{ 0, TOK "token_type", 'F', 1, 0, "token_type must be an array of" },
	{ 0, TOK "token_type", 'I', 1, 0, "token_type has 1 values,"
	  " tokenizer.ggml.tokens has 270" },
	{ 0, TOK "scores", '-', 0, 0, "tokenizer.ggml.scores is missing" },
	{ 0, TOK "scores", 'F', 1, 0, "scores has 1 values" },
	{ 0, TOK "scores", 'I', 1, 0, "scores must be an array of float32" },
	{ 0, TOK "bos_token_id", '-', 0, 0, "bos_token_id is missing, yet" },
	{ 0, TOK "bos_token_id", 'i', 270, 0, "is 270, must be 0..269" },
	{ 0, TOK "bos_token_id", 'i', -1, 0, "is -1, must be 0..269" },
	{ 1, TOK "bos_token_id", 'i', 270, 0, "bos_token_id is 270, must" },
	{ 0, TOK "eos_token_id", 'i', 270, 0, "eos_token_id is 270, must" },
	{ 0, TOK "eos_token_id", 's', 0, "2", "eos_token_id is of type" },
	{ 0, TOK "add_bos_token", 'i', 1, 0, "add_bos_token is of type" },
	{ 0, TOK "add_eos_token", 'b', 1, 0, "add_eos_token true is not" },
	{ 0, TOK "add_space_prefix", 'i', 1, 0, "space_prefix is of type" },
	{ 1, TOK "add_space_prefix", 'b', 1, 0, "add_space_prefix true" },
	{ 0, TOK "remove_extra_whitespaces", 'b', 1, 0, "whitespaces true" },
	{ 0, TOK "precompiled_charsmap", 'I', 1, 0, "precompiled_charsmap is" },
	{ 1, TOK "merges", '-', 0, 0, "tokenizer.ggml.merges is missing" },
	{ 1, TOK "merges", 'I', 1, 0, "merges must be an array of strings" },
	{ 1, TOK "merges", 'S', 0, "", "merges[0]: not two pieces" },
	{ 1, TOK "merges", 'S', 0, "ab", "merges[0]: not two pieces" },
	{ 1, TOK "merges", 'S', 0, "a ", "merges[0]: not two pieces" },
	{ 1, TOK "merges", 'S', 0, " a", "merges[0]: not two pieces" },
	{ 1, TOK "merges", 'S', 0, "zz b", "merges[0]: its left part is no p" },
	{ 1, TOK "merges", 'S', 0, "a zz", "merges[0]: its right part is no" },
	{ 1, TOK "merges", 'S', 0, "a z", "merges[0]: what it makes is no" },
	{ 1, TOK "merges", 'S', 0, "a b c", "its right part is no byte-level" },
	{ 1, TOK "merges", 'S', 0, "\xe4\xb8\xad a", "left part is no byte-" },
};
#define N_BAD_VOCAB (int)(sizeof bad_vocab / sizeof *bad_vocab)

START_TEST(bad_vocabularies)
{
	const struct change *c = &bad_vocab[_i];
	struct made_gguf g;

	qwen = c->qwen;
	made_gguf_init(&g);
	g.skip = c->key;
	put_vocab(&g);
	g.skip = NULL;
	put_change(&g, c);
	vocab_refused(&g, c->says);
}
END_TEST

/* Entries of the arrays: types out of range, a byte spelt otherwise, a score
 * that is none, a merge rule that is there twice, no entry at all. */
START_TEST(bad_entries)
{
	static const char *const says[] = {
		"token_type[0] is 0, must be 1..6",
		"token_type[0] is 7, must be 1..6",
		"tokens[0]: a byte piece must be written like",
		"scores[0] is not a number",
		"merges[5]: is there twice",
		"tokenizer.ggml.tokens has 0 values",
	};
	static const char *const twice[] = {
		"a b", "\xc4\xa0 a", "a a", "\xc4\xa0" "a b", "b b", "a b",
	};
	static const int type[] = { 0, 7, 6, 1 };
	struct made_gguf g;

	qwen = _i == 4;
	made_gguf_init(&g);
	made_gguf_text(&g, TOK "model", qwen ? "gpt2" : "llama");
	made_gguf_text(&g, TOK "pre", "gpt-2");
	if (_i < 4) {
		made_gguf_array(&g, TOK "tokens", MADE_STRING, 1);
		made_put_string(&g.pairs, "<0x0a>", 6);
		made_gguf_array(&g, TOK "token_type", MADE_I32, 1);
		made_put_int(&g.pairs, type[_i], 4);
		made_gguf_array(&g, TOK "scores", MADE_F32, 1);
		made_put_f32(&g.pairs, _i == 3 ? NAN : 0);
	} else {
		put_tokens(&g, _i == 4 ? N_TOKENS : 0);
		put_merges(&g, twice, 6);
	}
	vocab_refused(&g, says[_i]);
}
END_TEST

/* --- Real vocabularies --- */

/* Where a model file is, or NULL after saying that the case is skipped. */

#define VECTORS "tokenizer-vectors/ggml-vocab-"

/* The tokenizer of a GGUF file, without a BOS in front. */
static struct tokenizer *real(const char *test, const char *name)
{
	const char *path = model_path(test, name);
	struct wl_error err;
	struct gguf *g;
	struct vocab v;

	if (!path)
		return NULL;
	g = gguf_open(path, &err);
	ck_assert_msg(g, "%s", err.text);
	ck_assert_msg(!vocab_read_gguf(g, &v, &err), "%s", err.text);
	gguf_close(g);
	v.bos_id = -1;
#ifndef HAVE_PCRE2
	if (v.split != WORDS_NONE) {
		printf("skipped: %s: no PCRE2\n", test);
		vocab_fini(&v);
		return NULL;
	}
#endif
	return from_vocab(&v);
}

START_TEST(vectors)
{
	struct tokenizer *t = real("vectors", _i ? VECTORS "gpt-2.gguf" :
	                                           VECTORS "llama-spm.gguf");

	if (t)
		check_vectors(t, _i ? "gpt-2" : "llama-spm");
	tokenizer_free(t);
}
END_TEST

START_TEST(real_round_trips)
{
	struct tokenizer *t = real("real_round_trips", _i ?
	                           VECTORS "gpt-2.gguf" :
	                           VECTORS "llama-spm.gguf");
	char text[4000];

	for (int i = 0; t && i < 200; i++)
		round_trip(t, text, draw_text(text, draw(1000)));
	tokenizer_free(t);
}
END_TEST

/* The same vocabulary from another format. */
START_TEST(same_as_llama2c)
{
	const char *path = model_path("same_as_llama2c", "tokenizer.bin");
	struct tokenizer *a, *b;
	struct wl_error err;
	struct vocab v;
	char text[2000];

	if (!path)
		return;
	ck_assert_msg(!vocab_read_llama2c(path, 32000, &v, &err), "%s",
	              err.text);
	v.bos_id = -1;
	a = from_vocab(&v);
	b = real("same_as_llama2c", VECTORS "llama-spm.gguf");
	for (int i = 0; b && i < 200; i++) {
		size_t len = draw_text(text, draw(500)), n;
		int *ids;

		ck_assert(!tokenizer_encode(a, text, len, &ids, &n, &err));
		expect_ids(b, text, len, ids, n);
		free(ids);
	}
	tokenizer_free(a);
	tokenizer_free(b);
}
END_TEST

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
	{ 0, "split.count", 'i', 2, 0, "split.count is 2" },
	{ 0, "split.count", 's', 0, "2", "split.count is of type string" },
	{ 0, "split.count", 'i', 1, 0, NULL },
	{ 0, "llama.embedding_length", '-', 0, 0, "length is missing" },
	{ 0, "llama.embedding_length", 'i', 0, 0, "must be 1..2147483647" },
	{ 0, "llama.embedding_length", 'i', 64, 0, "token_embd.weight is" },
	{ 0, "llama.embedding_length", 'i', 1 << 21, 0, "dim is 2097152" },
	{ 0, "llama.feed_forward_length", 'I', 64, 0, "an array of type" },
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
	{ 0, "llama.attention.sliding_window", 'i', 15, 0, "window is 15" },
	{ 0, "llama.attention.sliding_window", 'i', 16, 0, NULL },
	{ 0, "llama.attention.scale", 'f', 1, 0, "\"llama.attention.scale\"" },
	{ 0, "llamas.attention.scale", 'f', 1, 0, NULL },
	{ 1, "qwen2.logit_scale", 'f', 1, 0, "\"qwen2.logit_scale\" is not" },
	{ 0, TOK "eot_token_id", 'i', 270, 0, "eot_token_id is 270" },
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

/* Tensors that do not fit the model, or that it does not have. */
START_TEST(bad_model_tensors)
{
	static const struct {
		const char *skip, *name;
		uint32_t type, rows, cols;
		const char *says;
	} row[] = {
		{ "token_embd.weight", "token_embd.weight", 1, N_TOKENS - 1, E,
		  "tokens has 270 values, but token_embd.weight 269 rows" },
		{ "token_embd.weight", "token_embd.weight", 1, 0, E,
		  "but token_embd.weight 1 rows" },
		{ NULL, "blk.0.attn_output.bias", 0, 0, E,
		  "blk.0.attn_output.bias is not known" },
		{ NULL, "blk.1.attn_q.bias", 0, 0, H * HD,
		  "blk.1.attn_q.bias is not known" },
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

/* A scale of a block that is not finite. */
START_TEST(infinite_block)
{
	struct made_gguf g;
	static const char says[] = "token_embd.weight holds";

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
		struct wl_error err = { "" };

		qwen = i % 2;
		put_model(&g, NULL);
		for (int k = 1 + draw(3); k > 0; k--) {
			struct made_bytes *b = draw(3) ? &g.pairs : &g.tensors;

			b->p[draw(b->n)] = draw(4) ? draw(256) : 0xff;
		}
		save(&g);
		made_gguf_fini(&g);
		if (import_read_gguf(src, &m, &err))
			one_line(&err, src, ": ");
		import_model_fini(&m);
	}
}
END_TEST

/* --- The program --- */

static void add_format(Suite *s)
{
	TCase *c = tcase_create("format");

	suite_add_tcase(s, c);
	tcase_add_test(c, every_cut);
	tcase_add_test(c, cut_data);
	tcase_add_loop_test(c, integers, 0, 9);
	tcase_add_test(c, other_values);
	tcase_add_loop_test(c, bad_pairs, 0, N_BAD_PAIRS);
	tcase_add_loop_test(c, bad_headers, 0, 8);
	tcase_add_loop_test(c, bad_names, 0, 8);
	tcase_add_test(c, keys_twice);
	tcase_add_loop_test(c, bad_alignments, 0, 4);
	tcase_add_loop_test(c, bad_tensors, 0, N_BAD_TENSORS);
	tcase_add_loop_test(c, two_tensors, 0, 3);
	tcase_add_loop_test(c, sound_tensors, 0, 3);
	tcase_add_test(c, long_head);
	tcase_add_test(c, endless_head);
	tcase_add_test(c, no_file);
}

static void add_vocabularies(Suite *s)
{
	TCase *c = tcase_create("vocabularies");

	suite_add_tcase(s, c);
	tcase_add_test(c, spm_pieces);
	tcase_add_test(c, byte_pieces);
	tcase_add_loop_test(c, families, 0, 5);
	tcase_add_test(c, spm_settings);
	tcase_add_loop_test(c, bad_vocabularies, 0, N_BAD_VOCAB);
	tcase_add_loop_test(c, bad_entries, 0, 6);
	tcase_add_loop_test(c, vectors, 0, 2);
	tcase_add_loop_test(c, real_round_trips, 0, 2);
	tcase_add_test(c, same_as_llama2c);
}

static void add_imports(Suite *s)
{
	TCase *c = tcase_create("imports");

	suite_add_tcase(s, c);
	tcase_add_loop_test(c, whole_model, 0, 2);
	tcase_add_loop_test(c, bad_models, 0, N_BAD_MODEL);
	tcase_add_loop_test(c, bad_model_tensors, 0, 9);
	tcase_add_loop_test(c, infinite_block, 0, 2);
	tcase_add_loop_test(c, rope_factors, 0, 4);
	tcase_add_test(c, other_models);
	tcase_add_test(c, garbled);
}

int main(void)
{
	Suite *s = suite_create("gguf");
	SRunner *sr = srunner_create(s);
	int failed;

	strcpy(dir, "/tmp/check_gguf.XXXXXX");
	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	snprintf(src, sizeof src, "%s/model.gguf", dir);
	snprintf(dest, sizeof dest, "%s/dest.h5", dir);
	add_format(s);
	add_vocabularies(s);
	add_imports(s);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	unlink(src);
	unlink(dest);
	rmdir(dir);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
