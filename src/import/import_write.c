/* Writes a source's tensors to a checkpoint, for all formats. Matrices are
 * transposed from [n][k] to [k][n], and channels permuted to the checkpoint's
 * order (model.h). */
#include "config.h"
#include "import/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/checkpoint.h"
#include "simd/convert.h"

/* Rows of the source that are read at a time: with 4-byte elements, one cache
 * line of the transposed matrix. */
#define BLOCK_ROWS 16

struct job {
	const struct import_options *o;
	struct import_model *m;
	struct checkpoint *dest;
	int *q_order, *k_order, *o_order; /* [channels], see make_orders */
	int done, all;                    /* tensors */
	struct wl_error *err;
};

void import_model_fini(struct import_model *m)
{
	vocab_fini(&m->vocab);
	sources_fini(&m->sources);
	free(m->rope_factors);
	free(m->made_names);
	for (int i = 0; i < m->n_notes; i++)
		free(m->note[i]);
	free(m->note);
	*m = (struct import_model){ 0 };
}

bool source_tensor_name(const struct source_names *names,
                        enum tensor_kind kind, int layer, char *name,
                        size_t size)
{
	if (!names->name[kind])
		return false;
	if (tensor_per_layer(kind))
		snprintf(name, size, "%s%d.%s", names->layer_prefix, layer,
		         names->name[kind]);
	else
		snprintf(name, size, "%s", names->name[kind]);
	return true;
}

/* --- Checks before writing --- */

/* The source's tensor of a kind, marked as used. A tied embedding may have the
 * head's name. */
static struct source_tensor *find(struct job *j, enum tensor_kind kind,
                                  int layer)
{
	struct import_model *m = j->m;
	struct source_tensor *t = NULL;
	char name[128] = "";

	if (source_tensor_name(m->names, kind, layer, name, sizeof name))
		t = source_find(&m->sources, name);
	if (!t && kind == T_EMBEDDING && m->model.tied &&
	    source_tensor_name(m->names, T_HEAD, 0, name, sizeof name))
		t = source_find(&m->sources, name);
	return t;
}

static int check_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct job *j = ctx;
	const struct import_model *m = j->m;
	struct tensor_shape s = tensor_shape(&m->model, kind);
	const struct source_tensor *t;
	char name[128] = "";

	j->all++;
	if (kind == T_ROPE_FACTORS)
		return 0;
	t = find(j, kind, layer);
	if (!t) {
		source_tensor_name(m->names, kind, layer, name, sizeof name);
		return wl_error_set(j->err, "%s: tensor %s is missing",
		                    j->o->source, name);
	}
	if (t->odd)
		return wl_error_set(j->err, "%s: %s: %s",
		                    m->sources.file[t->file].path, t->name,
		                    t->odd);
	if (t->vector != s.vector || t->cols != (s.vector ? s.cols : s.rows) ||
	    t->rows != (s.vector ? 1 : s.cols))
		return wl_error_set(j->err, "%s: %s is %llu x %llu (%d-D), the"
		                    " model's shape needs %zu x %zu (%d-D)",
		                    m->sources.file[t->file].path, t->name,
		                    (unsigned long long)t->rows,
		                    (unsigned long long)t->cols,
		                    t->vector ? 1 : 2,
		                    s.vector ? s.rows : s.cols,
		                    s.vector ? s.cols : s.rows,
		                    s.vector ? 1 : 2);
	return 0;
}

static int check_all(struct job *j)
{
	struct model *m = &j->m->model;

	if (model_check(m, j->o->source, j->err) ||
	    model_each_tensor(m, check_tensor, j) ||
	    import_fit(j->m, j->o->source, j->err))
		return -1;
	return vocab_check(&j->m->vocab, j->o->source, j->err);
}

static void print_notes(const struct job *j)
{
	for (int i = 0; i < j->m->n_notes && !j->o->quiet; i++)
		fprintf(stderr, "import: %s\n", j->m->note[i]);
}

/* --- Tensors --- */

