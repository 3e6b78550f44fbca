#include "config.h"
#include "import.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "checkpoint.h"
#include "tokenizer.h"

/* llama2.c's files: a header of int32, then float32 tensors with all layers
 * of a kind together. A matrix lies there as [n][k], n outputs of k inputs
 * each; the embedding as [V][E]. Everything little-endian. */

#define MAGIC 0x616b3432u /* "ak42", from version 1 on */
#define V1_HEADER 256     /* bytes, padded */

/* Rows of the source read at a time: one cache line of the transpose. */
#define BLOCK_ROWS 16

/* One entry of a file's layout beside the tensor kinds: the RoPE tables
 * cos and sin of legacy files, [seq][head_dim/2] each, not used here. */
#define ROPE_TABLES T_NKINDS
#define LAYOUT_END (T_NKINDS + 1)

static const int legacy_layout[] = {
	T_EMBEDDING, T_ATTN_NORM, T_WQ, T_WK, T_WV, T_WO, T_FFN_NORM, T_GATE,
	T_DOWN, T_UP, T_NORM, ROPE_TABLES, T_HEAD, LAYOUT_END,
};

static const int v1_layout[] = {
	T_ATTN_NORM, T_FFN_NORM, T_NORM, T_EMBEDDING, T_WQ, T_WK, T_WV, T_WO,
	T_GATE, T_DOWN, T_UP, T_HEAD, LAYOUT_END,
};

struct source {
	const struct import_options *o;
	FILE *file;
	uint64_t bytes;            /* length of the file */
	struct model model;
	const int *layout;
	uint64_t header;           /* bytes before the first tensor */
	uint64_t start[T_NKINDS];  /* byte offset of layer 0's tensor */
	int *q_order;              /* [q channels], see make_q_order */
	struct checkpoint *dest;
	enum wl_type type;
	struct wl_error *err;
};

/* --- The header --- */

