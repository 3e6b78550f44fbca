/* Checkpoints with random weights. */
#include "config.h"
#include "import/import.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/uniform.h"
#include "model/checkpoint.h"
#include "model/shape.h"
#include "simd/convert.h"
#include "text/vocab.h"
#include "vocab_read.h"

struct random_import {
	const struct import_options *o;
	const struct model *model;
	struct checkpoint *dest;
	enum wl_type type;
	struct wl_error *err;
};

/* A tensor's numbers depend on the seed and its name, not on the order of
 * tensors. */
static uint64_t name_key(const char *name)
{
	return crc32_z(0, (const unsigned char *)name, strlen(name));
}

/* Norms are 1. Weights have standard deviation 1/sqrt(k) for k inputs, so that
 * activations neither grow nor vanish. k is dim for biases, and for the
 * embedding, which may also be the head. */
static void fill(const struct random_import *r, enum tensor_kind kind,
                 const char *name, float *w, size_t n)
{
	struct tensor_shape s = tensor_shape(r->model, kind);
	bool bias = kind == T_BQ || kind == T_BK || kind == T_BV;
	size_t k = bias ? (size_t)r->model->dim : s.rows;
	uint64_t key = uniform_mix(uniform_mix(r->o->seed + 1) ^
	                           name_key(name));

	if (s.vector && !bias)
		for (size_t i = 0; i < n; i++)
			w[i] = 1;
	else
		for (size_t i = 0; i < n; i++)
			w[i] = uniform_at(key, i, sqrt(3.0 / k));
}

static int write_random(void *ctx, enum tensor_kind kind, int layer)
{
	struct random_import *r = ctx;
	struct tensor_shape s = tensor_shape(r->model, kind);
	size_t n = s.rows * s.cols;
	float *w = wl_malloc(n, sizeof *w);
	void *bytes = wl_malloc(n, wl_type_size(r->type));
	char name[64];
	int rc;

	tensor_name(kind, layer, name, sizeof name);
	if (!r->o->quiet)
		fprintf(stderr, "import: %s, %zu x %zu %s\n", name, s.rows,
		        s.cols, wl_type_name(r->type));
	fill(r, kind, name, w, n);
	wl_from_f32(bytes, w, r->type, n);
	rc = checkpoint_write(r->dest, kind, layer, bytes, r->type, r->err);
	free(bytes);
	free(w);
	return rc;
}

static int write_all(struct random_import *r, struct vocab *v)
{
	char origin[512];

	snprintf(origin, sizeof origin, "random weights, seed %llu, shape of"
	         " %.400s", r->o->seed, r->o->random_shape);
	r->dest = checkpoint_create(r->o->dest, r->model, v, origin, r->err);
	if (!r->dest)
		return -1;
	if (model_each_tensor(r->model, write_random, r)) {
		checkpoint_close(r->dest);
		return -1;
	}
	return checkpoint_commit(r->dest, r->err);
}

int import_random(const struct import_options *o, struct wl_error *err)
{
	struct model m;
	struct vocab v;
	struct random_import r = {
		.o = o,
		.model = &m,
		.type = o->type < 0 ? WL_F32 : (enum wl_type)o->type,
		.err = err,
	};
	int rc;

	if (shape_read(o->random_shape, &m, err))
		return -1;
	vocab_make_random(m.vocab_size, &v);
	rc = write_all(&r, &v);
	vocab_fini(&v);
	return rc;
}