/* Makes the permutations from the source's channels to the checkpoint's:
 * - k_order[KV head, c]: from halves to adjacent pairs if RoPE rotates halves;
 * - q_order[query head, c]: the same, and to (KV head, c, query head of group);
 * - o_order[query head, c]: to (KV head, c, query head of group) only, since
 *   RoPE does not rotate values, whose sums are W_O's inputs. */
static void make_orders(struct job *j)
{
	const struct model *m = &j->m->model;
	int hd = m->head_dim, group = model_group(m);

	j->k_order = wl_malloc(model_kv_dim(m), sizeof(int));
	j->q_order = wl_malloc(model_q_dim(m), sizeof(int));
	j->o_order = wl_malloc(model_q_dim(m), sizeof(int));
	for (int h = 0; h < m->n_heads; h++)
		for (int c = 0; c < hd; c++) {
			int to = !j->m->rotate_half ? c :
			         c < hd / 2 ? 2 * c : 2 * (c - hd / 2) + 1;
			int g = h / group, r = h % group, at = h * hd + c;

			j->q_order[at] = (g * hd + to) * group + r;
			j->o_order[at] = (g * hd + c) * group + r;
			if (h < m->n_kv_heads)
				j->k_order[at] = h * hd + to;
		}
}

/* The permutations of a tensor's rows (k) and columns (n); NULL: none. */
static const int *k_order_of(const struct job *j, enum tensor_kind kind)
{
	return kind == T_WO ? j->o_order : NULL;
}

static const int *n_order_of(const struct job *j, enum tensor_kind kind)
{
	switch (kind) {
	case T_WQ:
	case T_BQ:
		return j->q_order;
	case T_WK:
	case T_BK:
		return j->k_order;
	default:
		return NULL;
	}
}

/* Magnitudes below this limit round to a finite number of the type. */
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

/* Buffers for some rows of a tensor: as in the file (raw), as floats (value),
 * and as stored in the checkpoint (out). */
struct block {
	const struct source_tensor *t;
	enum wl_type type;   /* of out */
	unsigned char *raw;
	float *value;
	unsigned char *out;
	size_t raw_bytes;    /* of one row */
};

static struct block block_make(const struct source_tensor *t,
                               enum wl_type type, size_t rows)
{
	size_t raw = source_row_bytes(t->type, t->cols);

	return (struct block){
		.t = t, .type = type, .raw_bytes = raw,
		.raw = wl_malloc(rows, raw),
		.value = wl_malloc(rows * t->cols, sizeof(float)),
		.out = wl_malloc(rows * t->cols, wl_type_size(type)),
	};
}

static void block_free(struct block *b)
{
	free(b->raw);
	free(b->value);
	free(b->out);
}

/* Reads and converts rows [row, row + rows). Refuses values that would not be
 * finite when stored. */
static int block_read(struct job *j, struct block *b, size_t row, size_t rows)
{
	const struct source_tensor *t = b->t;
	size_t n = rows * t->cols;
	float limit = type_limit(b->type);

	if (source_read(&j->m->sources, t->file, t->at + row * b->raw_bytes,
	                b->raw, rows * b->raw_bytes, j->err))
		return -1;
	source_to_f32(b->value, b->raw, t->type, n);
	for (size_t i = 0; i < n; i++)
		if (!(fabsf(b->value[i]) < limit))
			return wl_error_set(j->err, "%s: %s has the value %g,"
			                    " which is not finite as %s",
			                    j->m->sources.file[t->file].path,
			                    t->name, b->value[i],
			                    wl_type_name(b->type));
	wl_from_f32(b->out, b->value, b->type, n);
	return 0;
}

/* The position of index i after the permutation; NULL is the identity. */
static size_t place(const int *order, size_t i)
{
	return order ? (size_t)order[i] : i;
}

/* to[place(i)][place(j0 + j)] = block[j][i] for i < k, j < rows. size, bytes of
 * an element, is a constant in each call, so the compiler inlines memcpy. */
