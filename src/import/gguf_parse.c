/* Parser of the GGUF format (ggml's docs/gguf.md). A file has, in this order:
 * - "GGUF", uint32 version, uint64 number of tensors, uint64 number of pairs;
 * - the metadata pairs: each a key (string), a uint32 type and a value;
 * - the tensors: each a name (string), uint32 n_dims, uint64 dims (row length
 *   first), uint32 type and uint64 offset;
 * - padding to a multiple of general.alignment;
 * - the tensor data.
 * A string is a uint64 length and its bytes. An array is a uint32 type, a
 * uint64 count and its values. */
#include "config.h"
#include "gguf_parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_PAIR_BYTES (8 + 4 + 1)
#define MIN_TENSOR_BYTES (8 + 4 + 8 + 4 + 8)
#define MAX_KEY_BYTES 65535
#define MAX_DIMS 4 /* at most the first two may be above 1 */

const struct gguf_type_info gguf_types[GGUF_NTYPES] = {
	[GGUF_UINT8] = { "uint8", 1 }, [GGUF_INT8] = { "int8", 1 },
	[GGUF_UINT16] = { "uint16", 2 }, [GGUF_INT16] = { "int16", 2 },
	[GGUF_UINT32] = { "uint32", 4 }, [GGUF_INT32] = { "int32", 4 },
	[GGUF_FLOAT32] = { "float32", 4 }, [GGUF_BOOL] = { "bool", 1 },
	[GGUF_STRING] = { "string", 0 }, [GGUF_ARRAY] = { "array", 0 },
	[GGUF_UINT64] = { "uint64", 8 }, [GGUF_INT64] = { "int64", 8 },
	[GGUF_FLOAT64] = { "float64", 8 },
};

uint64_t gguf_number(const unsigned char *p, size_t size)
{
	uint64_t v = 0;

	while (size-- > 0)
		v = v << 8 | p[size];
	return v;
}

/* --- Parsing --- */

struct parser {
	struct gguf *g;
	const unsigned char *head;
	size_t at, size;     /* at <= size <= file_bytes */
	uint64_t file_bytes;
	char where[128];     /* current pair or tensor, for messages */
	bool more;           /* failed, but the file has bytes beyond size */
	struct wl_error *err;
};

static uint64_t left(const struct parser *p)
{
	return p->file_bytes - p->at;
}

/* Consumes the next n bytes; NULL and err when there are fewer. */
static const unsigned char *take(struct parser *p, uint64_t n)
{
	const unsigned char *bytes = p->head + p->at;

	if (n > p->size - p->at) {
		p->more = n <= left(p);
		wl_error_set(p->err, "%s: %s: needs %" PRIu64 " bytes, but %"
		             PRIu64 " are left in the file", p->g->path,
		             p->where, n, left(p));
		return NULL;
	}
	p->at += n;
	return bytes;
}

static int take_number(struct parser *p, size_t size, uint64_t *v)
{
	const unsigned char *bytes = take(p, size);

	if (!bytes)
		return -1;
	*v = gguf_number(bytes, size);
	return 0;
}

static int take_string(struct parser *p, const char **s, size_t *len)
{
	uint64_t n;

	if (take_number(p, 8, &n))
		return -1;
	*s = (const char *)take(p, n);
	*len = n;
	return *s ? 0 : -1;
}

/* Bytes of a name to show in a message. */
static int shown(size_t len)
{
	return len < 100 ? len : 100;
}

/* Consumes a key or a name of 1..max bytes and sets p->where to it. */
static int take_name(struct parser *p, size_t max, const char **s, size_t *len)
{
	uint64_t n;

	if (take_number(p, 8, &n))
		return -1;
	if (n < 1 || n > max)
		return wl_error_set(p->err, "%s: %s: its name has %" PRIu64
		                    " bytes, must be 1..%zu", p->g->path,
		                    p->where, n, max);
	*s = (const char *)take(p, n);
	*len = n;
	if (!*s)
		return -1;
	if (memchr(*s, '\0', n))
		return wl_error_set(p->err, "%s: %s: its name contains a NUL",
		                    p->g->path, p->where);
	snprintf(p->where, sizeof p->where, "%.*s", shown(n), *s);
	return 0;
}

