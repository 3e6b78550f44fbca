/* Reads the shape of a model from config.json. Unsupported settings that would
 * change what the model computes are refused by name. */
#include "config.h"
#include "hf.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/jsonfile.h"

/* The architectures, and their defaults for keys that a file lacks. */
static const struct arch {
	const char *name;
	const char *family; /* "model_type", and the prefix of class names */
	int kv_heads;       /* 0: as many as query heads */
	int context;        /* max_position_embeddings, tokens */
	bool bias;          /* q, k and v always have biases */
	bool window;        /* layers have a sliding window, */
	bool window_asked;  /* but only if use_sliding_window is true: those
	                     * from max_window_layers on, or as layer_types
	                     * says */
} archs[] = {
	{ .name = "LlamaForCausalLM", .family = "llama", .context = 2048 },
	{ .name = "MistralForCausalLM", .family = "mistral", .kv_heads = 8,
	  .context = 131072, .window = true },
	{ .name = "Qwen2ForCausalLM", .family = "qwen2", .kv_heads = 32,
	  .context = 32768, .bias = true, .window = true,
	  .window_asked = true },
};

#define N_ARCHS (sizeof archs / sizeof *archs)
#define DEFAULT_WINDOW 4096 /* tokens, of Mistral and Qwen2 */

static int refuse(const struct jsonfile_at *a, const char *key,
                  const char *what)
{
	return wl_error_set(a->err, "%s: \"%s%s\" %s", a->path, a->in, key,
	                    what);
}

/* The architecture of a class name, in any case: old files write
 * LLaMAForCausalLM. A base model (LlamaModel) is the same without the head.
 * NULL: unknown. */
static const struct arch *find_arch(const char *name)
{
	static const char *const end[] = { "", "ForCausalLM", "Model" };

	for (size_t i = 0; i < N_ARCHS; i++) {
		size_t len = strlen(archs[i].family);

		if (strncasecmp(name, archs[i].family, len))
			continue;
		for (size_t k = 0; k < sizeof end / sizeof *end; k++)
			if (strcasecmp(name + len, end[k]) == 0)
				return &archs[i];
	}
	return NULL;
}

static const struct arch *refuse_arch(const struct jsonfile_at *a,
                                      const char *key, const char *name)
{
	wl_error_set(a->err, "%s: \"%s\" names %.100s, only LlamaForCausalLM,"
	             " MistralForCausalLM and Qwen2ForCausalLM are supported",
	             a->path, key, name);
	return NULL;
}

/* The architecture by "model_type", for files without "architectures". */
static const struct arch *read_model_type(const struct jsonfile_at *a)
{
	json_t *type = jsonfile_get(a->object, "model_type");
	const char *name = json_string_value(type);
	const struct arch *arch;

	if (!name) {
		wl_error_set(a->err, "%s: %s", a->path, type ?
		             "\"architectures\" is missing and \"model_type\""
		             " is not a string" :
		             "neither \"architectures\" nor \"model_type\""
		             " names the model's class");
		return NULL;
	}
	arch = find_arch(name);
	return arch ? arch : refuse_arch(a, "model_type", name);
}

/* transformers chooses the class by "model_type" or by "architectures",
 * depending on how it is called. The two should agree. Where both are supported
 * but differ, "architectures" is used: it names what was trained. */
static const struct arch *check_model_type(const struct jsonfile_at *a,
                                           const struct arch *arch,
                                           struct import_model *m)
{
	json_t *type = jsonfile_get(a->object, "model_type");
	const char *name = json_string_value(type);
	const struct arch *other = name ? find_arch(name) : NULL;

	if (!type || other == arch)
		return arch;
	if (other) {
		import_note(m, "ignored: %s: \"model_type\" \"%.100s\":"
		            " \"architectures\" names %s", a->path, name,
		            arch->name);
		return arch;
	}
	if (name)
		wl_error_set(a->err, "%s: \"model_type\" is \"%.100s\", but"
		             " \"architectures\" names %s", a->path, name,
		             arch->name);
	else
		refuse(a, "model_type", "must be a string");
	return NULL;
}

static const struct arch *read_arch(const struct jsonfile_at *a,
                                    struct import_model *m)
{
	json_t *list = jsonfile_get(a->object, "architectures"), *v;
	const struct arch *arch = NULL;
	size_t i;

	if (!list || (json_is_array(list) && json_array_size(list) == 0))
		return read_model_type(a);
	if (!json_is_array(list)) {
		refuse(a, "architectures", "must be a list of names");
		return NULL;
	}
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(v);
		const struct arch *next = name ? find_arch(name) : NULL;

