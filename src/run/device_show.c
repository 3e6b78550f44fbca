#include "config.h"
#include "run/device_show.h"

#include <jansson.h>
#include <string.h>

#include "base/datafile.h"
#include "base/figure.h"
#include "base/printable.h"
#include "base/row.h"
#include "base/wrap.h"
#include "device/device.h"
#include "show_file.h"

/* --- All devices --- */

struct list {
	FILE *out;
	struct wl_error *err; /* of the first invalid file */
	int rc;
};

static void list_row(FILE *out, const char *const cell[7])
{
	static const int width[7] = { -13, 9, 13, 11, 10, 9, -2 };
	struct row row = { 0 };

	for (int i = 0; i < 7; i++)
		row_add(&row, width[i], "%s%s", i == 6 ? "  " : "", cell[i]);
	printable_mask(row.text);
	fprintf(out, "%s\n", row.text);
}

static void list_device(void *ctx, const char *name)
{
	struct list *l = ctx;
	struct wl_error err;
	struct device d;
	char cores[32];

	if (device_read(name, &d, &err)) {
		if (!l->rc)
			*l->err = err;
		l->rc = -1;
		return;
	}
	snprintf(cores, sizeof cores, "%.0fx%.0f", d.rows, d.cols);
	list_row(l->out, (const char *const[]){
		name, cores, figure_count(d.sram, "B").s,
		figure_count(d.sram * d.rows * d.cols, "B").s,
		figure_megahertz(d.clock).s, figure_watts(d.power).s,
		d.title });
}

int device_list(FILE *out, struct wl_error *err)
{
	struct list l = { out, err, 0 };

	list_row(out, (const char *const[]){ "device", "cores", "memory/core",
	         "total", "clock", "power", "title" });
	if (datafile_each("devices", list_device, &l, err))
		return -1;
	return l.rc;
}

/* --- One device --- */

/* Column of the meaning, after key, value and unit. */
#define MEANING 39

/* Whether one of the changes, "key=value", is of the number `key`. */
static bool is_set(const char *const *changes, const char *key)
{
	size_t len = strlen(key);

	for (; *changes; changes++)
		if (!strncmp(*changes, key, len) && (*changes)[len] == '=')
			return true;
	return false;
}

/* Prints a text of the file: a string or an array of lines; nothing if NULL. */
static void show_text(FILE *out, const char *what, const json_t *text)
{
	const struct wrap w = { out, "", SHOW_INDENT };
	char all[4000] = "";
	size_t i, at = 0;
	json_t *line;

	if (json_is_string(text))
		wrap_print(&w, "", "%s: %s", what, json_string_value(text));
	if (!json_array_size(text))
		return;
	json_array_foreach(text, i, line)
		if (at < sizeof all)
			at += snprintf(all + at, sizeof all - at, "%s%s",
			               i ? " " : "", json_string_value(line));
	wrap_print(&w, "", "%s: %s", what, all);
}

/* Prints number i: its value, and the file's value if --set changed it. */
static void show_number(FILE *out, size_t i, double value, bool set,
                        const json_t *numbers)
{
	const struct device_number *n = device_number(i);
	const json_t *in_file = json_object_get(numbers, n->key);
	struct row row = { 0 };

	row_add(&row, -SHOW_INDENT, "%s", n->key);
	row_add(&row, 8, "%.10g", value);
	row_add(&row, -14, " %s", n->unit);
	wrap_print(&(struct wrap){ out, "", MEANING }, row.text, "%s", n->help);
	if (set)
		fprintf(out, "%*sset by --set; %.10g in the file\n",
		        SHOW_INDENT, "",
		        json_number_value(json_object_get(in_file, "value")));
	show_text(out, "source", json_object_get(in_file, "source"));
	show_text(out, "note", json_object_get(in_file, "note"));
}

static void show_device(FILE *out, const struct device *d, const char *name,
                        const char *const *changes, const json_t *file)
{
	const json_t *numbers = json_object_get(file, "numbers");

	wrap_print(&(struct wrap){ out, "", SHOW_INDENT }, d->name, "%s",
	           d->title);
	show_file(out, "devices", name);
	putc('\n', out);
	for (size_t i = 0; i < device_count(); i++)
		show_number(out, i, device_value(d, i),
		            is_set(changes, device_number(i)->key), numbers);
	if (json_object_get(file, "notes"))
		putc('\n', out);
	show_text(out, "notes", json_object_get(file, "notes"));
}

int device_show(const char *name, const char *const *changes, FILE *out,
                struct wl_error *err)
{
	struct device d;
	json_t *file = device_load(name, &d, err);
	int rc = file ? 0 : -1;

	for (int i = 0; !rc && changes[i]; i++)
		rc = device_set(&d, changes[i], err);
	if (!rc)
		rc = device_check(&d, changes[0] ? "option --set" : name, err);
	if (!rc)
		show_device(out, &d, name, changes, file);
	json_decref(file);
	return rc;
}
