#include "config.h"
#include "jsonfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct input {
	FILE *f;
	size_t left; /* bytes that may still come */
	bool cut;
};

/* json_load_callback's source: ends early where the file is too long. */
static size_t next_bytes(void *buffer, size_t size, void *data)
{
	struct input *in = data;
	size_t n = fread(buffer, 1, size, in->f);

	if (n > in->left) {
		in->cut = true;
		return 0;
	}
	in->left -= n;
	return n;
}

static json_t *parse(FILE *f, const char *path, size_t max_bytes, size_t flags,
                     struct wl_error *err)
{
	struct input in = { .f = f, .left = max_bytes };
	json_error_t why;
	json_t *root = json_load_callback(next_bytes, &in,
	                                  flags | JSON_REJECT_DUPLICATES, &why);

	if (ferror(f))
		wl_error_set(err, "%s: %s", path, strerror(errno));
	else if (in.cut)
		wl_error_set(err, "%s: more than %zu bytes, too many for such a"
		             " file", path, max_bytes);
	else if (!root)
		wl_error_set(err, "%s: line %d: %s", path, why.line, why.text);
	else if (!json_is_object(root))
		wl_error_set(err, "%s: not a JSON object", path);
	else
		return root;
	json_decref(root);
	return NULL;
}

json_t *jsonfile_read(const char *path, size_t max_bytes, size_t flags,
                      struct wl_error *err)
{
	struct stat st;
	json_t *root;
	FILE *f;

	/* Opening a FIFO could wait for ever. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		wl_error_set(err, "%s: %s", path, S_ISDIR(st.st_mode) ?
		             "is a directory" : "not a regular file");
		return NULL;
	}
	f = fopen(path, "r");
	if (!f) {
		wl_error_set(err, "%s: %s", path, strerror(errno));
		return NULL;
	}
	root = parse(f, path, max_bytes, flags, err);
	fclose(f);
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
