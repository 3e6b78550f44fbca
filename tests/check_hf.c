/* Hugging Face directories: a real one, and small ones made here that differ
 * from a good one by one change each. What is read must be what was written;
 * what is refused must be refused with one line that names file and field.
 * The container and tokenizer.json have programs of their own. */
#include "config.h"
#include "import/import.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "made_hf.h"
#include "model/checkpoint.h"
#include "simd/convert.h"
#include "suite.h"
#include "text_lab.h"

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
	struct wl_error err = { .text = "" };
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
	ck_assert_int_eq(m.vocab.n, 11);
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

#define WINDOW(n) ", \"sliding_window\": " #n
#define ON ", \"use_sliding_window\": true"
#define FULL ", \"layer_types\": [\"full_attention\", \"full_attention\"]"
#define MIXED ", \"layer_types\": [\"full_attention\", " \
	"\"sliding_attention\"]"

/* Of 2 layers and 32 tokens; what attends to a window only, in any layer, has
 * no more context than that. */
static const struct {
	const char *config;
	int context;
} windows[] = {
	{ MISTRAL WINDOW(31), 31 },
	{ MISTRAL WINDOW(1), 1 },
	{ MISTRAL WINDOW(32), 32 },
	{ MISTRAL WINDOW(33), 32 },
	{ MISTRAL WINDOW(2147483647), 32 },
	{ MISTRAL WINDOW(null), 32 },
	{ MISTRAL, 32 },
	{ MISTRAL ", \"max_position_embeddings\": 4097", 4096 },
	{ MISTRAL ", \"max_position_embeddings\": 4097" WINDOW(null), 4097 },
	{ MISTRAL WINDOW(8) ", \"use_sliding_window\": false", 32 },
	{ MISTRAL WINDOW(8) FULL, 8 },     /* the class knows no types */
	{ MISTRAL WINDOW(8) MIXED, 8 },
	{ MISTRAL WINDOW(8) ", \"max_window_layers\": 2", 8 },
	{ QWEN2 WINDOW(31) ON, 31 },
	{ QWEN2 WINDOW(31), 32 },
	{ QWEN2 WINDOW(0), 32 },
	{ QWEN2 WINDOW(null) ON, 32 },
	{ QWEN2 ON ", \"max_position_embeddings\": 5000", 4096 },
	{ QWEN2 WINDOW(8) ON ", \"max_window_layers\": 0", 8 },
	{ QWEN2 WINDOW(8) ON ", \"max_window_layers\": 1", 8 },
	{ QWEN2 WINDOW(8) ON ", \"max_window_layers\": 2", 32 },
	{ QWEN2 WINDOW(8) ON ", \"max_window_layers\": 70", 32 },
	{ QWEN2 WINDOW(8) ON ", \"max_window_layers\": null", 8 },
	{ QWEN2 WINDOW(8) ON FULL, 32 },
	{ QWEN2 WINDOW(8) ON MIXED ", \"max_window_layers\": 2", 8 },
	{ "\"a\": 1" WINDOW(8), 32 },      /* Llama has none */
	{ "\"a\": 1" WINDOW(8) MIXED, 8 },
};

START_TEST(windows_cap_the_context)
{
	char value[300];

	setup();
	for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
		snprintf(value, sizeof value, "{%s}", windows[i].config);
		ck_assert_msg(changed("", value).max_seq_len ==
		              windows[i].context, "%s", value);
	}
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
	/* What the model cannot give changes nothing. */
	put_json("generation_config.json", "{\"eos_token_id\": [14, -1]}", NULL,
	         NULL);
	ck_assert_int_eq(changed("eos_token_id", "5").n_stop, 1);
	m = accepted();
	ck_assert_int_eq(m.n_notes, 2);
	ck_assert(strstr(m.note[0], "generation_config.json") &&
	          strstr(m.note[0], "end-of-text id 14"));
	import_model_fini(&m);
	put_text("generation_config.json", "{");
	refused("generation_config.json", "line 1");
}
END_TEST