static int open_source(struct source *s)
{
	const char *path = s->o->source;
	struct stat st;

	if (stat(path, &st) < 0)
		return wl_error_set(s->err, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return wl_error_set(s->err, "%s: not a regular file", path);
	s->bytes = st.st_size;
	s->file = fopen(path, "rb");
	if (!s->file)
		return wl_error_set(s->err, "%s: %s", path, strerror(errno));
	return 0;
}

static int read_bytes(struct source *s, void *to, size_t size)
{
	if (fread(to, 1, size, s->file) == size)
		return 0;
	return wl_error_set(s->err, "%s: %s", s->o->source,
	                    ferror(s->file) ? strerror(errno) :
	                                      "ends within its header");
}

/* Seven integers, of which the first is read already; a negative vocabulary
 * size says that the classifier is a matrix of its own. */
static int read_legacy(struct source *s, int32_t shape[7], bool *tied)
{
	s->layout = legacy_layout;
	s->header = 7 * 4;
	if (read_bytes(s, shape + 1, 6 * 4))
		return -1;
	*tied = shape[5] > 0;
	if (shape[5] < 0 && shape[5] > INT_MIN)
		shape[5] = -shape[5];
	return 0;
}

/* Behind the magic: the version, seven integers, a byte that is 1 when the
 * classifier is the embedding. */
static int read_v1(struct source *s, int32_t shape[7], bool *tied)
{
	const char *path = s->o->source;
	int32_t version;
	uint8_t shared;

	s->layout = v1_layout;
	s->header = V1_HEADER;
	if (read_bytes(s, &version, 4))
		return -1;
	if (version != 1)
		return wl_error_set(s->err, "%s: llama2.c version %d%s is not"
		                    " supported, only legacy and version 1",
		                    path, version,
		                    version == 2 ? " (int8)" : "");
	if (read_bytes(s, shape, 7 * 4) || read_bytes(s, &shared, 1))
		return -1;
	if (shared > 1)
		return wl_error_set(s->err, "%s: shared classifier is %d, must"
		                    " be 0 or 1", path, shared);
	*tied = shared;
	return 0;
}

static int read_header(struct source *s, int32_t shape[7], bool *tied)
{
	if (read_bytes(s, shape, 4))
		return -1;
	if ((uint32_t)shape[0] == MAGIC)
		return read_v1(s, shape, tied);
	return read_legacy(s, shape, tied);
}

static int read_model(struct source *s)
{
	struct model *m = &s->model;
	int32_t shape[7];
	bool tied = false;

	if (read_header(s, shape, &tied))
		return -1;
	*m = (struct model){
		.dim = shape[0],
		.hidden_dim = shape[1],
		.n_layers = shape[2],
		.n_heads = shape[3],
		.n_kv_heads = shape[4],
		.vocab_size = shape[5],
		.max_seq_len = shape[6],
		.rope_theta = 1e4,
		.rms_eps = 1e-5,
		.tied = tied,
		.bos_id = 1,
		/* These models start the next story with BOS. */
		.n_stop = 2,
		.stop_id = { 2, 1 },
	};
	m->head_dim = m->n_heads > 0 ? m->dim / m->n_heads : 0;
	if (model_check(m, s->o->source, s->err))
		return -1;
	if (m->dim % m->n_heads)
		return wl_error_set(s->err, "%s: dim %d is not a multiple of"
		                    " n_heads %d", s->o->source, m->dim,
		                    m->n_heads);
	return 0;
}

/* Floats of one entry of the layout, all layers. model_check has bounded
 * the factors: below 2^53. */
static uint64_t entry_floats(const struct model *m, int entry)
{
	struct tensor_shape t;

	if (entry == ROPE_TABLES)
		return (uint64_t)m->max_seq_len * m->head_dim;
	if (!tensor_present(m, entry))
		return 0;
	t = tensor_shape(m, entry);
	return (uint64_t)t.rows * t.cols *
	       (tensor_per_layer(entry) ? m->n_layers : 1);
}

/* Finds where each tensor starts and that the file ends where it must. */
static int place_tensors(struct source *s)
{
	uint64_t at = s->header;

	for (const int *entry = s->layout; *entry != LAYOUT_END; entry++) {
		if (*entry < T_NKINDS)
			s->start[*entry] = at;
		at += 4 * entry_floats(&s->model, *entry);
	}
	if (at != s->bytes)
		return wl_error_set(s->err, "%s: has %llu bytes, its header"
		                    " implies %llu (truncated, or not a"
		                    " llama2.c checkpoint?)", s->o->source,
		                    (unsigned long long)s->bytes,
		                    (unsigned long long)at);
	return 0;
}

/* --- The tensors --- */

/* q_order[channel of the file] = channel of a checkpoint: from (query head,
 * c) to (KV head, c, query head of the group). RoPE's pairs are adjacent in
 * both. */
static void make_q_order(struct source *s)
{
	const struct model *m = &s->model;
	int group = model_group(m);

	s->q_order = wl_malloc(model_q_dim(m), sizeof *s->q_order);
	for (int h = 0; h < m->n_heads; h++)
		for (int c = 0; c < m->head_dim; c++)
			s->q_order[h * m->head_dim + c] =
				(h / group * m->head_dim + c) * group +
				h % group;
}

/* Largest magnitude, exclusive, that rounds to a finite number. */
static float type_limit(enum wl_type t)
{
	switch (t) {
	case WL_F16:
		return 65520;
	case WL_BF16:
		return 0x1.ffp127f;
	default:
		return INFINITY;
	}
}

/* Reads n floats and refuses what the stored type cannot hold. */
static int read_floats(struct source *s, float *to, size_t n, const char *name)
{
	float limit = type_limit(s->type);

	if (fread(to, sizeof *to, n, s->file) != n)
		return wl_error_set(s->err, "%s: %s: %s", s->o->source, name,
		                    ferror(s->file) ? strerror(errno) :
		                                      "file got shorter");
	for (size_t i = 0; i < n; i++)
		if (!(fabsf(to[i]) < limit))
			return wl_error_set(s->err, "%s: %s holds %g, not a"
			                    " finite number as %s",
			                    s->o->source, name, to[i],
			                    wl_type_name(s->type));
	return 0;
}

/* Where index i goes; no order leaves it in place. */
static size_t place(const int *order, size_t i)
{
	return order ? (size_t)order[i] : i;
}

/* Reads a matrix that lies as [n][k] into to[k][n], its rows and columns
 * put in the orders given. */
static int read_transposed(struct source *s, float *to, size_t k, size_t n,
                           const int *k_order, const int *n_order,
                           const char *name)
{
	float *block = wl_malloc(BLOCK_ROWS * k, sizeof *block);
	int rc = 0;

	for (size_t j0 = 0; j0 < n && rc == 0; j0 += BLOCK_ROWS) {
		size_t rows = n - j0 < BLOCK_ROWS ? n - j0 : BLOCK_ROWS;

		rc = read_floats(s, block, rows * k, name);
		for (size_t i = 0; i < k && rc == 0; i++) {
			float *row = to + n * place(k_order, i);

			for (size_t j = 0; j < rows; j++)
				row[place(n_order, j0 + j)] = block[j * k + i];
		}
	}
	free(block);
	return rc;
}

static int read_tensor(struct source *s, enum tensor_kind kind, int layer,
                       float *to)
{
	struct tensor_shape t = tensor_shape(&s->model, kind);
	uint64_t at = s->start[kind];
	char name[64];

	tensor_name(kind, layer, name, sizeof name);
	if (tensor_per_layer(kind))
		at += (uint64_t)layer * t.rows * t.cols * 4;
	if (fseeko(s->file, at, SEEK_SET) < 0)
		return wl_error_set(s->err, "%s: %s: %s", s->o->source, name,
		                    strerror(errno));
	if (t.vector)
		return read_floats(s, to, t.cols, name);
	return read_transposed(s, to, t.rows, t.cols,
	                       kind == T_WO ? s->q_order : NULL,
	                       kind == T_WQ ? s->q_order : NULL, name);
}

static int copy_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct source *s = ctx;
	struct tensor_shape t = tensor_shape(&s->model, kind);
	float *w = wl_malloc(t.rows * t.cols, sizeof *w);
	int rc;

	if (kind == T_ATTN_NORM && !s->o->quiet)
		fprintf(stderr, "import: layer %d of %d\n", layer + 1,
		        s->model.n_layers);
	rc = read_tensor(s, kind, layer, w);
	if (rc == 0)
		rc = checkpoint_write(s->dest, kind, layer, w, s->type, s->err);
	free(w);
	return rc;
}