		if (!name) {
			refuse(a, "architectures", "names something that is not"
			       " a string");
			return NULL;
		}
		if (!next)
			return refuse_arch(a, "architectures", name);
		if (arch && next != arch) {
			refuse(a, "architectures", "must have one name, or"
			       " several names of one class");
			return NULL;
		}
		arch = next;
	}
	return check_model_type(a, arch, m);
}

/* --- The shape --- */

/* Reads a number for all layers, or a list of one per layer, all equal. */
static int read_each(const struct jsonfile_at *a, const char *key, int layers,
                     int *to)
{
	json_t *list = json_object_get(a->object, key), *v;
	struct jsonfile_at one = *a;
	size_t i;
	int rc;

	if (!json_is_array(list))
		return jsonfile_int(a, key, to);
	if (json_array_size(list) != (size_t)layers)
		return refuse(a, key, "must be a number, or one for each"
		              " layer");
	json_array_foreach(list, i, v)
		if (!json_equal(v, json_array_get(list, 0)))
			return refuse(a, key, "differs between layers, which"
			              " is not supported");
	one.object = json_object();
	json_object_set(one.object, key, json_array_get(list, 0));
	rc = jsonfile_int(&one, key, to);
	json_decref(one.object);
	return rc;
}

static int read_required(const struct jsonfile_at *a, struct model *m)
{
	const struct {
		const char *key;
		int *to;
	} field[] = {
		{ "num_hidden_layers", &m->n_layers },
		{ "hidden_size", &m->dim },
		{ "intermediate_size", &m->hidden_dim },
		{ "num_attention_heads", &m->n_heads },
		{ "vocab_size", &m->vocab_size },
	};

	for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
		if (!jsonfile_get(a->object, field[i].key))
			return refuse(a, field[i].key, "is missing");
		if (read_each(a, field[i].key, m->n_layers, field[i].to))
			return -1;
	}
	return 0;
}

/* Reads the context. Defaults: the key of very old files, else the
 * architecture's own. */
static int read_context(const struct jsonfile_at *a, const struct arch *arch,
                        struct import_model *m)
{
	static const char key[] = "max_position_embeddings";
	static const char old[] = "max_sequence_length";
	int *to = &m->model.max_seq_len;
	bool said = jsonfile_get(a->object, old);

	if (jsonfile_get(a->object, key))
		return jsonfile_int(a, key, to);
	*to = arch->context;
	if (jsonfile_int(a, old, to))
		return -1;
	import_note(m, "%s: \"%s\" is missing: taken as %d, %s%s", a->path,
	            key, *to, said ? "the file's " : "the default of ",
	            said ? old : arch->name);
	return 0;
}

static int read_heads(const struct jsonfile_at *a, const struct arch *arch,
                      struct model *m)
{
	m->n_kv_heads = m->n_heads;
	/* If the key is missing, the architecture's default applies; null
	 * means as many as query heads. */
	if (arch->kv_heads && !json_object_get(a->object,
	                                       "num_key_value_heads"))
		m->n_kv_heads = arch->kv_heads;
	if (read_each(a, "num_key_value_heads", m->n_layers,
	              &m->n_kv_heads) ||
	    jsonfile_int(a, "head_dim", &m->head_dim))
		return -1;
	if (m->head_dim)
		return 0;
	if (m->dim % m->n_heads)
		return wl_error_set(a->err, "%s: \"hidden_size\" %d is not a"
		                    " multiple of \"num_attention_heads\" %d",
		                    a->path, m->dim, m->n_heads);
	m->head_dim = m->dim / m->n_heads;
	return 0;
}

static int read_shape(const struct jsonfile_at *a, const struct arch *arch,
                      struct import_model *to)
{
	struct model *m = &to->model;

	*m = (struct model){
		.rope_theta = 1e4,
		.rms_eps = 1e-6,
		.bos_id = -1,
	};
	if (read_required(a, m) || read_context(a, arch, to) ||
	    read_heads(a, arch, m) ||
	    jsonfile_real(a, "rms_norm_eps", &m->rms_eps) ||
	    jsonfile_real(a, "rope_theta", &m->rope_theta) ||
	    jsonfile_bool(a, "tie_word_embeddings", &m->tied) ||
	    jsonfile_bool(a, "attention_bias", &m->qkv_bias))
		return -1;
	if (arch->bias)
		m->qkv_bias = true;
	return 0;
}

/* --- Unsupported settings --- */

