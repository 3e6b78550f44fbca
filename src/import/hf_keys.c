/* The keys of config.json that hf_config.c does not use. The supported
 * architectures ignore them, so unknown keys are ignored with a note. But some
 * files name such an architecture for a modified model: a key that changes the
 * answer in other architectures must therefore have its neutral value. */
#include "config.h"
#include "hf.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/jsonfile.h"

/* Keys of the shape, and keys without effect on the answer: about training,
 * generation, or the program that wrote the file. */
static const char *const plain[] = {
	"_attn_implementation", "_flash_attn_2_enabled", "_name_or_path",
	"architectures", "attention_bias", "attention_dropout",
	"attention_probs_dropout_prob", "attn_implementation", "attn_pdrop",
	"bos_token_id", "chunk_size_feed_forward", "decoder_start_token_id",
	"do_sample", "dtype", "embd_pdrop", "eos_token_id",
	"ffn_dim_multiplier", "finetuning_task", "first_k_dense_replace",
	"forced_bos_token_id", "forced_eos_token_id", "gradient_checkpointing",
	"head_dim", "hidden_act", "hidden_dropout", "hidden_dropout_prob",
	"hidden_size", "id2label", "initializer_range", "intermediate_size",
	"is_decoder", "keys_to_ignore_at_inference", "label2id",
	"layer_types", "max_length", "max_new_tokens",
	"max_position_embeddings", "max_sequence_length", "max_window_layers",
	"min_length", "mlp_bias", "model_max_length", "model_type",
	"moe_intermediate_size", "multiple_of", "n_shared_experts",
	"num_attention_heads", "num_beams", "num_experts",
	"num_experts_per_tok",
	"num_hidden_layers", "num_key_value_heads", "num_labels",
	"num_local_experts", "output_attentions", "output_hidden_states",
	"output_router_logits", "output_scores", "pad_token_id",
	"partial_rotary_factor", "prefix", "pretraining_tp", "problem_type",
	"pruned_heads", "quantization_config", "repetition_penalty",
	"resid_pdrop", "return_dict", "return_dict_in_generate",
	"rms_norm_eps", "rope_parameters", "rope_scaling", "rope_theta",
	"router_aux_loss_coef", "sep_token_id", "sliding_window",
	"task_specific_params", "temperature", "tie_encoder_decoder",
	"tie_word_embeddings", "tokenizer_class", "top_k", "top_p",
	"torch_dtype", "torchscript", "transformers_version", "unk_token_id",
	"use_bfloat16", "use_cache", "use_return_dict", "use_sliding_window",
	"vocab_size",
};

/* The value of a key that does not change the answer. null is neutral for
 * every key. */
enum neutral {
	OFF,       /* false, 0, an empty list or object */
	ON,        /* true */
	ONE,       /* 1 */
	SCALE,     /* 1 / sqrt(head_dim) */
	HEAD_DIM,  /* head_dim */
	SILU,      /* "silu" */
	ROPE,      /* "rope", "rotary", or the inherited default "absolute" */
};

static const struct {
	const char *key;
	enum neutral neutral;
} known[] = {
	{ "alibi", OFF }, { "attn_logit_softcapping", OFF },
	{ "attn_temperature_tuning", OFF }, { "attention_multiplier", SCALE },
	{ "causal", ON }, { "clip_qkv", OFF }, { "embedding_multiplier", ONE },
	{ "embedding_scale", ONE }, { "final_logit_softcapping", OFF },
	{ "hidden_activation", SILU },
	{ "is_causal", ON }, { "is_encoder_decoder", OFF },
	{ "kv_lora_rank", OFF }, { "logit_scale", ONE },
	{ "logits_scaling", ONE }, { "n_routed_experts", OFF },
	{ "no_rope_layers", OFF }, { "parallel_attn", OFF },
	{ "position_embedding_type", ROPE }, { "q_lora_rank", OFF },
	{ "qk_layernorm", OFF }, { "qk_norm", OFF },
	{ "quantization", OFF }, { "query_pre_attn_scalar", HEAD_DIM },
	{ "residual_multiplier", ONE }, { "rotary_pct", ONE },
	{ "scale_attn_by_inverse_layer_idx", OFF },
	{ "scale_attn_weights", ON },
	{ "scale_depth", OFF }, { "scale_emb", ONE },
	{ "use_alibi", OFF }, { "use_mrope", OFF },
	{ "use_parallel_residual", OFF }, { "use_qk_norm", OFF },
	{ "use_rope", ON },
};

