#include "config.h"
#include "option_kinds.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/type.h"

/* ---- parsing ---- */

static int bad(const struct option *o, const char *arg, struct wl_error *err,
               const char *why)
{
	return wl_error_set(err, "option %s: \"%s\" %s", o->name, arg, why);
}

/* Digits x digits, nothing else, each from 1 to max. */
static int parse_grid(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	struct rxc *g = field;
	long v[2];
	const char *p = arg;

	for (int i = 0; i < 2; i++) {
		char *end;

		if (*p < '0' || *p > '9')
			return bad(o, arg, err, "is not of the form RxC, such "
			           "as 16x16");
		errno = 0;
		v[i] = strtol(p, &end, 10);
		if (*end != (i ? '\0' : 'x'))
			return bad(o, arg, err, "is not of the form RxC, such "
			           "as 16x16");
		if (errno || v[i] < 1 || v[i] > o->max)
			return bad(o, arg, err, "has a side that is out of "
			           "range");
		p = end + 1;
	}
	*g = (struct rxc){ (int)v[0], (int)v[1] };
	return 0;
}

static int parse_real(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	double *v = field;
	char *end;

	errno = 0;
	*v = strtod(arg, &end);
	if (end == arg || *end || !isfinite(*v) || strpbrk(arg, " \t\nxX"))
		return bad(o, arg, err, "is not a number");
	if (o->kind == INTEGER && *v != floor(*v))
		return bad(o, arg, err, "is not a whole number");
	if (*v < o->min || *v > o->max)
		return wl_error_set(err,
		                    "option %s: \"%s\" is not between %.10g"
		                    " and %.10g",
		                    o->name, arg, o->min, o->max);
	return 0;
}

static int parse_unsigned(const struct option *o, const char *arg, void *field,
                          struct wl_error *err)
{
	uint64_t *v = field;
	char *end;

	errno = 0;
	*v = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno)
		return bad(o, arg, err, "is not a whole number from 0 to "
		           "18446744073709551615");
	return 0;
}

/* One to OPTIONS_GROUPS numbers with commas between. */
static int parse_counts(const struct option *o, const char *arg, void *field,
                        struct wl_error *err)
{
	int *counts = field;
	const char *p = arg;

	memset(counts, 0, OPTIONS_GROUPS * sizeof *counts);
	for (int i = 0; i < OPTIONS_GROUPS; i++) {
		char *end;
		long v;

		errno = 0;
		v = strtol(p, &end, 10);
		if (*p < '0' || *p > '9' || (*end && *end != ','))
			return bad(o, arg, err, "is not a list of whole "
			           "numbers, such as 27 or 64,8");
		if (errno || v < o->min || v > o->max)
			return bad(o, arg, err, "has a number that is out of "
			           "range");
		counts[i] = (int)v;
		if (!*end)
			return 0;
		p = end + 1;
	}
	return bad(o, arg, err, "has more numbers than a tree has levels");
}

static int parse_list(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	const char **list = field;
	int n = 0;

	while (list[n])
		n++;
	if (n == OPTIONS_SETS)
		return bad(o, arg, err, "is one too many");
	list[n] = arg;
	return 0;
}

static int parse_flag(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	(void)o, (void)arg, (void)err;
	*(bool *)field = true;
	return 0;
}

static int parse_string(const struct option *o, const char *arg, void *field,
                        struct wl_error *err)
{
	(void)o, (void)err;
	*(const char **)field = arg;
	return 0;
}

static int parse_kv(const struct option *o, const char *arg, void *field,
                    struct wl_error *err)
{
	if (strcmp(arg, "shift") && strcmp(arg, "concat"))
		return bad(o, arg, err, "is not one of shift, concat");
	return parse_string(o, arg, field, err);
}

static int parse_auto(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	if (strcmp(arg, "auto"))
		return parse_grid(o, arg, field, err);
	*(struct rxc *)field = (struct rxc){ GRID_AUTO, GRID_AUTO };
	return 0;
}

static int parse_integer(const struct option *o, const char *arg, void *field,
                         struct wl_error *err)
{
	double v;

	if (parse_real(o, arg, &v, err))
		return -1;
	*(int *)field = (int)v;
	return 0;
}

