/* Hugging Face directories: a real one, and small ones made here that differ
 * from a good one by one change each. What is read must be what was written;
 * what is refused must be refused with one line that names file and field. */
#include "config.h"
#include "import.h"

#include <check.h>
#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "convert.h"
#include "safetensors.h"
#include "text_lab.h"

enum { E = 16, F = 6, L = 2, H = 4, G = 2, HD = E / H, V = 14, S = 32 };

/* A scratch folder, made by main, and the model's directory in it. */
static char top[64], dir[80];

/* --- Files --- */

static const char *path_of(const char *name)
{
	static char path[400];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void put_file(const char *name, const void *data, size_t n)
{
	FILE *f = fopen(path_of(name), "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, n, f), n);
	fclose(f);
}

static void put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static void put_spaces(const char *name, size_t n)
{
	char *text = wl_malloc(n, 1);

	memset(text, ' ', n);
	put_file(name, text, n);
	free(text);
}

static void drop_file(const char *name)
{
	unlink(path_of(name));
}

static void empty_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	/* main calls this too, where nothing may be asserted. */
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			drop_file(e->d_name);
	if (d)
		closedir(d);
}

static json_t *parse(const char *text)
{
	json_error_t why;
	json_t *v = json_loads(text, JSON_DECODE_ANY, &why);

	ck_assert_msg(v != NULL, "%s: %s", text, why.text);
	return v;
}

/* Puts value (JSON; NULL: nothing) at the place "a/b/0"; at "" the members of
 * value are put into the root. */
static void edit(json_t *root, const char *where, const char *value)
{
	char name[128];
	size_t len = strcspn(where, "/");

	if (!*where) {
		json_t *more = parse(value);

		json_object_update(root, more);
		json_decref(more);
		return;
	}
	snprintf(name, sizeof name, "%.*s", (int)len, where);
	if (where[len]) {
		root = json_is_array(root) ?
		       json_array_get(root, strtoul(name, NULL, 10)) :
		       json_object_get(root, name);
		ck_assert_msg(root != NULL, "no %s", where);
		edit(root, where + len + 1, value);
	} else if (json_is_array(root)) {
		size_t i = strtoul(name, NULL, 10);

		if (!value)
			json_array_remove(root, i);
		else if (i < json_array_size(root))
			json_array_set_new(root, i, parse(value));
		else
			json_array_append_new(root, parse(value));
	} else if (value) {
		json_object_set_new(root, name, parse(value));
	} else {
		json_object_del(root, name);
	}
}

/* Writes base with one change; where NULL: none. */
static void put_json(const char *name, const char *base, const char *where,
                     const char *value)
{
	json_t *root = parse(base);
	char *text;

	if (where)
		edit(root, where, value);
	text = json_dumps(root, 0);
	put_text(name, text);
	free(text);
	json_decref(root);
}

/* --- A good directory --- */

static const char config[] =
	"{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 16,"
	"\"intermediate_size\": 6, \"num_hidden_layers\": 2,"
	"\"num_attention_heads\": 4, \"num_key_value_heads\": 2,"
	"\"vocab_size\": 14, \"max_position_embeddings\": 32,"
	"\"rms_norm_eps\": 1e-5, \"rope_theta\": 5000,"
	"\"hidden_act\": \"silu\","
	"\"tie_word_embeddings\": false, \"eos_token_id\": 2,"
	"\"rope_scaling\": null, \"torch_dtype\": \"float32\"}";

#define TEMPLATE(bos, id) \
	"\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [" \
	"{\"SpecialToken\": {\"id\": \"" bos "\", \"type_id\": 0}}," \
	"{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": []," \
	"\"special_tokens\": {\"" bos "\": {\"id\": \"" bos "\"," \
	"\"ids\": [" id "], \"tokens\": [\"" bos "\"]}}},"

#define ADDED(id, text) "{\"id\": " id ", \"content\": \"" text "\"," \
	"\"single_word\": false, \"lstrip\": false, \"rstrip\": false," \
	"\"normalized\": false, \"special\": true}"

/* SentencePiece-like, as Llama 2's. */
static const char marked[] =
	"{\"version\": \"1.0\", \"added_tokens\": ["
	ADDED("0", "<unk>") "," ADDED("1", "<s>") "," ADDED("2", "</s>") "],"
	"\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
	"{\"type\": \"Prepend\", \"prepend\": \"\u2581\"},"
	"{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"},"
	"\"content\": \"\u2581\"}]}, \"pre_tokenizer\": null,"
	TEMPLATE("<s>", "1")
	"\"decoder\": {\"type\": \"Sequence\", \"decoders\": ["
	"{\"type\": \"Replace\", \"pattern\": {\"String\": \"\u2581\"},"
	"\"content\": \" \"}, {\"type\": \"ByteFallback\"},"
	"{\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \","
	"\"start\": 1, \"stop\": 0}]},"
	"\"model\": {\"type\": \"BPE\", \"dropout\": null,"
	"\"unk_token\": \"<unk>\", \"continuing_subword_prefix\": null,"
	"\"end_of_word_suffix\": null, \"fuse_unk\": true,"
	"\"byte_fallback\": true, \"vocab\": {\"<unk>\": 0, \"<s>\": 1,"
	"\"</s>\": 2, \"<0x0A>\": 3, \"\u2581\": 4, \"a\": 5, \"b\": 6,"
	"\"\u2581a\": 7, \"ab\": 8, \"\u2581ab\": 9, \"a b\": 10},"
	"\"merges\": [\"a b\", \"\u2581 a\", \"\u2581 ab\"]}}";

/* Byte-level, as GPT-2's; e with an acute is its two bytes. */
static const char bytes[] =
	"{\"version\": \"1.0\", \"added_tokens\": ["
	ADDED("11", "<s>") "," ADDED("10", "<e>") "], \"normalizer\": null,"
	"\"pre_tokenizer\": {\"type\": \"ByteLevel\","
	"\"add_prefix_space\": false, \"trim_offsets\": true},"
	TEMPLATE("<s>", "11")
	"\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true},"
	"\"model\": {\"dropout\": null, \"unk_token\": \"\","
	"\"continuing_subword_prefix\": \"\", \"end_of_word_suffix\": \"\","
	"\"vocab\": {\"a\": 0, \"b\": 1, \"\u0120\": 2, \"\u0120a\": 3,"
	"\"ab\": 4, \"\u0120ab\": 5, \"\u00c3\": 6, \"\u00a9\": 7,"
	"\"\u00c3\u00a9\": 8, \"\u0436\": 9, \"<e>\": 10},"
	"\"merges\": [\"\u0120 a\", \"a b\", [\"\u0120\", \"ab\"],"
	"\"\u0120a b\", [\"\u00c3\", \"\u00a9\"]]}}";

/* A tensor of files made here; rows 0: a vector. */
static struct made {
	char name[80];
	int rows, cols;
	const char *dtype;
	int file;
} made[64];
static int n_made;

static void add_tensor(const char *name, int rows, int cols)
{
	struct made *t = &made[n_made++];

	*t = (struct made){ .rows = rows, .cols = cols, .dtype = "F32" };
	snprintf(t->name, sizeof t->name, "%s", name);
}

static void add_layer(int layer, bool bias)
{
	static const struct {
		const char *name;
		int rows, cols;
	} part[] = {
		{ "input_layernorm.weight", 0, E },
		{ "self_attn.q_proj.weight", H * HD, E },
		{ "self_attn.k_proj.weight", G * HD, E },
		{ "self_attn.v_proj.weight", G * HD, E },
		{ "self_attn.o_proj.weight", E, H * HD },
		{ "post_attention_layernorm.weight", 0, E },
		{ "mlp.gate_proj.weight", F, E },
		{ "mlp.up_proj.weight", F, E },
		{ "mlp.down_proj.weight", E, F },
		{ "self_attn.q_proj.bias", 0, H * HD },
		{ "self_attn.k_proj.bias", 0, G * HD },
		{ "self_attn.v_proj.bias", 0, G * HD },
	};
	char name[80];

	for (int i = 0; i < (bias ? 12 : 9); i++) {
		snprintf(name, sizeof name, "model.layers.%d.%s", layer,
		         part[i].name);
		add_tensor(name, part[i].rows, part[i].cols);
	}
}

static void add_all(bool bias)
{
	n_made = 0;
	add_tensor("lm_head.weight", V, E);
	add_tensor("model.embed_tokens.weight", V, E);
	for (int l = 0; l < L; l++)
		add_layer(l, bias);
	add_tensor("model.norm.weight", 0, E);
}

static struct made *made_find(const char *name)
{
	for (int i = 0; i < n_made; i++)
		if (strcmp(made[i].name, name) == 0)
			return &made[i];
	ck_abort_msg("%s was not made", name);
}