/* The ids of the tokenizer's files too. */
START_TEST(ends_of_the_tokenizer_are_read)
{
	static const struct {
		const char *name, *text;
		int id; /* -1: none */
	} row[] = {
		{ "tokenizer_config.json", "{\"eos_token\": \"</s>\"}", 2 },
		{ "tokenizer_config.json",
		  "{\"eos_token\": {\"content\": \"ab\"}}", 8 },
		{ "special_tokens_map.json", "{\"eos_token\": \"</s>\"}", 2 },
		{ "special_tokens_map.json",
		  "{\"eos_token\": [{\"content\": \"</s>\"}]}", 2 },
		{ "special_tokens_map.json", "{\"eos_token\": \"<?>\"}", -1 },
		{ "special_tokens_map.json", "{\"eos_token\": null}", -1 },
		{ "special_tokens_map.json", "{\"eos_token\": \"\"}", -1 },
		{ "config.json", NULL, -1 },
	};
	char all[1024] = "[";
	struct import_model m;
	int at = 1;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		setup();
		put_json("config.json", config, "eos_token_id", NULL);
		if (row[i].text)
			put_text(row[i].name, row[i].text);
		m = accepted();
		ck_assert_int_eq(m.model.n_stop, row[i].id >= 0);
		ck_assert_int_eq(m.vocab.eos_id, row[i].id);
		if (row[i].id >= 0)
			ck_assert_int_eq(m.model.stop_id[0], row[i].id);
		import_model_fini(&m);
	}
	put_text("special_tokens_map.json", "{\"eos_token\": 3}");
	refused("special_tokens_map.json", "\"eos_token\" must be");
	drop_file("special_tokens_map.json");
	for (int i = 0; i <= WL_MAX_STOP; i++)
		at += sprintf(all + at, "%s%d", i ? ", " : "", i);
	strcat(all, "]");
	put_json("config.json", config, "", "{\"vocab_size\": 100}");
	put_text("generation_config.json", "{\"eos_token_id\": ");
	sprintf(all + strlen(all), "}");
	memmove(all + 17, all, strlen(all) + 1);
	memcpy(all, "{\"eos_token_id\": ", 17);
	put_text("generation_config.json", all);
	refused("generation_config.json", "more than 64 end-of-text ids");
}
END_TEST

/* Ends that tokenizer.json has no piece for. */
START_TEST(ends_may_stand_in_added_tokens)
{
	static const struct {
		const char *name, *text; /* beside the second */
		const char *settings;    /* tokenizer_config.json */
		int id, notes;           /* -1: no id */
	} row[] = {
		{ NULL, NULL, "{\"eos_token\": \"<end>\","
		  "\"added_tokens_decoder\": {\"12\": {\"content\":"
		  "\"<end>\"}, \"x\": 3, \"13\": {}}}", 12, 0 },
		{ "added_tokens.json", "{\"<end>\": 13, \"<x>\": \"y\"}",
		  "{\"eos_token\": {\"content\": \"<end>\"}}", 13, 0 },
		{ "special_tokens_map.json", "{\"eos_token\": \"<end>\"}",
		  "{\"added_tokens_decoder\": {\"12\": {\"content\":"
		  "\"<end>\"}}}", 12, 0 },
		/* Where tokenizer.json has another, or the very text. */
		{ "added_tokens.json", "{\"<end>\": 5}",
		  "{\"eos_token\": \"<end>\"}", 5, 1 },
		{ "added_tokens.json", "{\"</s>\": 5}",
		  "{\"eos_token\": \"</s>\"}", 2, 0 },
		{ "added_tokens.json", "{\"<end>\": 14}",
		  "{\"eos_token\": \"<end>\"}", -1, 1 },
		{ "added_tokens.json", "{\"<end>\": -1}",
		  "{\"eos_token\": \"<end>\"}", -1, 1 },
		{ "added_tokens.json", "{\"<end>\": \"5\"}",
		  "{\"eos_token\": \"<end>\"}", -1, 1 },
		{ NULL, NULL, "{\"eos_token\": \"<end>\","
		  "\"added_tokens_decoder\": {\"99999999999\":"
		  "{\"content\": \"<end>\"}}}", -1, 1 },
		{ NULL, NULL, "{\"eos_token\": \"<end>\","
		  "\"added_tokens_decoder\": [3]}", -1, 1 },
	};
	struct import_model m;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		setup();
		put_json("config.json", config, "eos_token_id", NULL);
		if (row[i].name)
			put_text(row[i].name, row[i].text);
		put_text("tokenizer_config.json", row[i].settings);
		m = accepted();
		ck_assert_msg(m.n_notes == row[i].notes, "%zu: %s", i,
		              m.n_notes ? m.note[0] : "no note");
		ck_assert_int_eq(m.model.n_stop, row[i].id >= 0);
		ck_assert_int_eq(m.vocab.eos_id, row[i].id);
		import_model_fini(&m);
	}
	put_text("added_tokens.json", "[");
	refused("added_tokens.json", "line 1");
}
END_TEST

