#include "config.h"
#include "model/shape.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/datafile.h"
#include "base/jsonfile.h"

#define MAX_BYTES ((size_t)1 << 16)

enum key_type { KEY_INT, KEY_REAL, KEY_BOOL };

#define SOURCE "source"

/* Every key of a SHAPE.json except SOURCE, which is a string. */
static const struct key {
	const char *name;
	enum key_type type;
	bool required;
	size_t at; /* of the field in struct model */
	const char *help;
} keys[] = {
#define KEY(name, type, required, help) \
	{ #name, type, required, offsetof(struct model, name), help }
	KEY(dim, KEY_INT, true, "channels of the residual stream"),
	KEY(hidden_dim, KEY_INT, true, "channels within the feed-forward"),
	KEY(n_layers, KEY_INT, true, "layers"),
	KEY(n_heads, KEY_INT, true, "query heads"),
	KEY(n_kv_heads, KEY_INT, true, "key and value heads"),
	KEY(head_dim, KEY_INT, false, "channels of a head"),
	KEY(vocab_size, KEY_INT, true, "tokens of the vocabulary"),
	KEY(max_seq_len, KEY_INT, true, "context: tokens of prompt and answer"),
	KEY(rope_theta, KEY_REAL, false, "base of the rotary angles"),
	KEY(rms_eps, KEY_REAL, false, "added to the mean square in RMS norms"),
	KEY(tied, KEY_BOOL, false, "the output head is the embedding"),
	KEY(qkv_bias, KEY_BOOL, false, "queries, keys and values have biases"),
#undef KEY
};

#define N_KEYS (sizeof keys / sizeof *keys)

/* Stores a value in its field of m; -1 when it has the wrong type. */
static int store(const json_t *v, const struct key *k, struct model *m)
{
	char *field = (char *)m + k->at;
	json_int_t i = json_integer_value(v);

	switch (k->type) {
	case KEY_INT:
		if (!json_is_integer(v) || i < INT_MIN || i > INT_MAX)
			return -1;
		*(int *)field = i;
		return 0;
	case KEY_REAL:
		if (!json_is_number(v))
			return -1;
		*(double *)field = json_number_value(v);
		return 0;
	case KEY_BOOL:
		if (!json_is_boolean(v))
			return -1;
		*(bool *)field = json_is_true(v);
		return 0;
	}
	return -1;
}

static int read_key(const json_t *root, const struct key *k, const char *path,
                    struct model *m, struct wl_error *err)
{
	static const char *const noun[] = {
		[KEY_INT] = "a 32-bit integer",
		[KEY_REAL] = "a number",
		[KEY_BOOL] = "true or false",
	};
	const json_t *v = json_object_get(root, k->name);

	if (!v && k->required)
		return wl_error_set(err, "%s: key \"%s\" is missing", path,
		                    k->name);
	if (v && store(v, k, m))
		return wl_error_set(err, "%s: \"%s\" must be %s", path, k->name,
		                    noun[k->type]);
	return 0;
}

static int refuse_unknown(json_t *root, const char *path, struct wl_error *err)
{
	const struct jsonfile_at a = { root, path, "", err };
	const char *names[N_KEYS + 2] = { NULL };

	for (size_t i = 0; i < N_KEYS; i++)
		names[i] = keys[i].name;
	names[N_KEYS] = SOURCE;
	if (jsonfile_refuse_other(&a, JSON_SHAPE))
		return -1;
	return jsonfile_refuse_unknown(&a, names);
}

/* Sets head_dim where the file does not give it. */
static int derive_head_dim(struct model *m, const char *path,
                           struct wl_error *err)
{
	if (m->n_heads > 0 && m->dim % m->n_heads)
		return wl_error_set(err, "%s: \"dim\" %d is not a multiple of"
		                    " \"n_heads\" %d", path, m->dim,
		                    m->n_heads);
	m->head_dim = m->n_heads > 0 ? m->dim / m->n_heads : 0;
	return 0;
}

static int read_object(json_t *root, const char *path, struct model *m,
                       struct wl_error *err)
{
	if (refuse_unknown(root, path, err))
		return -1;
	for (size_t i = 0; i < N_KEYS; i++)
		if (read_key(root, &keys[i], path, m, err))
			return -1;
	if (json_object_get(root, SOURCE) &&
	    !json_is_string(json_object_get(root, SOURCE)))
		return wl_error_set(err, "%s: \"" SOURCE "\" must be a string",
		                    path);
	if (!json_object_get(root, "head_dim") &&
	    derive_head_dim(m, path, err))
		return -1;
	return model_check(m, path, err);
}

struct json_t *shape_load(const char *name, struct model *m,
                          struct wl_error *err)
{
	char found[PATH_MAX];
	const char *path = datafile_choose("shape", "shapes", name, found, err);
	json_t *root = path ? jsonfile_read(path, MAX_BYTES, 0, err) : NULL;

	if (!root)
		return NULL;
	*m = (struct model){
		.rope_theta = 1e4,
		.rms_eps = 1e-5,
		.tied = true,
		.bos_id = 1,
		.n_stop = 1,
		.stop_id = { 2 },
	};
	if (!read_object(root, path, m, err))
		return root;
	json_decref(root);
	return NULL;
}

int shape_read(const char *name, struct model *m, struct wl_error *err)
{
	json_t *root = shape_load(name, m, err);

	json_decref(root);
	return root ? 0 : -1;
}

size_t shape_count(void)
{
	return N_KEYS;
}

struct shape_key shape_key(size_t i)
{
	return (struct shape_key){ keys[i].name, keys[i].help };
}

void shape_value(const struct model *m, size_t i, char text[32])
{
	const char *field = (const char *)m + keys[i].at;

	switch (keys[i].type) {
	case KEY_INT:
		snprintf(text, 32, "%d", *(const int *)field);
		break;
	case KEY_REAL:
		snprintf(text, 32, "%.10g", *(const double *)field);
		break;
	case KEY_BOOL:
		snprintf(text, 32, "%s", *(const bool *)field ? "true"
		                                              : "false");
		break;
	}
}
