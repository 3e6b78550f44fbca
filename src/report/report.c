#include "config.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/streams.h"
#include "host/h5file.h"

/* Decimal digits that preserve every bit of a double. */
#define REAL_DIGITS 17

static bool ends_in(const char *path, const char *ending)
{
	size_t n = strlen(path), m = strlen(ending);

	return n > m && !strcmp(path + n - m, ending);
}

static bool is_h5(const char *path)
{
	return ends_in(path, ".h5") || ends_in(path, ".hdf5");
}

/* Whether a JSON file is a report of ours: its first key is "format", whose
 * value ends in "report". */
static bool is_json_report(const char *path)
{
	static const char start[] = "{\n \"format\": \"waferllm ";
	char text[128], *end;
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	end = strchr(text, ',');
	if (strncmp(text, start, strlen(start)) || !end)
		return false;
	*end = '\0';
	return strstr(text, "report\"");
}

static bool is_report(const char *path)
{
	return is_h5(path) ? h5file_is(path, "report") : is_json_report(path);
}

const struct output_kind report_output = {
	.noun = "report", .option = "--report", .recognize = is_report };

static int check_ending(const char *path, struct wl_error *err)
{
	if (is_h5(path) || ends_in(path, ".json") || output_is_device(path))
		return 0;
	return wl_error_set(err, "option --report: \"%s\" does not end in"
	                    " .json, .h5 or .hdf5", path);
}

static bool is_stdout(const char *path)
{
	return !strcmp(path, OPTIONS_STDOUT);
}

int report_check_path(const char *path, struct wl_error *err)
{
	if (is_stdout(path))
		return 0;
	if (check_ending(path, err))
		return -1;
	return output_check(path, &report_output, err);
}

/* --- JSON --- */

/* The tree as text; the caller frees it. */
static char *json_text(json_t *tree)
{
	char *text = json_dumps(tree, JSON_INDENT(1) |
	                        JSON_REAL_PRECISION(REAL_DIGITS));

	if (!text)
		wl_die("out of memory: a report");
	return text;
}

static int print_json(json_t *tree, struct wl_error *err)
{
	char *text = json_text(tree);

	puts(text);
	free(text);
	return streams_check(err);
}

static int save_json(json_t *tree, const char *path, struct wl_error *err)
{
	struct output *o = output_begin(path, &report_output, err);
	char *text;
	int failure;

	if (!o)
		return -1;
	text = json_text(tree);
	failure = output_write(o, text, strlen(text), 0);
	if (!failure)
		failure = output_write(o, "\n", 1, strlen(text));
	free(text);
	if (!failure)
		return output_commit(o, err);
	output_failed(o, failure, err);
	output_cancel(o);
	return -1;
}

int report_save(json_t *tree, const char *path, struct wl_error *err)
{
	if (is_stdout(path))
		return print_json(tree, err);
	if (check_ending(path, err))
		return -1;
	return is_h5(path) ? report_save_h5(tree, path, err)
	                   : save_json(tree, path, err);
}

int report_write(const struct report *r, const char *path,
                 struct wl_error *err)
{
	json_t *tree = report_tree(r);
	int rc = report_save(tree, path, err);

	json_decref(tree);
	return rc;
}