static int check_bools(const struct parser *p, const unsigned char *v,
                       uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (v[i] > 1)
			return wl_error_set(p->err, "%s: %s: a bool is %d, must"
			                    " be 0 or 1", p->g->path, p->where,
			                    v[i]);
	return 0;
}

/* Consumes and checks n values of a type. */
static int skip_values(struct parser *p, uint32_t type, uint64_t n)
{
	size_t size = gguf_types[type].size, len;
	const unsigned char *value;
	const char *text;

	/* A string has at least the 8 bytes of its length. */
	if (n > left(p) / (size ? size : 8))
		return wl_error_set(p->err, "%s: %s: %" PRIu64 " values of type"
		                    " %s do not fit in the %" PRIu64 " bytes"
		                    " that are left", p->g->path, p->where, n,
		                    gguf_types[type].name, left(p));
	if (type == GGUF_STRING) {
		for (uint64_t i = 0; i < n; i++)
			if (take_string(p, &text, &len))
				return -1;
		return 0;
	}
	value = take(p, n * size);
	if (!value)
		return -1;
	return type == GGUF_BOOL ? check_bools(p, value, n) : 0;
}

static int check_type(const struct parser *p, const struct gguf_pair *pair)
{
	if (pair->type >= GGUF_NTYPES)
		return wl_error_set(p->err, "%s: %s: unknown value type %"
		                    PRIu32, p->g->path, p->where, pair->type);
	if (pair->type == GGUF_ARRAY)
		return wl_error_set(p->err, "%s: %s: an array of arrays is not"
		                    " supported", p->g->path, p->where);
	return 0;
}

/* Consumes the type of a pair's value and, for an array, the count. */
static int take_type(struct parser *p, struct gguf_pair *pair)
{
	uint64_t type;

	if (take_number(p, 4, &type))
		return -1;
	pair->array = type == GGUF_ARRAY;
	pair->n = 1;
	if (pair->array &&
	    (take_number(p, 4, &type) || take_number(p, 8, &pair->n)))
		return -1;
	pair->type = type;
	return check_type(p, pair);
}

static int take_pair(struct parser *p)
{
	struct gguf *g = p->g;
	struct gguf_pair pair;

	snprintf(p->where, sizeof p->where, "metadata pair %zu", g->n_pairs);
	if (take_name(p, MAX_KEY_BYTES, &pair.key, &pair.key_len) ||
	    take_type(p, &pair))
		return -1;
	pair.value = p->head + p->at;
	if (skip_values(p, pair.type, pair.n))
		return -1;
	pair.bytes = p->head + p->at - pair.value;
	if (g->n_pairs == g->pair_room) {
		g->pair_room = 2 * g->pair_room + 64;
		g->pair = wl_realloc(g->pair, g->pair_room, sizeof *g->pair);
	}
	g->pair[g->n_pairs++] = pair;
	return 0;
}

/* Consumes the dimensions, the row length first. Trailing dimensions of 1
 * beyond the second are ignored. */
static int take_dims(struct parser *p, struct gguf_tensor *t)
{
	uint64_t n, dim[MAX_DIMS];

	if (take_number(p, 4, &n))
		return -1;
	if (n < 1 || n > MAX_DIMS)
		return wl_error_set(p->err, "%s: %s: %" PRIu64 " dimensions,"
		                    " must be 1 or 2", p->g->path, p->where, n);
	for (uint64_t i = 0; i < n; i++) {
		if (take_number(p, 8, &dim[i]))
			return -1;
		if (dim[i] == 0)
			return wl_error_set(p->err, "%s: %s: dimension %" PRIu64
			                    " is 0", p->g->path, p->where, i);
	}
	while (n > 2 && dim[n - 1] == 1)
		n--;
	if (n > 2)
		return wl_error_set(p->err, "%s: %s: %" PRIu64 " dimensions,"
		                    " must be 1 or 2", p->g->path, p->where, n);
	t->vector = n == 1;
	t->cols = dim[0];
	t->rows = n == 1 ? 1 : dim[1];
	return 0;
}

