#include "config.h"
#include "import/import.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/recognize.h"
#include "vocab_read.h"

/* llama2.c's files (github.com/karpathy/llama2.c, export.py): a header of
 * int32, then float32 tensors, kind by kind, with all layers of a kind
 * together. Matrices are [n][k], n outputs of k inputs each; the embedding is
 * [V][E]. All numbers are little-endian. */

#define MAGIC 0x616b3432u /* "ak42", from version 1 on */
#define V1_HEADER 256     /* bytes, padded */

/* An entry of a layout that is not a tensor kind: the tables of RoPE's cosines
 * and sines in legacy files, [seq][head_dim/2] each, which are skipped. */
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

/* The files have no names; these are the checkpoint's. */
static const struct source_names names = {
	.layer_prefix = "layers.",
	.name = {
		[T_EMBEDDING] = "embedding", [T_ATTN_NORM] = "attention_norm",
		[T_WQ] = "wq", [T_WK] = "wk", [T_WV] = "wv", [T_WO] = "wo",
		[T_FFN_NORM] = "ffn_norm", [T_GATE] = "gate",
		[T_DOWN] = "down", [T_UP] = "up", [T_NORM] = "norm",
		[T_HEAD] = "head",
	},
};

struct reader {
	const char *path;
	struct import_model *m;
	const int *layout;
	uint64_t at;               /* offset of what comes next, bytes */
	bool extra_head;           /* the model is tied, but has a head too */
	struct wl_error *err;
};

/* --- The header --- */

static int read_bytes(struct reader *r, void *to, size_t size)
{
	const struct source_file *f = &r->m->sources.file[0];

	if (size > f->bytes - r->at)
		return wl_error_set(r->err, "%s: ends within its header",
		                    r->path);
	if (source_read(&r->m->sources, 0, r->at, to, size, r->err))
		return -1;
	r->at += size;
	return 0;
}

/* Legacy header: seven integers, the first of which is read already. A negative
 * vocabulary size means that the head is a separate matrix. */
static int read_legacy(struct reader *r, int32_t shape[7], bool *tied)
{
	r->layout = legacy_layout;
	if (read_bytes(r, shape + 1, 6 * 4))
		return -1;
	*tied = shape[5] > 0;
	if (shape[5] < 0 && shape[5] > INT_MIN)
		shape[5] = -shape[5];
	return 0;
}

/* Header of version 1 after the magic number: the version, seven integers, and
 * a byte that is 1 when the head is the embedding. */
static int read_v1(struct reader *r, int32_t shape[7], bool *tied)
{
	const char *path = r->path;
	int32_t version;
	uint8_t shared;

	r->layout = v1_layout;
	if (read_bytes(r, &version, 4))
		return -1;
	if (version != 1)
		return wl_error_set(r->err, "%s: llama2.c version %d%s is not"
		                    " supported, only legacy and version 1",
		                    path, version,
		                    version == 2 ? " (int8)" : "");
	if (read_bytes(r, shape, 7 * 4) || read_bytes(r, &shared, 1))
		return -1;
	r->at = V1_HEADER;
	if (shared > 1)
		return wl_error_set(r->err, "%s: shared classifier is %d, must"
		                    " be 0 or 1", path, shared);
	*tied = shared;
	return 0;
}

static int read_header(struct reader *r, int32_t shape[7], bool *tied)
{
	if (read_bytes(r, shape, 4))
		return -1;
	if ((uint32_t)shape[0] == MAGIC)
		return read_v1(r, shape, tied);
	return read_legacy(r, shape, tied);
}

static int read_model(struct reader *r)
{
	struct model *m = &r->m->model;
	int32_t shape[7];
	bool tied = false;

	if (read_header(r, shape, &tied))
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
	if (model_check(m, r->path, r->err))
		return -1;
	if (m->dim % m->n_heads)
		return wl_error_set(r->err, "%s: dim %d is not a multiple of"
		                    " n_heads %d", r->path, m->dim,
		                    m->n_heads);
	return 0;
}

/* Floats of one entry of the layout, in all layers. The bounds of model_check
 * keep it below 2^53. */
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

/* Whether the file has tensors of this kind, needed by the model or not. */
static bool has_tensor(const struct reader *r, enum tensor_kind kind)
{
	return tensor_present(&r->m->model, kind) ||
	       (kind == T_HEAD && r->extra_head);
}

/* Adds the tensors of one kind, which are contiguous. */
static int add_tensors(struct reader *r, enum tensor_kind kind)
{
	const struct model *m = &r->m->model;
	struct tensor_shape s = tensor_shape(m, kind);
	char name[64];
	struct source_tensor t = {
		.name = name, .at = r->at, .type = SOURCE_F32,
		.vector = s.vector,
		.rows = s.vector ? 1 : s.cols,
		.cols = s.vector ? s.cols : s.rows,
	};
	int n = !has_tensor(r, kind) ? 0 :
	        tensor_per_layer(kind) ? m->n_layers : 1;

	for (int i = 0; i < n; i++) {
		source_tensor_name(&names, kind, i, name, sizeof name);
		if (source_add(&r->m->sources, &t, r->err))
			return -1;
		t.at += 4 * t.rows * t.cols;
	}
	return 0;
}

/* Adds all tensors at their offsets. The file must end after the last one, or
 * after an extra head if the model is tied. */
static int place_tensors(struct reader *r)
{
	uint64_t end = r->at, bytes = r->m->sources.file[0].bytes;
	uint64_t extra = 4 * (uint64_t)r->m->model.vocab_size *
	                 r->m->model.dim;

	for (const int *entry = r->layout; *entry != LAYOUT_END; entry++)
		end += 4 * entry_floats(&r->m->model, *entry);
	r->extra_head = r->m->model.tied && end + extra == bytes;
	if (end != bytes && !r->extra_head)
		return wl_error_set(r->err, "%s: has %llu bytes, its header"
		                    " implies %llu (truncated, or not a"
		                    " llama2.c checkpoint?)", r->path,
		                    (unsigned long long)bytes,
		                    (unsigned long long)end);
	for (const int *entry = r->layout; *entry != LAYOUT_END; entry++) {
		if (*entry < T_NKINDS && add_tensors(r, *entry))
			return -1;
		r->at += 4 * entry_floats(&r->m->model, *entry);
	}
	return source_index(&r->m->sources, r->err);
}

int import_read_llama2c(const char *path, const char *tokenizer,
                        struct import_model *m, struct wl_error *err)
{
	struct reader r = { .path = path, .m = m, .err = err };
	const char *slash = strrchr(path, '/');

	*m = (struct import_model){ .names = &names };
	if (source_add_file(&m->sources, path, err) < 0)
		return -1;
	if (read_model(&r) || place_tensors(&r))
		return recognize_explain(path, FILE_LLAMA2C, err);
	snprintf(m->origin, sizeof m->origin,
	         "llama2.c checkpoint %.400s (%s)", slash ? slash + 1 : path,
	         r.layout == v1_layout ? "version 1" : "legacy header");
	return vocab_read_llama2c(tokenizer, m->model.vocab_size, &m->vocab,
	                          err);
}
