/* Checkpoint -> tiles. Each rank reads an equal share of the rows of each
 * tensor (whole rows: an order of magnitude faster than column blocks), checks
 * it, and redistributes it to the ranks whose cores store it. Loading happens
 * on the host only: it may use collectives, and charges nothing. */
#include "config.h"
#include "inference/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/error.h"
#include "base/huge.h"
#include "redistribute.h"
#include "simd/convert.h"

/* Bytes of a tensor that a rank reads, checks and redistributes at a time; they
 * stay in the host core's L2 cache. A longer row is a round by itself. */
#define LOAD_ROUND ((size_t)256 << 10)
/* Bytes that it checks at a time; they stay in the L1 cache. */
#define LOAD_CHECK ((size_t)16 << 10)
/* Bytes that it reads before the ranks exchange rows, or one row. */
#define LOAD_ROOM ((size_t)2 << 20)

static size_t at_least(size_t bytes, size_t row)
{
	return bytes > row ? bytes : row;
}

/* Faults in the values of a tensor. */
enum fault { FAULT_NONE, FAULT_NOT_FINITE, FAULT_NOT_POSITIVE,
             FAULT_OVERFLOW };

/* What one rank found in its share of one tensor. */
struct finding {
	uint32_t crc;               /* CRC-32 of the share */
	uint32_t fault;             /* enum fault */
	uint64_t bytes;             /* of the share, in the file */
};

struct loader {
	struct checkpoint *c;
	int rank, size;             /* on mesh->control */
	struct redistribution redistribution;
	size_t round;               /* bytes of rows in a round */
	void *raw;                  /* rows of the file, if of another type
	                               than the weights */
	struct finding *finding;    /* [tensors], in file order */
	int tensor, tensors;        /* index of the next one, number of all */
	enum wl_type type;          /* of the weights in memory */
	bool verify;                /* compare checksums */
	bool failed;                /* this rank could not read; see err */
	struct wl_error *err;
	void (*progress)(void *ctx, int done, int all);
	void *ctx;
};

/* Checks the next n elements of this rank's share of the tensor. */
static void check_elements(struct loader *l, const char *data,
                          enum wl_type type, size_t n)
{
	struct finding *f = &l->finding[l->tensor];
	size_t size = wl_type_size(type), max = LOAD_CHECK / size;

	for (size_t i = 0; i < n; i += max) {
		size_t count = n - i < max ? n - i : max;

		if (!wl_all_finite(data + i * size, type, count))
			f->fault = FAULT_NOT_FINITE;
		if (l->verify)
			f->crc = wl_crc32(f->crc, data + i * size,
			                  count * size);
	}
	f->bytes += n * size;
}

/* Reads rows to data[rows][cols], in the file's type, and checks them; zeros if
 * reading fails. The rows of a vector are its elements. */
static void read_share(struct loader *l, enum tensor_kind kind, int layer,
                       struct range rows, size_t cols, void *data)
{
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	size_t n = range_size(rows) * cols;

	if (!l->failed && n &&
	    checkpoint_read_rows(l->c, kind, layer, rows.lo, range_size(rows),
	                         data, l->err))
		l->failed = true;
	if (l->failed)
		memset(data, 0, n * wl_type_size(type));
	check_elements(l, data, type, n);
}

/* Reads rows to `to`, in the type of the weights, and checks them. */
static void read_rows(struct loader *l, enum tensor_kind kind, int layer,
                      struct range rows, size_t cols, void *to)
{
	struct finding *f = &l->finding[l->tensor];
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	size_t n = range_size(rows) * cols;

	if (type == l->type) {
		read_share(l, kind, layer, rows, cols, to);
		return;
	}
	read_share(l, kind, layer, rows, cols, l->raw);
	wl_convert(to, l->type, l->raw, type, n);
	if (f->fault == FAULT_NONE && !wl_all_finite(to, l->type, n))
		f->fault = FAULT_OVERFLOW;
}

static void next_tensor(struct loader *l)
{
	l->tensor++;
	if (l->progress)
		l->progress(l->ctx, l->tensor, l->tensors);
}

static void load_matrix(struct loader *l, enum tensor_kind kind, int layer,
                        const struct target *t)
{
	int cols = t->layout.n.n;
	struct range rows;
	void *to;

	redistribute_begin(&l->redistribution, t,
	                   l->round / (cols * wl_type_size(l->type)));
	while (redistribute_next(&l->redistribution, &rows, &to))
		read_rows(l, kind, layer, rows, cols, to);
	next_tensor(l);
}

