/* Trees of JSON values, as reports are made of. A value that is put into an
 * object or array belongs to it; without memory the job ends. Not collective.
 */
#ifndef WL_JSON_TREE_H
#define WL_JSON_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

void tree_put(json_t *object, const char *key, json_t *v);
void tree_append(json_t *array, json_t *v);

void tree_put_int(json_t *object, const char *key, int64_t v);
void tree_put_bool(json_t *object, const char *key, bool v);
/* null where v is no finite number. */
json_t *tree_real(double v);
void tree_put_real(json_t *object, const char *key, double v);
/* null where v is not above 0. */
void tree_put_some(json_t *object, const char *key, double v);
/* What is not UTF-8 loses its bytes above 127; NULL: null. */
json_t *tree_string(const char *s);
void tree_put_text(json_t *object, const char *key, const char *s);

#endif
