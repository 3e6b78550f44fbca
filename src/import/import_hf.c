/* Reads a Hugging Face directory: its configuration, its tokenizer, and its
 * tensors in one or several files. */
#include "config.h"
#include "import/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonfile.h"
#include "base/recognize.h"
#include "hf.h"
#include "safetensors.h"
#include "vocab_read.h"

static const struct source_names names = {
	.layer_prefix = "model.layers.",
	.name = {
		[T_EMBEDDING] = "model.embed_tokens.weight",
		[T_ATTN_NORM] = "input_layernorm.weight",
		[T_WQ] = "self_attn.q_proj.weight",
		[T_WK] = "self_attn.k_proj.weight",
		[T_WV] = "self_attn.v_proj.weight",
		[T_BQ] = "self_attn.q_proj.bias",
		[T_BK] = "self_attn.k_proj.bias",
		[T_BV] = "self_attn.v_proj.bias",
		[T_WO] = "self_attn.o_proj.weight",
		[T_FFN_NORM] = "post_attention_layernorm.weight",
		[T_GATE] = "mlp.gate_proj.weight",
		[T_UP] = "mlp.up_proj.weight",
		[T_DOWN] = "mlp.down_proj.weight",
		[T_NORM] = "model.norm.weight",
		[T_HEAD] = "lm_head.weight",
	},
};

struct reader {
	const char *dir;
	struct import_model *m;
	const char *arch;      /* "LlamaForCausalLM" etc., static */
	struct vocab_says says; /* tokenizer.json */
	json_t *added;         /* ids by text, of tokens in other files */
	bool mlp_bias;         /* config.json: the feed-forward has biases */
	struct wl_error *err;
};

/* --- The files --- */

/* The path of a file in the directory; the caller frees it. */
static char *path_of(const struct reader *r, const char *name)
{
	size_t size = strlen(r->dir) + 1 + strlen(name) + 1;
	char *path = wl_malloc(size, 1);

	snprintf(path, size, "%s/%s", r->dir, name);
	return path;
}

