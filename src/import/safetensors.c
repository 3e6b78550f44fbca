#include "config.h"
#include "safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/recognize.h"

/* Bytes of the field that has the header's length, and the format's limit on
 * that length. */
#define LENGTH_BYTES 8
#define MAX_HEADER UINT64_C(100000000)
/* Keeps the bytes of a tensor below 2^64. */
#define MAX_EXTENT INT32_MAX

static const struct {
	const char *name;
	enum source_type type;
} dtypes[] = {
	{ "F32", SOURCE_F32 }, { "F16", SOURCE_F16 }, { "BF16", SOURCE_BF16 },
};

/* The bytes [begin, end) of a tensor within the data. */
struct span {
	uint64_t begin, end;
	const char *name;
};

struct reader {
	const char *path;
	struct sources *to;
	int file;
	uint64_t data;     /* offset of the data in the file */
	uint64_t bytes;    /* size of the data */
	char odd[128];     /* why the current tensor cannot be read, or "" */
	struct span *span; /* [n], of the tensors so far */
	size_t n;
	struct wl_error *err;
};

static int refuse(const struct reader *r, const char *name, const char *what)
{
	return wl_error_set(r->err, "%s: %.200s: %s", r->path, name, what);
}

/* --- One tensor --- */

static int read_dtype(struct reader *r, const json_t *o,
                      struct source_tensor *t)
{
	const char *name = json_string_value(json_object_get(o, "dtype"));

	if (!name)
		return refuse(r, t->name, "\"dtype\" must be a string");
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
		if (strcmp(dtypes[i].name, name) == 0) {
			t->type = dtypes[i].type;
			return 0;
		}
	snprintf(r->odd, sizeof r->odd, "dtype %.50s is not supported, only"
	         " F32, F16 and BF16", name);
	return 0;
}

static int read_shape(struct reader *r, const json_t *o,
                      struct source_tensor *t)
{
	const json_t *shape = json_object_get(o, "shape");
	size_t n = json_array_size(shape);
	uint64_t extent[2] = { 1, 1 };
	bool empty = false;

	if (!json_is_array(shape))
		return refuse(r, t->name, "\"shape\" must be an array");
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(shape, i);
		json_int_t x = json_integer_value(v);

		if (!json_is_integer(v) || x < 0 || x > MAX_EXTENT)
			return refuse(r, t->name, "each extent in \"shape\""
			              " must be an integer in 0..2^31-1");
		empty |= x == 0;
		if (n <= 2)
			extent[2 - n + i] = x;
	}
	if (n < 1 || n > 2)
		snprintf(r->odd, sizeof r->odd, "\"shape\" has %zu dimensions,"
		         " only 1 and 2 are supported", n);
	else if (empty)
		snprintf(r->odd, sizeof r->odd, "it is empty");
	t->vector = n == 1;
	t->rows = extent[0];
	t->cols = extent[1];
	return 0;
}

static int read_offsets(const struct reader *r, const json_t *o,
                        struct source_tensor *t, struct span *s)
{
	const json_t *offsets = json_object_get(o, "data_offsets");
	const json_t *begin = json_array_get(offsets, 0);
	const json_t *end = json_array_get(offsets, 1);
	uint64_t row;

	if (json_array_size(offsets) != 2 || !json_is_integer(begin) ||
	    !json_is_integer(end) || json_integer_value(begin) < 0 ||
	    json_integer_value(end) < json_integer_value(begin))
		return refuse(r, t->name, "\"data_offsets\" must be two"
		              " integers, the start and the end of its bytes");
	s->begin = json_integer_value(begin);
	s->end = json_integer_value(end);
	s->name = t->name;
	if (s->end > r->bytes)
		return wl_error_set(r->err, "%s: %.200s: \"data_offsets\" end"
		                    " at %llu, the file's data at %llu",
		                    r->path, t->name,
		                    (unsigned long long)s->end,
		                    (unsigned long long)r->bytes);
	t->at = r->data + s->begin;
	if (*r->odd)
		return 0;
	row = source_row_bytes(t->type, t->cols);
	if (s->end - s->begin != t->rows * row)
		return wl_error_set(r->err, "%s: %.200s: \"data_offsets\" span"
		                    " %llu bytes, its shape and dtype need"
		                    " %llu", r->path, t->name,
		                    (unsigned long long)(s->end - s->begin),
		                    (unsigned long long)(t->rows * row));
	return 0;
}