/* Element i of a tensor: small whole numbers, exact in every type. */
static float element(const struct made *t, int i)
{
	return ((t - made) * 37 + i * 11) % 127 - 63;
}

static int count_of(const struct made *t)
{
	return (t->rows ? t->rows : 1) * t->cols;
}

static size_t size_of(const struct made *t)
{
	return strcmp(t->dtype, "F32") ? 2 : 4;
}

static void put_elements(FILE *f, const struct made *t)
{
	for (int i = 0; i < count_of(t); i++) {
		float x = element(t, i);
		uint16_t half = strcmp(t->dtype, "F16") ? wl_f32_to_bf16(x) :
		                                          wl_f32_to_f16(x);

		if (size_of(t) == 4)
			fwrite(&x, 4, 1, f);
		else
			fwrite(&half, 2, 1, f);
	}
}

static json_t *header_of(int file)
{
	json_t *header = json_pack("{s{ss}}", "__metadata__", "format", "pt");
	size_t at = 0;

	for (int i = 0; i < n_made; i++) {
		const struct made *t = &made[i];
		size_t end = at + count_of(t) * size_of(t);
		json_t *shape = t->rows ? json_pack("[ii]", t->rows, t->cols) :
		                          json_pack("[i]", t->cols);

		if (t->file != file) {
			json_decref(shape);
			continue;
		}
		json_object_set_new(header, t->name,
			json_pack("{sssos[II]}", "dtype", t->dtype, "shape",
			          shape, "data_offsets", (json_int_t)at,
			          (json_int_t)end));
		at = end;
	}
	return header;
}

/* The tensors of one file, made by add_tensor. */
static void put_tensors(const char *name, int file)
{
	json_t *header = header_of(file);
	char *text = json_dumps(header, 0);
	uint64_t n = strlen(text) + 3;
	FILE *f = fopen(path_of(name), "wb");

	ck_assert_ptr_nonnull(f);
	fwrite(&n, 8, 1, f);
	fprintf(f, "%s   ", text); /* the format allows spaces there */
	for (int i = 0; i < n_made; i++)
		if (made[i].file == file)
			put_elements(f, &made[i]);
	fclose(f);
	free(text);
	json_decref(header);
}

static void setup(void)
{
	empty_dir();
	put_json("config.json", config, NULL, NULL);
	put_json("tokenizer.json", marked, NULL, NULL);
	add_all(false);
	put_tensors("model.safetensors", 0);
}

/* --- Reading --- */

/* Reads the directory, which must succeed. */
static struct import_model accepted(void)
{
	struct wl_error err = { "" };
	struct import_model m;

	ck_assert_msg(import_read_hf(dir, &m, &err) == 0, "%s", err.text);
	return m;
}

/* It must fail with one line that names both. */
static void refused(const char *file, const char *blame)
{
	struct wl_error err = { "" };
	struct import_model m;

	ck_assert_msg(import_read_hf(dir, &m, &err) == -1,
	              "not refused: %s: %s", file, blame);
	ck_assert_msg(strstr(err.text, file), "\"%s\" lacks %s", err.text,
	              file);
	ck_assert_msg(strstr(err.text, blame), "\"%s\" lacks %s", err.text,
	              blame);
	ck_assert(strstr(err.text, dir) && !strchr(err.text, '\n'));
	import_model_fini(&m);
}

struct change {
	const char *where, *value, *blame;
};

static void refuse_changes(const char *name, const char *base,
                           const struct change *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_json(name, base, c[i].where, c[i].value);
		refused(name, c[i].blame);
	}
	put_json(name, base, NULL, NULL);
}

#define REFUSE(name, base, list) \
	refuse_changes(name, base, list, sizeof list / sizeof *list)

/* --- A real model --- */

static int find_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct import_model *m = ctx;
	char name[128];

	/* This file has the head's name only. */
	ck_assert(source_tensor_name(m->names, kind == T_EMBEDDING ? T_HEAD :
	                             kind, layer, name, sizeof name));
	ck_assert_msg(source_find(&m->sources, name) != NULL, "%s", name);
	return 0;
}

static void check_real_model(struct import_model *m)
{
	const struct model want = {
		.dim = 128, .hidden_dim = 384, .n_layers = 2, .n_heads = 8,
		.n_kv_heads = 4, .head_dim = 16, .vocab_size = 2048,
		.max_seq_len = 512, .rope_theta = 1e4, .rms_eps = 1e-6,
		.tied = true, .bos_id = 1, .n_stop = 1, .stop_id = { 2 },
	};

	ck_assert(model_same(&m->model, &want));
	ck_assert_str_eq(m->origin, "Hugging Face directory tinystories-656k"
	                 " (LlamaForCausalLM)");
	ck_assert(m->rotate_half && !m->rope_factors);
	ck_assert_int_eq(model_each_tensor(&m->model, find_tensor, m), 0);
	for (size_t i = 0; i < m->sources.n; i++)
		ck_assert(m->sources.tensor[i].used);
}

START_TEST(tinystories_is_read)
{
	static const int ids[] = { 1, 80, 147, 201, 282, 57 };
	const char *path = model_path("tinystories_is_read",
	                              "tinystories-656k");
	const char *text = "Once upon a time";
	struct wl_error err = { "" };
	struct import_model m;
	struct tokenizer *t;

	if (!path)
		return;
	ck_assert_msg(import_read_hf(path, &m, &err) == 0, "%s", err.text);
	check_real_model(&m);
	ck_assert_int_eq(m.vocab.eos_id, 2);
	ck_assert_int_eq(m.vocab.type[0], PIECE_UNKNOWN);
	ck_assert_int_eq(m.vocab.type[1], PIECE_CONTROL);
	ck_assert(m.vocab.kind == VOCAB_BPE && m.vocab.split == WORDS_NONE);
	ck_assert_uint_eq(m.vocab.n_merges, 1967);
	t = from_vocab(&m.vocab);
	expect_ids(t, text, strlen(text), ids, 6);
	tokenizer_free(t);
	import_model_fini(&m);
}
END_TEST

/* --- config.json --- */

START_TEST(shapes_are_read)
{
	const struct model want = {
		.dim = E, .hidden_dim = F, .n_layers = L, .n_heads = H,
		.n_kv_heads = G, .head_dim = HD, .vocab_size = V,
		.max_seq_len = S, .rope_theta = 5000, .rms_eps = 1e-5,
		.bos_id = 1, .n_stop = 1, .stop_id = { 2 },
	};
	struct import_model m;

	setup();
	m = accepted();
	ck_assert(model_same(&m.model, &want));
	ck_assert_str_eq(m.origin,
	                 "Hugging Face directory model (LlamaForCausalLM)");
	ck_assert_int_eq(m.vocab.n, V);
	ck_assert_int_eq(m.vocab.type[11], PIECE_UNUSED);
	import_model_fini(&m);
	strcat(dir, "//");
	m = accepted();
	ck_assert_str_eq(m.origin,
	                 "Hugging Face directory model (LlamaForCausalLM)");
	import_model_fini(&m);
	dir[strlen(dir) - 2] = '\0';
}
END_TEST

/* The model of config with one change. */
static struct model changed(const char *where, const char *value)
{
	struct import_model m;
	struct model shape;

	put_json("config.json", config, where, value);
	m = accepted();
	shape = m.model;
	import_model_fini(&m);
	return shape;
}

START_TEST(shapes_have_defaults)
{
	struct model m;

	setup();
	ck_assert_int_eq(changed("num_key_value_heads", NULL).n_kv_heads, H);
	ck_assert_int_eq(changed("num_key_value_heads", "null").n_kv_heads, H);
	ck_assert_int_eq(changed("num_key_value_heads", "1").n_kv_heads, 1);
	ck_assert_int_eq(changed("head_dim", "null").head_dim, HD);
	m = changed("", "{\"head_dim\": 6, \"hidden_size\": 18}");
	ck_assert(m.head_dim == 6 && m.dim == 18);
	m = changed("", "{\"rms_norm_eps\": null, \"rope_theta\": null,"
	            "\"tie_word_embeddings\": null, \"hidden_act\": null}");
	ck_assert(m.rms_eps == 1e-6 && m.rope_theta == 1e4 && !m.tied);
	ck_assert(changed("tie_word_embeddings", "true").tied);
	ck_assert(changed("attention_bias", "true").qkv_bias);
	changed("hidden_act", "\"swish\"");
	changed("partial_rotary_factor", "1.0");
	changed("layer_types", "[\"full_attention\", \"full_attention\"]");
	changed("", "{\"num_experts\": 0, \"quantization_config\": null}");
}
END_TEST

#define MISTRAL "\"architectures\": [\"MistralForCausalLM\"]"
#define QWEN2 "\"architectures\": [\"Qwen2ForCausalLM\"]"