/* Whether a file exists, readable or not. */
static bool exists(const struct reader *r, const char *name)
{
	char *path = path_of(r, name);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/* Reads a JSON file and calls use() with it and its path. */
static int with_json(struct reader *r, const char *name, size_t max_bytes,
                     size_t flags, int (*use)(struct reader *r, json_t *root,
                                              const char *path))
{
	char *path = path_of(r, name);
	json_t *root = jsonfile_read(path, max_bytes, flags, r->err);
	int rc = root ? use(r, root, path) : -1;

	json_decref(root);
	free(path);
	return rc;
}

/* --- config.json, generation_config.json --- */

static int use_stops(struct reader *r, json_t *root, const char *path)
{
	return hf_stops_ids(root, path, r->m, r->err);
}

static int use_config(struct reader *r, json_t *root, const char *path)
{
	struct jsonfile_at a = { root, path, "", r->err };

	r->arch = hf_config_read(root, path, r->m, r->err);
	if (!r->arch || jsonfile_bool(&a, "mlp_bias", &r->mlp_bias))
		return -1;
	return use_stops(r, root, path);
}

static int read_config(struct reader *r)
{
	bool there = exists(r, "config.json");

	if (with_json(r, "config.json", HF_MAX_CONFIG, 0, use_config))
		return there ? -1 :
		       recognize_explain(r->dir, FILE_HF_DIR, r->err);
	if (!exists(r, "generation_config.json"))
		return 0;
	return with_json(r, "generation_config.json", HF_MAX_CONFIG, 0,
	                 use_stops);
}

/* --- The tokenizer --- */

/* Whether the tokenizer is a LlamaTokenizer, which builds its own
 * post_processor in place of tokenizer.json's. Not all directories name the
 * class; without a name, pieces like Llama's with its BOS count as one. */
static bool is_llama_class(const struct reader *r, const json_t *root)
{
	const struct vocab *v = &r->m->vocab;
	const char *class = json_string_value(json_object_get(root,
	                                              "tokenizer_class"));

	if (!class)
		return !r->says.bos && v->split == WORDS_NONE &&
		       strcmp(r->arch, "Qwen2ForCausalLM") &&
		       (json_object_get(root, "bos_token") ||
		        vocab_find(v, "<s>") >= 0);
	return strcmp(class, "LlamaTokenizer") == 0 ||
	       strcmp(class, "LlamaTokenizerFast") == 0;
}

/* Reads BOS from tokenizer_config.json unless tokenizer.json fixes it. */
static int use_bos(struct reader *r, json_t *root, const char *path)
{
	struct jsonfile_at a = { root, path, "", r->err };
	json_t *token = jsonfile_get(root, "bos_token");
	bool llama = is_llama_class(r, root), bos = llama, eos = false;
	struct vocab *v = &r->m->vocab;
	const char *text;

	if (r->says.bos && !llama)
		return 0;
	if (jsonfile_bool(&a, "add_bos_token", &bos) ||
	    jsonfile_bool(&a, "add_eos_token", &eos))
		return -1;
	if (eos)
		return wl_error_set(r->err, "%s: \"add_eos_token\" is true: a"
		                    " token after the text is not supported",
		                    path);
	v->bos_id = -1;
	if (!bos)
		return 0;
	if (json_is_object(token))
		token = json_object_get(token, "content");
	text = token ? json_string_value(token) : "<s>";
	v->bos_id = text ? vocab_find(v, text) : -1;
	if (v->bos_id < 0)
		return wl_error_set(r->err, "%s: \"bos_token\" \"%.100s\" is"
		                    " not a piece of tokenizer.json", path,
		                    text ? text : "");
	return 0;
}

static int use_eos(struct reader *r, json_t *root, const char *path)
{
	return hf_stops_tokens(root, path, r->added, r->m, r->err);
}

static int use_space(struct reader *r, json_t *root, const char *path)
{
	struct jsonfile_at a = { root, path, "", r->err };

	return hf_pipeline_space(&a, &r->says, is_llama_class(r, root),
	                         &r->m->vocab);
}

/* Keeps ids of "added_tokens_decoder": {"7": {"content": "<end>"}}. */
static void keep_decoder(struct reader *r, json_t *root)
{
	json_t *list = jsonfile_get(root, "added_tokens_decoder"), *token;
	const char *id;

	json_object_foreach(list, id, token) {
		const json_t *text = json_object_get(token, "content");
		size_t digits = strspn(id, "0123456789");

		if (json_is_string(text) && digits > 0 && digits < 10 &&
		    !id[digits])
			json_object_set_new(r->added, json_string_value(text),
			                    json_integer(atoi(id)));
	}
}

static int use_tokenizer_config(struct reader *r, json_t *root,
                                const char *path)
{
	keep_decoder(r, root);
	return use_bos(r, root, path) || use_space(r, root, path) ||
	       use_eos(r, root, path) ? -1 : 0;
}

/* Keeps ids of added_tokens.json: {"<end>": 7}. */
static int use_added_tokens(struct reader *r, json_t *root, const char *path)
{
	(void)path;
	return json_object_update(r->added, root);
}

static int read_added_tokens(struct reader *r)
{
	static const char name[] = "added_tokens.json";

	if (!exists(r, name))
		return 0;
	return with_json(r, name, HF_MAX_CONFIG, 0, use_added_tokens);
}

static int read_special_tokens(struct reader *r)
{
	static const char name[] = "special_tokens_map.json";

	if (!exists(r, name))
		return 0;
	return with_json(r, name, HF_MAX_CONFIG, 0, use_eos);
}

/* Reads tokenizer_config.json; a missing file counts as an empty one. */
static int read_tokenizer_config(struct reader *r)
{
	json_t *none;
	int rc;

	/* Its model_max_length may exceed 64 bits, so read it as a real. */
	if (exists(r, "tokenizer_config.json"))
		return with_json(r, "tokenizer_config.json", HF_MAX_CONFIG,
		                 JSON_DECODE_INT_AS_REAL,
		                 use_tokenizer_config);
	none = json_object();
	rc = use_tokenizer_config(r, none, r->dir);
	json_decref(none);
	return rc;
}

static int read_pieces(struct reader *r)
{
	struct import_model *m = r->m;
	char *path = path_of(r, "tokenizer.json");
	int rc = vocab_read_json(path, &m->vocab, &r->says, r->err);

	free(path);
	return rc;
}

static int read_tokenizer(struct reader *r)
{
	struct import_model *m = r->m;

	if (!exists(r, "tokenizer.json"))
		return wl_error_set(r->err, "%s: tokenizer.json is missing%s",
		                    r->dir, exists(r, "tokenizer.model") ?
		                    " (tokenizer.model alone is not supported:"
		                    " load it with transformers' AutoTokenizer"
		                    " and write tokenizer.json with"
		                    " save_pretrained)" : "");
	if (read_pieces(r) || read_added_tokens(r) ||
	    read_tokenizer_config(r) || read_special_tokens(r))
		return -1;
	m->model.bos_id = m->vocab.bos_id;
	if (m->model.n_stop > 0)
		m->vocab.eos_id = m->model.stop_id[0];
	return 0;
}

/* --- Tensors --- */

static int read_file(struct reader *r, const char *name)
{
	char *path = path_of(r, name);
	int rc = safetensors_read(path, &r->m->sources, r->err);

	free(path);
	return rc;
}

/* Tensors that are not where the index says: their number, and the first one
 * with its file. */
struct odd_names {
	size_t n;
	const char *first, *at;
};

static void add_odd(struct odd_names *o, const char *name, const char *at)
{
	if (o->n++ == 0) {
		o->first = name;
		o->at = at;
	}
}

/* Compares the index with the shards. The index decides which shards are read,
 * the shards which tensors there are. Differences are noted only: needed
 * tensors that no shard has, and unknown tensors, are refused later. But a
 * shard may be missing only if all its tensors are tables (import_is_table). */
static int compare_map(struct reader *r, json_t *map, const char *index)
{
	struct odd_names gone = { 0 }, moved = { 0 };
	struct sources *s = &r->m->sources;
	const char *name;
	json_t *shard;

	if (source_index(s, r->err))
		return -1;
	json_object_foreach(map, name, shard) {
		const char *file = json_string_value(shard);

		if (source_peek(s, name))
			continue;
		if (!exists(r, file) && !import_is_table(name))
			return wl_error_set(r->err, "%s: shard %.200s is"
			                    " missing", r->dir, file);
		add_odd(&gone, name, file);
	}
	for (size_t i = 0; i < s->n; i++) {
		const char *file = s->file[s->tensor[i].file].path;
		const char *in;

		name = s->tensor[i].name;
		file = strrchr(file, '/') + 1;
		in = json_string_value(json_object_get(map, name));
		if (!in || strcmp(in, file))
			add_odd(&moved, name, file);
	}
	if (gone.n)
		import_note(r->m, "ignored: %s: %zu tensor%s that no shard has"
		            " (%.200s in %.200s)", index, gone.n,
		            gone.n == 1 ? "" : "s", gone.first, gone.at);
	if (moved.n)
		import_note(r->m, "%s: %zu tensor%s in another shard than"
		            " listed (%.200s in %.200s)", index, moved.n,
		            moved.n == 1 ? "" : "s", moved.first, moved.at);
	return 0;
}

/* Whether name is a plain file name. Others could lead out of the directory. */
static bool is_plain(const char *name)
{
	return name && *name && !strchr(name, '/') && strcmp(name, ".") &&
	       strcmp(name, "..");
}

static int read_shards(struct reader *r, json_t *map, json_t *done,
                       const char *index)
{
	const char *name;
	json_t *value;

	json_object_foreach(map, name, value) {
		const char *shard = json_string_value(value);

		if (!is_plain(shard))
			return wl_error_set(r->err, "%s: \"weight_map\": the"
			                    " file of %.200s must be a plain"
			                    " name, not \"%.200s\"", index,
			                    name, shard ? shard : "");
		if (json_object_get(done, shard) || !exists(r, shard))
			continue;
		if (read_file(r, shard))
			return -1;
		json_object_set(done, shard, value);
	}
	return compare_map(r, map, index);
}

static int use_index(struct reader *r, json_t *root, const char *path)
{
	json_t *map = json_object_get(root, "weight_map");
	json_t *done;
	int rc;

	if (!json_is_object(map))
		return wl_error_set(r->err, "%s: \"weight_map\" must be an"
		                    " object", path);
	done = json_object();
	rc = read_shards(r, map, done, path);
	json_decref(done);
	return rc;
}

/* --- Names of tensors --- */

/* Names with a prefix other than "model.", in one allocation. */
struct prefixed {
	struct source_names names;
	char layers[192], embedding[192], norm[192], head[192];
};

/* Finds the prefix of the names, the part before
 * "layers.0.input_layernorm.weight". It is empty in a base model and longer
 * than "model." in a wrapper. Returns the prefix, not NUL-terminated, and its
 * length in *len; NULL when there is no such tensor; NULL, err and *len = -1
 * when there are several prefixes. */
static const char *find_prefix(const struct reader *r, int *len)
{
	static const char mark[] = "layers.0.input_layernorm.weight";
	const struct sources *s = &r->m->sources;
	const char *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const char *name = s->tensor[i].name;
		size_t all = strlen(name), at = all - strlen(mark);

		if (all < strlen(mark) || strcmp(name + at, mark) ||
		    (at > 0 && name[at - 1] != '.') || at > 100)
			continue;
		if (found) {
			wl_error_set(r->err, "%s: two models in one: %.*s and"
			             " %.*s", r->dir, *len, found, (int)at,
			             name);
			*len = -1;
			return NULL;
		}
		found = name;
		*len = at;
	}
	return found;
}

