/* memfd_create */
#define _GNU_SOURCE
#include "config.h"
#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/checkpoint.h"
#include "simd/convert.h"
#include "text/tokenizer.h"

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

const char *fuzz_file(int slot, const uint8_t *data, size_t size)
{
	static char path[2][64];
	static int fd[2];

	if (!path[slot][0]) {
		fd[slot] = memfd_create("fuzz", 0);
		must(fd[slot] >= 0, "no memory file");
		snprintf(path[slot], sizeof path[slot], "/proc/self/fd/%d",
		         fd[slot]);
	}
	must(ftruncate(fd[slot], 0) == 0 &&
	     pwrite(fd[slot], data, size, 0) == (ssize_t)size,
	     "the memory file cannot be written");
	return path[slot];
}

const uint8_t *fuzz_take(const uint8_t **data, size_t *size, size_t *len)
{
	const uint8_t *p = *data;
	uint32_t n;

	*len = 0;
	if (*size < 4)
		return p;
	n = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
	p += 4;
	*len = n < *size - 4 ? n : *size - 4;
	*data = p + *len;
	*size -= 4 + *len;
	return p;
}

void fuzz_vocab(const struct vocab *v)
{
	static const char *const text[] = {
		"", "a", "An apple's 3.50, isn't it?\n\n  \t ",
		"caf\xc3\xa9 e\xcc\x81 \xf0\x9f\x98\x80 <s></s><tool>",
	};
	int (*const encode[])(const struct tokenizer *, const char *, size_t,
	                      int **, size_t *, struct wl_error *) = {
		tokenizer_encode, tokenizer_encode_special,
	};
	struct wl_error err;
	struct tokenizer *t = tokenizer_new(v, "fuzz", &err);
	size_t len, all = 0;

	if (!t)
		return;
	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		size_t n;
		int *ids;

		for (int way = 0; way < 2; way++) {
			if (encode[way](t, text[i], strlen(text[i]), &ids, &n,
			                &err))
				continue;
			for (size_t j = 0; j < n; j++) {
				must(ids[j] >= 0 && ids[j] < v->n,
				     "no such id");
				tokenizer_decode(t, j ? ids[j - 1] : -1,
				                 ids[j], &len);
			}
			free(ids);
		}
	}
	for (int i = 0; i < v->n; i++) {
		const char *piece = tokenizer_decode(t, -1, i, &len);

		for (size_t j = 0; j < len; j++)
			all += piece[j] == ' ';
	}
	must(all <= SIZE_MAX / 2, "read");
	tokenizer_free(t);
}

/* --- Replaces src/model/checkpoint.c --- */

struct checkpoint {
	struct model model;
};

struct checkpoint *checkpoint_create(const char *path, const struct model *m,
                                     const struct vocab *v, const char *origin,
                                     struct wl_error *err)
{
	struct checkpoint *c = wl_malloc(1, sizeof *c);

	must(model_check(m, path, err) == 0, "a model that is none");
	must(v->n == m->vocab_size, "a vocabulary of another size");
	must(strlen(origin) < 512, "an endless origin");
	c->model = *m;
	return c;
}

int checkpoint_write(struct checkpoint *c, enum tensor_kind kind, int layer,
                     const void *data, enum wl_type t, struct wl_error *err)
{
	struct tensor_shape s = tensor_shape(&c->model, kind);
	size_t n = s.rows * s.cols;
	float *value = wl_malloc(n, sizeof *value);

	(void)layer;
	(void)err;
	wl_to_f32(value, data, t, n);
	for (size_t i = 0; i < n; i++)
		must(isfinite(value[i]), "a weight that is not finite");
	free(value);
	return 0;
}

int checkpoint_commit(struct checkpoint *c, struct wl_error *err)
{
	(void)err;
	free(c);
	return 0;
}

void checkpoint_close(struct checkpoint *c)
{
	free(c);
}

void fuzz_import(struct import_model *m)
{
	const struct import_options o = {
		.source = "fuzz", .dest = "fuzz.h5", .type = -1, .quiet = 1 };
	struct wl_error err;

	import_write(&o, m, &err);
	import_model_fini(m);
}
