/* Checkpoint -> tiles. Every rank reads an equal share of each tensor's rows
 * (whole rows: an order of magnitude faster than column blocks), checks it,
 * and hands each piece to the rank whose cores it belongs to. Loading is the
 * host's business: it may use collectives, and nothing is charged. */
#include "config.h"
#include "weights.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "convert.h"
#include "fail.h"
#include "ring.h"

/* Bytes of a tensor that a rank reads before it redistributes them. */
#define LOAD_CHUNK (32u << 20)

/* Where a matrix goes: tiles of the prefill phase (skewed along y), or a slab
 * with k on x. */
struct target {
	struct layout layout;
	struct tiles *tiles;   /* or */
	struct slab *slab;
};

/* What a rank may find wrong with the values of a tensor. */
enum fault { FAULT_NONE, FAULT_NOT_FINITE, FAULT_NOT_POSITIVE,
             FAULT_OVERFLOW };

/* What one rank knows of its share of one tensor. */
struct share {
	uint32_t crc;
	uint32_t fault;             /* enum fault */
	uint64_t bytes;
};

struct loader {
	struct checkpoint *c;
	const struct mesh *mesh;
	int rank, size;             /* on mesh->control */
	struct share *share;        /* [tensors], in file order */
	int tensor, tensors;        /* next to load, all */
	enum wl_type type;          /* of the weights in memory */
	bool verify;                /* compare checksums */
	bool failed;
	struct wl_error *err;
	void (*progress)(void *ctx, int done, int all);
	void *ctx;
};

/* The place on line q's ring that row k's block stands on. */
static int place_of(const struct tiles *t, int k, int q)
{
	return tiles_place(t, q, part_owner(&t->ring, k));
}

/* Calls piece for every run of columns of row k that belongs to rank (row,
 * col) of the mesh. */
static void each_piece(const struct target *t, int k, int row, int col,
                       void (*piece)(void *ctx, int k, struct range n,
                                     int place, int q), void *ctx)
{
	const struct grid *g = t->layout.grid;
	struct range ys = line_cores(&g->y, row), xs = line_cores(&g->x, col);

	if (t->slab) {
		int x = part_owner(&t->layout.k, k);

		if (x >= xs.lo && x < xs.hi)
			piece(ctx, k, part_range(&t->layout.n, ys), 0, 0);
		return;
	}
	bool on_x = t->tiles->axis == AXIS_X;
	struct range lines = on_x ? ys : xs, cores = on_x ? xs : ys;

	for (int q = lines.lo; q < lines.hi; q++) {
		int place = place_of(t->tiles, k, q);
		int core = place / t->tiles->path->per_core;

		if (core >= cores.lo && core < cores.hi)
			piece(ctx, k, part_range(&t->layout.n,
			      (struct range){ q, q + 1 }), place, q);
	}
}

/* A walk over pieces: packs them from rows, or unpacks them into place. */
struct walk {
	const struct target *t;
	size_t element;             /* bytes, in messages and in memory */
	size_t row_bytes;
	const unsigned char *rows;  /* packing: the rows read, from row0 on */
	int row0;
	unsigned char *at;          /* where in the message; NULL: count only */
	size_t bytes;
};

static void pack_piece(void *ctx, int k, struct range n, int place, int q)
{
	struct walk *w = ctx;
	size_t bytes = range_size(n) * w->element;

	(void)place;
	(void)q;
	if (w->at)
		memcpy(w->at + w->bytes, w->rows + (k - w->row0) *
		       w->row_bytes + n.lo * w->element, bytes);
	w->bytes += bytes;
}

static void place_piece(void *ctx, int k, struct range n, int place, int q)
{
	struct walk *w = ctx;
	const struct layout *l = &w->t->layout;
	size_t count = range_size(n);
	char *to;

	if (w->t->slab) {
		struct box own = layout_own_box(l);

		to = slab_at(w->t->slab, k - own.k.lo, 0);
	} else {
		const struct tiles *t = w->t->tiles;
		int b = part_owner(&t->ring, k);

		to = *tiles_slot(t, q, place);
		to += (k - part_start(&t->ring, b)) * count * w->element;
	}
	memcpy(to, w->at + w->bytes, count * w->element);
	w->bytes += count * w->element;
}

/* Rows [from, to) of the tensor's pieces for rank `rank` of the mesh. */
static size_t walk_rows(struct walk *w, const struct mesh *m, int rank,
                        struct range rows,
                        void (*piece)(void *, int, struct range, int, int))
{
	size_t before = w->bytes;

	for (int k = rows.lo; k < rows.hi; k++)
		each_piece(w->t, k, rank / m->cols, rank % m->cols, piece, w);
	return w->bytes - before;
}

/* The rows that rank s reads in round i of `rounds`. */
static struct range round_rows(const struct loader *l, int rows, int s, int i,
                               int rounds)
{
	struct part all = part_of(rows, l->size);
	struct part part = part_of(part_size(&all, s), rounds);
	int first = part_start(&all, s);

	return (struct range){ first + part_start(&part, i),
	                       first + part_start(&part, i + 1) };
}