static int check_activation(const struct jsonfile_at *a)
{
	json_t *v = jsonfile_get(a->object, "hidden_act");
	const char *name = json_string_value(v);

	if (!v)
		return 0;
	if (!name)
		return refuse(a, "hidden_act", "must be a string");
	if (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0)
		return 0;
	return wl_error_set(a->err, "%s: \"hidden_act\" is \"%.100s\", only"
	                    " silu is supported", a->path, name);
}

/* Whether "layer_types" exists, and whether it lists a layer with a sliding
 * window. */
static int read_layer_types(const struct jsonfile_at *a, bool *there,
                            bool *sliding)
{
	json_t *list = jsonfile_get(a->object, "layer_types"), *v;
	size_t i;

	*there = list;
	*sliding = false;
	if (list && !json_is_array(list))
		return refuse(a, "layer_types", "must be an array");
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(v);

		if (!name)
			return refuse(a, "layer_types", "must hold strings");
		if (strcmp(name, "sliding_attention") == 0)
			*sliding = true;
		else if (strcmp(name, "full_attention"))
			return wl_error_set(a->err, "%s: \"layer_types\" has"
			                    " \"%.100s\", only full and sliding"
			                    " attention are supported",
			                    a->path, name);
	}
	return 0;
}

/* Sets *window to the sliding window of the layers that have one, tokens; 0: no
 * layer has one. */
static int read_window(const struct jsonfile_at *a, const struct arch *arch,
                       struct import_model *m, int *window)
{
	bool on = !arch->window_asked, listed, sliding, none;
	/* The number of first layers with full attention. Where a file asks
	 * for windows but does not give it, all layers have windows. */
	double full = 0;

	*window = 0;
	if (read_layer_types(a, &listed, &sliding))
		return -1;
	if (!arch->window && !sliding) {
		if (jsonfile_get(a->object, "sliding_window"))
			import_note(m, "ignored: %s: \"sliding_window\": %s has"
			            " none", a->path, arch->name);
		return 0;
	}
	if (jsonfile_bool(a, "use_sliding_window", &on) ||
	    (arch->window_asked &&
	     jsonfile_real(a, "max_window_layers", &full)))
		return -1;
	/* null means no window; if the key is missing, the default applies. */
	if (arch->window && !json_object_get(a->object, "sliding_window"))
		*window = DEFAULT_WINDOW;
	if (on && jsonfile_int(a, "sliding_window", window))
		return -1;
	none = arch->window_asked && listed ? !sliding :
	       full >= m->model.n_layers;
	if (!on || none)
		*window = 0;
	if (sliding && !*window)
		return refuse(a, "layer_types", "has \"sliding_attention\", but"
		              " there is no \"sliding_window\" in use");
	return 0;
}

static int check_experts(const struct jsonfile_at *a)
{
	static const char *const key[] = { "num_experts", "num_local_experts" };

	for (int i = 0; i < 2; i++) {
		json_t *v = jsonfile_get(a->object, key[i]);

		if (v && (!json_is_integer(v) || json_integer_value(v)))
			return refuse(a, key[i], "is not 0: mixtures of experts"
			              " are not supported");
	}
	return 0;
}

static int check_known(const struct jsonfile_at *a)
{
	json_t *quantized = jsonfile_get(a->object, "quantization_config");
	const char *method = json_string_value(json_object_get(quantized,
	                                                       "quant_method"));

	if (check_activation(a) || check_experts(a))
		return -1;
	if (quantized)
		return wl_error_set(a->err, "%s: \"quantization_config\""
		                    " (%.100s): quantized weights are not"
		                    " supported", a->path,
		                    method ? method : "no quant_method");
	return 0;
}

/* --- RoPE --- */

enum rope_type {
	ROPE_DEFAULT, ROPE_LINEAR, ROPE_LLAMA3,
	ROPE_DYNAMIC, ROPE_YARN, /* only where they change nothing */
	ROPE_NTYPES
};

static const char *const rope_types[ROPE_NTYPES] = {
	[ROPE_DEFAULT] = "default", [ROPE_LINEAR] = "linear",
	[ROPE_LLAMA3] = "llama3", [ROPE_DYNAMIC] = "dynamic",
	[ROPE_YARN] = "yarn",
};

struct scaling {
	enum rope_type type;
	double factor;         /* divides low frequencies */
	double low, high;      /* turns per old_context: up to low the factor
	                        * applies in full, from high on not at all */
	double old_context;    /* tokens that the model was first trained on */
};

/* The number by which the frequency of pair i is divided. In Llama 3's scheme
 * the inverse goes linearly from 1 / factor to 1 between low and high. */