START_TEST(other_architectures_are_read)
{
	struct model m;

	setup();
	m = changed("", "{" MISTRAL ", \"sliding_window\": null}");
	ck_assert(!m.qkv_bias);
	changed("", "{" MISTRAL ", \"sliding_window\": 32}");
	changed("", "{" MISTRAL "}"); /* 4096, more than the context */
	m = changed("", "{" QWEN2 ", \"sliding_window\": 8}");
	ck_assert(m.qkv_bias);
	changed("", "{" QWEN2 ", \"sliding_window\": 8,"
	        "\"use_sliding_window\": false}");
	changed("", "{" QWEN2 ", \"sliding_window\": 32,"
	        "\"use_sliding_window\": true}");
	m = changed("", "{" MISTRAL ", \"num_attention_heads\": 16,"
	            "\"head_dim\": 2}");
	ck_assert_int_eq(m.n_kv_heads, G);
}
END_TEST

START_TEST(ends_are_read)
{
	struct import_model m;
	struct model s;

	setup();
	s = changed("eos_token_id", "[5, 2, 5]");
	ck_assert(s.n_stop == 2 && s.stop_id[0] == 5 && s.stop_id[1] == 2);
	ck_assert_int_eq(changed("eos_token_id", "null").n_stop, 0);
	m = accepted();
	ck_assert_int_eq(m.vocab.eos_id, -1);
	import_model_fini(&m);
	put_json("generation_config.json", "{\"eos_token_id\": [13, 5]}",
	         NULL, NULL);
	s = changed("eos_token_id", "[5, 2]");
	ck_assert(s.n_stop == 3 && s.stop_id[2] == 13);
	m = accepted();
	ck_assert_int_eq(m.vocab.eos_id, 5);
	import_model_fini(&m);
	put_json("generation_config.json", "{\"eos_token_id\": 14}", NULL,
	         NULL);
	refused("generation_config.json", "\"eos_token_id\"");
	put_text("generation_config.json", "{");
	refused("generation_config.json", "line 1");
}
END_TEST

START_TEST(bad_configs_are_refused)
{
	static const struct change list[] = {
		{ "architectures", NULL, "\"architectures\" must hold" },
		{ "architectures", "[]", "exactly one name" },
		{ "architectures", "[\"LlamaForCausalLM\", \"x\"]",
		  "exactly one name" },
		{ "architectures", "[3]", "exactly one name" },
		{ "architectures", "[\"GemmaForCausalLM\"]",
		  "GemmaForCausalLM" },
		{ "hidden_size", NULL, "\"hidden_size\" is missing" },
		{ "hidden_size", "null", "\"hidden_size\" is missing" },
		{ "hidden_size", "\"16\"",
		  "\"hidden_size\" must be a positive 32-bit integer" },
		{ "hidden_size", "16.0", "\"hidden_size\" must be" },
		{ "hidden_size", "18", "not a multiple" },
		{ "intermediate_size", "0", "\"intermediate_size\" must be" },
		{ "intermediate_size", "-1", "\"intermediate_size\" must be" },
		{ "intermediate_size", "4294967302", "\"intermediate_size\"" },
		{ "intermediate_size", "2147483647", "hidden_dim" },
		{ "num_hidden_layers", "true", "\"num_hidden_layers\"" },
		{ "num_attention_heads", "0", "\"num_attention_heads\"" },
		{ "num_attention_heads", NULL, "\"num_attention_heads\"" },
		{ "num_key_value_heads", "3", "n_kv_heads" },
		{ "num_key_value_heads", "[2]", "\"num_key_value_heads\"" },
		{ "head_dim", "3", "head_dim 3 is odd" },
		{ "head_dim", "0", "\"head_dim\"" },
		{ "vocab_size", NULL, "\"vocab_size\"" },
		{ "vocab_size", "99999999", "vocab_size" },
		{ "max_position_embeddings", NULL, "max_position_embeddings" },
		{ "rms_norm_eps", "\"1\"", "\"rms_norm_eps\" must be a" },
		{ "rms_norm_eps", "-1", "rms_eps" },
		{ "rope_theta", "0", "rope_theta" },
		{ "rope_theta", "[]", "\"rope_theta\" must be a number" },
		{ "tie_word_embeddings", "1",
		  "\"tie_word_embeddings\" must be true or false" },
		{ "attention_bias", "\"no\"", "\"attention_bias\"" },
		{ "mlp_bias", "true", "\"mlp_bias\" is true" },
		{ "hidden_act", "\"gelu\"", "\"hidden_act\" is \"gelu\"" },
		{ "hidden_act", "1", "\"hidden_act\"" },
		{ "partial_rotary_factor", "0.5", "\"partial_rotary_factor\"" },
		{ "partial_rotary_factor", "\"1\"", "must be a number" },
		{ "layer_types", "[\"full_attention\", \"sliding_attention\"]",
		  "\"sliding_attention\"" },
		{ "layer_types", "\"x\"", "\"layer_types\"" },
		{ "layer_types", "[1]", "\"layer_types\"" },
		{ "num_experts", "8", "\"num_experts\"" },
		{ "num_local_experts", "8", "\"num_local_experts\"" },
		{ "quantization_config", "{\"quant_method\": \"gptq\"}",
		  "gptq" },
		{ "quantization_config", "{}", "\"quantization_config\"" },
		{ "eos_token_id", "14", "\"eos_token_id\" must be" },
		{ "eos_token_id", "-1", "\"eos_token_id\" must be" },
		{ "eos_token_id", "\"2\"", "\"eos_token_id\" must be" },
		{ "eos_token_id", "[2, 4294967298]", "\"eos_token_id\"" },
		{ "eos_token_id", "[0, 1, 2, 3, 4, 5, 6, 7, 8]",
		  "more than 8" },
		{ "", "{" MISTRAL ", \"sliding_window\": 31}",
		  "\"sliding_window\" is 31" },
		{ "", "{" MISTRAL ", \"max_position_embeddings\": 4097}",
		  "\"sliding_window\" is 4096 (the default)" },
		{ "", "{" MISTRAL ", \"sliding_window\": \"x\"}",
		  "\"sliding_window\"" },
		{ "", "{" MISTRAL ", \"num_key_value_heads\": 8}",
		  "n_kv_heads 8" },
		{ "", "{" QWEN2 ", \"sliding_window\": 31,"
		  "\"use_sliding_window\": true}", "only full attention" },
		{ "", "{" QWEN2 ", \"use_sliding_window\": 1}",
		  "\"use_sliding_window\"" },
	};

	setup();
	REFUSE("config.json", config, list);
	put_text("config.json", "[1]");
	refused("config.json", "not a JSON object");
	put_text("config.json", "{\"a\": 1, \"a\": 2}");
	refused("config.json", "duplicate");
	put_text("config.json", "{\"a\\u0000\": 1}");
	refused("config.json", "line 1");
	drop_file("config.json");
	refused("config.json", "No such file");
	ck_assert_int_eq(mkdir(path_of("config.json"), 0700), 0);
	refused("config.json", "is a directory");
	rmdir(path_of("config.json"));
	put_spaces("config.json", (1 << 24) + 1);
	refused("config.json", "more than 16777216 bytes");
	drop_file("config.json");
	ck_assert_int_eq(mkfifo(path_of("config.json"), 0600), 0);
	refused("config.json", "not a regular file");
}
END_TEST

/* An absent number of KV heads is the class's own: 8 and 32. */
START_TEST(classes_have_their_own_heads)
{
	struct import_model m;

	setup();
	put_json("config.json", config, "", "{" MISTRAL ", \"head_dim\": 2,"
	         "\"num_attention_heads\": 32, \"num_key_value_heads\": 0}");
	refused("config.json", "\"num_key_value_heads\"");
	put_text("config.json", "{" MISTRAL ", \"hidden_size\": 16,"
	         "\"intermediate_size\": 6, \"num_hidden_layers\": 2,"
	         "\"num_attention_heads\": 32, \"head_dim\": 2,"
	         "\"vocab_size\": 14, \"max_position_embeddings\": 32}");
	m = accepted();
	ck_assert_int_eq(m.model.n_kv_heads, 8);
	import_model_fini(&m);
}
END_TEST

/* --- RoPE --- */

#define LLAMA3(more) "{\"rope_type\": \"llama3\", \"factor\": 8.0," \
	"\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0," \
	"\"original_max_position_embeddings\": 64" more "}"

/* Frequency of pair i as published: by wave length, in three branches. */
static double llama3_frequency(double plain)
{
	const double factor = 8, low = 1, high = 4, context = 64;
	double wave = 2 * 3.14159265358979323846 / plain, smooth;

	if (wave < context / high)
		return plain;
	if (wave > context / low)
		return plain / factor;
	smooth = (context / wave - low) / (high - low);
	return (1 - smooth) * plain / factor + smooth * plain;
}

