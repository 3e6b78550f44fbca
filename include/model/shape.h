/* Shapes of models by themselves, without weights: JSON files, of which
 * data/shapes has those of published models. Not collective. */
#ifndef WL_SHAPE_H
#define WL_SHAPE_H

#include "base/error.h"
#include "model/model.h"

/* Reads and checks a model's shape: one of data/shapes by its name, such as
 * "llama3-8b", or a JSON file. Unknown keys are refused by name. */
int shape_read(const char *name, struct model *m, struct wl_error *err);

#endif