/* Whether none of n elements of type t is NaN or infinite: those have all
 * bits of the exponent set. */
static bool all_finite(const unsigned char *p, enum wl_type t, size_t n)
{
	/* The half with sign and exponent is the last two bytes. */
	static const unsigned exponent[WL_NTYPES] = {
		[WL_F32] = 0x7f80, [WL_F16] = 0x7c00, [WL_BF16] = 0x7f80 };
	size_t step = wl_type_size(t);
	unsigned mask = exponent[t], found = 0;

	p += step - 2;
	for (size_t i = 0; i < n; i++, p += step)
		found |= ((p[0] | p[1] << 8) & mask) == mask;
	return !found;
}

/* Reads rows into data[rows][cols], zeroes when that fails, and notes what is
 * to be known of them. A vector's rows are its elements. */
static void read_share(struct loader *l, enum tensor_kind kind, int layer,
                       struct range rows, size_t cols, unsigned char *data)
{
	struct share *s = &l->share[l->tensor];
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	size_t n = range_size(rows) * cols, bytes = n * wl_type_size(type);

	if (!l->failed && bytes &&
	    checkpoint_read_rows(l->c, kind, layer, rows.lo, range_size(rows),
	                         data, l->err))
		l->failed = true;
	if (l->failed)
		memset(data, 0, bytes);
	if (!all_finite(data, type, n))
		s->fault = FAULT_NOT_FINITE;
	if (l->verify)
		s->crc = crc32_z(s->bytes ? s->crc : crc32_z(0, NULL, 0), data,
		                 bytes);
	s->bytes += bytes;
}

/* The elements as a core holds them; frees data. */
static void *to_weights(struct loader *l, enum wl_type from, size_t n,
                        void *data)
{
	struct share *s = &l->share[l->tensor];
	void *to;

	if (from == l->type)
		return data;
	to = wl_malloc(n, wl_type_size(l->type));
	wl_convert(to, l->type, data, from, n);
	if (s->fault == FAULT_NONE && !all_finite(to, l->type, n))
		s->fault = FAULT_OVERFLOW;
	free(data);
	return to;
}

/* One round: read, count, pack, exchange, place. */
static void load_round(struct loader *l, const struct target *t,
                       enum tensor_kind kind, int layer, enum wl_type type,
                       int round, int rounds)
{
	struct tensor_shape shape = tensor_shape(checkpoint_model(l->c), kind);
	size_t element = wl_type_size(l->type);
	struct range mine = round_rows(l, shape.rows, l->rank, round, rounds);
	int count[2][l->size], at[2][l->size]; /* [give, get] */
	size_t total[2] = { 0, 0 };
	size_t elements = range_size(mine) * shape.cols;
	struct walk w = { t, element, shape.cols * element, NULL, mine.lo, NULL,
	                  0 };
	unsigned char *rows = wl_malloc(elements, wl_type_size(type));

	read_share(l, kind, layer, mine, shape.cols, rows);
	rows = to_weights(l, type, elements, rows);
	for (int r = 0; r < l->size; r++) {
		struct range theirs =
			round_rows(l, shape.rows, r, round, rounds);

		at[0][r] = total[0];
		at[1][r] = total[1];
		count[0][r] = walk_rows(&w, l->mesh, r, mine, pack_piece);
		count[1][r] = walk_rows(&w, l->mesh, l->rank, theirs,
		                        pack_piece);
		total[0] += count[0][r];
		total[1] += count[1][r];
	}
	struct profile *profile = t->layout.grid->x.profile;
	enum profile_kind before = profile_enter(profile, PROFILE_EXCHANGE);
	unsigned char *give = wl_malloc(total[0], 1);
	unsigned char *get = wl_malloc(total[1], 1);

	w.rows = rows;
	w.at = give;
	w.bytes = 0;
	for (int r = 0; r < l->size; r++)
		walk_rows(&w, l->mesh, r, mine, pack_piece);
	free(rows);
	MPI_Alltoallv(give, count[0], at[0], MPI_BYTE, get, count[1], at[1],
	              MPI_BYTE, l->mesh->control);
	free(give);
	profile_leave(profile, before);
	w.at = get;
	w.bytes = 0;
	for (int r = 0; r < l->size; r++)
		walk_rows(&w, l->mesh, l->rank,
		          round_rows(l, shape.rows, r, round, rounds),
		          place_piece);
	free(get);
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
	struct tensor_shape shape = tensor_shape(checkpoint_model(l->c), kind);
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	struct part rows = part_of(shape.rows, l->size);
	size_t share =
		(size_t)part_max(&rows) * shape.cols * wl_type_size(type);
	int rounds = (int)(share / LOAD_CHUNK) + 1;

	for (int i = 0; i < rounds; i++)
		load_round(l, t, kind, layer, type, i, rounds);
	next_tensor(l);
}