/* Members of config.json that leave the answer as it is. */
START_TEST(neutral_settings_are_ignored)
{
	static const char *const silent[] = {
		"{\"architectures\": [\"LLaMAForCausalLM\"]}",
		"{\"architectures\": [\"LlamaForCausalLM\","
		"\"LLaMAForCausalLM\"]}",
		"{\"architectures\": [], \"model_type\": \"llama\"}",
		"{\"architectures\": null, \"model_type\": \"llama\"}",
		"{\"num_key_value_heads\": [2, 2]}",
		"{\"intermediate_size\": [6, 6]}", "{\"head_dim\": 4}",
		"{\"mlp_bias\": false, \"attention_bias\": false}",
		"{\"logit_scale\": 1.0, \"is_causal\": true}",
		"{\"attention_multiplier\": 0.5, \"embedding_multiplier\": 1}",
		"{\"query_pre_attn_scalar\": 4, \"clip_qkv\": null}",
		"{\"partial_rotary_factor\": 1, \"quantization\": null}",
		"{\"rope_scaling\": {}}", "{\"new_key\": null}",
		"{\"model_type\": \"llama\", \"multiple_of\": 256,"
		"\"ffn_dim_multiplier\": 1.3}",
		"{\"rope_scaling\": {\"type\": \"default\", \"factor\": 1}}",
		"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 1}}",
		"{\"rope_scaling\": {\"factor\": 1.0}}",
		"{\"rope_parameters\": {\"rope_theta\": 5000,"
		"\"attention_factor\": 1.0}}",
	};
	static const char *const noted[] = {
		"{\"new_key\": 3}", "{\"a\": 1, \"b\": [2]}",
		"{\"rope_interleaved\": false, \"is_llama_config\": true}",
		"{\"norm_type\": \"RMSNorm\", \"emb_scale\": 1.0,"
		"\"properties\": 7, \"alibi_x\": [], \"rope_y\": {}}",
		"{\"sliding_window\": 4096}", "{\"model_type\": \"mistral\"}",
		"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 1.0,"
		"\"beta_fast\": 32}}",
		"{\"rope_scaling\": {\"type\": \"dynamic\","
		"\"factor\": 4}}",
	};
	const int n_silent = sizeof silent / sizeof *silent;
	const int n_noted = sizeof noted / sizeof *noted;
	struct import_model m;

	setup();
	for (int i = 0; i < n_silent + n_noted; i++) {
		put_json("config.json", config, "", i < n_silent ?
		         silent[i] : noted[i - n_silent]);
		m = accepted();
		ck_assert_msg(m.n_notes == (i >= n_silent), "%d: %s", i,
		              m.n_notes ? m.note[0] : "no note");
		ck_assert(!m.model.rope_scaled && m.model.head_dim == HD &&
		          m.model.n_kv_heads == G && m.model.hidden_dim == F);
		ck_assert_double_eq(m.model.rope_theta, 5000);
		import_model_fini(&m);
	}
}
END_TEST

static void put_spaces(const char *name, size_t n)
{
	char *text = wl_malloc(n, 1);

	memset(text, ' ', n);
	put_file(name, text, n);
	free(text);
}