/* --- The whole --- */

static int write_all(struct source *s, const struct vocab *v)
{
	const char *slash = strrchr(s->o->source, '/');
	char origin[512];

	snprintf(origin, sizeof origin, "llama2.c checkpoint %.400s (%s)",
	         slash ? slash + 1 : s->o->source,
	         s->layout == v1_layout ? "version 1" : "legacy header");
	s->dest = checkpoint_create(s->o->dest, &s->model, v, origin, s->err);
	if (!s->dest)
		return -1;
	make_q_order(s);
	if (model_each_tensor(&s->model, copy_tensor, s)) {
		checkpoint_close(s->dest);
		return -1;
	}
	return checkpoint_commit(s->dest, s->err);
}

/* Everything that can be refused is looked at before dest is touched. */
static int import_open(struct source *s)
{
	struct vocab v;
	int rc;

	if (read_model(s) || place_tensors(s))
		return -1;
	if (vocab_read_llama2c(s->o->tokenizer, s->model.vocab_size, &v,
	                       s->err))
		return -1;
	rc = write_all(s, &v);
	vocab_fini(&v);
	return rc;
}

int import_llama2c(const struct import_options *o, struct wl_error *err)
{
	struct source s = {
		.o = o,
		.type = o->type < 0 ? WL_F32 : (enum wl_type)o->type,
		.err = err,
	};
	int rc = open_source(&s);

	if (rc == 0)
		rc = import_open(&s);
	if (s.file)
		fclose(s.file);
	free(s.q_order);
	return rc;
}
