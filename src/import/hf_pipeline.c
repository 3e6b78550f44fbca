/* The stages of tokenizer.json around its model: normalizer, pre_tokenizer,
 * post_processor and decoder. Two kinds of pipeline are supported, byte-level
 * and SentencePiece-like; everything else is refused by name. */
#include "config.h"
#include "hf.h"

#include <string.h>

#include "base/jsonfile.h"
#include "vocab_read.h"

#define MARK "\xe2\x96\x81" /* U+2581, which SentencePiece writes for a space */

#define MAX_STEPS 8

/* The published patterns as they are spelled in files. */
static const char *const patterns[WORDS_NKINDS] = {
	[WORDS_GPT2] =
		"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"
		" ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
	[WORDS_LLAMA3] =
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
		"\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
		"\\s+(?!\\S)|\\s+",
	[WORDS_QWEN2] =
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
		"\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
		"\\s+(?!\\S)|\\s+",
};

/* A stage of the pipeline: the steps of a Sequence, or one step. */
struct stage {
	const char *name;   /* e.g. "normalizer" */
	const json_t *step[MAX_STEPS]; /* [n] */
	int n;
	const char *path;
	struct wl_error *err;
};

static const char *type_of(const json_t *step)
{
	const char *type = json_string_value(json_object_get(step, "type"));

	return type ? type : "";
}

static bool is_type(const json_t *step, const char *type)
{
	return strcmp(type_of(step), type) == 0;
}

static bool is_text(const json_t *step, const char *key, const char *text)
{
	const char *s = json_string_value(json_object_get(step, key));

	return s && strcmp(s, text) == 0;
}

/* The value of a boolean key, 0 or 1; fallback if it is absent, -1 if it is not
 * a boolean. */
static int flag(const json_t *step, const char *key, int fallback)
{
	const json_t *v = json_object_get(step, key);

	if (!v)
		return fallback;
	return json_is_boolean(v) ? json_is_true(v) : -1;
}

static int refuse(const struct stage *p, const char *why)
{
	return wl_error_set(p->err, "%s: %s: %s", p->path, p->name, why);
}

/* Refuses a step; known: the supported ones. */
static int refuse_step(const struct stage *p, const json_t *step,
                       const char *known)
{
	return wl_error_set(p->err, "%s: %s: \"%.100s\" is not supported, only"
	                    " %s", p->path, p->name, type_of(step), known);
}

/* Reads the stage called name; a Sequence has its steps in the key `list`. */
static int read_stage(struct stage *p, json_t *root, const char *name,
                      const char *list, const char *path, struct wl_error *err)
{
	const json_t *v = jsonfile_get(root, name);
	const json_t *steps = json_object_get(v, list);

	*p = (struct stage){ .name = name, .path = path, .err = err };
	if (!v)
		return 0;
	if (!is_type(v, "Sequence")) {
		p->step[p->n++] = v;
		return 0;
	}
	if (!json_is_array(steps) || json_array_size(steps) > MAX_STEPS)
		return wl_error_set(err, "%s: %s: \"%s\" must be an array of at"
		                    " most %d", path, name, list, MAX_STEPS);
	while ((size_t)p->n < json_array_size(steps)) {
		p->step[p->n] = json_array_get(steps, p->n);
		p->n++;
	}
	return 0;
}

/* --- Byte-level --- */

static int read_nfc(const struct stage *p, struct vocab *v)
{
	for (int i = 0; i < p->n; i++) {
		if (!is_type(p->step[i], "NFC"))
			return refuse_step(p, p->step[i], "NFC");
		v->nfc = true;
	}
	return 0;
}

static int read_pattern(const struct stage *p, const json_t *step,
                        struct vocab *v)
{
	const char *text = json_string_value(json_object_get(
		json_object_get(step, "pattern"), "Regex"));