static int read_tensor(struct reader *r, const char *name, const json_t *o)
{
	struct source_tensor t = { .name = (char *)name, .file = r->file };

	*r->odd = '\0';
	if (!json_is_object(o))
		return refuse(r, name, "not an object");
	if (read_dtype(r, o, &t) || read_shape(r, o, &t) ||
	    read_offsets(r, o, &t, &r->span[r->n]))
		return -1;
	r->n++;
	if (*r->odd) {
		t.odd = r->odd;
		t.rows = t.cols = 0;
	}
	return source_add(r->to, &t, r->err);
}

/* --- The whole file --- */

static int compare_span(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The format requires that each byte of the data belongs to one tensor. */
static int check_cover(const struct reader *r)
{
	uint64_t at = 0;

	qsort(r->span, r->n, sizeof *r->span, compare_span);
	for (size_t i = 0; i < r->n; i++) {
		const struct span *s = &r->span[i];

		if (s->begin < at)
			return wl_error_set(r->err, "%s: %.200s and %.200s"
			                    " overlap: \"data_offsets\" start"
			                    " at %llu, before %llu", r->path,
			                    r->span[i - 1].name, s->name,
			                    (unsigned long long)s->begin,
			                    (unsigned long long)at);
		if (s->begin > at)
			return wl_error_set(r->err, "%s: %.200s: a gap of %llu"
			                    " bytes before its"
			                    " \"data_offsets\"", r->path,
			                    s->name, (unsigned long long)
			                    (s->begin - at));
		at = s->end;
	}
	if (at < r->bytes)
		return wl_error_set(r->err, "%s: %llu bytes after the last"
		                    " tensor belong to none", r->path,
		                    (unsigned long long)(r->bytes - at));
	return 0;
}

static int read_tensors(struct reader *r, json_t *header)
{
	const char *name;
	json_t *o;
	int rc = 0;

	r->span = wl_malloc(json_object_size(header), sizeof *r->span);
	json_object_foreach(header, name, o) {
		/* Free-form text. */
		if (strcmp(name, "__metadata__") == 0)
			continue;
		rc = read_tensor(r, name, o);
		if (rc)
			break;
	}
	if (rc == 0)
		rc = check_cover(r);
	free(r->span);
	return rc;
}

/* The header, n bytes of JSON; NULL and err on failure. */
static json_t *read_header(const struct reader *r, size_t n)
{
	char *text = wl_malloc(n, 1);
	json_t *header = NULL;
	json_error_t why;

	if (source_read(r->to, r->file, LENGTH_BYTES, text, n, r->err) == 0) {
		header = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
		if (!header)
			wl_error_set(r->err, "%s: header: %s", r->path,
			             why.text);
	}
	free(text);
	if (header && !json_is_object(header)) {
		wl_error_set(r->err, "%s: header: not a JSON object", r->path);
		json_decref(header);
		header = NULL;
	}
	return header;
}

/* The header's length; 0 and err when it is out of range. */
static uint64_t read_length(const struct reader *r, uint64_t file_bytes)
{
	unsigned char raw[LENGTH_BYTES];
	uint64_t n = 0;

	if (file_bytes < LENGTH_BYTES) {
		wl_error_set(r->err, "%s: %llu bytes are too few for a"
		             " safetensors file", r->path,
		             (unsigned long long)file_bytes);
		return 0;
	}
	if (source_read(r->to, r->file, 0, raw, sizeof raw, r->err))
		return 0;
	for (int i = LENGTH_BYTES - 1; i >= 0; i--)
		n = n << 8 | raw[i];
	if (n >= 1 && n <= MAX_HEADER && n <= file_bytes - LENGTH_BYTES)
		return n;
	wl_error_set(r->err, "%s: a header of %llu bytes, must be 1..%llu and"
	             " within the file of %llu", r->path,
	             (unsigned long long)n, (unsigned long long)MAX_HEADER,
	             (unsigned long long)file_bytes);
	return 0;
}

int safetensors_read(const char *path, struct sources *s, struct wl_error *err)
{
	struct reader r = { .path = path, .to = s, .err = err };
	uint64_t n, bytes;
	json_t *header;
	int rc;

	r.file = source_add_file(s, path, err);
	if (r.file < 0)
		return -1;
	bytes = s->file[r.file].bytes;
	n = read_length(&r, bytes);
	header = n ? read_header(&r, n) : NULL;
	if (!header)
		return recognize_explain(path, FILE_SAFETENSORS, err);
	r.data = LENGTH_BYTES + n;
	r.bytes = bytes - r.data;
	rc = read_tensors(&r, header);
	json_decref(header);
	return rc;
}
