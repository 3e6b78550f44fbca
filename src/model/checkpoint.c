#include "config.h"
#include "model/checkpoint.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "host/h5file.h"

/* Constants of the schema, see data/README. */
#define FORMAT "waferllm checkpoint"
#define CHANNEL_ORDER "kv_head,channel,query_head"
#define ROPE_PAIRS "adjacent"

#define STOP_IDS "/model/stop_ids"

/* Longest string attribute, with its NUL. */
#define TEXT_MAX 1024
/* Room for "/weights/layers.4095.attention_norm". */
#define PATH_SIZE 64

struct slot {
	bool done; /* written, or read and checked */
	enum wl_type type;
	uint32_t crc;
};

struct checkpoint {
	struct h5file *h5;
	char *path;
	char *origin;
	int version; /* of the file's format */
	struct model model;
	struct slot (*slot)[T_NKINDS]; /* [n_layers]; layer 0 also has the
	                                * tensors of no layer */
};

static const enum h5_type stored_as[WL_NTYPES] = {
	[WL_F32] = H5_F32, [WL_F16] = H5_F16, [WL_BF16] = H5_BF16,
};

/* The integers of a model, each an attribute of /model. */
static const struct {
	const char *name;
	size_t at;
} int_field[] = {
	{ "dim", offsetof(struct model, dim) },
	{ "hidden_dim", offsetof(struct model, hidden_dim) },
	{ "n_layers", offsetof(struct model, n_layers) },
	{ "n_heads", offsetof(struct model, n_heads) },
	{ "n_kv_heads", offsetof(struct model, n_kv_heads) },
	{ "head_dim", offsetof(struct model, head_dim) },
	{ "vocab_size", offsetof(struct model, vocab_size) },
	{ "max_seq_len", offsetof(struct model, max_seq_len) },
	{ "bos_id", offsetof(struct model, bos_id) },
};

#define N_INT_FIELDS (sizeof int_field / sizeof *int_field)

/* The booleans of a model, each an attribute of /model with value 0 or 1.
 * Files of a format version before `since` lack the attribute: false. */
static const struct {
	const char *name;
	size_t at;
	int since;
} flag_field[] = {
	{ "tied", offsetof(struct model, tied), 1 },
	{ "qkv_bias", offsetof(struct model, qkv_bias), 2 },
	{ "rope_scaled", offsetof(struct model, rope_scaled), 2 },
};

#define N_FLAG_FIELDS (sizeof flag_field / sizeof *flag_field)

static void dataset_name(enum tensor_kind kind, int layer, char name[PATH_SIZE])
{
	int n = snprintf(name, PATH_SIZE, "/weights/");

	tensor_name(kind, layer, name + n, PATH_SIZE - n);
}

static struct slot *slot_of(const struct checkpoint *c, enum tensor_kind kind,
                            int layer)
{
	WL_ASSERT(tensor_present(&c->model, kind));
	return &c->slot[tensor_per_layer(kind) ? layer : 0][kind];
}

static struct checkpoint *checkpoint_new(const char *path)
{
	struct checkpoint *c = wl_calloc(1, sizeof *c);

	c->path = wl_strdup(path);
	return c;
}

void checkpoint_close(struct checkpoint *c)
{
	if (!c)
		return;
	h5file_close(c->h5);
	free(c->slot);
	free(c->origin);
	free(c->path);
	free(c);
}

/* --- Writing --- */

/* A 1-D dataset with the checksum of its bytes. */
static int put_array(struct h5file *f, const char *name, enum h5_type type,
                     size_t n, size_t size, const void *data,
                     struct wl_error *err)
{
	const struct h5_info info = { 1, 1, n, type };

	if (h5file_write(f, name, &info, data, err))
		return -1;
	return h5file_put_int(f, name, "crc32", wl_crc32(0, data, n * size),
	                      err);
}