	if (!text)
		return refuse(p, "Split without a Regex is not supported");
	if (!is_text(step, "behavior", "Isolated") ||
	    flag(step, "invert", 0) != 0)
		return refuse(p, "Split is only supported with the behavior"
		              " Isolated and without invert");
	for (int i = 0; i < WORDS_NKINDS; i++)
		if (patterns[i] && strcmp(patterns[i], text) == 0) {
			v->split = i;
			return 0;
		}
	return wl_error_set(p->err, "%s: %s: the pattern \"%.400s\" is not"
	                    " GPT-2's, Llama 3's or Qwen2's", p->path, p->name,
	                    text);
}

/* Digits, which cuts the text before the following ByteLevel does. */
static int read_digits(const struct stage *p, const json_t *step,
                       struct vocab *v)
{
	int each = flag(step, "individual_digits", -1);

	if (each < 0)
		return refuse(p, "Digits needs \"individual_digits\", true or"
		              " false");
	v->split = each ? WORDS_SMOLLM : WORDS_DIGITS;
	return 0;
}

/* The step before ByteLevel: a Split, after which ByteLevel must not cut, or a
 * Digits, whose parts ByteLevel cuts further. */
static int read_cut(const struct stage *p, const json_t *step, int regex,
                    struct vocab *v)
{
	bool digits = is_type(step, "Digits");

	if (!digits && !is_type(step, "Split"))
		return refuse_step(p, step, "Split or Digits before ByteLevel");
	if (digits && regex != 1)
		return refuse(p, "Digits needs a ByteLevel with use_regex");
	if (!digits && regex != 0)
		return refuse(p, "Split and ByteLevel with use_regex are"
		              " not supported together");
	return digits ? read_digits(p, step, v) : read_pattern(p, step, v);
}

/* ByteLevel alone, which cuts by GPT-2's pattern, or after a Split or Digits.
 * With add_prefix_space ByteLevel puts a space before each of its inputs: these
 * are sections if it is alone, else words. */
static int read_words(const struct stage *p, struct vocab *v)
{
	const json_t *last = p->n > 0 ? p->step[p->n - 1] : NULL;
	int space = flag(last, "add_prefix_space", -1);
	int regex = flag(last, "use_regex", 1);

	if (!last)
		return refuse(p, "missing: only ByteLevel is supported where"
		              " model.byte_fallback is not true");
	if (p->n > 2)
		return refuse(p, "only ByteLevel, and Split or Digits before"
		              " it, are supported");
	if (!is_type(last, "ByteLevel"))
		return refuse_step(p, last, "ByteLevel where"
		                   " model.byte_fallback is not true");
	if (space < 0 || regex < 0)
		return refuse(p, "ByteLevel's \"add_prefix_space\" and"
		              " \"use_regex\" must be true or false");
	if (space && p->n > 1)
		return refuse(p, "ByteLevel with add_prefix_space is supported"
		              " without Split and Digits only");
	v->add_space = space;
	v->space_rule = space ? SPACE_MISSING : SPACE_EVERY;
	v->split = WORDS_GPT2;
	if (p->n > 1)
		return read_cut(p, p->step[0], regex, v);
	return regex ? 0 : refuse(p, "ByteLevel without use_regex needs a"
	                          " Split");
}

/* The decoder must be ByteLevel or missing: ids always decode to bytes. */
static int read_byte_decoder(const struct stage *p)
{
	for (int i = 0; i < p->n; i++)
		if (!is_type(p->step[i], "ByteLevel") || i > 0)
			return refuse_step(p, p->step[i], "one ByteLevel");
	return 0;
}

/* --- SentencePiece-like --- */

/* Whether step replaces the string `from` by `to`. */
static bool replaces(const json_t *step, const char *from, const char *to)
{
	return is_type(step, "Replace") && is_text(step, "content", to) &&
	       is_text(json_object_get(step, "pattern"), "String", from);
}