static int take_tensor(struct parser *p)
{
	struct gguf *g = p->g;
	struct gguf_tensor t = { .vector = false };
	uint64_t type;
	const char *name;
	size_t len;

	snprintf(p->where, sizeof p->where, "tensor %zu", g->n_tensors);
	if (take_name(p, GGUF_MAX_NAME, &name, &len) || take_dims(p, &t) ||
	    take_number(p, 4, &type) || take_number(p, 8, &t.offset))
		return -1;
	memcpy(t.name, name, len);
	t.type = type;
	if (g->n_tensors == g->tensor_room) {
		g->tensor_room = 2 * g->tensor_room + 64;
		g->tensor = wl_realloc(g->tensor, g->tensor_room,
		                       sizeof *g->tensor);
	}
	g->tensor[g->n_tensors++] = t;
	return 0;
}

static int check_version(const struct parser *p, uint32_t version)
{
	/* Only the version shows the byte order. */
	if (version > 0 && (version & 0xffff) == 0)
		return wl_error_set(p->err, "%s: a big-endian GGUF file is not"
		                    " supported", p->g->path);
	if (version != 2 && version != 3)
		return wl_error_set(p->err, "%s: GGUF version %" PRIu32 " is"
		                    " not supported, only 2 and 3", p->g->path,
		                    version);
	return 0;
}

static int take_header(struct parser *p, uint64_t *n_tensors,
                       uint64_t *n_pairs)
{
	const unsigned char *magic;
	uint64_t version;

	snprintf(p->where, sizeof p->where, "header");
	magic = take(p, 4);
	if (!magic)
		return -1;
	if (memcmp(magic, "GGUF", 4) != 0)
		return wl_error_set(p->err, "%s: not a GGUF file", p->g->path);
	if (take_number(p, 4, &version) || check_version(p, version) ||
	    take_number(p, 8, n_tensors) || take_number(p, 8, n_pairs))
		return -1;
	if (*n_tensors > left(p) / MIN_TENSOR_BYTES)
		return wl_error_set(p->err, "%s: header: %" PRIu64 " tensors do"
		                    " not fit in %" PRIu64 " bytes", p->g->path,
		                    *n_tensors, p->file_bytes);
	if (*n_pairs > left(p) / MIN_PAIR_BYTES)
		return wl_error_set(p->err, "%s: header: %" PRIu64 " metadata"
		                    " pairs do not fit in %" PRIu64 " bytes",
		                    p->g->path, *n_pairs, p->file_bytes);
	return 0;
}

static int compare_key(const void *a, const void *b)
{
	const struct gguf_pair *x = a, *y = b;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
	int order = memcmp(x->key, y->key, n);

	return order ? order
	             : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static int sort_pairs(struct gguf *g, struct wl_error *err)
{
	if (g->n_pairs == 0)
		return 0;
	qsort(g->pair, g->n_pairs, sizeof *g->pair, compare_key);
	for (size_t i = 1; i < g->n_pairs; i++)
		if (compare_key(&g->pair[i - 1], &g->pair[i]) == 0)
			return wl_error_set(err, "%s: %.*s occurs twice",
			                    g->path, shown(g->pair[i].key_len),
			                    g->pair[i].key);
	return 0;
}

static int parse(struct parser *p)
{
	uint64_t n_tensors = 0, n_pairs = 0;

	if (take_header(p, &n_tensors, &n_pairs))
		return -1;
	while (p->g->n_pairs < n_pairs)
		if (take_pair(p))
			return -1;
	while (p->g->n_tensors < n_tensors)
		if (take_tensor(p))
			return -1;
	p->g->data = p->at;
	return sort_pairs(p->g, p->err);
}

int gguf_parse(struct gguf *g, const void *head, size_t size,
               uint64_t file_bytes, bool *more, struct wl_error *err)
{
	struct parser p = {
		.g = g, .head = head, .size = size, .file_bytes = file_bytes,
		.err = err,
	};
	int rc = parse(&p);

	*more = p.more;
	return rc;
}

const struct gguf_pair *gguf_find(const struct gguf *g, const char *key)
{
	struct gguf_pair want = { .key = key, .key_len = strlen(key) };

	if (g->n_pairs == 0)
		return NULL;
	return bsearch(&want, g->pair, g->n_pairs, sizeof want, compare_key);
}
