#include "config.h"
#include "device/device.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/datafile.h"
#include "base/jsonfile.h"

#define MAX_BYTES ((size_t)1 << 16)

static const struct device_number numbers[] = {
#define WL_NUMBER(field, unit, min, max, help) \
	{ #field, unit, help, min, max, offsetof(struct device, field) },
#include "device/device.def"
};

#define N_NUMBERS (sizeof numbers / sizeof *numbers)

size_t device_count(void)
{
	return N_NUMBERS;
}

const struct device_number *device_number(size_t i)
{
	return &numbers[i];
}

double device_value(const struct device *d, size_t i)
{
	return *(const double *)((const char *)d + numbers[i].offset);
}

/* The index of the number whose key is the first len bytes of key; N_NUMBERS if
 * there is none. */
static size_t find(const char *key, size_t len)
{
	size_t i = 0;

	while (i < N_NUMBERS && (strlen(numbers[i].key) != len ||
	                         strncmp(numbers[i].key, key, len) != 0))
		i++;
	return i;
}

/* Sets number i; refuses NaN and values out of range. what: the file or option
 * that the message names. */
static int store(struct device *d, size_t i, double value, const char *what,
                 struct wl_error *err)
{
	const struct device_number *n = &numbers[i];

	if (!(value >= n->min && value <= n->max))
		return wl_error_set(err, "%s: \"%s\" is %.10g, but must be"
		                    " between %.10g and %.10g %s", what,
		                    n->key, value, n->min, n->max, n->unit);
	*(double *)((char *)d + n->offset) = value;
	return 0;
}

/* --- Files --- */

/* The member `key`, which must be a one-line string that is not blank. NULL and
 * err if it is not. */
static const char *need_text(const struct jsonfile_at *a, const char *key)
{
	const json_t *v = json_object_get(a->object, key);
	const char *s = json_string_value(v), *wrong = NULL;

	if (!v)
		wrong = "is missing";
	else if (!s)
		wrong = "must be a string";
	else if (!s[strspn(s, " ")])
		wrong = "is empty";
	for (const char *p = wrong ? "" : s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			wrong = "has a control character";
	if (!wrong)
		return s;
	wl_error_set(a->err, "%s: \"%s%s\" %s", a->path, a->in, key, wrong);
	return NULL;
}

static int read_text(const struct jsonfile_at *a, const char *key, char *to,
                     size_t size)
{
	const char *s = need_text(a, key);

	if (!s)
		return -1;
	if (strlen(s) >= size)
		return wl_error_set(a->err, "%s: \"%s\" has more than %zu"
		                    " bytes", a->path, key, size - 1);
	strcpy(to, s);
	return 0;
}

static int read_number(const struct jsonfile_at *a, size_t i, struct device *d)
{
	static const char *const keys[] = { "value", "unit", "source", "note",
	                                    NULL };
	const json_t *v = json_object_get(a->object, "value");
	const char *unit;

	if (jsonfile_refuse_unknown(a, keys))
		return -1;
	if (!v)
		return wl_error_set(a->err, "%s: \"%svalue\" is missing",
		                    a->path, a->in);
	if (!json_is_number(v))
		return wl_error_set(a->err, "%s: \"%svalue\" must be a number",
		                    a->path, a->in);
	unit = need_text(a, "unit");
	if (!unit)
		return -1;
	if (strcmp(unit, numbers[i].unit) != 0)
		return wl_error_set(a->err, "%s: \"%sunit\" is \"%.100s\", but"
		                    " must be \"%s\"", a->path, a->in, unit,
		                    numbers[i].unit);
	if (!need_text(a, "source") ||
	    (json_object_get(a->object, "note") && !need_text(a, "note")))
		return -1;
	return store(d, i, json_number_value(v), a->path, a->err);
}

static int read_numbers(const struct jsonfile_at *top, struct device *d)
{
	static const char *const keys[] = {
#define WL_NUMBER(field, unit, min, max, help) #field,
#include "device/device.def"
		NULL
	};
	struct jsonfile_at a = *top;

	a.object = json_object_get(top->object, "numbers");
	a.in = "numbers.";
	if (!json_is_object(a.object))
		return wl_error_set(a.err, "%s: \"numbers\" %s", a.path,
		                    a.object ? "must be an object"
		                             : "is missing");
	if (jsonfile_refuse_unknown(&a, keys))
		return -1;
	for (size_t i = 0; i < N_NUMBERS; i++) {
		struct jsonfile_at n = a;
		char in[64];

		snprintf(in, sizeof in, "numbers.%s.", numbers[i].key);
		n.object = json_object_get(a.object, numbers[i].key);
		n.in = in;
		if (!json_is_object(n.object))
			return wl_error_set(a.err, "%s: \"numbers.%s\" %s",
			                    a.path, numbers[i].key,
			                    n.object ? "must be an object"
			                             : "is missing");
		if (read_number(&n, i, d))
			return -1;
	}
	return 0;
}

/* Notes for the reader: a string or an array of strings. */
static int check_notes(const struct jsonfile_at *a)
{
	const json_t *notes = json_object_get(a->object, "notes"), *v;
	bool ok = !notes || json_is_string(notes) || json_is_array(notes);
	size_t i;

	json_array_foreach(notes, i, v)
		ok = ok && json_is_string(v);
	return ok ? 0 : wl_error_set(a->err, "%s: \"notes\" must be a string"
	                             " or an array of strings", a->path);
}

static int read_object(const struct jsonfile_at *a, struct device *d)
{
	static const char *const keys[] = { "name", "title", "numbers",
	                                    "notes", NULL };

	if (jsonfile_refuse_other(a, JSON_DEVICE) ||
	    jsonfile_refuse_unknown(a, keys) ||
	    read_text(a, "name", d->name, sizeof d->name) ||
	    read_text(a, "title", d->title, sizeof d->title) ||
	    check_notes(a))
		return -1;
	if (d->name[strspn(d->name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return wl_error_set(a->err, "%s: \"name\" is \"%s\", but may"
		                    " have only a-z, 0-9 and -", a->path,
		                    d->name);
	return read_numbers(a, d);
}

struct json_t *device_load(const char *name, struct device *d,
                           struct wl_error *err)
{
	char found[PATH_MAX];
	const char *path = datafile_choose("device", "devices", name, found,
	                                   err);
	struct device got = { 0 };
	struct jsonfile_at a = { .path = path, .in = "", .err = err };

	if (!path)
		return NULL;
	a.object = jsonfile_read(path, MAX_BYTES, 0, err);
	if (!a.object)
		return NULL;
	if (read_object(&a, &got)) {
		json_decref(a.object);
		return NULL;
	}
	*d = got;
	return a.object;
}

int device_read(const char *name, struct device *d, struct wl_error *err)
{
	json_t *object = device_load(name, d, err);

	json_decref(object);
	return object ? 0 : -1;
}

/* --- --set --- */

#define SET "option --set"

static int refuse_key(const char *key, size_t len, struct wl_error *err)
{
	char known[512] = "";
	size_t at = 0;

	for (size_t i = 0; i < N_NUMBERS; i++)
		if (at + strlen(numbers[i].key) + 3 <= sizeof known)
			at += sprintf(known + at, "%s%s", at ? ", " : "",
			              numbers[i].key);
	return wl_error_set(err, SET ": \"%.*s\" is none of a device's"
	                    " numbers: %s", len < 100 ? (int)len : 100, key,
	                    known);
}

int device_set(struct device *d, const char *assignment, struct wl_error *err)
{
	size_t len = strcspn(assignment, "="), i;
	const char *value = assignment + len + 1;
	double v;
	char *end;

	if (!assignment[len])
		return wl_error_set(err, SET ": \"%.100s\" is not of the form"
		                    " KEY=VALUE, such as clock=850",
		                    assignment);
	i = find(assignment, len);
	if (i == N_NUMBERS)
		return refuse_key(assignment, len, err);
	v = strtod(value, &end);
	/* strtod also accepts spaces, hexadecimal numbers, nan and inf. */
	if (end == value || *end || value[strspn(value, "+-.0123456789eE")])
		return wl_error_set(err, SET ": %s: \"%.100s\" is not a number",
		                    numbers[i].key, value);
	return store(d, i, v, SET, err);
}

/* --- Constraints between numbers --- */

int device_check(const struct device *d, const char *what,
                 struct wl_error *err)
{
	static const char *const whole[] = { "rows", "cols", "sram",
	                                     "sram_reserved", "routes" };

	for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) {
		size_t i = find(whole[k], strlen(whole[k]));
		double v = device_value(d, i);

		if (v != floor(v))
			return wl_error_set(err, "%s: \"%s\" is %.10g, but must"
			                    " be a whole number", what,
			                    whole[k], v);
	}
	if (d->sram_reserved >= d->sram)
		return wl_error_set(err, "%s: \"sram_reserved\" is %.10g, but"
		                    " must be below \"sram\", which is %.10g",
		                    what, d->sram_reserved, d->sram);
	return 0;
}

int device_open(const char *name, const char *const *changes,
                struct device *d, struct wl_error *err)
{
	if (device_read(name, d, err))
		return -1;
	for (int i = 0; changes[i]; i++)
		if (device_set(d, changes[i], err))
			return -1;
	return device_check(d, changes[0] ? "option --set" : name, err);
}

double device_usable_sram(const struct device *d)
{
	return d->sram - d->sram_reserved;
}