static int put_model(struct h5file *f, const struct model *m,
                     struct wl_error *err)
{
	for (size_t i = 0; i < N_INT_FIELDS; i++) {
		const int *v = (const int *)((const char *)m + int_field[i].at);

		if (h5file_put_int(f, "/model", int_field[i].name, *v, err))
			return -1;
	}
	for (size_t i = 0; i < N_FLAG_FIELDS; i++) {
		const bool *v = (const bool *)((const char *)m +
		                               flag_field[i].at);

		if (h5file_put_int(f, "/model", flag_field[i].name, *v, err))
			return -1;
	}
	if (h5file_put_double(f, "/model", "rope_theta", m->rope_theta, err) ||
	    h5file_put_double(f, "/model", "rms_eps", m->rms_eps, err) ||
	    h5file_put_string(f, "/model", "channel_order", CHANNEL_ORDER,
	                      err) ||
	    h5file_put_string(f, "/model", "rope_pairs", ROPE_PAIRS, err))
		return -1;
	return put_array(f, STOP_IDS, H5_I32, m->n_stop, 4, m->stop_id, err);
}

/* Attributes and datasets of vocabularies with merges only. */
static int put_bpe(struct h5file *f, const struct vocab *v,
                   struct wl_error *err)
{
	if (h5file_put_string(f, "/tokenizer", "split",
	                      word_split_name(v->split), err) ||
	    h5file_put_int(f, "/tokenizer", "whole_words", v->whole_words,
	                   err) ||
	    h5file_put_int(f, "/tokenizer", "nfc", v->nfc, err) ||
	    h5file_put_int(f, "/tokenizer", "space_once", v->space_rule, err))
		return -1;
	return put_array(f, "/tokenizer/merges", H5_U32,
	                 2 * (size_t)v->n_merges, 4, v->merge, err);
}

static int put_vocab(struct h5file *f, const struct vocab *v,
                     struct wl_error *err)
{
	const size_t n = v->n;

	if (h5file_put_string(f, "/tokenizer", "kind", vocab_kind_name(v->kind),
	                      err) ||
	    h5file_put_int(f, "/tokenizer", "bos_id", v->bos_id, err) ||
	    h5file_put_int(f, "/tokenizer", "eos_id", v->eos_id, err) ||
	    h5file_put_int(f, "/tokenizer", "add_space", v->add_space, err) ||
	    put_array(f, "/tokenizer/text", H5_U8, v->offset[n], 1, v->text,
	              err) ||
	    put_array(f, "/tokenizer/offset", H5_U32, n + 1, 4, v->offset,
	              err) ||
	    put_array(f, "/tokenizer/type", H5_U8, n, 1, v->type, err) ||
	    (v->match &&
	     put_array(f, "/tokenizer/match", H5_U8, n, 1, v->match, err)))
		return -1;
	if (v->kind == VOCAB_BPE)
		return put_bpe(f, v, err);
	return put_array(f, "/tokenizer/score", H5_F32, n, 4, v->score, err);
}

static int put_head(struct checkpoint *c, const struct vocab *v,
                    struct wl_error *err)
{
	struct h5file *f = c->h5;

	if (v->n != c->model.vocab_size)
		return wl_error_set(err, "%s: a tokenizer of %d pieces for a"
		                    " model of %d", c->path, v->n,
		                    c->model.vocab_size);
	if (h5file_put_string(f, "/", "format", FORMAT, err) ||
	    h5file_put_int(f, "/", "format_version", WL_CHECKPOINT_VERSION,
	                   err) ||
	    h5file_put_string(f, "/", "origin", c->origin, err))
		return -1;
	if (put_model(f, &c->model, err) || put_vocab(f, v, err))
		return -1;
	return 0;
}

static bool is_checkpoint(const char *path)
{
	return h5file_is(path, FORMAT);
}

const struct output_kind checkpoint_output = {
	.noun = "checkpoint", .recognize = is_checkpoint,
	.durable = true };

struct checkpoint *checkpoint_create(const char *path, const struct model *m,
                                     const struct vocab *v, const char *origin,
                                     struct wl_error *err)
{
	struct checkpoint *c;

	if (model_check(m, path, err))
		return NULL;
	c = checkpoint_new(path);
	c->version = WL_CHECKPOINT_VERSION;
	c->model = *m;
	c->slot = wl_calloc(m->n_layers, sizeof *c->slot);
	c->origin = wl_strdup(origin);
	if (strlen(c->origin) >= TEXT_MAX)
		c->origin[TEXT_MAX - 1] = '\0';
	c->h5 = h5file_create(path, &checkpoint_output, err);
	if (!c->h5 || put_head(c, v, err)) {
		checkpoint_close(c);
		return NULL;
	}
	return c;
}