static void check_llama3(const char *change, double theta)
{
	int seen[3] = { 0 }; /* pairs of each branch */
	struct import_model m;

	put_json("config.json", config, "", change);
	m = accepted();
	ck_assert(m.model.rope_scaled);
	ck_assert_double_eq(m.model.rope_theta, theta);
	for (int i = 0; i < m.model.head_dim / 2; i++) {
		double plain = pow(theta, -2.0 * i / m.model.head_dim);
		double want = plain / llama3_frequency(plain);

		ck_assert_double_eq_tol(m.rope_factors[i], want, 1e-6 * want);
		seen[want == 1 ? 0 : want < 8 ? 1 : 2]++;
	}
	ck_assert(seen[0] && seen[1] && seen[2]);
	import_model_fini(&m);
}

START_TEST(scaled_angles_are_read)
{
	struct import_model m;

	setup();
	check_llama3("{\"head_dim\": 16, \"rope_scaling\":" LLAMA3("") "}",
	             5000);
	check_llama3("{\"head_dim\": 16, \"rope_parameters\":"
	             LLAMA3(", \"rope_theta\": 10000") "}", 10000);
	put_json("config.json", config, "rope_scaling",
	         "{\"type\": \"linear\", \"factor\": 2.5}");
	m = accepted();
	ck_assert(m.model.rope_scaled);
	for (int i = 0; i < HD / 2; i++)
		ck_assert_float_eq(m.rope_factors[i], 2.5);
	import_model_fini(&m);
	ck_assert(!changed("rope_scaling", "{\"rope_type\": \"default\"}")
	          .rope_scaled);
	ck_assert_double_eq(changed("", "{\"rope_theta\": null,"
		"\"rope_parameters\": {\"rope_type\": \"default\","
		"\"rope_theta\": 7, \"factor\": null}}").rope_theta, 7);
}
END_TEST

START_TEST(unknown_angles_are_refused)
{
	static const struct change list[] = {
		{ "rope_scaling", "3", "\"rope_scaling\" must be an object" },
		{ "rope_scaling", "{}", "\"rope_scaling.rope_type\" is" },
		{ "rope_scaling", "{\"type\": 1}", "rope_scaling.rope_type" },
		{ "rope_scaling", "{\"type\": \"yarn\", \"factor\": 2}",
		  "\"yarn\"" },
		{ "rope_parameters", "{\"full_attention\": {}}", "rope_type" },
		{ "rope_scaling", "{\"type\": \"linear\"}",
		  "\"rope_scaling.factor\" is missing" },
		{ "rope_scaling", "{\"type\": \"linear\", \"factor\": 0}",
		  "\"rope_scaling.factor\" must be above 0" },
		{ "rope_scaling", "{\"type\": \"linear\", \"factor\": -2}",
		  "above 0" },
		{ "rope_scaling", "{\"type\": \"linear\", \"factor\": 1e-50}",
		  "above 0" },
		{ "rope_scaling", "{\"type\": \"linear\", \"factor\": \"2\"}",
		  "must be a number" },
		{ "rope_scaling", "{\"type\": \"linear\", \"factor\": 2,"
		  "\"attention_factor\": 2}", "attention_factor" },
		{ "rope_scaling", LLAMA3(", \"mrope_section\": [1]"),
		  "mrope_section" },
		{ "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 8}",
		  "low_freq_factor" },
		{ "rope_scaling", LLAMA3(", \"partial_rotary_factor\": 0.5"),
		  "\"rope_scaling.partial_rotary_factor\"" },
		{ "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 8,"
		  "\"low_freq_factor\": 4, \"high_freq_factor\": 4,"
		  "\"original_max_position_embeddings\": 64}",
		  "\"rope_scaling.high_freq_factor\" must be above" },
		{ "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 8,"
		  "\"low_freq_factor\": 1, \"high_freq_factor\": 4,"
		  "\"original_max_position_embeddings\": 0}",
		  "original_max_position_embeddings" },
		{ "", "{\"rope_scaling\": " LLAMA3("") ","
		  "\"rope_parameters\": " LLAMA3(", \"rope_theta\": 9") "}",
		  "differ" },
	};

	setup();
	REFUSE("config.json", config, list);
}
END_TEST

/* --- Tensors --- */

START_TEST(tensors_are_read)
{
	struct source_tensor *t;
	struct import_model m;

	setup();
	made_find("model.norm.weight")->dtype = "BF16";
	made_find("model.layers.0.mlp.up_proj.weight")->dtype = "F16";
	put_tensors("model.safetensors", 0);
	m = accepted();
	ck_assert_uint_eq(m.sources.n, n_made);
	for (int i = 0; i < n_made; i++) {
		const struct made *w = &made[i];
		unsigned char first[4];
		struct wl_error err;
		float x = element(w, 0);
		uint16_t half = strcmp(w->dtype, "F16") ? wl_f32_to_bf16(x) :
		                                          wl_f32_to_f16(x);

		t = source_find(&m.sources, w->name);
		ck_assert_msg(t != NULL, "%s", w->name);
		ck_assert_str_eq(source_type_name(t->type), w->dtype);
		ck_assert_int_eq(t->vector, w->rows == 0);
		ck_assert_int_eq(t->rows, w->rows ? w->rows : 1);
		ck_assert_int_eq(t->cols, w->cols);
		ck_assert_int_eq(source_read(&m.sources, t->file, t->at, first,
		                             size_of(w), &err), 0);
		ck_assert_mem_eq(first, size_of(w) == 4 ? (void *)&x :
		                        (void *)&half, size_of(w));
	}
	import_model_fini(&m);
}
END_TEST

/* A file of a header and n bytes of data. */
static void put_header(const char *header, int n)
{
	uint64_t len = strlen(header);
	char file[2048] = { 0 };

	memcpy(file, &len, 8);
	memcpy(file + 8, header, len);
	put_file("model.safetensors", file, 8 + len + n);
}

#define ONE(dtype, shape, offsets) "{\"t\": {\"dtype\": " dtype "," \
	"\"shape\": " shape ", \"data_offsets\": " offsets "}}"
#define TWO(a, b) "{\"t\": {\"dtype\": \"F32\", \"shape\": [2]," \
	"\"data_offsets\": " a "}, \"u\": {\"dtype\": \"F16\"," \
	"\"shape\": [2, 1], \"data_offsets\": " b "}}"

START_TEST(lying_headers_are_refused)
{
	static const struct {
		const char *header;
		int bytes;
		const char *blame;
	} bad[] = {
		{ "{", 0, "header: " },
		{ "[]", 0, "not a JSON object" },
		{ "{\"t\": 1}", 0, "t: not an object" },
		{ ONE("4", "[2]", "[0, 8]"), 8, "t: \"dtype\"" },
		{ ONE("\"I8\"", "[8]", "[0, 8]"), 8, "t: dtype I8" },
		{ ONE("\"F8_E4M3\"", "[8]", "[0, 8]"), 8, "F8_E4M3" },
		{ ONE("\"F32\"", "2", "[0, 8]"), 8, "t: \"shape\" must be" },
		{ ONE("\"F32\"", "[]", "[0, 4]"), 4, "0 dimensions" },
		{ ONE("\"F32\"", "[1, 1, 2]", "[0, 8]"), 8, "3 dimensions" },
		{ ONE("\"F32\"", "[0]", "[0, 0]"), 0, "each extent" },
		{ ONE("\"F32\"", "[2, 0]", "[0, 0]"), 0, "each extent" },
		{ ONE("\"F32\"", "[-2]", "[0, 8]"), 8, "each extent" },
		{ ONE("\"F32\"", "[2.0]", "[0, 8]"), 8, "each extent" },
		{ ONE("\"F32\"", "[4294967298]", "[0, 8]"), 8, "each extent" },
		{ ONE("\"F32\"", "[2147483647, 2147483647]", "[0, 8]"), 8,
		  "need 18446744056529682436" },
		{ ONE("\"F32\"", "[3]", "[0, 8]"), 8, "hold 8 bytes" },
		{ ONE("\"BF16\"", "[2]", "[0, 8]"), 8, "need 4" },
		{ ONE("\"F32\"", "[2]", "8"), 8, "\"data_offsets\" must be" },
		{ ONE("\"F32\"", "[2]", "[8]"), 8, "\"data_offsets\" must be" },
		{ ONE("\"F32\"", "[2]", "[0, 8, 8]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[8, 0]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[8, 8]"), 8, "hold 0 bytes" },
		{ ONE("\"F32\"", "[2]", "[-8, 0]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[0, \"8\"]"), 8, "must be two" },
		{ ONE("\"F32\"", "[2]", "[0, 8]"), 7, "the file's data at 7" },
		{ ONE("\"F32\"", "[2]", "[9223372036854775799,"
		  "9223372036854775807]"), 8, "end at 9223372036854775807" },
		{ ONE("\"F32\"", "[2]", "[4, 12]"), 12, "t: a hole of 4" },
		{ ONE("\"F32\"", "[2]", "[0, 8]"), 9, "1 bytes behind" },
		{ TWO("[0, 8]", "[7, 11]"), 11, "t and u overlap" },
		{ TWO("[0, 8]", "[0, 4]"), 8, "overlap" },
		{ TWO("[4, 12]", "[0, 4]"), 13, "1 bytes behind" },
		{ TWO("[0, 8]", "[9, 13]"), 13, "u: a hole of 1" },
		{ "{\"t\": {}, \"t\": {}}", 0, "duplicate" },
		{ "{\"t\": {\"dtype\": \"F32\", \"shape\": [2], \"shape\": [1],"
		  "\"data_offsets\": [0, 8]}}", 8, "duplicate" },
		{ "{}x", 0, "header: " },
	};
	struct import_model m;

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put_header(bad[i].header, bad[i].bytes);
		refused("model.safetensors", bad[i].blame);
	}
	put_header(TWO("[4, 12]", "[0, 4]") "  ", 12);
	m = accepted();
	ck_assert_uint_eq(m.sources.n, 2);
	import_model_fini(&m);
	put_header("{}", 0);
	m = accepted();
	ck_assert_uint_eq(m.sources.n, 0);
	import_model_fini(&m);
}
END_TEST

