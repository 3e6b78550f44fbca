/* Where a Hugging Face model's texts end: what each of its files says, the
 * union of which counts. */
#include "config.h"
#include "hf.h"

#include <stdio.h>
#include <string.h>

#include "jsonfile.h"

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

/* The special piece of that text, else any such piece; -1: there is none. */
static int find_piece(const struct vocab *v, const char *text)
{
	size_t len = strlen(text);
	int found = -1;

	for (int i = 0; i < v->n; i++) {
		if (vocab_length(v, i) != len ||
		    memcmp(v->text + v->offset[i], text, len) != 0)
			continue;
		if (v->type[i] == PIECE_CONTROL)
			return i;
		if (found < 0)
			found = i;
	}
	return found;
}

static int add_token(const json_t *token, const char *path,
                     struct import_model *m, struct wl_error *err)
{
	const json_t *content = json_is_object(token) ?
	                        json_object_get(token, "content") : token;
	const char *text = json_string_value(content);
	char where[512];
	int id;

	if (!text)
		return wl_error_set(err, "%s: \"eos_token\" must be a string,"
		                    " an object with \"content\", or a list of"
		                    " them", path);
	if (!*text)
		return 0;
	id = find_piece(&m->vocab, text);
	if (id < 0) {
		import_note(m, "ignored: %s: \"eos_token\" \"%.100s\" is no"
		            " piece of tokenizer.json", path, text);
		return 0;
	}
	snprintf(where, sizeof where, "%.400s: \"eos_token\"", path);
	return import_add_stop(m, id, where, err);
}

int hf_stops_tokens(json_t *file, const char *path, struct import_model *m,
                    struct wl_error *err)
{
	json_t *eos = jsonfile_get(file, "eos_token"), *v;
	size_t i;

	if (eos && !json_is_array(eos))
		return add_token(eos, path, m, err);
	json_array_foreach(eos, i, v)
		if (add_token(v, path, m, err))
			return -1;
	return 0;
}