static double divisor(const struct scaling *s, const struct model *m, int i)
{
	double turn = 2 * acos(-1);
	double frequency = pow(m->rope_theta, -2.0 * i / m->head_dim);
	double turns = s->old_context * frequency / turn, keep;

	if (s->type == ROPE_LINEAR)
		return s->factor;
	keep = (turns - s->low) / (s->high - s->low);
	keep = keep < 0 ? 0 : keep > 1 ? 1 : keep;
	return 1 / ((1 - keep) / s->factor + keep);
}

static int read_positive(const struct jsonfile_at *a, const char *key,
                         double *to)
{
	*to = 0;
	if (jsonfile_real(a, key, to))
		return -1;
	/* It must not become 0 or infinite when stored as a float. */
	if (*to >= FLT_MIN && *to <= FLT_MAX)
		return 0;
	return refuse(a, key, jsonfile_get(a->object, key) ?
	              "must be above 0" : "is missing");
}

static int read_numbers(const struct jsonfile_at *a, struct scaling *s)
{
	if (s->type == ROPE_DEFAULT)
		return 0;
	if (read_positive(a, "factor", &s->factor))
		return -1;
	if (s->type != ROPE_LLAMA3)
		return 0;
	if (read_positive(a, "low_freq_factor", &s->low) ||
	    read_positive(a, "high_freq_factor", &s->high) ||
	    read_positive(a, "original_max_position_embeddings",
	                  &s->old_context))
		return -1;
	if (s->high <= s->low)
		return refuse(a, "high_freq_factor", "must be above"
		              " low_freq_factor");
	return 0;
}

static int read_type(const struct jsonfile_at *a, enum rope_type *type)
{
	json_t *v = jsonfile_get(a->object, "rope_type");
	const char *name;

	if (!v)
		v = jsonfile_get(a->object, "type");
	if (!v) {
		double factor = 1;

		*type = ROPE_DEFAULT;
		if (jsonfile_real(a, "factor", &factor))
			return -1;
		return factor == 1 ? 0 : refuse(a, "rope_type", "is missing");
	}
	name = json_string_value(v);
	if (!name)
		return refuse(a, "rope_type", "must be a string");
	for (int i = 0; i < ROPE_NTYPES; i++)
		if (strcmp(rope_types[i], name) == 0) {
			*type = i;
			return 0;
		}
	return wl_error_set(a->err, "%s: \"%srope_type\" is \"%.100s\", only"
	                    " default, linear and llama3 are supported",
	                    a->path, a->in, name);
}

static int refuse_unknown(const struct jsonfile_at *a)
{
	/* The keys of yarn have no effect where its factor is 1. */
	static const char *const known[] = {
		"rope_type", "type", "rope_theta", "factor", "low_freq_factor",
		"high_freq_factor", "original_max_position_embeddings",
		"partial_rotary_factor", "attention_factor", "attn_factor",
		"beta_fast", "beta_slow", "mscale", "mscale_all_dim",
		"truncate", "finetuned",
	};
	const size_t n = sizeof known / sizeof *known;
	const char *key;
	json_t *v;

	json_object_foreach(a->object, key, v) {
		size_t i = 0;

		while (i < n && strcmp(known[i], key))
			i++;
		if (i == n && !json_is_null(v))
			return wl_error_set(a->err, "%s: \"%s%.100s\" is not"
			                    " known here", a->path, a->in, key);
	}
	return 0;
}

/* The factor on attention scores must be 1. */
static int check_attention_factor(const struct jsonfile_at *a)
{
	static const char *const key[] = { "attention_factor", "attn_factor" };

	for (int i = 0; i < 2; i++) {
		double factor = 1;

		if (jsonfile_real(a, key[i], &factor))
			return -1;
		if (factor != 1)
			return refuse(a, key[i], "is not 1, which is not"
			              " supported");
	}
	return 0;
}

/* Accepts dynamic and yarn where they change no angle: with a factor of 1, and
 * dynamic also within the original context. */
static int check_neutral(const struct jsonfile_at *a, struct import_model *m,
                         struct scaling *s)
{
	int context = m->model.max_seq_len;

	if (s->type != ROPE_DYNAMIC && s->type != ROPE_YARN)
		return 0;
	if (jsonfile_int(a, "original_max_position_embeddings", &context))
		return -1;
	if (s->factor != 1 && (s->type == ROPE_YARN ||
	                       context != m->model.max_seq_len))
		return wl_error_set(a->err, "%s: \"%srope_type\" is \"%s\","
		                    " only default, linear and llama3 are"
		                    " supported", a->path, a->in,
		                    rope_types[s->type]);
	import_note(m, "ignored: %s: \"%srope_type\" \"%s\": it changes"
	            " nothing within %d tokens", a->path, a->in,
	            rope_types[s->type], m->model.max_seq_len);
	s->type = ROPE_DEFAULT;
	return 0;
}