START_TEST(header_lengths_are_checked)
{
	static const uint64_t bad[] = {
		0, 3, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7,
		(uint64_t)1 << 63,
	};
	char file[10] = "........{}";

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(file, &bad[i], 8);
		put_file("model.safetensors", file, 10);
		refused("model.safetensors", "a header of");
	}
	for (int n = 0; n < 8; n++) {
		put_file("model.safetensors", file, n);
		refused("model.safetensors", "too few");
	}
	put_file("model.safetensors", file, 8);
	refused("model.safetensors", "a header of");
	/* Every length that a good file could have been cut to. */
	put_header(TWO("[0, 8]", "[8, 12]"), 12);
	for (int n = 8 + strlen(TWO("[0, 8]", "[8, 12]")) + 11; n > 8; n--) {
		ck_assert_int_eq(truncate(path_of("model.safetensors"), n), 0);
		refused("model.safetensors", "");
	}
}
END_TEST

START_TEST(leftover_tables_are_ignored)
{
	struct import_model m;

	setup();
	add_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", 0, HD / 2);
	put_tensors("model.safetensors", 0);
	m = accepted();
	for (size_t i = 0; i < m.sources.n; i++)
		ck_assert_int_eq(m.sources.tensor[i].used,
		                 strstr(m.sources.tensor[i].name, "inv_freq")
		                 != NULL);
	import_model_fini(&m);
}
END_TEST

/* --- Shards --- */

#define INDEX "model.safetensors.index.json"

/* Every third tensor in each of three files, and an index of them in which
 * one change is made. */
static void put_shards(const char *where, const char *value)
{
	json_t *map = json_object();
	char name[32], *text;

	drop_file("model.safetensors");
	for (int i = 0; i < n_made; i++) {
		made[i].file = i % 3;
		snprintf(name, sizeof name, "shard-%d.safetensors", i % 3);
		json_object_set_new(map, made[i].name, json_string(name));
	}
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "shard-%d.safetensors", i);
		put_tensors(name, i);
	}
	map = json_pack("{s{sI}so}", "metadata", "total_size", (json_int_t)1,
	                "weight_map", map);
	text = json_dumps(map, 0);
	put_json(INDEX, text, where, value);
	free(text);
	json_decref(map);
}

START_TEST(shards_are_read)
{
	struct import_model m;

	setup();
	put_shards(NULL, NULL);
	m = accepted();
	ck_assert_int_eq(m.sources.n_files, 3);
	ck_assert_uint_eq(m.sources.n, n_made);
	for (int i = 0; i < n_made; i++)
		ck_assert_ptr_nonnull(source_find(&m.sources, made[i].name));
	import_model_fini(&m);
	put_text("model.safetensors", "not that one");
	refused("model.safetensors", "a header of");
}
END_TEST

START_TEST(broken_shards_are_refused)
{
	static const struct change list[] = {
		{ "weight_map", NULL, "\"weight_map\" must be an object" },
		{ "weight_map", "[]", "\"weight_map\" must be an object" },
		{ "weight_map/lm_head.weight", "\"shard-9.safetensors\"",
		  "shard-9.safetensors is missing" },
		{ "weight_map/lm_head.weight", "\"../model/x\"",
		  "lm_head.weight must be a plain name, not \"../model/x\"" },
		{ "weight_map/lm_head.weight", "\"/x\"", "plain name" },
		{ "weight_map/lm_head.weight", "\"..\"", "plain name" },
		{ "weight_map/lm_head.weight", "\"\"", "plain name" },
		{ "weight_map/lm_head.weight", "1", "plain name" },
		{ "weight_map/lm_head.weight", NULL,
		  "lm_head.weight is in shard-0.safetensors, \"weight_map\" has"
		  " it nowhere" },
		{ "weight_map/lm_head.weight", "\"shard-1.safetensors\"",
		  "has it in shard-1.safetensors" },
		{ "weight_map/more", "\"shard-2.safetensors\"",
		  "more is not in shard-2.safetensors" },
	};

	setup();
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		put_shards(list[i].where, list[i].value);
		refused("", list[i].blame);
	}
	put_shards(NULL, NULL);
	drop_file("shard-1.safetensors");
	refused(dir, "shard shard-1.safetensors is missing");
	put_shards(NULL, NULL);
	put_text("shard-1.safetensors", "broken");
	refused("shard-1.safetensors", "too few");
	put_shards(NULL, NULL);
	put_tensors("shard-1.safetensors", 0);
	refused(INDEX, "is in shard-1.safetensors, \"weight_map\" has it in"
	        " shard-0.safetensors");
	put_text(INDEX, "{}");
	refused(INDEX, "\"weight_map\"");
}
END_TEST

START_TEST(missing_files_are_named)
{
	setup();
	drop_file("model.safetensors");
	refused(dir, "neither model.safetensors nor " INDEX " is there");
	put_text("pytorch_model.bin", "");
	refused(dir, "only safetensors is read");
	setup();
	drop_file("tokenizer.json");
	refused(dir, "tokenizer.json is missing");
	put_text("tokenizer.model", "");
	refused(dir, "tokenizer.model alone is not read");
}
END_TEST

/* --- tokenizer.json --- */

static void expect(const char *text, const char *ids)
{
	struct import_model m = accepted();
	struct tokenizer *t = from_vocab(&m.vocab);
	int want[32], n = 0, used;

	for (; sscanf(ids, "%d%n", &want[n], &used) == 1; ids += used)
		n++;
	expect_ids(t, text, strlen(text), want, n);
	tokenizer_free(t);
	import_model_fini(&m);
}

/* The ids of a text when base has one change. */
static void expect_with(const char *base, const char *where, const char *value,
                        const char *text, const char *ids)
{
	put_json("tokenizer.json", base, where, value);
	expect(text, ids);
}

#define METASPACE(more) "{\"normalizer\": null, \"pre_tokenizer\":" \
	"{\"type\": \"Metaspace\", \"replacement\": \"\u2581\"," more "}}"
#define FUSE "{\"type\": \"Fuse\"}"
#define SPACES "{\"type\": \"Replace\", \"content\": \" \", \"pattern\":" \
	"{\"String\": \"\u2581\"}}"