int checkpoint_write(struct checkpoint *c, enum tensor_kind kind, int layer,
                     const void *data, enum wl_type t, struct wl_error *err)
{
	struct tensor_shape s = tensor_shape(&c->model, kind);
	const struct h5_info info = { s.vector ? 1 : 2, s.rows, s.cols,
	                              stored_as[t] };
	struct slot *slot = slot_of(c, kind, layer);
	char name[PATH_SIZE];

	WL_ASSERT(!slot->done);
	dataset_name(kind, layer, name);
	slot->type = t;
	slot->crc = wl_crc32(0, data, s.rows * s.cols * wl_type_size(t));
	if (h5file_write(c->h5, name, &info, data, err) ||
	    h5file_put_string(c->h5, name, "type", wl_type_name(t), err) ||
	    h5file_put_int(c->h5, name, "crc32", slot->crc, err))
		return -1;
	slot->done = true;
	return 0;
}

struct visit {
	struct checkpoint *c;
	struct wl_error *err;
	uint64_t tensors;
	size_t bytes; /* of all of them */
};

static int check_done(void *ctx, enum tensor_kind kind, int layer)
{
	struct visit *v = ctx;
	char name[PATH_SIZE];

	if (slot_of(v->c, kind, layer)->done)
		return 0;
	dataset_name(kind, layer, name);
	return wl_error_set(v->err, "%s: %s was not written", v->c->path, name);
}

int checkpoint_commit(struct checkpoint *c, struct wl_error *err)
{
	int rc = model_each_tensor(&c->model, check_done,
	                           &(struct visit){ .c = c, .err = err });

	if (rc == 0) {
		rc = h5file_commit(c->h5, err);
		c->h5 = NULL;
	}
	checkpoint_close(c);
	return rc;
}

/* --- Reading --- */

/* An integer attribute within [lo, hi]. */
static int get_int(struct h5file *f, const char *path, const char *object,
                   const char *name, int lo, int hi, int *v,
                   struct wl_error *err)
{
	int64_t wide;

	if (h5file_get_int(f, object, name, &wide, err))
		return -1;
	if (wide < lo || wide > hi)
		return wl_error_set(err, "%s: %s: %s is %lld, must be %d..%d",
		                    path, object, name, (long long)wide, lo,
		                    hi);
	*v = wide;
	return 0;
}

/* An integer attribute that is 0 or 1. */
static int get_flag(struct checkpoint *c, const char *object, const char *name,
                    bool *v, struct wl_error *err)
{
	int number = 0;

	if (get_int(c->h5, c->path, object, name, 0, 1, &number, err))
		return -1;
	*v = number;
	return 0;
}

/* Checks a string attribute that has only one supported value. */
static int expect_string(struct checkpoint *c, const char *object,
                         const char *name, const char *want,
                         struct wl_error *err)
{
	char text[TEXT_MAX];

	if (h5file_get_string(c->h5, object, name, text, sizeof text, err))
		return -1;
	if (strcmp(text, want) != 0)
		return wl_error_set(err, "%s: %s: %s is \"%.200s\", only"
		                    " \"%s\" is known here", c->path, object,
		                    name, text, want);
	return 0;
}

static int get_crc(struct checkpoint *c, const char *name, uint32_t *crc,
                   struct wl_error *err)
{
	int64_t wide;

	if (h5file_get_int(c->h5, name, "crc32", &wide, err))
		return -1;
	if (wide < 0 || wide > UINT32_MAX)
		return wl_error_set(err, "%s: %s: crc32 is %lld, not a 32-bit"
		                    " sum", c->path, name, (long long)wide);
	*crc = wide;
	return 0;
}

/* Reads a whole 1-D dataset of n elements, size bytes each, and verifies its
 * checksum. Format version 1 has no checksums for these. */
static int read_array(struct checkpoint *c, const char *name, size_t n,
                      size_t size, void *to, struct wl_error *err)
{
	uint32_t crc = 0;

	if (h5file_read_rows(c->h5, name, 0, n, to, err))
		return -1;
	if (c->version == 1)
		return 0;
	if (get_crc(c, name, &crc, err))
		return -1;
	if (wl_crc32(0, to, n * size) != crc)
		return wl_error_set(err, "%s: %s is damaged: its checksum does"
		                    " not match", c->path, name);
	return 0;
}

