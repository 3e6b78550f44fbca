/* Access to a GGUF file's metadata and tensors; gguf_parse.c documents the
 * format. */
#include "config.h"
#include "gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_parse.h"

/* Bytes of the file's start that are read at first and at most. Real files need
 * up to about 20 MB. */
#define FIRST_READ ((size_t)1 << 20)
#define LAST_READ ((size_t)1 << 27)

#define DEFAULT_ALIGNMENT 32

/* ggml's tensor types by number. A number without a name occurs in no file. */
static const char *const tensor_types[] = {
	[0] = "F32", [1] = "F16", [2] = "Q4_0", [3] = "Q4_1", [6] = "Q5_0",
	[7] = "Q5_1", [8] = "Q8_0", [9] = "Q8_1", [10] = "Q2_K",
	[11] = "Q3_K", [12] = "Q4_K", [13] = "Q5_K", [14] = "Q6_K",
	[15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS",
	[19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S",
	[23] = "IQ4_XS", [24] = "I8", [25] = "I16", [26] = "I32",
	[27] = "I64", [28] = "F64", [29] = "IQ1_M", [30] = "BF16",
	[31] = "Q4_0_4_4", [32] = "Q4_0_4_8", [33] = "Q4_0_8_8",
	[34] = "TQ1_0", [35] = "TQ2_0", [39] = "MXFP4", [40] = "NVFP4",
	[41] = "Q1_0", [42] = "Q2_0",
};
#define N_TENSOR_TYPES (sizeof tensor_types / sizeof *tensor_types)

static float to_float(const unsigned char *p)
{
	uint32_t bits = gguf_number(p, 4);
	float f;

	memcpy(&f, &bits, sizeof f);
	return f;
}

/* --- The file --- */

/* Aligns g->data, the start of the tensor data, and checks that the tensors'
 * offsets are aligned. */
static int place_data(struct gguf *g, struct wl_error *err)
{
	static const char key[] = "general.alignment";
	int64_t align = DEFAULT_ALIGNMENT;

	if (gguf_has(g, key) && gguf_get_int(g, key, 8, INT32_MAX, &align, err))
		return -1;
	if (align & (align - 1))
		return wl_error_set(err, "%s: %s is %" PRId64 ", must be a"
		                    " power of two", g->path, key, align);
	g->data = (g->data + align - 1) / align * align;
	for (size_t i = 0; i < g->n_tensors; i++)
		if (g->tensor[i].offset % align)
			return wl_error_set(err, "%s: %s: its offset %" PRIu64
			                    " is not a multiple of the"
			                    " alignment %" PRId64, g->path,
			                    g->tensor[i].name,
			                    g->tensor[i].offset, align);
	return 0;
}

struct gguf *gguf_read(const char *path, const void *head, size_t size,
                       uint64_t file_bytes, bool *more, struct wl_error *err)
{
	struct gguf *g = wl_calloc(1, sizeof *g);

	g->path = wl_strdup(path);
	if (gguf_parse(g, head, size, file_bytes, more, err) ||
	    place_data(g, err)) {
		gguf_close(g);
		return NULL;
	}
	return g;
}

/* Reads the start of the file, twice as much each time, until it parses.
 * Doubling keeps the cost of parsing again low. */
static struct gguf *read_head(const struct sources *s, struct wl_error *err)
{
	uint64_t bytes = s->file[0].bytes;
	struct gguf *g = NULL;
	unsigned char *head = NULL;
	size_t have = 0, want = FIRST_READ;
	bool more = true;

	while (!g && more) {
		if (want > LAST_READ) {
			wl_error_set(err, "%s: more than %zu bytes before its"
			             " tensor data", s->file[0].path,
			             LAST_READ);
			break;
		}
		if (want > bytes)
			want = bytes;
		head = wl_realloc(head, want, 1);
		if (source_read(s, 0, have, head + have, want - have, err))
			break;
		have = want;
		g = gguf_read(s->file[0].path, head, have, bytes, &more, err);
		want *= 2;
	}
	if (g)
		g->head = head;
	else
		free(head);
	return g;
}

struct gguf *gguf_open(const char *path, struct wl_error *err)
{
	struct sources s = { 0 };
	struct gguf *g = NULL;

	if (source_add_file(&s, path, err) == 0)
		g = read_head(&s, err);
	sources_fini(&s);
	return g;
}

void gguf_close(struct gguf *g)
{
	if (!g)
		return;
	free(g->path);
	free(g->head);
	free(g->pair);
	free(g->tensor);
	free(g);
}

const char *gguf_path(const struct gguf *g)
{
	return g->path;
}

/* --- Metadata --- */

const char *gguf_key(const struct gguf *g, size_t i, size_t *len)
{
	if (i >= g->n_pairs)
		return NULL;
	*len = g->pair[i].key_len;
	return g->pair[i].key;
}

bool gguf_has(const struct gguf *g, const char *key)
{
	return gguf_find(g, key) != NULL;
}

static int refuse_type(const struct gguf *g, const char *key,
                       const struct gguf_pair *pair, const char *want,
                       struct wl_error *err)
{
	return wl_error_set(err, "%s: %s is %s%s, must be %s", g->path, key,
	                    pair->array ? "an array of type " : "of type ",
	                    gguf_types[pair->type].name, want);
}

/* The pair with that key; NULL and err when it is missing. */
static const struct gguf_pair *must_find(const struct gguf *g, const char *key,
                                    struct wl_error *err)
{
	const struct gguf_pair *pair = gguf_find(g, key);

	if (!pair)
		wl_error_set(err, "%s: %s is missing", g->path, key);
	return pair;
}

static bool is_signed(uint32_t type)
{
	return type == GGUF_INT8 || type == GGUF_INT16 ||
	       type == GGUF_INT32 || type == GGUF_INT64;
}

static bool is_integer(uint32_t type)
{
	return is_signed(type) || type == GGUF_UINT8 || type == GGUF_UINT16 ||
	       type == GGUF_UINT32 || type == GGUF_UINT64;
}

int gguf_get_int(const struct gguf *g, const char *key, int64_t lo, int64_t hi,
                 int64_t *v, struct wl_error *err)
{
	const struct gguf_pair *pair = must_find(g, key, err);
	uint64_t bits, sign;

	if (!pair)
		return -1;
	if (pair->array || !is_integer(pair->type))
		return refuse_type(g, key, pair, "an integer", err);
	bits = gguf_number(pair->value, gguf_types[pair->type].size);
	if (pair->type == GGUF_UINT64 && bits > INT64_MAX)
		return wl_error_set(err, "%s: %s is %" PRIu64 ", must be %"
		                    PRId64 "..%" PRId64, g->path, key, bits,
		                    lo, hi);
	sign = UINT64_C(1) << (8 * gguf_types[pair->type].size - 1);
	if (is_signed(pair->type))
		bits = (bits ^ sign) - sign;
	*v = (int64_t)bits;
	if (*v < lo || *v > hi)
		return wl_error_set(err, "%s: %s is %" PRId64 ", must be %"
		                    PRId64 "..%" PRId64, g->path, key, *v, lo,
		                    hi);
	return 0;
}

int gguf_get_real(const struct gguf *g, const char *key, double *v,
                  struct wl_error *err)
{
	const struct gguf_pair *pair = must_find(g, key, err);
	uint64_t bits;

	if (!pair)
		return -1;
	if (pair->array || (pair->type != GGUF_FLOAT32 &&
	                    pair->type != GGUF_FLOAT64))
		return refuse_type(g, key, pair, "a float", err);
	if (pair->type == GGUF_FLOAT32) {
		*v = to_float(pair->value);
		return 0;
	}
	bits = gguf_number(pair->value, 8);
	memcpy(v, &bits, sizeof *v);
	return 0;
}

int gguf_get_bool(const struct gguf *g, const char *key, bool *v,
                  struct wl_error *err)
{
	const struct gguf_pair *pair = must_find(g, key, err);

	if (!pair)
		return -1;
	if (pair->array || pair->type != GGUF_BOOL)
		return refuse_type(g, key, pair, "a bool", err);
	*v = pair->value[0];
	return 0;
}

bool gguf_text_is(const char *s, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(s, text, len) == 0;
}

int gguf_refuse(const struct gguf *g, const char *where, const char *s,
                size_t len, struct wl_error *err)
{
	return wl_error_set(err, "%s: %s \"%.*s\" is not supported", g->path,
	                    where, len < 100 ? (int)len : 100, s);
}

int gguf_get_string(const struct gguf *g, const char *key, const char **s,
                    size_t *len, struct wl_error *err)
{
	const struct gguf_pair *pair = must_find(g, key, err);

	if (!pair)
		return -1;
	if (pair->array || pair->type != GGUF_STRING)
		return refuse_type(g, key, pair, "a string", err);
	*len = gguf_number(pair->value, 8);
	*s = (const char *)pair->value + 8;
	return 0;
}

int gguf_get_array(const struct gguf *g, const char *key,
                   enum gguf_array kind, struct gguf_walk *w,
                   struct wl_error *err)
{
	static const struct {
		const char *name;
		uint32_t type, or_type;
	} kinds[] = {
		[GGUF_STRINGS] = { "strings", GGUF_STRING, GGUF_STRING },
		[GGUF_FLOATS] = { "float32", GGUF_FLOAT32, GGUF_FLOAT32 },
		[GGUF_INTS] = { "int32", GGUF_INT32, GGUF_UINT32 },
	};
	const struct gguf_pair *pair = must_find(g, key, err);

	if (!pair)
		return -1;
	if (!pair->array || (pair->type != kinds[kind].type &&
	                     pair->type != kinds[kind].or_type))
		return wl_error_set(err, "%s: %s must be an array of %s",
		                    g->path, key, kinds[kind].name);
	*w = (struct gguf_walk){ pair->n, pair->value };
	return 0;
}

const char *gguf_next_string(struct gguf_walk *w, size_t *len)
{
	const char *s = (const char *)w->next + 8;

	*len = gguf_number(w->next, 8);
	w->next += 8 + *len;
	return s;
}

float gguf_next_float(struct gguf_walk *w)
{
	float f = to_float(w->next);

	w->next += 4;
	return f;
}

int32_t gguf_next_int(struct gguf_walk *w)
{
	int32_t v = (int32_t)gguf_number(w->next, 4);

	w->next += 4;
	return v;
}

/* --- Tensors --- */

/* Writes a list of the supported types: "F32, F16 and ...". */
static void known_types(char *text, size_t size)
{
	size_t n = 0;

	for (int k = 0; k < SOURCE_NTYPES && n < size; k++)
		n += snprintf(text + n, size - n, "%s%s",
		              k == 0 ? "" : k + 1 < SOURCE_NTYPES ? ", " :
		              " and ", source_type_name(k));
}

/* The tensor's enum source_type, or -1 and err. */
static int known_type(const struct gguf *g, const struct gguf_tensor *t,
                      struct wl_error *err)
{
	const char *name = t->type < N_TENSOR_TYPES ? tensor_types[t->type]
	                                            : NULL;
	char known[16 * SOURCE_NTYPES];

	if (!name)
		return wl_error_set(err, "%s: %s: unknown tensor type %" PRIu32,
		                    g->path, t->name, t->type);
	for (int k = 0; k < SOURCE_NTYPES; k++)
		if (strcmp(name, source_type_name(k)) == 0)
			return k;
	known_types(known, sizeof known);
	return wl_error_set(err, "%s: %s: tensor type %s is not supported, only"
	                    " %s", g->path, t->name, name, known);
}

int gguf_add_tensors(const struct gguf *g, struct sources *s,
                     struct wl_error *err)
{
	int file = source_add_file(s, g->path, err);

	if (file < 0)
		return -1;
	for (size_t i = 0; i < g->n_tensors; i++) {
		struct gguf_tensor *t = &g->tensor[i];
		int type = known_type(g, t, err);

		if (type < 0)
			return -1;
		if (t->offset > UINT64_MAX - g->data)
			return wl_error_set(err, "%s: %s: its offset %" PRIu64
			                    " is not in the file", g->path,
			                    t->name, t->offset);
		if (source_add(s, &(struct source_tensor){
			.name = t->name, .file = file,
			.at = g->data + t->offset, .type = type,
			.vector = t->vector, .rows = t->rows, .cols = t->cols,
		    }, err))
			return -1;
	}
	return 0;
}