START_TEST(bad_configs_are_refused)
{
	static const struct change list[] = {
		{ "architectures", NULL, "neither \"architectures\" nor"
		  " \"model_type\" names the model's class" },
		{ "architectures", "[]", "neither \"architectures\" nor" },
		{ "architectures", "[\"LlamaForCausalLM\", \"x\"]",
		  "names x, only" },
		{ "architectures", "[\"LlamaForCausalLM\","
		  "\"MistralForCausalLM\"]", "must have one name" },
		{ "architectures", "[3]",
		  "\"architectures\" names something that is not a string" },
		{ "architectures", "\"LlamaForCausalLM\"", "must be a list" },
		{ "architectures", "[\"LlamaForSequenceClassification\"]",
		  "names LlamaForSequenceClassification" },
		{ "", "{\"architectures\": null, \"model_type\": \"gemma\"}",
		  "\"model_type\" names gemma" },
		{ "", "{\"architectures\": null, \"model_type\": 3}",
		  "\"architectures\" is missing and \"model_type\" is not a"
		  " string" },
		{ "model_type", "\"gemma\"", "\"model_type\" is \"gemma\","
		  " but \"architectures\" names LlamaForCausalLM" },
		{ "model_type", "\"\"", "\"model_type\" is \"\", but" },
		{ "model_type", "3", "\"model_type\" must be a string" },
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
		{ "max_position_embeddings", "0", "max_position_embeddings" },
		{ "", "{\"max_position_embeddings\": null,"
		  "\"max_sequence_length\": \"x\"}", "max_sequence_length" },
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
		{ "layer_types", "[\"chunked_attention\"]",
		  "\"chunked_attention\", only full and sliding" },
		{ "layer_types", "\"x\"", "\"layer_types\"" },
		{ "layer_types", "[1]", "\"layer_types\"" },
		{ "num_experts", "8", "\"num_experts\"" },
		{ "num_local_experts", "8", "\"num_local_experts\"" },
		{ "quantization_config", "{\"quant_method\": \"gptq\"}",
		  "gptq" },
		{ "quantization_config", "{}", "\"quantization_config\"" },
		{ "eos_token_id", "\"2\"", "\"eos_token_id\" must be" },
		{ "", "{" MISTRAL ", \"sliding_window\": 0}",
		  "\"sliding_window\" must be a positive" },
		{ "eos_token_id", "[2, [3]]", "\"eos_token_id\" must be" },
		{ "logit_scale", "0.0625", "\"logit_scale\" is 0.0625" },
		{ "embedding_multiplier", "12", "\"embedding_multiplier\"" },
		{ "attention_multiplier", "0.1", "\"attention_multiplier\"" },
		{ "attn_logit_softcapping", "50.0", "softcapping" },
		{ "is_causal", "false", "\"is_causal\" is false" },
		{ "use_qk_norm", "true", "\"use_qk_norm\"" },
		{ "clip_qkv", "8", "\"clip_qkv\"" },
		{ "use_rope", "false", "\"use_rope\" is false" },
		{ "rope_interleaved", "true", "\"rope_interleaved\" is true,"
		  " which may change the answer" },
		{ "mup_width_scale", "0.25", "\"mup_width_scale\" is 0.25" },
		{ "attnScale", "2", "\"attnScale\"" },
		{ "layer.norm_type", "\"layernorm\"", "norm_type" },
		{ "my_softcapping", "[30]", "\"my_softcapping\"" },
		{ "residual-multipliers", "[1, 1]", "residual-multipliers" },
		{ "Rotary_dim", "2", "\"Rotary_dim\" is 2" },
		{ "rope_x", "{\"a\": 1}", "\"rope_x\"" },
		{ "quantization", "{\"bits\": 4}", "\"quantization\"" },
		{ "num_key_value_heads", "[2, 4]", "differs between layers" },
		{ "num_key_value_heads", "[\"2\", \"2\"]", "32-bit integer" },
		{ "intermediate_size", "[6, 6, 6]", "one for each layer" },
		{ "", "{" MISTRAL ", \"sliding_window\": \"x\"}",
		  "\"sliding_window\"" },
		{ "", "{" MISTRAL ", \"num_key_value_heads\": 8}",
		  "n_kv_heads 8" },
		{ "", "{" QWEN2 ", \"layer_types\": [\"sliding_attention\"],"
		  "\"sliding_window\": 8}",
		  "no \"sliding_window\" in use" },
		{ "", "{" MISTRAL ", \"layer_types\": [\"sliding_attention\"],"
		  "\"sliding_window\": null}",
		  "no \"sliding_window\" in use" },
		{ "", "{" QWEN2 ", \"use_sliding_window\": true,"
		  "\"max_window_layers\": \"x\"}",
		  "\"max_window_layers\" must be a number" },
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
	refused("config.json", "is an empty directory, not JSON");
	rmdir(path_of("config.json"));
	put_spaces("config.json", (1 << 24) + 1);
	refused("config.json", "more than 16777216 bytes");
	drop_file("config.json");
	ck_assert_int_eq(mkfifo(path_of("config.json"), 0600), 0);
	refused("config.json", "not a regular file");
}
END_TEST

/* So is an absent length. */
START_TEST(classes_have_their_own_context)
{
	static const struct {
		const char *config, *said;
		int context;
	} row[] = {
		{ "\"a\": null", "as 2048, the default of LlamaForCausalLM",
		  2048 },
		{ "\"max_sequence_length\": 100",
		  "as 100, the file's max_sequence_length", 100 },
		{ QWEN2, "as 32768, the default of Qwen2ForCausalLM", 32768 },
		{ MISTRAL ", \"sliding_window\": null", "as 131072", 131072 },
		{ MISTRAL, "as 131072, the default of MistralForCausalLM",
		  4096 },
	};
	struct import_model m;
	char value[200];

	setup();
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		snprintf(value, sizeof value,
		         "{\"max_position_embeddings\": null, %s}",
		         row[i].config);
		put_json("config.json", config, "", value);
		m = accepted();
		ck_assert_int_eq(m.model.max_seq_len, row[i].context);
		ck_assert_int_eq(m.n_notes, 1);
		ck_assert_msg(strstr(m.note[0], row[i].said), "%s", m.note[0]);
		import_model_fini(&m);
	}
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

/* "rope_scaling" and "rope_parameters" beside each other. */
START_TEST(angles_said_twice_are_compared)
{
	static const struct {
		const char *top, *old, *new;
		double theta; /* 0: refused */
	} row[] = {
		{ "5000", LLAMA3(""), LLAMA3(", \"rope_theta\": 5000.0"),
		  5000 },
		{ "5000", LLAMA3(", \"rope_theta\": 5000"), LLAMA3(""), 5000 },
		{ "null", LLAMA3(""), LLAMA3(", \"rope_theta\": 9"), 9 },
		{ "null", LLAMA3(", \"rope_theta\": 9"), LLAMA3(""), 9 },
		{ "5000", LLAMA3(", \"a\": null"), LLAMA3(""), 5000 },
		{ "5000", "{\"type\": \"linear\", \"factor\": 2}",
		  "{\"rope_type\": \"linear\", \"factor\": 2.0}", 5000 },
		{ "5000", "{\"type\": \"linear\", \"factor\": 2}",
		  "{\"rope_type\": \"default\", \"factor\": 2}", 0 },
		{ "5000", "{\"type\": \"linear\", \"factor\": 2}",
		  "{\"rope_type\": \"linear\", \"factor\": 3}", 0 },
		{ "5000", LLAMA3(""), "{}", 0 },
		{ "5000", "{\"type\": \"default\"}", LLAMA3(""), 0 },
		{ "5000", LLAMA3(""), LLAMA3(", \"rope_theta\": 9"), 0 },
		{ "5000", LLAMA3(", \"rope_theta\": 9"), LLAMA3(""), 0 },
		{ "null", LLAMA3(", \"rope_theta\": 9"),
		  LLAMA3(", \"rope_theta\": 8"), 0 },
		{ "5000", "3", LLAMA3(""), 0 },
	};
	char value[600];

	setup();
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		snprintf(value, sizeof value, "{\"rope_theta\": %s,"
		         "\"rope_scaling\": %s, \"rope_parameters\": %s}",
		         row[i].top, row[i].old, row[i].new);
		if (row[i].theta) {
			ck_assert_double_eq(changed("", value).rope_theta,
			                    row[i].theta);
			continue;
		}
		put_json("config.json", config, "", value);
		refused("config.json", "differ");
	}
}
END_TEST