/* Gives m the names with another prefix. The head is a sibling of a final
 * "model." in the prefix, or has its standard name. */
static void use_prefix(struct import_model *m, const char *prefix, int len)
{
	static const int standard = sizeof "model." - 1;
	struct prefixed *p = wl_malloc(1, sizeof *p);
	int outer = len >= standard && strncmp(prefix + len - standard,
	                                       "model.", standard) == 0 ?
	            len - standard : len;

	p->names = names;
	snprintf(p->layers, sizeof p->layers, "%.*slayers.", len, prefix);
	snprintf(p->embedding, sizeof p->embedding, "%.*sembed_tokens.weight",
	         len, prefix);
	snprintf(p->norm, sizeof p->norm, "%.*snorm.weight", len, prefix);
	snprintf(p->head, sizeof p->head, "%.*slm_head.weight", outer, prefix);
	p->names.layer_prefix = p->layers;
	p->names.name[T_EMBEDDING] = p->embedding;
	p->names.name[T_NORM] = p->norm;
	if (source_peek(&m->sources, p->head))
		p->names.name[T_HEAD] = p->head;
	m->names = &p->names;
	m->made_names = (char *)p;
}

static int find_names(struct reader *r)
{
	int len = 0;
	const char *prefix = find_prefix(r, &len);

	if (len < 0)
		return -1;
	if (prefix && (len != 6 || strncmp(prefix, "model.", 6)))
		use_prefix(r->m, prefix, len);
	return 0;
}

