#include "config.h"
#include "base/jsonfile.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/recognize.h"

/* Parses a JSON object. The caller frees; NULL and err on failure. */
static json_t *parse(const char *text, size_t size, const char *path,
                     size_t flags, struct wl_error *err)
{
	json_error_t why;
	json_t *root = json_loadb(text, size, flags | JSON_REJECT_DUPLICATES,
	                          &why);

	if (!root) {
		wl_error_set(err, "%s: line %d: %s", path, why.line, why.text);
		return NULL;
	}
	if (json_is_object(root))
		return root;
	wl_error_set(err, "%s: not a JSON object", path);
	json_decref(root);
	return NULL;
}

json_t *jsonfile_read(const char *path, size_t max_bytes, size_t flags,
                      struct wl_error *err)
{
	size_t size;
	char *text = file_read_whole(path, max_bytes, &size, err);
	json_t *root = NULL;

	if (text)
		root = parse(text, size, path, flags, err);
	free(text);
	if (!root)
		recognize_explain(path, FILE_JSON, err);
	return root;
}

json_t *jsonfile_get(const json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);

	return json_is_null(v) ? NULL : v;
}

static int refuse(const struct jsonfile_at *a, const char *key,
                  const char *what)
{
	return wl_error_set(a->err, "%s: \"%s%s\" must be %s", a->path, a->in,
	                    key, what);
}

static const struct {
	const char *what, *cure;
	const char *keys[4]; /* found in no other kind */
} kinds[JSON_NKINDS] = {
	[JSON_SHAPE] = { "a shape", "give it to --shape or to import --random",
	                 { "dim", "n_layers", "n_heads", "n_kv_heads" } },
	[JSON_DEVICE] = { "a device", "give it to --device", { "numbers" } },
	[JSON_HF_CONFIG] = {
		"a Hugging Face config.json", "import its directory with"
		" waferllm import",
		{ "architectures", "model_type", "hidden_size",
		  "num_hidden_layers" } },
};

static bool looks_like(const json_t *object, enum json_kind kind)
{
	for (int i = 0; i < 4 && kinds[kind].keys[i]; i++)
		if (json_object_get(object, kinds[kind].keys[i]))
			return true;
	return false;
}

int jsonfile_refuse_other(const struct jsonfile_at *a, enum json_kind wanted)
{
	int other = -1;

	if (looks_like(a->object, wanted))
		return 0;
	for (int i = 0; i < JSON_NKINDS; i++)
		if (looks_like(a->object, i)) {
			if (other >= 0)
				return 0;
			other = i;
		}
	if (other < 0)
		return 0;
	return wl_error_set(a->err, "%s: is %s, not %s: %s", a->path,
	                    kinds[other].what, kinds[wanted].what,
	                    kinds[other].cure);
}

int jsonfile_refuse_unknown(const struct jsonfile_at *a,
                            const char *const *keys)
{
	const char *key;
	json_t *v;

	json_object_foreach(a->object, key, v) {
		const char *const *k = keys;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return wl_error_set(a->err, "%s: unknown key"
			                    " \"%s%.100s\"", a->path, a->in,
			                    key);
	}
	return 0;
}

int jsonfile_int(const struct jsonfile_at *a, const char *key, int *to)
{
	json_t *v = jsonfile_get(a->object, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 1 ||
	    json_integer_value(v) > INT_MAX)
		return refuse(a, key, "a positive 32-bit integer");
	*to = json_integer_value(v);
	return 0;
}

int jsonfile_real(const struct jsonfile_at *a, const char *key, double *to)
{
	json_t *v = jsonfile_get(a->object, key);

	if (!v)
		return 0;
	if (!json_is_number(v))
		return refuse(a, key, "a number");
	*to = json_number_value(v);
	return 0;
}

int jsonfile_bool(const struct jsonfile_at *a, const char *key, bool *to)
{
	json_t *v = jsonfile_get(a->object, key);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return refuse(a, key, "true or false");
	*to = json_is_true(v);
	return 0;
}
