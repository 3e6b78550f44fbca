#include "config.h"
#include "model/shape.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/datafile.h"
#include "base/jsonfile.h"

#define MAX_BYTES ((size_t)1 << 16)

enum key_type { KEY_INT, KEY_REAL, KEY_BOOL };

/* Every key of a SHAPE.json. */
static const struct key {
	const char *name;
	enum key_type type;
	bool required;
	size_t at; /* of the field in struct model */
} keys[] = {
	{ "dim", KEY_INT, true, offsetof(struct model, dim) },
	{ "hidden_dim", KEY_INT, true, offsetof(struct model, hidden_dim) },
	{ "n_layers", KEY_INT, true, offsetof(struct model, n_layers) },
	{ "n_heads", KEY_INT, true, offsetof(struct model, n_heads) },
	{ "n_kv_heads", KEY_INT, true, offsetof(struct model, n_kv_heads) },
	{ "head_dim", KEY_INT, false, offsetof(struct model, head_dim) },
	{ "vocab_size", KEY_INT, true, offsetof(struct model, vocab_size) },
	{ "max_seq_len", KEY_INT, true, offsetof(struct model, max_seq_len) },
	{ "rope_theta", KEY_REAL, false, offsetof(struct model, rope_theta) },
	{ "rms_eps", KEY_REAL, false, offsetof(struct model, rms_eps) },
	{ "tied", KEY_BOOL, false, offsetof(struct model, tied) },
	{ "qkv_bias", KEY_BOOL, false, offsetof(struct model, qkv_bias) },
};

#define N_KEYS (sizeof keys / sizeof *keys)

/* Stores one value in its field of m; -1 when it is of another type. */
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
	const char *names[N_KEYS + 1] = { NULL };

	for (size_t i = 0; i < N_KEYS; i++)
		names[i] = keys[i].name;
	if (jsonfile_refuse_other(&a, JSON_SHAPE))
		return -1;
	return jsonfile_refuse_unknown(&a, names);
}

/* What head_dim is when the file does not say. */
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
	if (!json_object_get(root, "head_dim") &&
	    derive_head_dim(m, path, err))
		return -1;
	return model_check(m, path, err);
}

int shape_read(const char *name, struct model *m, struct wl_error *err)
{
	char found[PATH_MAX];
	const char *path = datafile_choose("shape", "shapes", name, found, err);
	json_t *root = path ? jsonfile_read(path, MAX_BYTES, 0, err) : NULL;
	int rc;

	if (!root)
		return -1;
	*m = (struct model){
		.rope_theta = 1e4,
		.rms_eps = 1e-5,
		.tied = true,
		.bos_id = 1,
		.n_stop = 1,
		.stop_id = { 2 },
	};
	rc = read_object(root, path, m, err);
	json_decref(root);
	return rc;
}