START_TEST(marked_tokenizers_are_read)
{
	struct import_model m;

	setup();
	expect_with(marked, NULL, NULL, "ab\nb ab", "1 9 3 6 9");
	expect_with(marked, NULL, NULL, "a b", "1 7 4 6");
	m = accepted();
	ck_assert_int_eq(m.vocab.type[0], PIECE_UNKNOWN);
	ck_assert_int_eq(m.vocab.type[2], PIECE_CONTROL);
	ck_assert_int_eq(m.vocab.type[3], PIECE_BYTE);
	ck_assert_int_eq(m.vocab.type[10], PIECE_UNUSED); /* "a b" */
	ck_assert(!m.vocab.whole_words && !m.vocab.nfc);
	import_model_fini(&m);
	/* Without the space in front. */
	expect_with(marked, "normalizer/normalizers/0", NULL, "ab ab",
	            "1 8 9");
	expect_with(marked, "normalizer", "{\"type\": \"Replace\","
	            "\"pattern\": {\"String\": \" \"}, \"content\":"
	            "\"\u2581\"}", "ab ab", "1 8 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"first\""), "ab ab", "1 9 9");
	/* Before every stretch of text between tokens that are not special. */
	expect_with(marked, "added_tokens/1/special", "false", "ab<s>ab<s>",
	            "1 9 1 9 1");
	/* Prepend adds a second space, Metaspace does not. */
	expect_with(marked, NULL, NULL, " ab", "1 4 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"first\""), " ab", "1 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"always\", \"add_prefix_space\":"
	            "true"), "ab ab", "1 9 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"prepend_scheme\": \"never\""), "ab ab", "1 8 9");
	expect_with(marked, "", METASPACE("\"split\": false,"
	            "\"add_prefix_space\": false"), "ab ab", "1 8 9");
	expect_with(marked, "post_processor/single/0", NULL, "ab", "9");
	expect_with(marked, "model/ignore_merges", "true", "b", "1 4 6");
	m = accepted();
	ck_assert(m.vocab.whole_words);
	import_model_fini(&m);
	expect_with(marked, "model/type", NULL, "ab", "1 9");
	expect_with(marked, "post_processor/special_tokens/<s>/ids", "[0]",
	            "ab", "0 9");
	expect_with(marked, "decoder", "{\"type\": \"Metaspace\","
	            "\"replacement\": \"\u2581\"}", "ab", "1 9");
	expect_with(marked, "decoder/decoders", "[" SPACES "," FUSE "," FUSE
	            "," FUSE "," FUSE "," FUSE "," FUSE "," FUSE "]", "ab",
	            "1 9");
	put_json("tokenizer.json", marked, "model/vocab/<0x00>", "11");
	m = accepted();
	ck_assert_int_eq(m.vocab.type[11], PIECE_BYTE);
	import_model_fini(&m);
	expect_with(marked, "model/merges", "[\"a b\"]", "ab", "1 4 8");
	/* An added token of the user's that no vocabulary has. */
	put_json("tokenizer.json", marked, "", "{\"normalizer\": {\"type\":"
	         "\"Replace\", \"pattern\": {\"String\": \" \"}, \"content\":"
	         "\"\u2581\"}, \"added_tokens\": [{\"id\": 11, \"content\":"
	         "\"<u>\", \"special\": false, \"lstrip\": false}]}");
	expect("ab<u>ab", "1 8 11 8");
}
END_TEST

#define SPLIT(regex) "{\"type\": \"Sequence\", \"pretokenizers\": [" \
	"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" regex "\"}," \
	"\"behavior\": \"Isolated\", \"invert\": false}," \
	"{\"type\": \"ByteLevel\", \"add_prefix_space\": false," \
	"\"use_regex\": false}]}"
#define GPT2_WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+|" \
	" ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+"
#define CASELESS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|" \
	"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"
#define REST "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|" \
	"\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define LLAMA3_WORDS CASELESS "\\\\p{N}{1,3}" REST
#define QWEN2_WORDS CASELESS "\\\\p{N}" REST

static enum word_split split_with(const char *value)
{
	struct import_model m;
	enum word_split split;

	put_json("tokenizer.json", bytes, "pre_tokenizer", value);
	m = accepted();
	split = m.vocab.split;
	import_model_fini(&m);
	return split;
}

START_TEST(byte_level_tokenizers_are_read)
{
	struct import_model m;

	setup();
	put_json("tokenizer.json", bytes, NULL, NULL);
	m = accepted();
	ck_assert_int_eq(m.vocab.split, WORDS_GPT2);
	ck_assert_int_eq(m.vocab.type[9], PIECE_UNUSED);
	ck_assert_int_eq(m.vocab.type[10], PIECE_CONTROL);
	ck_assert_int_eq(m.vocab.type[11], PIECE_CONTROL);
	ck_assert(!m.vocab.nfc && !m.vocab.add_space && !m.vocab.whole_words);
	ck_assert_int_eq(m.model.bos_id, 11);
	import_model_fini(&m);
	ck_assert_int_eq(split_with(SPLIT(GPT2_WORDS)), WORDS_GPT2);
	ck_assert_int_eq(split_with(SPLIT(LLAMA3_WORDS)), WORDS_LLAMA3);
	ck_assert_int_eq(split_with(SPLIT(QWEN2_WORDS)), WORDS_QWEN2);
	put_json("tokenizer.json", bytes, "normalizer", "{\"type\": \"NFC\"}");
	m = accepted();
	ck_assert(m.vocab.nfc);
	import_model_fini(&m);
	put_json("tokenizer.json", bytes, "post_processor",
	         "{\"type\": \"ByteLevel\"}");
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, -1);
	import_model_fini(&m);
	put_json("tokenizer.json", bytes, "post_processor", "{\"type\":"
	         "\"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"},"
	         "{\"type\": \"TemplateProcessing\", \"single\":"
	         "[{\"SpecialToken\": {\"id\": \"x\"}}, {\"Sequence\":"
	         "{\"id\": \"A\"}}], \"special_tokens\": {\"x\": {\"ids\":"
	         "[10]}}}]}");
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, 10);
	import_model_fini(&m);
	/* Bytes are never unknown. */
	put_json("tokenizer.json", bytes, "model/unk_token", "\"<e>\"");
	m = accepted();
	ck_assert_int_eq(m.vocab.type[10], PIECE_CONTROL);
	import_model_fini(&m);
#ifdef HAVE_PCRE2
	expect_with(bytes, NULL, NULL, "ab a ab\u00e9", "11 4 3 5 8");
	expect_with(bytes, "model/merges/3", NULL, "ab a ab\u00e9",
	            "11 4 3 3 1 8");
	expect_with(bytes, "model/merges", "[]", "ab a", "11 0 1 2 0");
	put_json("tokenizer.json", bytes, "", "{\"model\": {\"vocab\":"
	         "{\"a\": 0, \"\u0120\": 1, \"\u0120a\": 2}, \"merges\": [],"
	         "\"ignore_merges\": true}, \"added_tokens\": [],"
	         "\"post_processor\": {\"type\": \"ByteLevel\"}}");
	expect("a aa a", "0 1 0 0 2");
#endif
}
END_TEST

START_TEST(bad_models_are_refused)
{
	static const struct change list[] = {
		{ "model", NULL, "\"model\" must be an object" },
		{ "model", "[]", "\"model\" must be an object" },
		{ "model/type", "\"Unigram\"", "model.type \"Unigram\"" },
		{ "model/type", "3", "model.type" },
		{ "model/dropout", "0.1", "model.dropout" },
		{ "model/continuing_subword_prefix", "\"##\"",
		  "model.continuing_subword_prefix" },
		{ "model/end_of_word_suffix", "\"</w>\"",
		  "model.end_of_word_suffix" },
		{ "model/vocab", NULL, "model.vocab must be an object" },
		{ "model/vocab", "[]", "model.vocab must be an object" },
		{ "", "{\"added_tokens\": [], \"model\": {\"vocab\": {},"
		  "\"merges\": [], \"byte_fallback\": true}}",
		  "model.vocab: 0 pieces" },
		{ "model/merges", NULL, "model.merges must be an array" },
		{ "model/byte_fallback", "1", "\"model.byte_fallback\"" },
		{ "model/ignore_merges", "1", "\"model.ignore_merges\"" },
		{ "model/unk_token", "\"<none>\"", "model.unk_token \"<none>" },
		{ "model/unk_token", "1", "model.unk_token" },
		{ "model/vocab/ab", "11", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "-1", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "\"8\"", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "4294967304", "the id of \"ab\" must be" },
		{ "model/vocab/ab", "6", "id 6 stands for both \"b\" and" },
		{ "model/vocab/a", NULL, "in 0..9, for the file has 10" },
		{ "added_tokens", "{}", "added_tokens must be an array" },
		{ "added_tokens/0", "3", "added_tokens[0] has no \"content\"" },
		{ "added_tokens/1/content", "\"\"", "added_tokens[1] has an" },
		{ "added_tokens/1/content", "\"</s>\"",
		  "added_tokens[2] is there twice" },
		{ "added_tokens/1/id", "3",
		  "added_tokens[1]: \"<s>\" has another id" },
		{ "added_tokens/1/id", "1.0", "has another id" },
		{ "added_tokens/3", "{\"content\": \"x\", \"special\": true}",
		  "the id of \"x\" must be" },
		{ "added_tokens/3", "{\"content\": \"x\", \"special\": true,"
		  "\"id\": 12}", "the id of \"x\" must be" },
		{ "added_tokens/3", "{\"content\": \"x\", \"special\": true,"
		  "\"id\": 10}", "id 10 stands for both \"a b\" and \"x\"" },
		{ "added_tokens/1/special", "1", "\"added_tokens: special\"" },
		{ "model/merges/1", "\"ab\"", "model.merges[1]: must be two" },
		{ "model/merges/1", "\"a b c\"", "model.merges[1]: must be" },
		{ "model/merges/1", "\" a\"", "model.merges[1]: must be two" },
		{ "model/merges/1", "\"a \"", "model.merges[1]: must be two" },
		{ "model/merges/1", "1", "model.merges[1]: must be two" },
		{ "model/merges/1", "[\"a\"]", "model.merges[1]: must be two" },
		{ "model/merges/1", "[\"a\", 1]", "model.merges[1]: must be" },
		{ "model/merges/1", "[\"\", \"a\"]", "model.merges[1]: must" },
		{ "model/merges/1", "[\"a\", \"b\", \"\"]", "merges[1]: must" },
		{ "model/merges/1", "\"x b\"", "model.merges[1]: its left" },
		{ "model/merges/1", "\"a x\"", "model.merges[1]: its right" },
		{ "model/merges/1", "\"<s> a\"", "model.merges[1]: its left" },
		{ "model/merges/1", "\"<0x0A> a\"", "merges[1]: its left" },
		{ "model/merges/1", "\"b a\"", "merges[1]: what it makes" },
		{ "model/merges/1", "[\"a\", \" b\"]", "model.merges[1]: its" },
		{ "model/merges/3", "[\"a\", \"b\"]",
		  "model.merges[3]: is there twice" },
	};

	setup();
	REFUSE("tokenizer.json", marked, list);
	put_json("config.json", config, "vocab_size", "10");
	refused("tokenizer.json", "11 pieces, config.json's \"vocab_size\" is"
	        " 10");
	put_text("tokenizer.json", "{\"a\": \"\\ud800\"}");
	refused("tokenizer.json", "line 1");
}
END_TEST

