/* Writes a report's tree in the HDF5 form that report.h describes. */
#include "config.h"
#include "report/report.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/h5file.h"

struct out {
	struct h5file *f;
	struct wl_error *err;
};

static int put_object(const struct out *o, const char *group,
                      json_t *object);

/* "group/key". The caller frees it. */
static char *join(const char *group, const char *key)
{
	size_t size = strlen(group) + strlen(key) + 2;
	char *path = wl_malloc(size, 1);

	snprintf(path, size, "%s/%s", strcmp(group, "/") ? group : "", key);
	return path;
}

/* --- Arrays of numbers, booleans or strings, with nulls --- */

/* The types of an array's elements, as bits 1 << json_type. */
static unsigned types_in(const json_t *array)
{
	unsigned types = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
		types |= 1u << json_typeof(v);
	return types;
}

#define HAS(type) (1u << (type))
#define BOOLS (HAS(JSON_TRUE) | HAS(JSON_FALSE))

static int put_strings(const struct out *o, const char *group,
                       const json_t *array)
{
	const json_t *v;
	size_t i;
	int rc = 0;

	json_array_foreach(array, i, v) {
		char name[24];

		snprintf(name, sizeof name, "%zu", i);
		if (!rc && json_is_string(v))
			rc = h5file_put_string(o->f, group, name,
			                       json_string_value(v), o->err);
	}
	return rc;
}

static int put_bools(const struct out *o, const char *path,
                     const json_t *array, const struct h5_info *info)
{
	uint8_t *data = wl_malloc(info->cols, sizeof *data);
	const json_t *v;
	size_t i;
	int rc;

	json_array_foreach(array, i, v)
		data[i] = json_is_true(v);
	rc = h5file_write(o->f, path, info, data, o->err);
	free(data);
	return rc;
}

static int put_integers(const struct out *o, const char *path,
                        const json_t *array, const struct h5_info *info)
{
	int64_t *data = wl_malloc(info->cols, sizeof *data);
	const json_t *v;
	size_t i;
	int rc;

	json_array_foreach(array, i, v)
		data[i] = json_integer_value(v);
	rc = h5file_write(o->f, path, info, data, o->err);
	free(data);
	return rc;
}

/* v as a number: 0 or 1 for a boolean, NaN for null. */
static double real_of(const json_t *v)
{
	if (json_is_null(v))
		return NAN;
	return json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
}

static int put_reals(const struct out *o, const char *path,
                     const json_t *array, const struct h5_info *info)
{
	double *data = wl_malloc(info->cols, sizeof *data);
	const json_t *v;
	size_t i;
	int rc;

	json_array_foreach(array, i, v)
		data[i] = real_of(v);
	rc = h5file_write(o->f, path, info, data, o->err);
	free(data);
	return rc;
}

static int put_scalars(const struct out *o, const char *path,
                       const json_t *array)
{
	struct h5_info info = { 1, 1, json_array_size(array), H5_F64 };
	unsigned types = types_in(array);

	if (types & HAS(JSON_STRING))
		return put_strings(o, path, array);
	if (types && !(types & ~BOOLS)) {
		info.type = H5_U8;
		return put_bools(o, path, array, &info);
	}
	if (types == HAS(JSON_INTEGER)) {
		info.type = H5_I64;
		return put_integers(o, path, array, &info);
	}
	return put_reals(o, path, array, &info);
}

/* --- Arrays of objects: tables --- */

/* The column `name`; adds one of n nulls if there is none. */
static json_t *column(json_t *columns, const char *name, size_t n)
{
	json_t *c = json_object_get(columns, name);

	if (c)
		return c;
	c = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(c, json_null());
	if (json_object_set_new(columns, name, c))
		wl_die("out of memory: a column of a report");
	return c;
}

/* Puts the values of an object, row i of n, into the columns; those of nested
 * objects too, with their keys joined by dots after prefix. */
static void put_row(json_t *columns, size_t i, size_t n, const char *prefix,
                    json_t *row)
{
	const char *key;
	json_t *v;

	json_object_foreach(row, key, v) {
		char name[128];

		snprintf(name, sizeof name, "%s%s", prefix, key);
		if (json_is_object(v)) {
			strncat(name, ".", sizeof name - strlen(name) - 1);
			put_row(columns, i, n, name, v);
		} else if (!json_is_null(v)) {
			json_array_set(column(columns, name, n), i, v);
		}
	}
}

static int put_table(const struct out *o, const char *group,
                     const json_t *array)
{
	json_t *columns = json_object(), *row, *c;
	size_t i, n = json_array_size(array);
	const char *name;
	int rc = h5file_put_int(o->f, group, "rows", n, o->err);

	json_array_foreach(array, i, row)
		put_row(columns, i, n, "", row);
	json_object_foreach(columns, name, c) {
		char *path = join(group, name);

		if (!rc)
			rc = put_scalars(o, path, c);
		free(path);
	}
	json_decref(columns);
	return rc;
}

/* --- Objects --- */

static int put_value(const struct out *o, const char *group, const char *key,
                     json_t *v)
{
	bool table = types_in(v) & HAS(JSON_OBJECT);
	char *path = join(group, key);
	int rc = 0;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		rc = put_object(o, path, v);
		break;
	case JSON_ARRAY:
		rc = table ? put_table(o, path, v) : put_scalars(o, path, v);
		break;
	case JSON_STRING:
		rc = h5file_put_string(o->f, group, key, json_string_value(v),
		                       o->err);
		break;
	case JSON_INTEGER:
		rc = h5file_put_int(o->f, group, key, json_integer_value(v),
		                    o->err);
		break;
	case JSON_REAL:
		rc = h5file_put_double(o->f, group, key, json_real_value(v),
		                       o->err);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		rc = h5file_put_bool(o->f, group, key, json_is_true(v),
		                     o->err);
		break;
	case JSON_NULL:
		break;
	}
	free(path);
	return rc;
}

static int put_object(const struct out *o, const char *group,
                      json_t *object)
{
	const char *key;
	json_t *v;

	if (h5file_make_group(o->f, group, o->err))
		return -1;
	json_object_foreach(object, key, v)
		if (put_value(o, group, key, v))
			return -1;
	return 0;
}

/* One string, a line for each field: readable in the output of h5dump -A, where
 * a group of strings is not. */
static json_t *unit_lines(json_t *units)
{
	size_t size = 1, at = 0;
	const char *key;
	json_t *v;

	json_object_foreach(units, key, v)
		size += strlen(key) + strlen(json_string_value(v)) + 3;

	char *text = wl_malloc(size, 1);

	text[0] = '\0';
	json_object_foreach(units, key, v)
		at += snprintf(text + at, size - at, "%s: %s\n", key,
		               json_string_value(v));
	v = json_string(text);
	free(text);
	return v;
}

int report_save_h5(json_t *tree, const char *path, struct wl_error *err)
{
	json_t *units = json_object_get(tree, "units");
	json_t *root = json_copy(tree);
	struct out o = { h5file_create(path, &report_output, err), err };
	int rc = o.f ? 0 : -1;

	if (json_is_object(units))
		json_object_set_new(root, "units", unit_lines(units));
	if (!rc)
		rc = put_object(&o, "/", root);
	json_decref(root);
	if (!rc)
		return h5file_commit(o.f, err);
	h5file_close(o.f);
	return -1;
}
