/* The stop ids of a Hugging Face model: the union of those that its files
 * name. */
#include "config.h"
#include "hf.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonfile.h"

#define KEY "eos_token_id"

static int add_id(const json_t *v, const char *path, struct import_model *m,
                  struct wl_error *err)
{
	char where[512];

	if (!json_is_integer(v))
		return wl_error_set(err, "%s: \"" KEY "\" must be an integer"
		                    " or a list of them", path);
	snprintf(where, sizeof where, "%.400s: \"" KEY "\"", path);
	return import_add_stop(m, json_integer_value(v), where, err);
}

int hf_stops_ids(json_t *config, const char *path, struct import_model *m,
                 struct wl_error *err)
{
	json_t *eos = jsonfile_get(config, KEY), *v;
	size_t i;

	if (eos && !json_is_array(eos))
		return add_id(eos, path, m, err);
	json_array_foreach(eos, i, v)
		if (add_id(v, path, m, err))
			return -1;
	return 0;
}

/* The id of a token by its text: that in tokenizer.json, else that in another
 * file, with a note where tokenizer.json has a different piece of that id. -1:
 * none. */
static json_int_t find_token(struct import_model *m, const json_t *added,
                             const char *text, const char *path)
{
	const struct vocab *v = &m->vocab;
	int found = vocab_find(v, text);
	const json_t *id = json_object_get(added, text);
	json_int_t i = json_integer_value(id);

	if (found >= 0 || !json_is_integer(id))
		return found;
	if (i >= 0 && i < v->n && vocab_length(v, i) > 0)
		import_note(m, "%s: \"eos_token\" \"%.100s\" has id %lld, which"
		            " is \"%.*s\" in tokenizer.json", path, text,
		            (long long)i, (int)(vocab_length(v, i) < 60 ?
		                                vocab_length(v, i) : 60),
		            v->text + v->offset[i]);
	return i;
}

static int add_token(const json_t *token, const char *path,
                     const json_t *added, struct import_model *m,
                     struct wl_error *err)
{
	const json_t *content = json_is_object(token) ?
	                        json_object_get(token, "content") : token;
	const char *text = json_string_value(content);
	char where[512];
	json_int_t id;

	if (!text)
		return wl_error_set(err, "%s: \"eos_token\" must be a string,"
		                    " an object with \"content\", or a list of"
		                    " them", path);
	if (!*text)
		return 0;
	id = find_token(m, added, text, path);
	if (id < 0) {
		import_note(m, "ignored: %s: \"eos_token\" \"%.100s\" is not a"
		            " piece of tokenizer.json", path, text);
		return 0;
	}
	snprintf(where, sizeof where, "%.400s: \"eos_token\"", path);
	return import_add_stop(m, id, where, err);
}

int hf_stops_tokens(json_t *file, const char *path, const json_t *added,
                    struct import_model *m, struct wl_error *err)
{
	json_t *eos = jsonfile_get(file, "eos_token"), *v;
	size_t i;

	if (eos && !json_is_array(eos))
		return add_token(eos, path, added, m, err);
	json_array_foreach(eos, i, v)
		if (add_token(v, path, added, m, err))
			return -1;
	return 0;
}