static int get_stops(struct checkpoint *c, struct wl_error *err)
{
	struct h5_info info;

	if (h5file_info(c->h5, STOP_IDS, &info, err))
		return -1;
	if (info.rank != 1 || info.type != H5_I32 || info.cols > WL_MAX_STOP)
		return wl_error_set(err, "%s: %s must be at most %d int32",
		                    c->path, STOP_IDS, WL_MAX_STOP);
	c->model.n_stop = info.cols;
	return read_array(c, STOP_IDS, info.cols, 4, c->model.stop_id, err);
}

static int get_model(struct checkpoint *c, struct wl_error *err)
{
	struct model *m = &c->model;

	for (size_t i = 0; i < N_INT_FIELDS; i++)
		if (get_int(c->h5, c->path, "/model", int_field[i].name,
		            INT_MIN, INT_MAX,
		            (int *)((char *)m + int_field[i].at), err))
			return -1;
	for (size_t i = 0; i < N_FLAG_FIELDS; i++)
		if (c->version >= flag_field[i].since &&
		    get_flag(c, "/model", flag_field[i].name,
		             (bool *)((char *)m + flag_field[i].at), err))
			return -1;
	if (h5file_get_double(c->h5, "/model", "rope_theta", &m->rope_theta,
	                      err) ||
	    h5file_get_double(c->h5, "/model", "rms_eps", &m->rms_eps, err) ||
	    expect_string(c, "/model", "channel_order", CHANNEL_ORDER, err) ||
	    expect_string(c, "/model", "rope_pairs", ROPE_PAIRS, err) ||
	    get_stops(c, err))
		return -1;
	return model_check(m, c->path, err);
}

static int get_head(struct checkpoint *c, struct wl_error *err)
{
	char text[TEXT_MAX];
	int64_t version;

	if (h5file_get_string(c->h5, "/", "format", text, sizeof text, err))
		return wl_error_set(err, "%s: an HDF5 file, but not a waferllm"
		                    " checkpoint: its attribute format is"
		                    " missing", c->path);
	if (expect_string(c, "/", "format", FORMAT, err) ||
	    h5file_get_int(c->h5, "/", "format_version", &version, err))
		return -1;
	if (version < 1 || version > WL_CHECKPOINT_VERSION)
		return wl_error_set(err, "%s: format_version is %lld, only 1"
		                    " to %d are known here", c->path,
		                    (long long)version, WL_CHECKPOINT_VERSION);
	c->version = version;
	if (h5file_get_string(c->h5, "/", "origin", text, sizeof text, err))
		return -1;
	c->origin = wl_strdup(text);
	return get_model(c, err);
}

/* Reads type and crc32 of a tensor into its slot. */
static int get_slot(struct checkpoint *c, const char *name, struct slot *slot,
                    struct wl_error *err)
{
	char text[TEXT_MAX];
	uint32_t crc = 0;
	int type;

	if (h5file_get_string(c->h5, name, "type", text, sizeof text, err))
		return -1;
	type = wl_type_parse(text);
	if (type < 0)
		return wl_error_set(err, "%s: %s: type \"%.200s\" is not known"
		                    " here", c->path, name, text);
	if (get_crc(c, name, &crc, err))
		return -1;
	*slot = (struct slot){ true, type, crc };
	return 0;
}

static int check_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct visit *v = ctx;
	struct checkpoint *c = v->c;
	struct tensor_shape s = tensor_shape(&c->model, kind);
	struct slot *slot = slot_of(c, kind, layer);
	char name[PATH_SIZE];
	struct h5_info info;

	dataset_name(kind, layer, name);
	/* Check the type's name first, so that an unknown type is refused by
	 * name, however it is stored. */
	if (get_slot(c, name, slot, v->err) ||
	    h5file_info(c->h5, name, &info, v->err))
		return -1;
	if (info.type != stored_as[slot->type])
		return wl_error_set(v->err, "%s: %s is not stored as its type"
		                    " %s says", c->path, name,
		                    wl_type_name(slot->type));
	if (info.rank != (s.vector ? 1 : 2) || info.rows != s.rows ||
	    info.cols != s.cols)
		return wl_error_set(v->err, "%s: %s is %zu x %zu (%d-D), the"
		                    " model's shape needs %zu x %zu (%d-D)",
		                    c->path, name, info.rows, info.cols,
		                    info.rank, s.rows, s.cols,
		                    s.vector ? 1 : 2);
	/* In a hostile file many names may link to one dataset. Loading would
	 * then allocate more memory than the file has bytes. */
	v->tensors++;
	v->bytes += s.rows * s.cols * wl_type_size(slot->type);
	if (v->bytes > h5file_bytes(c->h5))
		return wl_error_set(v->err, "%s: %s: the tensors up to here"
		                    " have more bytes than the file", c->path,
		                    name);
	return 0;
}

