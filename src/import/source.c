#include "config.h"
#include "import/source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "simd/convert.h"
#include "unpack.h"

/* --- Types --- */

static const struct {
	const char *name;
	unsigned elements, bytes; /* of a block; 1 element if not packed */
	enum wl_type exact;
	unpack_block *unpack;
} types[SOURCE_NTYPES] = {
	[SOURCE_F32] = { "F32", 1, 4, WL_F32, NULL },
	[SOURCE_F16] = { "F16", 1, 2, WL_F16, NULL },
	[SOURCE_BF16] = { "BF16", 1, 2, WL_BF16, NULL },
	[SOURCE_Q8_0] = { "Q8_0", 32, 34, WL_F32, unpack_q8_0 },
	[SOURCE_Q4_0] = { "Q4_0", 32, 18, WL_F32, unpack_q4_0 },
	[SOURCE_Q4_1] = { "Q4_1", 32, 20, WL_F32, unpack_q4_1 },
	[SOURCE_Q5_0] = { "Q5_0", 32, 22, WL_F32, unpack_q5_0 },
	[SOURCE_Q5_1] = { "Q5_1", 32, 24, WL_F32, unpack_q5_1 },
	[SOURCE_Q2_K] = { "Q2_K", 256, 84, WL_F32, unpack_q2_k },
	[SOURCE_Q3_K] = { "Q3_K", 256, 110, WL_F32, unpack_q3_k },
	[SOURCE_Q4_K] = { "Q4_K", 256, 144, WL_F32, unpack_q4_k },
	[SOURCE_Q5_K] = { "Q5_K", 256, 176, WL_F32, unpack_q5_k },
	[SOURCE_Q6_K] = { "Q6_K", 256, 210, WL_F32, unpack_q6_k },
	[SOURCE_IQ4_NL] = { "IQ4_NL", 32, 18, WL_F32, unpack_iq4_nl },
	[SOURCE_IQ4_XS] = { "IQ4_XS", 256, 136, WL_F32, unpack_iq4_xs },
};

enum wl_type source_exact(enum source_type t)
{
	return types[t].exact;
}

const char *source_type_name(enum source_type t)
{
	return types[t].name;
}

uint64_t source_row_bytes(enum source_type t, uint64_t n)
{
	if (n % types[t].elements)
		return 0;
	return n / types[t].elements * types[t].bytes;
}

void source_to_f32(float *to, const void *from, enum source_type t, size_t n)
{
	const unsigned char *p = from;

	if (!types[t].unpack) {
		wl_to_f32(to, from, types[t].exact, n);
		return;
	}
	for (; n >= types[t].elements; n -= types[t].elements) {
		types[t].unpack(to, p);
		to += types[t].elements;
		p += types[t].bytes;
	}
}

/* --- Files --- */

int source_add_file(struct sources *s, const char *path, struct wl_error *err)
{
	struct source_file f;

	f.fd = file_open(path, &f.bytes, err);
	if (f.fd < 0)
		return -1;
	f.path = wl_strdup(path);
	s->file = wl_realloc(s->file, (size_t)s->n_files + 1, sizeof *s->file);
	s->file[s->n_files] = f;
	return s->n_files++;
}

int source_read(const struct sources *s, int file, uint64_t at, void *to,
                size_t n, struct wl_error *err)
{
	const struct source_file *f = &s->file[file];

	return file_read(f->fd, f->path, at, to, n, err);
}

/* --- Tensors --- */

static uint64_t tensor_bytes(const struct source_tensor *t)
{
	return t->rows * source_row_bytes(t->type, t->cols);
}

/* Checks the extents and the position of a tensor that is not odd. */
static int check_place(const struct sources *s, const struct source_tensor *t,
                       struct wl_error *err)
{
	const struct source_file *f = &s->file[t->file];
	const uint64_t max = UINT64_C(1) << 31;
	uint64_t row;

	if (t->rows < 1 || t->rows > max || t->cols < 1 || t->cols > max)
		return wl_error_set(err, "%s: %.200s: absurd extents %llu x"
		                    " %llu", f->path, t->name,
		                    (unsigned long long)t->rows,
		                    (unsigned long long)t->cols);
	row = source_row_bytes(t->type, t->cols);
	if (row == 0)
		return wl_error_set(err, "%s: %.200s: rows of %llu elements"
		                    " are not whole %s blocks", f->path,
		                    t->name, (unsigned long long)t->cols,
		                    types[t->type].name);
	if (t->rows > f->bytes / row || t->at > f->bytes - t->rows * row)
		return wl_error_set(err, "%s: %.200s: its %llu bytes at offset"
		                    " %llu are not in the file of %llu bytes",
		                    f->path, t->name,
		                    (unsigned long long)(t->rows * row),
		                    (unsigned long long)t->at,
		                    (unsigned long long)f->bytes);
	return 0;
}

int source_add(struct sources *s, const struct source_tensor *t,
               struct wl_error *err)
{
	if (!t->odd && check_place(s, t, err))
		return -1;
	if (s->n == s->room) {
		s->room = 2 * s->room + 64;
		s->tensor = wl_realloc(s->tensor, s->room, sizeof *s->tensor);
	}
	s->tensor[s->n] = *t;
	s->tensor[s->n].name = wl_strdup(t->name);
	s->tensor[s->n].odd = t->odd ? wl_strdup(t->odd) : NULL;
	s->n++;
	return 0;
}

static int compare_name(const void *a, const void *b)
{
	const struct source_tensor *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int compare_place(const void *a, const void *b)
{
	const struct source_tensor *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int refuse_overlaps(struct sources *s, struct wl_error *err)
{
	const struct source_tensor *t = s->tensor;

	qsort(s->tensor, s->n, sizeof *s->tensor, compare_place);
	for (size_t i = 1; i < s->n; i++)
		if (t[i].file == t[i - 1].file &&
		    t[i].at < t[i - 1].at + tensor_bytes(&t[i - 1]))
			return wl_error_set(err, "%s: %.200s and %.200s share"
			                    " bytes of the file",
			                    s->file[t[i].file].path,
			                    t[i - 1].name, t[i].name);
	return 0;
}

int source_index(struct sources *s, struct wl_error *err)
{
	if (s->n == 0)
		return 0;
	if (refuse_overlaps(s, err))
		return -1;
	qsort(s->tensor, s->n, sizeof *s->tensor, compare_name);
	for (size_t i = 1; i < s->n; i++)
		if (strcmp(s->tensor[i].name, s->tensor[i - 1].name) == 0)
			return wl_error_set(err, "%s: %.200s occurs twice",
			                    s->file[s->tensor[i].file].path,
			                    s->tensor[i].name);
	return 0;
}

struct source_tensor *source_peek(const struct sources *s, const char *name)
{
	struct source_tensor key = { .name = (char *)name };

	return s->n ? bsearch(&key, s->tensor, s->n, sizeof key, compare_name)
	            : NULL;
}

struct source_tensor *source_find(struct sources *s, const char *name)
{
	struct source_tensor *t = source_peek(s, name);

	if (t)
		t->used = true;
	return t;
}

void sources_fini(struct sources *s)
{
	for (int i = 0; i < s->n_files; i++) {
		close(s->file[i].fd);
		free(s->file[i].path);
	}
	for (size_t i = 0; i < s->n; i++) {
		free(s->tensor[i].name);
		free(s->tensor[i].odd);
	}
	free(s->file);
	free(s->tensor);
	*s = (struct sources){ 0 };
}
