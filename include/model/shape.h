/* The numbers of a SHAPE.json: what each is called, means and is for a model.
 * Not collective. */
#ifndef WL_SHAPE_H
#define WL_SHAPE_H

#include "base/error.h"
#include "model/model.h"

/* Reads and checks a model's shape: one of data/shapes by its name, such as
 * "llama3-8b", or a JSON file. Unknown keys are refused by name. */
int shape_read(const char *name, struct model *m, struct wl_error *err);

/* As shape_read; returns the file's object as it was checked, whose
 * "source" tells where the numbers are from, or NULL and err. The caller frees
 * with json_decref. */
struct json_t *shape_load(const char *name, struct model *m,
                          struct wl_error *err);

/* The keys of the file, but for "source". */
struct shape_key {
	const char *name, *help;
};
size_t shape_count(void);
struct shape_key shape_key(size_t i);
/* The value as a text, as it would stand in the file. */
void shape_value(const struct model *m, size_t i, char text[32]);

#endif