static int parse_type(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	int type = wl_type_parse(arg);

	if (type < 0)
		return bad(o, arg, err, "is not one of f32, f16, bf16");
	*(int *)field = type;
	return 0;
}

/* ---- showing ---- */

static void set_text(struct option_value *v, const char *text)
{
	v->kind = text && *text ? OPTION_TEXT : OPTION_NONE;
	v->text = text;
}

static void set_number(struct option_value *v, double number, bool given)
{
	v->kind = given ? OPTION_NUMBER : OPTION_NONE;
	v->number = number;
}

static void show_flag(const struct option *o, const void *field,
                      struct option_value *v)
{
	(void)o;
	v->kind = OPTION_FLAG;
	v->flag = *(const bool *)field;
}

static void show_string(const struct option *o, const void *field,
                        struct option_value *v)
{
	(void)o;
	set_text(v, *(const char *const *)field);
}

/* All strings of a list, with commas between. */
static void show_list(const struct option *o, const void *field,
                      struct option_value *v)
{
	const char *const *list = field;
	size_t at = 0;

	(void)o;
	for (int i = 0; list[i] && at < sizeof v->buffer; i++)
		at += snprintf(v->buffer + at, sizeof v->buffer - at, "%s%s",
		               i ? "," : "", list[i]);
	set_text(v, v->buffer);
}

static void show_counts(const struct option *o, const void *field,
                        struct option_value *v)
{
	const int *counts = field;
	size_t at = 0;

	(void)o;
	for (int i = 0; i < OPTIONS_GROUPS && counts[i] &&
	     at < sizeof v->buffer; i++)
		at += snprintf(v->buffer + at, sizeof v->buffer - at, "%s%d",
		               i ? "," : "", counts[i]);
	set_text(v, v->buffer);
}

static void show_integer(const struct option *o, const void *field,
                         struct option_value *v)
{
	int i = *(const int *)field;

	set_number(v, i, o->initial || i > 0);
}

static void show_unsigned(const struct option *o, const void *field,
                          struct option_value *v)
{
	(void)o;
	set_number(v, (double)*(const uint64_t *)field, true);
}

static void show_real(const struct option *o, const void *field,
                      struct option_value *v)
{
	(void)o;
	set_number(v, *(const double *)field, true);
}

/* A grid as it is typed. */
static void show_grid(const struct option *o, const void *field,
                      struct option_value *v)
{
	const struct rxc *g = field;

	(void)o;
	if (g->rows == GRID_AUTO)
		snprintf(v->buffer, sizeof v->buffer, "auto");
	else if (g->rows)
		snprintf(v->buffer, sizeof v->buffer, "%dx%d", g->rows,
		         g->cols);
	set_text(v, v->buffer);
}

static void show_type(const struct option *o, const void *field,
                      struct option_value *v)
{
	int type = *(const int *)field;

	(void)o;
	set_text(v, type < 0 ? NULL : wl_type_name(type));
}

/* ---- the table ---- */

static const struct {
	int (*parse)(const struct option *o, const char *arg, void *field,
	             struct wl_error *err);
	void (*show)(const struct option *o, const void *field,
	             struct option_value *v);
} kinds[] = {
	[FLAG] = { parse_flag, show_flag },
	[STRING] = { parse_string, show_string },
	[INPUT] = { parse_string, show_string },
	[LIST] = { parse_list, show_list },
	[INTEGER] = { parse_integer, show_integer },
	[UNSIGNED] = { parse_unsigned, show_unsigned },
	[REAL] = { parse_real, show_real },
	[COUNTS] = { parse_counts, show_counts },
	[GRID] = { parse_grid, show_grid },
	[AUTO] = { parse_auto, show_grid },
	[TYPE] = { parse_type, show_type },
	[KV] = { parse_kv, show_string },
};

int option_parse(const struct option *o, const char *arg, struct options *opts,
                 struct wl_error *err)
{
	return kinds[o->kind].parse(o, arg, (char *)opts + o->field, err);
}

void option_show(const struct option *o, const void *field,
                 struct option_value *v)
{
	v->buffer[0] = '\0';
	kinds[o->kind].show(o, field, v);
}
