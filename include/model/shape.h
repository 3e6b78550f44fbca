/* Model shapes in JSON files (SHAPE.json): reading them, and the names,
 * meanings and values of their keys. Not collective. */
#ifndef WL_SHAPE_H
#define WL_SHAPE_H

#include "base/error.h"
#include "model/model.h"

/* Reads and checks a model's shape. name: one of data/shapes, such as
 * "llama3-8b", or the path of a JSON file. Unknown keys are refused by name.
 * 0, or -1 and err. */
int shape_read(const char *name, struct model *m, struct wl_error *err);

/* Like shape_read, but returns the JSON object of the file, whose "source" says
 * where the numbers come from; NULL and err on failure. The caller frees with
 * json_decref. */
struct json_t *shape_load(const char *name, struct model *m,
                          struct wl_error *err);

/* The keys of the file except "source": their number, and key i with its help
 * text. Static storage. */
struct shape_key {
	const char *name, *help;
};
size_t shape_count(void);
struct shape_key shape_key(size_t i);
/* Writes the value of key i into text, formatted as in a file. */
void shape_value(const struct model *m, size_t i, char text[32]);

#endif