static int read_spaces(const struct stage *p, struct vocab *v)
{
	bool replaced = false;

	for (int i = 0; i < p->n; i++) {
		const json_t *s = p->step[i];

		if (is_type(s, "Prepend") && is_text(s, "prepend", MARK) &&
		    !v->add_space)
			v->add_space = true;
		else if (replaces(s, " ", MARK) && !replaced)
			replaced = true;
		else
			return refuse_step(p, s, "one Prepend of U+2581 and"
			                   " one Replace of spaces by"
			                   " U+2581");
	}
	if (!replaced)
		return refuse(p, "no step replaces spaces by U+2581");
	return 0;
}

/* Older files have add_prefix_space, newer ones prepend_scheme. Unlike Prepend,
 * Metaspace adds no space to a text that starts with one. */
static int read_metaspace(const struct stage *p, struct vocab *v)
{
	const json_t *s = p->step[0];
	int space = flag(s, "add_prefix_space", 1);

	if (p->n > 1 || !is_type(s, "Metaspace"))
		return refuse_step(p, s, "one Metaspace where"
		                   " model.byte_fallback is true");
	if (!is_text(s, "replacement", MARK))
		return refuse(p, "Metaspace's replacement must be U+2581");
	if (flag(s, "split", 1) != 0)
		return refuse(p, "Metaspace with split is not supported");
	if (is_text(s, "prepend_scheme", "never"))
		space = 0;
	else if (json_object_get(s, "prepend_scheme") &&
	         (space != 1 || (!is_text(s, "prepend_scheme", "first") &&
	                         !is_text(s, "prepend_scheme", "always"))))
		space = -1;
	if (space < 0)
		return refuse(p, "Metaspace's prepend_scheme must be first,"
		              " always or never, and agree with"
		              " add_prefix_space");
	v->add_space = space;
	v->space_rule = is_text(s, "prepend_scheme", "first") ? SPACE_FIRST
	                                                      : SPACE_MISSING;
	return 0;
}

static int read_mark_decoder(const struct stage *p)
{
	bool spaces = false;

	for (int i = 0; i < p->n; i++) {
		const json_t *s = p->step[i];

		if (replaces(s, MARK, " ") ||
		    (is_type(s, "Metaspace") &&
		     is_text(s, "replacement", MARK))) {
			spaces = true;
			continue;
		}
		if (is_type(s, "ByteFallback") || is_type(s, "Fuse") ||
		    (is_type(s, "Strip") && is_text(s, "content", " ")))
			continue;
		return refuse_step(p, s, "Replace of U+2581, ByteFallback,"
		                   " Fuse, Strip of spaces and Metaspace");
	}
	if (p->n > 0 && !spaces)
		return refuse(p, "no step replaces U+2581 by spaces");
	return 0;
}

static int read_marked(const struct stage *normalizer,
                       const struct stage *pre_tokenizer, struct vocab *v)
{
	v->split = WORDS_NONE;
	if (pre_tokenizer->n == 0)
		return read_spaces(normalizer, v);
	if (normalizer->n > 0)
		return refuse_step(normalizer, normalizer->step[0],
		                   "no normalizer beside a pre_tokenizer");
	return read_metaspace(pre_tokenizer, v);
}

int hf_pipeline_read(json_t *tokenizer, bool byte_fallback, const char *path,
                     struct vocab *v, struct wl_error *err)
{
	struct stage normalizer, pre_tokenizer, decoder;

	if (read_stage(&normalizer, tokenizer, "normalizer", "normalizers",
	               path, err) ||
	    read_stage(&pre_tokenizer, tokenizer, "pre_tokenizer",
	               "pretokenizers", path, err) ||
	    read_stage(&decoder, tokenizer, "decoder", "decoders", path, err))
		return -1;
	if (byte_fallback)
		return read_marked(&normalizer, &pre_tokenizer, v) ||
		       read_mark_decoder(&decoder) ? -1 : 0;
	return read_nfc(&normalizer, v) || read_words(&pre_tokenizer, v) ||
	       read_byte_decoder(&decoder) ? -1 : 0;
}

