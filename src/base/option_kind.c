/* How each kind of option is parsed and echoed. */
#include "config.h"
#include "option_kind.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/type.h"

/* ---- From the command line ---- */

static int bad(const struct option *o, const char *arg, struct wl_error *err,
               const char *why)
{
	return wl_error_set(err, "option %s: \"%s\" %s", o->name, arg, why);
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

/* Adds to a list of strings that ends with NULL. */
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

static int parse_kv(const struct option *o, const char *arg, void *field,
                    struct wl_error *err)
{
	*(const char **)field = arg;
	return strcmp(arg, "shift") && strcmp(arg, "concat")
		? bad(o, arg, err, "is not one of shift, concat") : 0;
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

static int parse_integer(const struct option *o, const char *arg, void *field,
                         struct wl_error *err)
{
	double v;

	if (parse_real(o, arg, &v, err))
		return -1;
	*(int *)field = (int)v;
	return 0;
}

static int parse_unsigned(const struct option *o, const char *arg, void *field,
                          struct wl_error *err)
{
	char *end;

	errno = 0;
	*(uint64_t *)field = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno)
		return bad(o, arg, err, "is not a whole number from 0 to "
		           "18446744073709551615");
	return 0;
}

/* One to OPTIONS_GROUPS numbers with commas between. */
static int parse_counts(const struct option *o, const char *arg, void *field,
                        struct wl_error *err)
{
	const char *p = arg;
	int *counts = field;

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

/* Digits x digits, nothing else, each from 1 to max. */
static int parse_grid(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
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
	*(struct rxc *)field = (struct rxc){ (int)v[0], (int)v[1] };
	return 0;
}

static int parse_auto_grid(const struct option *o, const char *arg,
                           void *field, struct wl_error *err)
{
	if (strcmp(arg, "auto"))
		return parse_grid(o, arg, field, err);
	*(struct rxc *)field = (struct rxc){ GRID_AUTO, GRID_AUTO };
	return 0;
}

static int parse_type(const struct option *o, const char *arg, void *field,
                      struct wl_error *err)
{
	char why[128] = "is not one of ";

	*(int *)field = wl_type_parse(arg);
	if (*(int *)field >= 0)
		return 0;
	for (int t = 0; t < WL_NTYPES; t++)
		names_add(why, sizeof why, t ? ", " : "", wl_type_name(t));
	return bad(o, arg, err, why);
}

/* ---- For reports ---- */

static void echo_text(struct option_value *v, const char *text)
{
	v->kind = text && *text ? OPTION_TEXT : OPTION_NONE;
	v->text = text;
}

static void echo_number(struct option_value *v, double number, bool given)
{
	v->kind = given ? OPTION_NUMBER : OPTION_NONE;
	v->number = number;
}

static void echo_flag(const struct option *o, const void *field,
                      struct option_value *v)
{
	(void)o;
	v->kind = OPTION_FLAG;
	v->flag = *(const bool *)field;
}

static void echo_string(const struct option *o, const void *field,
                        struct option_value *v)
{
	(void)o;
	echo_text(v, *(const char *const *)field);
}

/* All strings of the list, with commas between. */
static void echo_list(const struct option *o, const void *field,
                      struct option_value *v)
{
	(void)o;
	for (const char *const *s = field; *s; s++)
		names_add(v->buffer, sizeof v->buffer, ",", *s);
	echo_text(v, v->buffer);
}

static void echo_integer(const struct option *o, const void *field,
                         struct option_value *v)
{
	int n = *(const int *)field;

	echo_number(v, n, o->initial || n > 0);
}

static void echo_unsigned(const struct option *o, const void *field,
                          struct option_value *v)
{
	(void)o;
	echo_number(v, (double)*(const uint64_t *)field, true);
}

static void echo_real(const struct option *o, const void *field,
                      struct option_value *v)
{
	(void)o;
	echo_number(v, *(const double *)field, true);
}

static void echo_counts(const struct option *o, const void *field,
                        struct option_value *v)
{
	const int *counts = field;

	(void)o;
	for (int i = 0; i < OPTIONS_GROUPS && counts[i]; i++) {
		char count[16];

		snprintf(count, sizeof count, "%d", counts[i]);
		names_add(v->buffer, sizeof v->buffer, ",", count);
	}
	echo_text(v, v->buffer);
}

static void echo_grid(const struct option *o, const void *field,
                      struct option_value *v)
{
	const struct rxc *g = field;

	(void)o;
	if (g->rows == GRID_AUTO)
		snprintf(v->buffer, sizeof v->buffer, "auto");
	else if (g->rows)
		snprintf(v->buffer, sizeof v->buffer, "%dx%d", g->rows,
		         g->cols);
	echo_text(v, v->buffer);
}

static void echo_type(const struct option *o, const void *field,
                      struct option_value *v)
{
	int t = *(const int *)field;

	(void)o;
	echo_text(v, t < 0 ? NULL : wl_type_name(t));
}

const struct option_kind option_kinds[NKINDS] = {
	[FLAG] = { parse_flag, echo_flag },
	[STRING] = { parse_string, echo_string },
	[INPUT] = { parse_string, echo_string },
	[LIST] = { parse_list, echo_list },
	[INTEGER] = { parse_integer, echo_integer },
	[UNSIGNED] = { parse_unsigned, echo_unsigned },
	[REAL] = { parse_real, echo_real },
	[COUNTS] = { parse_counts, echo_counts },
	[GRID] = { parse_grid, echo_grid },
	[AUTO] = { parse_auto_grid, echo_grid },
	[TYPE] = { parse_type, echo_type },
	[KV] = { parse_kv, echo_string },
};
