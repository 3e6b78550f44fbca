#include "config.h"
#include "report/json_tree.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

void tree_put(json_t *object, const char *key, json_t *v)
{
	if (json_object_set_new(object, key, v))
		wl_die("out of memory: %s of a report", key);
}

void tree_append(json_t *array, json_t *v)
{
	if (json_array_append_new(array, v))
		wl_die("out of memory: a report");
}

void tree_put_int(json_t *object, const char *key, int64_t v)
{
	tree_put(object, key, json_integer(v));
}

/* JSON has no infinities and no NaN. */
json_t *tree_real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

void tree_put_real(json_t *object, const char *key, double v)
{
	tree_put(object, key, tree_real(v));
}

void tree_put_some(json_t *object, const char *key, double v)
{
	tree_put(object, key, v > 0 ? tree_real(v) : json_null());
}

void tree_put_bool(json_t *object, const char *key, bool v)
{
	tree_put(object, key, json_boolean(v));
}

/* JSON must be UTF-8; arguments and paths may be in any encoding. */
json_t *tree_string(const char *s)
{
	json_t *v = json_string(s);
	char *ascii;

	if (v)
		return v;
	ascii = wl_strdup(s);
	for (char *p = ascii; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	v = json_string(ascii);
	free(ascii);
	return v;
}

void tree_put_text(json_t *object, const char *key, const char *s)
{
	tree_put(object, key, s ? tree_string(s) : json_null());
}