/* --- Settings in tokenizer_config.json --- */

void hf_pipeline_says(json_t *tokenizer, struct vocab_says *says)
{
	says->bos = jsonfile_get(tokenizer, "post_processor");
	says->space = is_type(jsonfile_get(tokenizer, "pre_tokenizer"),
	                      "Sequence");
}

int hf_pipeline_space(const struct jsonfile_at *settings,
                      const struct vocab_says *says, bool llama,
                      struct vocab *v)
{
	static const char key[] = "add_prefix_space";
	bool bytes = v->split != WORDS_NONE, space = v->add_space;
	bool legacy = v->space_rule == SPACE_EVERY;

	if (jsonfile_bool(settings, key, &space) ||
	    jsonfile_bool(settings, "legacy", &legacy))
		return -1;
	if (space == v->add_space)
		return 0;
	if (bytes ? says->space : !llama)
		return wl_error_set(settings->err, "%s: \"%s\" is %s, which"
		                    " contradicts tokenizer.json's %s",
		                    settings->path, key, space ? "true" :
		                    "false", bytes ? "ByteLevel" :
		                    "normalizer or Metaspace");
	v->add_space = space;
	v->space_rule = bytes && space ? SPACE_MISSING :
	                bytes || legacy ? SPACE_EVERY : SPACE_FIRST;
	return 0;
}

/* --- After the model: BOS --- */

/* Sets v->bos_id to the one id of a template's special token. */
static int read_special(const struct stage *p, const json_t *template,
                        const char *name, struct vocab *v)
{
	const json_t *ids = json_object_get(json_object_get(
		json_object_get(template, "special_tokens"), name), "ids");
	const json_t *id = json_array_get(ids, 0);

	if (json_array_size(ids) != 1 || !json_is_integer(id) ||
	    json_integer_value(id) < 0 || json_integer_value(id) >= v->n)
		return wl_error_set(p->err, "%s: %s: \"special_tokens\" must"
		                    " give \"%.100s\" one id in 0..%d",
		                    p->path, p->name, name, v->n - 1);
	v->bos_id = json_integer_value(id);
	return 0;
}

/* Reads "single": at most one special token, then the text, Sequence A. */
static int read_template(const struct stage *p, const json_t *template,
                         struct vocab *v)
{
	const json_t *single = json_object_get(template, "single"), *piece;
	bool text = false;
	size_t i;

	json_array_foreach(single, i, piece) {
		const json_t *special = json_object_get(piece, "SpecialToken");
		const char *name = json_string_value(json_object_get(special,
		                                                     "id"));

		if (is_text(json_object_get(piece, "Sequence"), "id", "A") &&
		    !text)
			text = true;
		else if (!name)
			return refuse(p, "\"single\" must have at most one"
			              " SpecialToken, then the Sequence A");
		else if (text || v->bos_id >= 0)
			return wl_error_set(p->err, "%s: %s: special token"
			                    " \"%.100s\" %s is not supported",
			                    p->path, p->name, name, text ?
			                    "after the text" :
			                    "before the text beside another");
		else if (read_special(p, template, name, v))
			return -1;
	}
	return text ? 0 : refuse(p, "\"single\" lacks the Sequence A");
}

int hf_pipeline_bos(json_t *tokenizer, const char *path, struct vocab *v,
                    struct wl_error *err)
{
	const json_t *template = NULL;
	struct stage p;

	v->bos_id = -1;
	if (read_stage(&p, tokenizer, "post_processor", "processors", path,
	               err))
		return -1;
	for (int i = 0; i < p.n; i++) {
		/* ByteLevel changes offsets into the text, not ids. */
		if (is_type(p.step[i], "ByteLevel"))
			continue;
		if (!is_type(p.step[i], "TemplateProcessing") || template)
			return refuse_step(&p, p.step[i], "ByteLevel and one"
			                   " TemplateProcessing");
		template = p.step[i];
	}
	return template ? read_template(&p, template, v) : 0;
}