START_TEST(unknown_marked_steps_are_refused)
{
	static const struct change list[] = {
		{ "normalizer", NULL, "normalizer: nothing makes U+2581" },
		{ "normalizer", "{\"type\": \"NFKC\"}", "normalizer: \"NFKC" },
		{ "normalizer", "[1]", "normalizer: \"\"" },
		{ "normalizer/normalizers", "{}", "\"normalizers\" must be" },
		{ "normalizer/normalizers/0/prepend", "\"x\"", "\"Prepend\"" },
		{ "normalizer/normalizers/1", NULL, "nothing makes U+2581" },
		{ "normalizer/normalizers/1/content", "\"_\"", "\"Replace\"" },
		{ "normalizer/normalizers/2", "{\"type\": \"Lowercase\"}",
		  "normalizer: \"Lowercase\"" },
		{ "normalizer/normalizers/2", "{\"type\": \"Prepend\","
		  "\"prepend\": \"\u2581\"}", "normalizer: \"Prepend\"" },
		{ "pre_tokenizer", "{\"type\": \"Whitespace\"}", "normalizer" },
		{ "", "{\"normalizer\": null, \"pre_tokenizer\": {\"type\":"
		  "\"Whitespace\"}}", "pre_tokenizer: \"Whitespace\"" },
		{ "", "{\"normalizer\": null, \"pre_tokenizer\": {\"type\":"
		  "\"Metaspace\", \"replacement\": \"_\"}}", "replacement" },
		{ "", METASPACE("\"split\": true"), "with split" },
		{ "", METASPACE("\"prepend_scheme\": \"first\""), "split" },
		{ "", METASPACE("\"split\": false, \"prepend_scheme\": \"x\""),
		  "prepend_scheme" },
		{ "", METASPACE("\"split\": false, \"add_prefix_space\": false,"
		  "\"prepend_scheme\": \"first\""), "prepend_scheme" },
		{ "decoder", NULL, "decoder: nothing makes" },
		{ "decoder", FUSE, "decoder: nothing makes" },
		{ "decoder", "{\"type\": \"WordPiece\"}", "\"WordPiece\"" },
		{ "decoder", "{\"type\": \"Metaspace\", \"replacement\":"
		  "\"_\"}", "\"Metaspace\"" },
		{ "decoder/decoders/0/content", "\"_\"", "\"Replace\"" },
		{ "decoder/decoders/3/content", "\"_\"", "\"Strip\"" },
		{ "post_processor", "{\"type\": \"BertProcessing\"}",
		  "post_processor: \"BertProcessing\"" },
		{ "post_processor", "{\"type\": \"Sequence\"}",
		  "\"processors\" must be" },
		{ "post_processor/single", "[]", "lacks the Sequence A" },
		{ "post_processor/single", NULL, "lacks the Sequence A" },
		{ "post_processor/single/1", NULL, "lacks the Sequence A" },
		{ "post_processor/single/1/Sequence/id", "\"B\"", "Sequence" },
		{ "post_processor/single/2", "{\"SpecialToken\": {\"id\":"
		  "\"</s>\"}}", "\"</s>\" after the text" },
		{ "post_processor", "{\"type\": \"TemplateProcessing\","
		  "\"special_tokens\": {\"x\": {\"ids\": [0]}}, \"single\":"
		  "[{\"SpecialToken\": {\"id\": \"x\"}}, {\"SpecialToken\":"
		  "{\"id\": \"x\"}}, {\"Sequence\": {\"id\": \"A\"}}]}",
		  "\"x\" before the text beside another" },
		{ "post_processor/single/0", "{\"Sequence\": {\"id\": \"A\"}}",
		  "Sequence A" },
		{ "post_processor/special_tokens", NULL, "\"special_tokens\"" },
		{ "post_processor/special_tokens/<s>/ids", "[1, 1]",
		  "must give \"<s>\" one id" },
		{ "post_processor/special_tokens/<s>/ids", "[11]", "0..10" },
		{ "post_processor/special_tokens/<s>/ids", "[-1]", "0..10" },
		{ "post_processor/special_tokens/<s>/ids", "[\"1\"]", "0..10" },
	};

	setup();
	REFUSE("tokenizer.json", marked, list);
}
END_TEST

START_TEST(unknown_byte_level_steps_are_refused)
{
	static const struct change list[] = {
		{ "normalizer", "{\"type\": \"NFKC\"}", "normalizer: \"NFKC" },
		{ "pre_tokenizer", NULL, "pre_tokenizer: missing" },
		{ "pre_tokenizer", "{\"type\": \"Metaspace\"}", "Metaspace" },
		{ "pre_tokenizer/add_prefix_space", "true", "prefix_space" },
		{ "pre_tokenizer/add_prefix_space", NULL, "add_prefix_space" },
		{ "pre_tokenizer/add_prefix_space", "0", "add_prefix_space" },
		{ "pre_tokenizer/use_regex", "false", "needs a Split" },
		{ "pre_tokenizer", SPLIT("\\\\s+"), "the pattern \"\\s+\"" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Digits\"}, {\"type\": \"ByteLevel\"}]}",
		  "\"Digits\"" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Split\", \"pattern\": {\"String\": \" \"}},"
		  "{\"type\": \"ByteLevel\", \"add_prefix_space\": false,"
		  "\"use_regex\": false}]}", "without a Regex" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"x\"},"
		  "\"behavior\": \"Removed\"}, {\"type\": \"ByteLevel\","
		  "\"add_prefix_space\": false, \"use_regex\": false}]}",
		  "other than Isolated" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[{\"type\": \"Split\"}, {\"type\": \"ByteLevel\","
		  "\"add_prefix_space\": false}]}", "together" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[1, 2, 3]}", "only Split and ByteLevel" },
		{ "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\":"
		  "[1, 2, 3, 4, 5, 6, 7, 8, 9]}", "at most 8" },
		{ "decoder", NULL, "decoder: missing" },
		{ "decoder", "{\"type\": \"Fuse\"}", "decoder: \"Fuse\"" },
	};
	static const char *const user[] = { "lstrip", "rstrip", "single_word" };

	setup();
	REFUSE("tokenizer.json", bytes, list);
	/* Looked for as it is spelled, it is not what the merge makes. */
	put_json("tokenizer.json", bytes, "added_tokens/2", "{\"id\": 3,"
	         "\"content\": \"\u0120a\"}");
	refused("tokenizer.json", "model.merges[0]: what it makes");
	put_json("tokenizer.json", bytes, "added_tokens/2", "{\"id\": 12,"
	         "\"content\": \"x\", \"lstrip\": 1}");
	refused("tokenizer.json", "lstrip\" must be true or false");
	for (int i = 0; i < 3; i++) {
		char token[256], blame[64];

		snprintf(token, sizeof token, "{\"id\": 12, \"content\":"
		         "\"<u>\", \"special\": false, \"%s\": true}", user[i]);
		snprintf(blame, sizeof blame,
		         "added_tokens[2]: %s is not supported", user[i]);
		put_json("tokenizer.json", bytes, "added_tokens/2", token);
		refused("tokenizer.json", blame);
	}
}
END_TEST

START_TEST(tokenizers_are_read_alone)
{
	struct wl_error err = { "" };
	struct vocab v;

	setup();
	ck_assert_int_eq(vocab_read_json(path_of("tokenizer.json"), &v, &err),
	                 0);
	ck_assert(v.n == 11 && v.bos_id == 1 && v.eos_id == -1);
	vocab_fini(&v);
	drop_file("tokenizer.json");
	ck_assert_int_eq(vocab_read_json(path_of("tokenizer.json"), &v, &err),
	                 -1);
	ck_assert_msg(strstr(err.text, "No such file") != NULL, "%s",
	              err.text);
	vocab_fini(&v);
}
END_TEST

/* --- BOS where tokenizer.json has no say --- */

static int bos_with(const char *tokenizer_config)
{
	struct import_model m;
	int bos;

	put_text("tokenizer_config.json", tokenizer_config);
	m = accepted();
	bos = m.model.bos_id;
	ck_assert_int_eq(m.vocab.bos_id, bos);
	import_model_fini(&m);
	return bos;
}

#define CLASS(name) "\"tokenizer_class\": \"" name "\""

START_TEST(classes_decide_on_bos)
{
	struct import_model m;

	setup();
	put_text("tokenizer_config.json", "not JSON");
	refused("tokenizer_config.json", "line 1");
	/* Llama's class overrides the template, others do not. */
	ck_assert_int_eq(bos_with("{\"add_bos_token\": false}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("PreTrainedTokenizerFast")
		", \"add_bos_token\": false}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizer")
		", \"add_bos_token\": false}"), -1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizerFast")
		", \"bos_token\": \"</s>\"}"), 2);
	put_text("tokenizer_config.json", "{" CLASS("LlamaTokenizer")
	         ", \"add_eos_token\": true}");
	refused("tokenizer_config.json", "\"add_eos_token\" is true");
	put_json("tokenizer.json", marked, "post_processor", NULL);
	ck_assert_int_eq(bos_with("{\"add_bos_token\": true, \"bos_token\":"
		"\"</s>\", \"model_max_length\":"
		"1000000000000000019884624838656}"), 2);
	ck_assert_int_eq(bos_with("{\"add_bos_token\": true, \"bos_token\":"
		"{\"content\": \"</s>\"}}"), 2);
	ck_assert_int_eq(bos_with("{\"bos_token\": \"<unk>\"}"), 0);
	ck_assert_int_eq(bos_with("{\"bos_token\": \"b\"}"), 6);
	ck_assert_int_eq(bos_with("{\"add_bos_token\": false}"), -1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizer") "}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("LlamaTokenizerFast") "}"), 1);
	ck_assert_int_eq(bos_with("{" CLASS("PreTrainedTokenizerFast") "}"),
	                 -1);
	ck_assert_int_eq(bos_with("{}"), 1);
	drop_file("tokenizer_config.json");
	m = accepted();
	ck_assert_int_eq(m.model.bos_id, 1);
	import_model_fini(&m);
	put_json("config.json", config, "", "{" QWEN2 "}");
	ck_assert_int_eq(bos_with("{}"), -1);
	put_text("tokenizer_config.json", "{\"add_bos_token\": 1}");
	refused("tokenizer_config.json", "\"add_bos_token\" must be");
	put_text("tokenizer_config.json", "{\"add_eos_token\": true}");
	refused("tokenizer_config.json", "\"add_eos_token\" is true");
	put_text("tokenizer_config.json",
	         "{\"add_bos_token\": true, \"bos_token\": \"<none>\"}");
	refused("tokenizer_config.json", "\"bos_token\" \"<none>\" is no");
	put_text("tokenizer_config.json",
	         "{\"add_bos_token\": true, \"bos_token\": 1}");
	refused("tokenizer_config.json", "\"bos_token\"");
}
END_TEST

