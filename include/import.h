/* Other people's files -> a checkpoint. Serial, without MPI. One tensor is in
 * memory at a time (twice while it is transposed). */
#ifndef WL_IMPORT_H
#define WL_IMPORT_H

#include "fail.h"
#include "model.h"

struct import_options {
	const char *source;     /* llama2.c .bin; NULL with random_shape */
	const char *dest;       /* checkpoint to write */
	const char *tokenizer;  /* llama2.c tokenizer.bin */
	const char *random_shape; /* SHAPE.json: random weights instead */
	int type;               /* enum wl_type to store, -1: the source's */
	unsigned long long seed; /* of random weights */
	int quiet;              /* no progress lines on stderr */
};

/* llama2.c checkpoint, legacy header or version 1 ("ak42"). Sizes are checked
 * against the file's length before use. 0, or -1 and err. */
int import_llama2c(const struct import_options *o, struct wl_error *err);
/* Random weights of the shape in o->random_shape. */
int import_random(const struct import_options *o, struct wl_error *err);
/* Reads and checks a SHAPE.json. Unknown keys are refused by name. */
int shape_read(const char *path, struct model *m, struct wl_error *err);

#endif
