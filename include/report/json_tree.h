/* Helpers that build the JSON trees of reports. An object or array takes over
 * the values that are put into it. Running out of memory ends the job. Not
 * collective. */
#ifndef WL_JSON_TREE_H
#define WL_JSON_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

void tree_put(json_t *object, const char *key, json_t *v);
void tree_append(json_t *array, json_t *v);

void tree_put_int(json_t *object, const char *key, int64_t v);
void tree_put_bool(json_t *object, const char *key, bool v);
/* A number; null if v is not finite. */
json_t *tree_real(double v);
void tree_put_real(json_t *object, const char *key, double v);
/* Puts v if it is positive, else null: for figures where 0 means none. */
void tree_put_some(json_t *object, const char *key, double v);
/* A string; if s is not valid UTF-8, bytes above 127 become '?'. */
json_t *tree_string(const char *s);
/* Puts a string; null if s is NULL. */
void tree_put_text(json_t *object, const char *key, const char *s);

#endif