START_TEST(unknown_angles_are_refused)
{
	static const struct change list[] = {
		{ "rope_scaling", "3", "\"rope_scaling\" must be an object" },
		{ "rope_scaling", "{\"factor\": 2}",
		  "\"rope_scaling.rope_type\" is" },
		{ "rope_scaling", "{\"type\": \"dynamic\", \"factor\": 2,"
		  "\"original_max_position_embeddings\": 16}", "\"dynamic\"" },
		{ "rope_scaling", "{\"type\": \"yarn\"}", "factor\" is miss" },
		{ "rope_scaling", "{\"type\": \"yarn\", \"factor\": 1,"
		  "\"attention_factor\": 1.2}", "attention_factor" },
		{ "rope_scaling", "{\"type\": \"longrope\", \"factor\": 1}",
		  "\"longrope\"" },
		{ "rope_scaling", "{\"type\": 1}", "rope_scaling.rope_type" },
		{ "rope_scaling", "{\"type\": \"yarn\", \"factor\": 2}",
		  "\"yarn\"" },
		{ "rope_parameters", "{\"full_attention\": {}}",
		  "full_attention\" is not known" },
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
	refused("model.safetensors", "is a plain text, not a safetensors file");
}
END_TEST

/* How often, and the first, a shard differs from the index. */
START_TEST(indexes_may_differ)
{
	static const struct change list[] = {
		{ "weight_map/lm_head.weight", NULL,
		  "1 tensor in another shard than listed (lm_head.weight in"
		  " shard-0.safetensors)" },
		{ "weight_map/lm_head.weight", "\"shard-1.safetensors\"",
		  "1 tensor in another shard" },
		{ "weight_map/model.layers.0.rotary_emb.inv_freq",
		  "\"shard-2.safetensors\"", "1 tensor that no shard has"
		  " (model.layers.0.rotary_emb.inv_freq in"
		  " shard-2.safetensors)" },
		{ "weight_map/model.layers.0.rotary_emb.inv_freq",
		  "\"shard-9.safetensors\"", "1 tensor that no shard has"
		  " (model.layers.0.rotary_emb.inv_freq in"
		  " shard-9.safetensors)" },
		{ "weight_map/lm_head.weight", "\"shard-9.safetensors\"",
		  "1 tensor in another shard than listed" },
	};

	setup();
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		struct import_model m;

		put_shards(list[i].where, list[i].value);
		m = accepted();
		ck_assert_int_eq(m.n_notes, 1);
		ck_assert_msg(strstr(m.note[0], list[i].blame), "%s",
		              m.note[0]);
		ck_assert_uint_eq(m.sources.n, n_made);
		import_model_fini(&m);
	}
}
END_TEST

