/* Makes Hugging Face directories for tests: a good one, and others that
 * differ from it by one change. Reading one must succeed, or be refused with
 * one line that names file and field. */
#ifndef WL_MADE_HF_H
#define WL_MADE_HF_H

#include <check.h>
#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "import/import.h"
#include "simd/convert.h"

/* The shape of the good one; fewer pieces in its tokenizer than V. */
enum { E = 16, F = 6, L = 2, H = 4, G = 2, HD = E / H, V = 14, S = 32 };

/* A scratch folder, which hf_dir_make makes; the model's directory in it. */
static char top[64], dir[80];

/* --- Files --- */

static inline const char *path_of(const char *name)
{
	static char path[400];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static inline void put_file(const char *name, const void *data, size_t n)
{
	FILE *f = fopen(path_of(name), "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, n, f), n);
	fclose(f);
}

static inline void put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static inline void drop_file(const char *name)
{
	unlink(path_of(name));
}

static inline void empty_dir(void)
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

/* Makes the two folders; false, and a line on stderr, when that fails. */
static inline bool hf_dir_make(const char *program)
{
	if (!scratch_make(top, program))
		return false;
	snprintf(dir, sizeof dir, "%s/model", top);
	if (mkdir(dir, 0700) == 0)
		return true;
	perror(dir);
	return false;
}

static inline void hf_dir_remove(void)
{
	empty_dir();
	rmdir(dir);
	rmdir(top);
}

static inline json_t *parse(const char *text)
{
	json_error_t why;
	json_t *v = json_loads(text, JSON_DECODE_ANY, &why);

	ck_assert_msg(v != NULL, "%s: %s", text, why.text);
	return v;
}

/* Puts value (JSON; NULL: nothing) at the place "a/b/0"; at "" the members of
 * value are put into the root. */
static inline void edit(json_t *root, const char *where, const char *value)
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
static inline void put_json(const char *name, const char *base,
                            const char *where, const char *value)
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

/* Members that make it another architecture. */
#define MISTRAL "\"architectures\": [\"MistralForCausalLM\"]"
#define QWEN2 "\"architectures\": [\"Qwen2ForCausalLM\"]"

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

/* A tensor of files made here; rows 0: a vector. */
static struct made {
	char name[80];
	int rows, cols;
	const char *dtype;
	int file;
	bool zeros;
} made[64];
static int n_made;

static inline void add_tensor(const char *name, int rows, int cols)
{
	struct made *t = &made[n_made++];

	*t = (struct made){ .rows = rows, .cols = cols, .dtype = "F32" };
	snprintf(t->name, sizeof t->name, "%s", name);
}

static inline void add_layer(int layer, bool bias)
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

static inline void add_all(bool bias)
{
	n_made = 0;
	add_tensor("lm_head.weight", V, E);
	add_tensor("model.embed_tokens.weight", V, E);
	for (int l = 0; l < L; l++)
		add_layer(l, bias);
	add_tensor("model.norm.weight", 0, E);
}

static inline struct made *made_find(const char *name)
{
	for (int i = 0; i < n_made; i++)
		if (strcmp(made[i].name, name) == 0)
			return &made[i];
	ck_abort_msg("%s was not made", name);
}

/* Element i of a tensor: small whole numbers, exact in every type. */
static inline float element(const struct made *t, int i)
{
	if (t->zeros)
		return 0;
	return ((t - made) * 37 + i * 11) % 127 - 63;
}

static inline int count_of(const struct made *t)
{
	return (t->rows ? t->rows : 1) * t->cols;
}

static inline size_t size_of(const struct made *t)
{
	return strcmp(t->dtype, "F32") ? 2 : 4;
}

static inline void put_elements(FILE *f, const struct made *t)
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

static inline json_t *header_of(int file)
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
static inline void put_tensors(const char *name, int file)
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

static inline void setup(void)
{
	empty_dir();
	put_json("config.json", config, NULL, NULL);
	put_json("tokenizer.json", marked, NULL, NULL);
	add_all(false);
	put_tensors("model.safetensors", 0);
}

/* --- Reading --- */

/* Reads the directory, which must succeed. */
static inline struct import_model accepted(void)
{
	struct wl_error err = { .text = "" };
	struct import_model m;

	ck_assert_msg(import_read_hf(dir, &m, &err) == 0, "%s", err.text);
	return m;
}

/* It must fail with one line that names both. */
static inline void refused(const char *file, const char *blame)
{
	struct wl_error err = { .text = "" };
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

static inline void refuse_changes(const char *name, const char *base,
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

#endif