/* Reads a whole vector on every rank: it is small. The caller frees it. */
static float *load_vector(struct loader *l, enum tensor_kind kind, int layer)
{
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	size_t n = tensor_shape(checkpoint_model(l->c), kind).cols;
	void *raw = wl_malloc(n, wl_type_size(type));
	float *all = wl_malloc(n, sizeof *all);

	read_share(l, kind, layer, (struct range){ 0, n }, 1, raw);
	/* Rank 0 alone reports, so that the checksum covers one copy. */
	if (l->rank)
		l->finding[l->tensor] = (struct finding){ 0 };
	wl_to_f32(all, raw, type, n);
	free(raw);
	if (kind == T_ROPE_FACTORS)
		return all;
	wl_round(all, l->type, n);
	if (l->finding[l->tensor].fault == FAULT_NONE &&
	    !wl_all_finite(all, WL_F32, n))
		l->finding[l->tensor].fault = FAULT_OVERFLOW;
	return all;
}

static float *copy_block(const float *all, struct range r)
{
	float *block = wl_malloc(range_size(r), sizeof *block);

	memcpy(block, all + r.lo, range_size(r) * sizeof *block);
	return block;
}

/* Loads this rank's blocks of a vector, one for each phase. */
static void load_blocks(struct loader *l, enum tensor_kind kind, int layer,
                        struct range prefill, struct range decode,
                        struct vector_weights *v)
{
	float *all = load_vector(l, kind, layer);

	v->prefill = copy_block(all, prefill);
	v->decode = copy_block(all, decode);
	free(all);
	next_tensor(l);
}

static void load_norm(struct loader *l, const struct weights *w,
                      enum tensor_kind kind, int layer,
                      struct vector_weights *norm)
{
	struct partition on_x = weights_vocab_layout(w, false).k;
	struct partition on_y = weights_vocab_layout(w, true).k;

	load_blocks(l, kind, layer, partition_range(&on_x, w->prefill->x.local),
	            partition_range(&on_y, w->decode->y.local), norm);
}

/* Loads the bias of matrix `which`, partitioned as the matrix's columns. */
static void load_bias(struct loader *l, struct weights *w,
                      enum tensor_kind kind, int layer, int which)
{
	struct partition prefill = weights_layout(w, which, false).n;
	struct partition decode = weights_layout(w, which, true).n;

	load_blocks(l, kind, layer,
	            partition_range(&prefill, w->prefill->x.local),
	            partition_range(&decode, w->decode->x.local),
	            &w->layer[layer].bias[which]);
}

static void load_factors(struct loader *l, struct weights *w)
{
	struct finding *f = &l->finding[l->tensor];
	bool positive = true;

	w->rope_factors = load_vector(l, T_ROPE_FACTORS, 0);
	for (int i = 0; i < w->model->head_dim / 2; i++)
		positive &= w->rope_factors[i] > 0;
	if (!positive && f->fault == FAULT_NONE)
		f->fault = FAULT_NOT_POSITIVE;
	next_tensor(l);
}

static void load_tiles(struct loader *l, struct weights *w,
                       enum tensor_kind kind, int layer, int which)
{
	struct target t = { .layout = weights_layout(w, which, false),
	                    .tiles = &w->layer[layer].tiles[which] };

	load_matrix(l, kind, layer, &t);
}

struct visit {
	struct loader *l;
	struct weights *w;
};

static int load_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	static const int matrix[T_NKINDS] = {
		[T_WQ] = W_Q, [T_WK] = W_K, [T_WV] = W_V, [T_WO] = W_O,
		[T_BQ] = W_Q, [T_BK] = W_K, [T_BV] = W_V,
		[T_GATE] = W_GATE, [T_UP] = W_UP, [T_DOWN] = W_DOWN };
	struct loader *l = ((struct visit *)ctx)->l;
	struct weights *w = ((struct visit *)ctx)->w;
	struct target vocab = { .layout = weights_vocab_layout(w, false) };

	switch (kind) {
	case T_EMBEDDING:
	case T_HEAD:
		vocab.gemv = kind == T_HEAD ? &w->untied_head : &w->embedding;
		load_matrix(l, kind, layer, &vocab);
		break;
	case T_ATTN_NORM:
		load_norm(l, w, kind, layer, &w->layer[layer].attention_norm);
		break;
	case T_FFN_NORM:
		load_norm(l, w, kind, layer, &w->layer[layer].ffn_norm);
		break;
	case T_NORM:
		load_norm(l, w, kind, layer, &w->norm);
		break;
	case T_ROPE_FACTORS:
		load_factors(l, w);
		break;
	case T_BQ:
	case T_BK:
	case T_BV:
		load_bias(l, w, kind, layer, matrix[kind]);
		break;
	default:
		load_tiles(l, w, kind, layer, matrix[kind]);
	}
	return 0;
}