START_TEST(broken_shards_are_refused)
{
	static const struct change list[] = {
		{ "weight_map", NULL, "\"weight_map\" must be an object" },
		{ "weight_map", "[]", "\"weight_map\" must be an object" },
		{ "weight_map/model.layers.1.x.weight",
		  "\"shard-9.safetensors\"", "shard-9.safetensors is miss" },
		{ "weight_map/lm_head.weight", "\"../model/x\"",
		  "lm_head.weight must be a plain name, not \"../model/x\"" },
		{ "weight_map/lm_head.weight", "\"/x\"", "plain name" },
		{ "weight_map/lm_head.weight", "\"..\"", "plain name" },
		{ "weight_map/lm_head.weight", "\"\"", "plain name" },
		{ "weight_map/lm_head.weight", "1", "plain name" },
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
	put_text("shard-1.safetensors", "broken shard");
	refused("shard-1.safetensors", "is a plain text, not");
	put_shards(NULL, NULL);
	put_tensors("shard-1.safetensors", 0);
	refused("shard-1.safetensors", "occurs twice");
	put_text(INDEX, "{}");
	refused(INDEX, "\"weight_map\"");
}
END_TEST

START_TEST(missing_files_are_named)
{
	setup();
	drop_file("model.safetensors");
	refused(dir, "without weights, not a Hugging Face");
	put_text("MODEL.SAFETENSORS", "");
	refused(dir, "weights of another name, not a Hugging Face");
	refused(dir, "here is ");
	refused(dir, "/MODEL.SAFETENSORS");
	drop_file("MODEL.SAFETENSORS");
	put_text("pytorch_model.bin", "");
	refused(dir, "only safetensors is read");
	drop_file("config.json");
	refused(dir, "config.json: No such file");
	put_text("adapter_config.json", "{}");
	refused(dir, "with a PEFT adapter, not a Hugging Face directory"
	        " (config.json, model.safetensors, tokenizer.json): merge it");
	setup();
	drop_file("tokenizer.json");
	refused(dir, "tokenizer.json is missing");
	put_text("tokenizer.model", "");
	refused(dir, "tokenizer.model alone is not supported");
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
	struct wl_error err = { .text = "" };
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

/* It is read, and then refused with these words. */
static void write_refused(const char *words)
{
	struct import_options o = { .source = dir, .type = -1, .quiet = 1 };
	struct wl_error err = { .text = "" };
	struct import_model m = accepted();
	char dest[128];

	snprintf(dest, sizeof dest, "%s/none.h5", top);
	o.dest = dest;
	ck_assert_msg(import_write(&o, &m, &err) == -1, "not refused: %s",
	              words);
	ck_assert_msg(strstr(err.text, words), "\"%s\" lacks %s", err.text,
	              words);
	ck_assert(access(dest, F_OK) != 0);
	import_model_fini(&m);
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
	/* Tied: the head beside the embedding must be a copy of it. */
	put_json("config.json", config, "", "{" QWEN2
	         ", \"tie_word_embeddings\": true}");
	write_refused("lm_head.weight differs from model.embed_tokens.weight");
}
END_TEST

/* --- What a model does not need --- */

/* Tensors beside those of the model; the elements of a made tensor are not
 * zero, but for those of `zeros`. */
START_TEST(leftovers_are_judged)
{
	static const struct {
		const char *name;
		int rows, cols;
		bool zeros;
		const char *blame; /* NULL: ignored */
	} row[] = {
		{ "model.layers.1.self_attn.o_proj.bias", 0, E, true, NULL },
		{ "model.layers.1.self_attn.o_proj.bias", 0, E, false,
		  "o_proj.bias is not known here: a bias that is not zero" },
		{ "model.layers.0.self_attn.q_proj.bias", 0, E, true, NULL },
		{ "model.layers.0.mlp.down_proj.bias", 0, E, true, NULL },
		{ "model.norm.bias", 0, E, true, NULL },
		{ "model.layers.0.self_attn.q_norm.weight", 0, HD, false,
		  "q_norm.weight is not known here" },
		{ "model.layers.0.self_attn.q_norm.weight", 0, HD, true,
		  "q_norm.weight is not known here" },
		{ "model.layers.0.self_attn.q_norm.bias", 0, HD, true,
		  "q_norm.bias is not known here" },
		{ "model.layers.2.input_layernorm.weight", 0, E, false,
		  "layers.2.input_layernorm.weight is not known here" },
		{ "model.layers.0.self_attn.o_proj.bias", E, E, true,
		  "o_proj.bias is not known here" },
		{ "model.rotary_emb.inv_freq", 0, HD, false, NULL },
		{ "model.layers.0.rotary_emb.inv_freqs", 0, HD, true,
		  "inv_freqs is not known here" },
		{ "score.weight", 1, E, false, "score.weight is not known" },
	};
	char dest[128];

	snprintf(dest, sizeof dest, "%s/dest.h5", top);
	setup();
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		add_all(false);
		add_tensor(row[i].name, row[i].rows, row[i].cols);
		made[n_made - 1].zeros = row[i].zeros;
		put_tensors("model.safetensors", 0);
		if (row[i].blame)
			write_refused(row[i].blame);
		else
			import_into(dest);
	}
}
END_TEST

/* Writes base, tokenizer.json, with more added tokens. */
static void put_more_tokens(const char *more)
{
	char *all = wl_malloc(sizeof marked + 4096, 1);
	const char *at = strstr(marked, "],\"normalizer\"");

	sprintf(all, "%.*s, %s%s", (int)(at - marked), marked, more, at);
	put_json("tokenizer.json", all, NULL, NULL);
	free(all);
}

START_TEST(pieces_are_fit)
{
	struct wl_error err = { .text = "" };
	struct import_model m;

	setup();
	m = accepted();
	for (size_t i = 0; i < m.sources.n; i++)
		m.sources.tensor[i].used = true;
	ck_assert_int_eq(import_fit(&m, dir, &err), 0);
	ck_assert_int_eq(m.vocab.n, V);
	ck_assert_int_eq(m.vocab.type[11], PIECE_UNUSED);
	import_model_fini(&m);
	put_more_tokens(ADDED("11", "<pad>") "," ADDED("12", "<x>") ","
	                ADDED("13", "<y>") "," ADDED("14", "<z>") ","
	                ADDED("15", "<end>"));
	/* An end that has no embedding never comes. */
	put_text("special_tokens_map.json", "{\"eos_token\": \"<end>\"}");
	m = accepted();
	for (size_t i = 0; i < m.sources.n; i++)
		m.sources.tensor[i].used = true;
	ck_assert_int_eq(m.vocab.n, V + 2);
	ck_assert_int_eq(import_fit(&m, dir, &err), 0);
	ck_assert_int_eq(m.vocab.n, V);
	ck_assert_int_eq(m.model.n_stop, 1);
	ck_assert_int_eq(m.n_notes, 2);
	ck_assert(strstr(m.note[1], "2 control pieces") &&
	          strstr(m.note[1], "\"<z>\""));
	import_model_fini(&m);
	put_json("config.json", config, "vocab_size", "10");
	put_json("tokenizer.json", marked, NULL, NULL);
	drop_file("special_tokens_map.json");
	add_all(false);
	made_find("lm_head.weight")->rows = 10;
	made_find("model.embed_tokens.weight")->rows = 10;
	put_tensors("model.safetensors", 0);
	/* It has a plain space: no text makes it. */
	m = accepted();
	for (size_t i = 0; i < m.sources.n; i++)
		m.sources.tensor[i].used = true;
	ck_assert_int_eq(import_fit(&m, dir, &err), 0);
	import_model_fini(&m);
	put_json("config.json", config, "vocab_size", "9");
	made_find("lm_head.weight")->rows = 9;
	made_find("model.embed_tokens.weight")->rows = 9;
	put_tensors("model.safetensors", 0);
	write_refused("the tokenizer has 11 pieces, the model 9 ids: piece 9,"
	              " \" ab\"");
}
END_TEST

/* --- Names --- */

/* Gives every tensor's name another first part. */
static void rename_all(const char *prefix, const char *head)
{
	char name[80];

	for (int i = 0; i < n_made; i++) {
		const char *rest = strncmp(made[i].name, "model.", 6) ? head :
		                   made[i].name + 6;

		snprintf(name, sizeof name, "%s%s", rest == head ? "" : prefix,
		         rest);
		strcpy(made[i].name, name);
	}
	put_tensors("model.safetensors", 0);
}

START_TEST(names_may_have_another_prefix)
{
	static const struct {
		const char *prefix, *head;
	} row[] = {
		{ "", "lm_head.weight" },
		{ "language_model.model.", "language_model.lm_head.weight" },
		{ "language_model.model.", "lm_head.weight" },
		{ "model.language_model.", "lm_head.weight" },
		{ "transformer.", "lm_head.weight" },
		{ "model.model.", "model.lm_head.weight" },
	};
	char dest[128];

	snprintf(dest, sizeof dest, "%s/dest.h5", top);
	setup();
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		add_all(false);
		rename_all(row[i].prefix, row[i].head);
		import_into(dest);
	}
	/* A base model has no head. */
	add_all(false);
	made_find("lm_head.weight")->file = 1;
	rename_all("", "lm_head.weight");
	put_json("config.json", config, "architectures", "[\"LlamaModel\"]");
	refused("", "lm_head.weight is missing: a base model has no head");
	put_json("config.json", config, "", "{\"architectures\":"
	         "[\"LlamaModel\"], \"tie_word_embeddings\": true}");
	import_into(dest);
	put_json("config.json", config, NULL, NULL);
	add_all(false);
	add_tensor("vision.layers.0.input_layernorm.weight", 0, E);
	put_tensors("model.safetensors", 0);
	refused("", "two models in one: model. and vision.");
}
END_TEST