/* Refuses a base model, which is saved without a head. */
static int check_head(struct reader *r)
{
	const struct import_model *m = r->m;
	const char *head = m->names->name[T_HEAD];

	if (m->model.tied || source_peek(&m->sources, head) ||
	    !source_peek(&m->sources, m->names->name[T_EMBEDDING]))
		return 0;
	return wl_error_set(r->err, "%s: tensor %s is missing: a base model"
	                    " has no head and cannot generate text; use the"
	                    " model with a head, or set"
	                    " \"tie_word_embeddings\" to true in config.json"
	                    " if its head is the embedding", r->dir, head);
}

/* If config.json says that there are biases, they must exist. import_fit then
 * accepts zeros only. */
static int check_mlp_bias(struct reader *r)
{
	static const char *const part[] = { "gate", "up", "down" };
	char name[256];

	for (int i = 0; i < 3 * r->m->model.n_layers && r->mlp_bias; i++) {
		snprintf(name, sizeof name, "%s%d.mlp.%s_proj.bias",
		         r->m->names->layer_prefix, i / 3, part[i % 3]);
		if (!source_peek(&r->m->sources, name))
			return wl_error_set(r->err, "%s: config.json:"
			                    " \"mlp_bias\" is true, but tensor"
			                    " %s is missing", r->dir, name);
	}
	return 0;
}

static int read_tensors(struct reader *r)
{
	static const char one[] = "model.safetensors";
	static const char several[] = "model.safetensors.index.json";
	int rc;

	if (exists(r, one))
		rc = read_file(r, one);
	else if (exists(r, several))
		rc = with_json(r, several, HF_MAX_CONFIG, 0, use_index);
	else
		rc = wl_error_set(r->err, "%s: neither %s nor %s is there%s",
		                  r->dir, one, several,
		                  exists(r, "pytorch_model.bin") ||
		                  exists(r, "pytorch_model.bin.index.json") ?
		                  " (pytorch_model.bin is not supported, only"
		                  " safetensors)" : "");
	if (rc && r->m->sources.n_files == 0)
		recognize_explain(r->dir, FILE_HF_DIR, r->err);
	if (rc || source_index(&r->m->sources, r->err) || find_names(r))
		return -1;
	return check_head(r) || check_mlp_bias(r) ? -1 : 0;
}

/* --- The whole directory --- */

static void describe(const struct reader *r)
{
	size_t end = strlen(r->dir), start;

	while (end > 1 && r->dir[end - 1] == '/')
		end--;
	for (start = end; start > 0 && r->dir[start - 1] != '/';)
		start--;
	snprintf(r->m->origin, sizeof r->m->origin,
	         "Hugging Face directory %.*s (%s)",
	         end - start < 255 ? (int)(end - start) : 255, r->dir + start,
	         r->arch);
}

int import_read_hf(const char *dir, struct import_model *m,
                   struct wl_error *err)
{
	struct reader r = { .dir = dir, .m = m, .err = err };
	int rc;

	*m = (struct import_model){ .names = &names, .rotate_half = true };
	if (access(dir, R_OK | X_OK))
		return wl_error_system(err, errno, "%s", dir);
	r.added = json_object();
	rc = read_config(&r) || read_tokenizer(&r) || read_tensors(&r) ? -1 : 0;
	json_decref(r.added);
	if (rc == 0)
		describe(&r);
	return rc;
}