/* The leader's judgement of all tensors. */
struct judge {
	struct loader *l;
	const struct finding *all; /* [ranks][tensors] */
	int tensor;                /* the next one */
};

/* Returns the tensor's CRC-32, and the fault that the first rank with one
 * found. */
static uint32_t combine_findings(const struct judge *j, enum fault *fault)
{
	const struct loader *l = j->l;
	uint32_t crc = 0;

	*fault = FAULT_NONE;
	for (int r = 0; r < l->size; r++) {
		const struct finding *f = &j->all[r * l->tensors + j->tensor];

		if (f->bytes)
			crc = wl_crc32_join(crc, f->crc, f->bytes);
		if (*fault == FAULT_NONE)
			*fault = f->fault;
	}
	return crc;
}

static int judge_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	static const char *const text[] = {
		[FAULT_NOT_FINITE] = "holds a NaN or an infinity",
		[FAULT_NOT_POSITIVE] = "holds a factor that is not above 0",
		[FAULT_OVERFLOW] = "holds a value too large for --dtype",
	};
	struct judge *j = ctx;
	struct loader *l = j->l;
	enum fault fault;
	uint32_t crc = combine_findings(j, &fault);
	char name[64];

	j->tensor++;
	tensor_name(kind, layer, name, sizeof name);
	if (l->verify && crc != checkpoint_crc(l->c, kind, layer))
		return wl_error_set(l->err, "%s: tensor %s is damaged: its"
		                    " checksum does not match",
		                    checkpoint_path(l->c), name);
	if (fault != FAULT_NONE)
		return wl_error_set(l->err, "%s: tensor %s %s",
		                    checkpoint_path(l->c), name, text[fault]);
	return 0;
}

/* Gathers the findings; the leader refuses the first tensor that is at fault.
 * Returns 0, or -1 on the leader and err. Collective. */
static int judge(struct loader *l, MPI_Comm comm)
{
	size_t bytes = l->tensors * sizeof *l->finding;
	struct finding *all = wl_malloc(l->rank ? 0 : l->size, bytes);
	struct judge j = { l, all, 0 };
	int rc = 0;

	MPI_Gather(l->finding, bytes, MPI_BYTE, all, bytes, MPI_BYTE, 0,
	           comm);
	if (l->rank == 0)
		rc = model_each_tensor(checkpoint_model(l->c), judge_tensor,
		                       &j);
	free(all);
	return rc;
}

/* What must be known before the buffers are allocated. */
struct needs {
	struct loader *l;
	size_t row; /* elements of the longest row */
};

static int count_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct needs *needs = ctx;
	struct loader *l = needs->l;
	struct tensor_shape shape = tensor_shape(checkpoint_model(l->c), kind);

	(void)layer;
	l->tensors++;
	if (!shape.vector && shape.cols > needs->row)
		needs->row = shape.cols;
	return 0;
}

/* Counts the tensors and allocates the buffers. */
static void set_up(struct loader *l, const struct weights *w,
                   const struct mesh *mesh)
{
	size_t size = wl_type_size(l->type);
	struct needs needs = { l, 0 };

	MPI_Comm_rank(mesh->control, &l->rank);
	MPI_Comm_size(mesh->control, &l->size);
	model_each_tensor(checkpoint_model(l->c), count_tensor, &needs);
	l->finding = wl_calloc(l->tensors, sizeof *l->finding);
	l->round = at_least(LOAD_ROUND, needs.row * size);
	l->raw = huge_malloc(l->round / size, sizeof(float));
	redistribute_init(&l->redistribution, mesh, w->prefill->x.profile,
	                  at_least(LOAD_ROOM, needs.row * size));
}

int weights_load(struct weights *w, struct checkpoint *c,
                 const struct mesh *mesh, bool verify,
                 void (*progress)(void *ctx, int done, int all), void *ctx,
                 struct wl_error *err)
{
	struct loader l = { .c = c, .type = w->type, .verify = verify,
	                    .err = err, .progress = progress, .ctx = ctx };
	struct visit v = { &l, w };

	set_up(&l, w, mesh);
	model_each_tensor(w->model, load_tensor, &v);
	redistribute_meet(&l.redistribution);
	redistribute_fini(&l.redistribution);
	huge_free(l.raw);
	int rc = mesh_agree(mesh->control, l.failed ? -1 : 0, err);

	if (!rc)
		rc = mesh_agree(mesh->control, judge(&l, mesh->control), err);
	free(l.finding);
	return rc;
}