/* Prefixes of words in unknown keys that are likely to change the answer. */
static const char *const suspicious[] = {
	"alibi", "clip", "logn", "mrope", "multiplier", "mup", "nope",
	"norm_type", "normalization_type", "ntk", "rope", "rotary", "scal",
	"softcap", "xpos", "yarn",
};

/* Values of such keys that mean the usual computation. */
static const char *const usual[] = {
	"", "default", "none", "null", "rms", "rms_norm", "rmsnorm", "rope",
	"rotary",
};

#define N_SUSPICIOUS (sizeof suspicious / sizeof *suspicious)
#define N_USUAL (sizeof usual / sizeof *usual)
#define N_PLAIN (sizeof plain / sizeof *plain)
#define N_KNOWN (sizeof known / sizeof *known)

static bool is_number(const json_t *v, double x)
{
	return json_is_number(v) &&
	       fabs(json_number_value(v) - x) <= 1e-6 * fabs(x);
}

static bool is_off(const json_t *v)
{
	return json_is_null(v) || json_is_false(v) || is_number(v, 0) ||
	       (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0);
}

static bool is_text(const json_t *v, const char *text)
{
	return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

static bool is_neutral(const json_t *v, enum neutral n, const struct model *m)
{
	if (json_is_null(v))
		return true;
	switch (n) {
	case OFF:
		return is_off(v);
	case ON:
		return json_is_true(v);
	case ONE:
		return is_number(v, 1);
	case SCALE:
		return is_number(v, 1 / sqrt(m->head_dim));
	case HEAD_DIM:
		return is_number(v, m->head_dim);
	case SILU:
		return is_text(v, "silu") || is_text(v, "swish");
	case ROPE:
		return is_text(v, "rope") || is_text(v, "rotary") ||
		       is_text(v, "absolute");
	}
	return false;
}

static bool is_usual(const json_t *v)
{
	for (size_t i = 0; i < N_USUAL && json_is_string(v); i++)
		if (strcasecmp(usual[i], json_string_value(v)) == 0)
			return true;
	return is_off(v) || is_number(v, 1);
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (strcmp(known[i].key, key) == 0)
			return true;
	return false;
}

/* Whether a word of the key starts with a suspicious prefix. "embScale" and
 * "emb_scale" have two words each. */
static bool is_suspicious(const char *key)
{
	for (size_t at = 0; key[at]; at++) {
		unsigned char before = at ? key[at - 1] : '_', c = key[at];

		if (isalnum(before) && !(islower(before) && isupper(c)))
			continue;
		for (size_t i = 0; i < N_SUSPICIOUS; i++)
			if (strncasecmp(key + at, suspicious[i],
			                strlen(suspicious[i])) == 0)
				return true;
	}
	return false;
}

static bool is_plain(const char *key)
{
	for (size_t i = 0; i < N_PLAIN; i++)
		if (strcmp(plain[i], key) == 0)
			return true;
	return false;
}

/* Adds one note for all unknown keys, with some of their names. */
static void note_strange(struct import_model *m, json_t *config,
                         const char *path)
{
	char names[400] = "";
	size_t at = 0, n = 0, left;
	const char *key;
	json_t *v;

	json_object_foreach(config, key, v) {
		if (is_known(key) || is_plain(key) || json_is_null(v))
			continue;
		n++;
		left = sizeof names - at;
		if (strlen(key) + 5 < left)
			at += snprintf(names + at, left, "%s\"%s\"",
			               at ? ", " : "", key);
	}
	if (n > 0)
		import_note(m, "ignored: %s: %zu key%s that this architecture"
		            " does not have: %s", path, n, n == 1 ? "" : "s",
		            at ? names : "(long ones)");
}

static int refuse(const char *path, const char *key, const json_t *v,
                  const char *why, struct wl_error *err)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY);

	wl_error_set(err, "%s: \"%.100s\" is %.100s, which %s", path, key,
	             text ? text : "", why);
	free(text);
	return -1;
}

int hf_keys_check(json_t *config, const char *path, struct import_model *m,
                  struct wl_error *err)
{
	const char *key;
	json_t *v;

	for (size_t i = 0; i < N_KNOWN; i++) {
		v = json_object_get(config, known[i].key);
		if (v && !is_neutral(v, known[i].neutral, &m->model))
			return refuse(path, known[i].key, v, "changes the"
			              " answer and is not supported", err);
	}
	json_object_foreach(config, key, v)
		if (!is_known(key) && !is_plain(key) && is_suspicious(key) &&
		    !is_usual(v))
			return refuse(path, key, v, "may change the answer and"
			              " is not known here", err);
	note_strange(m, config, path);
	return 0;
}