static int check_partial(const struct jsonfile_at *a)
{
	double part = 1;

	if (jsonfile_real(a, "partial_rotary_factor", &part))
		return -1;
	if (part != 1)
		return refuse(a, "partial_rotary_factor", "is not 1: RoPE on a"
		              " part of the channels is not supported");
	return 0;
}

static bool same_value(const json_t *x, const json_t *y)
{
	if (json_is_number(x) && json_is_number(y))
		return json_number_value(x) == json_number_value(y);
	return json_equal(x, y);
}

/* The value of a key; the type has two names. */
static json_t *setting(const json_t *object, const char *key)
{
	json_t *v = jsonfile_get(object, key);

	return v || strcmp(key, "rope_type") ? v : jsonfile_get(object, "type");
}

/* Whether y has all settings of x, except rope_theta, which check_both compares
 * in all three places. */
static bool covers(json_t *x, json_t *y)
{
	const char *key;
	json_t *v;

	json_object_foreach(x, key, v) {
		const char *name = strcmp(key, "type") ? key : "rope_type";

		if (strcmp(key, "rope_theta") && !json_is_null(v) &&
		    !same_value(setting(x, name), setting(y, name)))
			return false;
	}
	return true;
}

/* For files with both objects: their settings must be equal, and rope_theta
 * must be the same wherever it occurs. */
static int check_both(const struct jsonfile_at *a, json_t *old, json_t *new)
{
	const json_t *from[] = { new, old, a->object };
	const json_t *theta = NULL;

	if (json_is_object(old) && json_is_object(new) ?
	    !covers(old, new) || !covers(new, old) : !json_equal(old, new))
		return refuse(a, "rope_scaling", "and \"rope_parameters\""
		              " differ");
	for (int i = 0; i < 3; i++) {
		const json_t *v = jsonfile_get(from[i], "rope_theta");

		if (theta && v && !same_value(theta, v))
			return refuse(a, "rope_theta", "and that of"
			              " \"rope_scaling\" or"
			              " \"rope_parameters\" differ");
		theta = theta ? theta : v;
	}
	return 0;
}

/* Older files have "rope_scaling", newer ones "rope_parameters". */
static int read_scaling(const struct jsonfile_at *a, struct import_model *m,
                        struct scaling *s)
{
	json_t *old = jsonfile_get(a->object, "rope_scaling");
	json_t *new = jsonfile_get(a->object, "rope_parameters");
	struct jsonfile_at in = {
		.object = new ? new : old, .path = a->path, .err = a->err,
		.in = new ? "rope_parameters." : "rope_scaling.",
	};
	struct jsonfile_at other = { old, a->path, "rope_scaling.", a->err };

	if (check_partial(a))
		return -1;
	if (old && new && check_both(a, old, new))
		return -1;
	if (!in.object)
		return 0;
	if (!json_is_object(in.object))
		return refuse(a, new ? "rope_parameters" : "rope_scaling",
		              "must be an object");
	if (jsonfile_real(&other, "rope_theta", &m->model.rope_theta) ||
	    read_type(&in, &s->type) || refuse_unknown(&in) ||
	    check_attention_factor(&in) || check_partial(&in) ||
	    jsonfile_real(&in, "rope_theta", &m->model.rope_theta) ||
	    read_numbers(&in, s))
		return -1;
	return check_neutral(&in, m, s);
}

static void make_factors(struct import_model *m, const struct scaling *s)
{
	int pairs = m->model.head_dim / 2;

	m->rope_factors = wl_malloc(pairs, sizeof *m->rope_factors);
	for (int i = 0; i < pairs; i++) {
		m->rope_factors[i] = divisor(s, &m->model, i);
		if (m->rope_factors[i] != 1)
			m->model.rope_scaled = true;
	}
}

const char *hf_config_read(json_t *config, const char *path,
                           struct import_model *m, struct wl_error *err)
{
	struct jsonfile_at a = { config, path, "", err };
	struct scaling scaling = { .type = ROPE_DEFAULT };
	const struct arch *arch = read_arch(&a, m);
	int window;

	if (!arch || read_shape(&a, arch, m) || check_known(&a) ||
	    hf_keys_check(config, path, m, err) ||
	    read_window(&a, arch, m, &window) ||
	    read_scaling(&a, m, &scaling) ||
	    model_check(&m->model, path, err))
		return NULL;
	if (window)
		import_window_cap(m, window);
	if (scaling.type != ROPE_DEFAULT)
		make_factors(m, &scaling);
	return arch->name;
}