/* The file must have every tensor of the shape, and no other: with too small a
 * shape, for example too few layers, the model would compute something else. */
static int check_tensors(struct checkpoint *c, struct wl_error *err)
{
	struct visit v = { .c = c, .err = err };
	uint64_t n;

	if (model_each_tensor(&c->model, check_tensor, &v) ||
	    h5file_count(c->h5, "/weights", &n, err))
		return -1;
	if (n != v.tensors)
		return wl_error_set(err, "%s: /weights has %llu tensors, the"
		                    " model's shape %llu", c->path,
		                    (unsigned long long)n,
		                    (unsigned long long)v.tensors);
	return 0;
}

struct checkpoint *checkpoint_open(const char *path, MPI_Comm comm,
                                   struct wl_error *err)
{
	struct checkpoint *c = checkpoint_new(path);
	int rc = -1;

	c->h5 = h5file_open(path, comm, err);
	if (c->h5)
		rc = get_head(c, err);
	if (rc == 0) {
		c->slot = wl_calloc(c->model.n_layers, sizeof *c->slot);
		rc = check_tensors(c, err);
	}
	if (rc == 0)
		return c;
	checkpoint_close(c);
	return NULL;
}

const struct model *checkpoint_model(const struct checkpoint *c)
{
	return &c->model;
}

int checkpoint_version(const struct checkpoint *c)
{
	return c->version;
}

const char *checkpoint_path(const struct checkpoint *c)
{
	return c->path;
}

const char *checkpoint_origin(const struct checkpoint *c)
{
	return c->origin;
}

enum wl_type checkpoint_type(const struct checkpoint *c, enum tensor_kind kind,
                             int layer)
{
	return slot_of(c, kind, layer)->type;
}

uint32_t checkpoint_crc(const struct checkpoint *c, enum tensor_kind kind,
                        int layer)
{
	return slot_of(c, kind, layer)->crc;
}

/* Reads a 1-D dataset that must have n elements of the type, size bytes each.
 * The caller frees the result. NULL and err on failure. */
static void *get_array(struct checkpoint *c, const char *name,
                       enum h5_type type, size_t n, size_t size,
                       struct wl_error *err)
{
	struct h5_info info;
	void *p;

	if (h5file_info(c->h5, name, &info, err))
		return NULL;
	if (info.rank != 1 || info.type != type || info.cols != n) {
		wl_error_set(err, "%s: %s is not the expected array of %zu"
		             " elements", c->path, name, n);
		return NULL;
	}
	p = wl_malloc(n, size);
	if (read_array(c, name, n, size, p, err) == 0)
		return p;
	free(p);
	return NULL;
}

/* The offsets must increase from 0 to the length of the text. */
static int check_offsets(const struct checkpoint *c, const struct vocab *v,
                         size_t len, struct wl_error *err)
{
	bool ok = v->offset[0] == 0 && v->offset[v->n] == len;

	for (int i = 0; i < v->n; i++)
		ok &= v->offset[i] <= v->offset[i + 1];
	if (!ok)
		return wl_error_set(err, "%s: /tokenizer/offset does not rise"
		                    " from 0 to the %zu bytes of"
		                    " /tokenizer/text", c->path, len);
	return 0;
}

/* Reads a string attribute of /tokenizer and converts it with parse, which
 * returns -1 for an unknown name. */
static int get_name(struct checkpoint *c, const char *name,
                    int (*parse)(const char *name), int *v,
                    struct wl_error *err)
{
	char text[TEXT_MAX];

	if (h5file_get_string(c->h5, "/tokenizer", name, text, sizeof text,
	                      err))
		return -1;
	*v = parse(text);
	if (*v < 0)
		return wl_error_set(err, "%s: /tokenizer: %s \"%.200s\" is not"
		                    " known here", c->path, name, text);
	return 0;
}