static void add_tests(Suite *s)
{
	TCase *t = tcase_create("hf");

	tcase_add_test(t, tinystories_is_read);
	tcase_add_test(t, shapes_are_read);
	tcase_add_test(t, shapes_have_defaults);
	tcase_add_test(t, other_architectures_are_read);
	tcase_add_test(t, windows_cap_the_context);
	tcase_add_test(t, classes_have_their_own_heads);
	tcase_add_test(t, classes_have_their_own_context);
	tcase_add_test(t, angles_said_twice_are_compared);
	tcase_add_test(t, ends_may_stand_in_added_tokens);
	tcase_add_test(t, ends_are_read);
	tcase_add_test(t, bad_configs_are_refused);
	tcase_add_test(t, scaled_angles_are_read);
	tcase_add_test(t, unknown_angles_are_refused);
	tcase_add_test(t, shards_are_read);
	tcase_add_test(t, indexes_may_differ);
	tcase_add_test(t, leftovers_are_judged);
	tcase_add_test(t, pieces_are_fit);
	tcase_add_test(t, names_may_have_another_prefix);
	tcase_add_test(t, neutral_settings_are_ignored);
	tcase_add_test(t, ends_of_the_tokenizer_are_read);
	tcase_add_test(t, broken_shards_are_refused);
	tcase_add_test(t, missing_files_are_named);
	tcase_add_test(t, checkpoints_have_every_weight);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("hf");
	int status;

	if (!hf_dir_make("check_hf"))
		return EXIT_FAILURE;
	add_tests(s);
	status = run_suite(s);
	hf_dir_remove();
	return status;
}