static inline void scatter(unsigned char *to, size_t k, size_t n, size_t j0,
                           size_t rows, const unsigned char *block,
                           const int *k_order, const int *n_order, size_t size)
{
	for (size_t i = 0; i < k; i++) {
		unsigned char *row = to + size * n * place(k_order, i);

		for (size_t j = 0; j < rows; j++)
			memcpy(row + size * place(n_order, j0 + j),
			       block + size * (j * k + i), size);
	}
}

/* Reads a tensor into to[k][n]; for a vector k is 1. */
static int read_tensor(struct job *j, enum tensor_kind kind,
                       const struct source_tensor *t, enum wl_type type,
                       unsigned char *to)
{
	const int *k_order = k_order_of(j, kind);
	const int *n_order = n_order_of(j, kind);
	size_t k = t->vector ? 1 : t->cols, n = t->vector ? t->cols : t->rows;
	size_t step = t->rows < BLOCK_ROWS ? t->rows : BLOCK_ROWS;
	struct block b = block_make(t, type, step);
	int rc = 0;

	for (size_t row = 0; row < t->rows && rc == 0; row += step) {
		size_t rows = t->rows - row < step ? t->rows - row : step;

		rc = block_read(j, &b, row, rows);
		if (rc)
			break;
		if (t->vector)
			rows = n;
		if (wl_type_size(type) == 2)
			scatter(to, k, n, row, rows, b.out, k_order, n_order,
			        2);
		else
			scatter(to, k, n, row, rows, b.out, k_order, n_order,
			        4);
	}
	block_free(&b);
	return rc;
}

static void report(struct job *j, enum tensor_kind kind, int layer,
                   enum wl_type type)
{
	struct tensor_shape s = tensor_shape(&j->m->model, kind);
	char name[64];

	j->done++;
	if (j->o->quiet)
		return;
	tensor_name(kind, layer, name, sizeof name);
	fprintf(stderr, "import: %d of %d: %s, %zu x %zu %s\n", j->done,
	        j->all, name, s.rows, s.cols, wl_type_name(type));
}

/* RoPE's factors are always stored as f32: rounding would change angles. */
static int write_factors(struct job *j)
{
	size_t n = tensor_shape(&j->m->model, T_ROPE_FACTORS).cols;
	void *bytes = wl_malloc(n, wl_type_size(WL_F32));
	int rc;

	report(j, T_ROPE_FACTORS, 0, WL_F32);
	wl_from_f32(bytes, j->m->rope_factors, WL_F32, n);
	rc = checkpoint_write(j->dest, T_ROPE_FACTORS, 0, bytes, WL_F32,
	                      j->err);
	free(bytes);
	return rc;
}

static int copy_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct job *j = ctx;
	const struct source_tensor *t;
	enum wl_type type;
	unsigned char *to;
	int rc;

	if (kind == T_ROPE_FACTORS)
		return write_factors(j);
	t = find(j, kind, layer);
	type = j->o->type < 0 ? source_exact(t->type)
	                      : (enum wl_type)j->o->type;
	report(j, kind, layer, type);
	to = wl_malloc(t->rows * t->cols, wl_type_size(type));
	rc = read_tensor(j, kind, t, type, to);
	if (rc == 0)
		rc = checkpoint_write(j->dest, kind, layer, to, type, j->err);
	free(to);
	return rc;
}

int import_write(const struct import_options *o, struct import_model *m,
                 struct wl_error *err)
{
	struct job j = { .o = o, .m = m, .err = err };
	int rc = -1;

	if (check_all(&j))
		return -1;
	j.dest = checkpoint_create(o->dest, &m->model, &m->vocab, m->origin,
	                           err);
	if (!j.dest)
		return -1;
	print_notes(&j);
	make_orders(&j);
	if (model_each_tensor(&m->model, copy_tensor, &j))
		checkpoint_close(j.dest);
	else
		rc = checkpoint_commit(j.dest, err);
	free(j.q_order);
	free(j.k_order);
	free(j.o_order);
	return rc;
}