static int get_kind(struct checkpoint *c, struct vocab *v,
                    struct wl_error *err)
{
	int kind = VOCAB_SPM;

	if (c->version == 1
	    ? expect_string(c, "/tokenizer", "kind", "spm", err)
	    : get_name(c, "kind", vocab_kind_parse, &kind, err))
		return -1;
	v->kind = kind;
	return 0;
}

/* Texts, offsets and types of the pieces. */
static int get_pieces(struct checkpoint *c, struct vocab *v,
                      struct wl_error *err)
{
	const size_t n = v->n;
	struct h5_info text;

	if (h5file_info(c->h5, "/tokenizer/text", &text, err))
		return -1;
	v->offset = get_array(c, "/tokenizer/offset", H5_U32, n + 1, 4, err);
	if (!v->offset)
		return -1;
	v->type = get_array(c, "/tokenizer/type", H5_U8, n, 1, err);
	if (!v->type)
		return -1;
	if (h5file_has(c->h5, "/tokenizer/match")) {
		v->match = get_array(c, "/tokenizer/match", H5_U8, n, 1, err);
		if (!v->match)
			return -1;
	}
	v->text = get_array(c, "/tokenizer/text", H5_U8, text.cols, 1, err);
	if (!v->text)
		return -1;
	return check_offsets(c, v, text.cols, err);
}

/* The merges, each a pair of ids. */
static int get_merges(struct checkpoint *c, struct vocab *v,
                      struct wl_error *err)
{
	const char *name = "/tokenizer/merges";
	struct h5_info info;

	if (h5file_info(c->h5, name, &info, err))
		return -1;
	if (info.cols % 2 || info.cols / 2 > UINT32_MAX)
		return wl_error_set(err, "%s: %s: %zu ids are no list of"
		                    " pairs", c->path, name, info.cols);
	v->merge = get_array(c, name, H5_U32, info.cols, 4, err);
	if (!v->merge)
		return -1;
	v->n_merges = info.cols / 2;
	return 0;
}

static int get_bpe(struct checkpoint *c, struct vocab *v,
                   struct wl_error *err)
{
	int split = WORDS_NONE, rule = SPACE_EVERY;

	if (get_name(c, "split", word_split_parse, &split, err) ||
	    get_flag(c, "/tokenizer", "whole_words", &v->whole_words, err) ||
	    get_flag(c, "/tokenizer", "nfc", &v->nfc, err) ||
	    get_int(c->h5, c->path, "/tokenizer", "space_once", 0,
	            SPACE_NRULES - 1, &rule, err))
		return -1;
	v->split = split;
	v->space_rule = rule;
	v->score = wl_calloc(v->n, sizeof *v->score);
	return get_merges(c, v, err);
}

static int get_vocab(struct checkpoint *c, struct vocab *v,
                     struct wl_error *err)
{
	v->n = c->model.vocab_size;
	if (get_kind(c, v, err) ||
	    get_int(c->h5, c->path, "/tokenizer", "bos_id", -1, v->n - 1,
	            &v->bos_id, err) ||
	    get_int(c->h5, c->path, "/tokenizer", "eos_id", -1, v->n - 1,
	            &v->eos_id, err) ||
	    get_flag(c, "/tokenizer", "add_space", &v->add_space, err) ||
	    get_pieces(c, v, err))
		return -1;
	if (v->kind == VOCAB_BPE)
		return get_bpe(c, v, err);
	v->score = get_array(c, "/tokenizer/score", H5_F32, v->n, 4, err);
	return v->score ? 0 : -1;
}

int checkpoint_read_vocab(struct checkpoint *c, struct vocab *v,
                          struct wl_error *err)
{
	*v = (struct vocab){ 0 };
	if (get_vocab(c, v, err) == 0)
		return 0;
	vocab_fini(v);
	return -1;
}

int checkpoint_read_rows(struct checkpoint *c, enum tensor_kind kind, int layer,
                         size_t row0, size_t n, void *data,
                         struct wl_error *err)
{
	char name[PATH_SIZE];

	WL_ASSERT(tensor_present(&c->model, kind));
	dataset_name(kind, layer, name);
	return h5file_read_rows(c->h5, name, row0, n, data, err);
}