/* A vector is small: every rank reads all of it. The caller frees it. */
static float *load_vector(struct loader *l, enum tensor_kind kind, int layer)
{
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	size_t n = tensor_shape(checkpoint_model(l->c), kind).cols;
	unsigned char *raw = wl_malloc(n, wl_type_size(type));
	float *all = wl_malloc(n, sizeof *all);

	read_share(l, kind, layer, (struct range){ 0, n }, 1, raw);
	/* The sum of all shares is that of one copy. */
	if (l->rank)
		l->share[l->tensor] = (struct share){ 0 };
	wl_to_f32(all, raw, type, n);
	free(raw);
	if (kind == T_ROPE_FACTORS)
		return all;
	wl_round(all, l->type, n);
	if (l->share[l->tensor].fault == FAULT_NONE &&
	    !all_finite((unsigned char *)all, WL_F32, n))
		l->share[l->tensor].fault = FAULT_OVERFLOW;
	return all;
}

static float *copy_block(const float *all, struct range r)
{
	float *block = wl_malloc(range_size(r), sizeof *block);

	memcpy(block, all + r.lo, range_size(r) * sizeof *block);
	return block;
}

/* Keeps this rank's blocks of a vector. */
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
	struct part on_x = weights_vocab_layout(w, false).k;
	struct part on_y = weights_vocab_layout(w, true).k;

	load_blocks(l, kind, layer, part_range(&on_x, w->prefill->x.mine),
	            part_range(&on_y, w->decode->y.mine), norm);
}

/* The bias of matrix `which` is cut as the matrix's columns are. */
static void load_bias(struct loader *l, struct weights *w,
                      enum tensor_kind kind, int layer, int which)
{
	struct part prefill = weights_layout(w, which, false).n;
	struct part decode = weights_layout(w, which, true).n;

	load_blocks(l, kind, layer, part_range(&prefill, w->prefill->x.mine),
	            part_range(&decode, w->decode->x.mine),
	            &w->layer[layer].bias[which]);
}

static void load_factors(struct loader *l, struct weights *w)
{
	struct share *s = &l->share[l->tensor];
	bool positive = true;

	w->rope_factors = load_vector(l, T_ROPE_FACTORS, 0);
	for (int i = 0; i < w->model->head_dim / 2; i++)
		positive &= w->rope_factors[i] > 0;
	if (!positive && s->fault == FAULT_NONE)
		s->fault = FAULT_NOT_POSITIVE;
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
		vocab.slab = kind == T_HEAD ? &w->untied_head : &w->embedding;
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

/* The leader puts the shares together and judges. */
struct judge {
	struct loader *l;
	const struct share *all; /* [ranks][tensors] */
	int tensor;
};

/* The tensor's CRC-32, and the first fault that a rank found. */
static uint32_t join_shares(const struct judge *j, enum fault *fault)
{
	const struct loader *l = j->l;
	uLong crc = crc32_z(0, NULL, 0);

	*fault = FAULT_NONE;
	for (int r = 0; r < l->size; r++) {
		const struct share *s = &j->all[r * l->tensors + j->tensor];

		if (s->bytes)
			crc = crc32_combine(crc, s->crc, s->bytes);
		if (*fault == FAULT_NONE)
			*fault = s->fault;
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
	uint32_t crc = join_shares(j, &fault);
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

static int judge(struct loader *l)
{
	size_t bytes = l->tensors * sizeof *l->share;
	struct share *all = wl_malloc(l->rank ? 0 : l->size, bytes);
	struct judge j = { l, all, 0 };
	int rc = 0;

	MPI_Gather(l->share, bytes, MPI_BYTE, all, bytes, MPI_BYTE, 0,
	           l->mesh->control);
	if (l->rank == 0)
		rc = model_each_tensor(checkpoint_model(l->c), judge_tensor,
		                       &j);
	free(all);
	return rc;
}

static int count_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	(void)kind;
	(void)layer;
	++*(int *)ctx;
	return 0;
}

int weights_load(struct weights *w, struct checkpoint *c,
                 const struct mesh *mesh, bool verify,
                 void (*progress)(void *ctx, int done, int all), void *ctx,
                 struct wl_error *err)
{
	struct loader l = { .c = c, .mesh = mesh, .type = w->type,
	                    .verify = verify, .err = err,
	                    .progress = progress, .ctx = ctx };
	struct visit v = { &l, w };

	MPI_Comm_rank(mesh->control, &l.rank);
	MPI_Comm_size(mesh->control, &l.size);
	model_each_tensor(w->model, count_tensor, &l.tensors);
	l.share = wl_calloc(l.tensors, sizeof *l.share);
	model_each_tensor(w->model, load_tensor, &v);
	int rc = mesh_agree(mesh->control, l.failed ? -1 : 0, err);

	if (!rc)
		rc = mesh_agree(mesh->control, judge(&l), err);
	free(l.share);
	return rc;
}