/* --- All the way into a checkpoint --- */

/* Where query channel q = (KV head, c, query head of the group) of a
 * checkpoint comes from: c 2i and 2i + 1 are i and i + HD / 2. */
static int file_query(int q, bool turned)
{
	int group = H / G, g = q / (HD * group), c = q / group % HD;
	int head = g * group + q % group;

	return head * HD + (turned ? c / 2 + c % 2 * (HD / 2) : c);
}

static int file_key(int k)
{
	int c = k % HD;

	return k / HD * HD + c / 2 + c % 2 * (HD / 2);
}

/* Element [k][n] of a tensor as the checkpoint must have it. */
static float expected(const struct made *t, enum tensor_kind kind, int k,
                      int n)
{
	if (kind == T_WQ || kind == T_BQ)
		n = file_query(n, true);
	if (kind == T_WK || kind == T_BK)
		n = file_key(n);
	if (kind == T_WO)
		k = file_query(k, false);
	return element(t, t->rows ? n * t->cols + k : n);
}

struct comparison {
	struct checkpoint *c;
	const struct source_names *names;
};

static int compare(void *ctx, enum tensor_kind kind, int layer)
{
	struct comparison *a = ctx;
	struct tensor_shape s = tensor_shape(checkpoint_model(a->c), kind);
	size_t size = s.rows * s.cols;
	enum wl_type type = checkpoint_type(a->c, kind, layer);
	float *value = wl_malloc(size, sizeof *value);
	void *raw = wl_malloc(size, sizeof *value);
	const struct made *t;
	struct wl_error err;
	char name[128];

	source_tensor_name(a->names, kind, layer, name, sizeof name);
	t = made_find(name);
	ck_assert_int_eq(type, strcmp(t->dtype, "F32") == 0 ? WL_F32 :
	                       strcmp(t->dtype, "F16") == 0 ? WL_F16 : WL_BF16);
	ck_assert_int_eq(checkpoint_read_rows(a->c, kind, layer, 0, s.vector ?
	                                      s.cols : s.rows, raw, &err), 0);
	wl_to_f32(value, raw, type, size);
	for (size_t i = 0; i < size; i++)
		ck_assert_float_eq(value[i], expected(t, kind, i / s.cols,
		                                      i % s.cols));
	free(value);
	free(raw);
	return 0;
}

static void import_into(const char *dest)
{
	struct import_options o = { .source = dir, .dest = dest, .type = -1,
	                            .quiet = 1 };
	struct wl_error err = { "" };
	struct import_model m = accepted();
	struct comparison a = { .names = m.names };

	ck_assert_msg(import_write(&o, &m, &err) == 0, "%s", err.text);
	a.c = checkpoint_open(dest, MPI_COMM_NULL, &err);
	ck_assert_msg(a.c != NULL, "%s", err.text);
	ck_assert_int_eq(model_each_tensor(&m.model, compare, &a), 0);
	checkpoint_close(a.c);
	import_model_fini(&m);
	unlink(dest);
}

START_TEST(checkpoints_have_every_weight)
{
	static const char *const dtype[] = { "F32", "F16", "BF16" };
	char dest[128];

	snprintf(dest, sizeof dest, "%s/dest.h5", top);
	setup();
	put_json("config.json", config, "", "{" QWEN2 "}");
	add_all(true);
	for (int i = 0; i < n_made; i++)
		made[i].dtype = dtype[i % 3];
	put_tensors("model.safetensors", 0);
	import_into(dest);
	put_shards(NULL, NULL);
	import_into(dest);
	/* Tied: the head beside the embedding is ignored. */
	put_json("config.json", config, "", "{" QWEN2
	         ", \"tie_word_embeddings\": true}");
	import_into(dest);
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("hf");

	tcase_add_test(t, tinystories_is_read);
	tcase_add_test(t, shapes_are_read);
	tcase_add_test(t, shapes_have_defaults);
	tcase_add_test(t, other_architectures_are_read);
	tcase_add_test(t, classes_have_their_own_heads);
	tcase_add_test(t, ends_are_read);
	tcase_add_test(t, bad_configs_are_refused);
	tcase_add_test(t, scaled_angles_are_read);
	tcase_add_test(t, unknown_angles_are_refused);
	tcase_add_test(t, tensors_are_read);
	tcase_add_test(t, lying_headers_are_refused);
	tcase_add_test(t, header_lengths_are_checked);
	tcase_add_test(t, leftover_tables_are_ignored);
	tcase_add_test(t, shards_are_read);
	tcase_add_test(t, broken_shards_are_refused);
	tcase_add_test(t, missing_files_are_named);
	tcase_add_test(t, marked_tokenizers_are_read);
	tcase_add_test(t, byte_level_tokenizers_are_read);
	tcase_add_test(t, bad_models_are_refused);
	tcase_add_test(t, unknown_marked_steps_are_refused);
	tcase_add_test(t, unknown_byte_level_steps_are_refused);
	tcase_add_test(t, tokenizers_are_read_alone);
	tcase_add_test(t, classes_decide_on_bos);
	tcase_add_test(t, checkpoints_have_every_weight);
	suite_add_tcase(s, t);
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	Suite *s = suite_create("hf");
	SRunner *sr;
	int failed;

	snprintf(top, sizeof top, "%.40s/check_hfXXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(top)) {
		perror(top);
		return EXIT_FAILURE;
	}
	snprintf(dir, sizeof dir, "%s/model", top);
	if (mkdir(dir, 0700)) {
		perror(dir);
		return EXIT_FAILURE;
	}
	add_tests(s);
	sr = srunner_create(s);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	empty_dir();
	rmdir(dir);
	rmdir(top);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
