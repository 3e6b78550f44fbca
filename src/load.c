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

/* One rank's CRC-32 of its share of one tensor. */
struct share {
	uint32_t crc;
	uint64_t bytes;
};

struct loader {
	struct checkpoint *c;
	const struct mesh *mesh;
	int rank, size;             /* on mesh->control */
	struct share *share;        /* [tensors], in file order */
	int tensor, tensors;        /* next to load, all */
	bool failed;
	struct wl_error *err;
	void (*progress)(void *ctx, int done, int all);
	void *ctx;
};

/* The core row that holds row k's block on column x of skewed tiles. */
static int skewed_row(const struct target *t, int k, int x)
{
	int n = t->layout.grid->rows;
	int b = part_owner(&t->layout.k, k);

	return ring_core((ring_pos(b, n) - t->tiles->off[x] + n) % n, n);
}

/* Calls piece for every run of columns of row k that belongs to rank (row,
 * col) of the mesh. */
static void each_piece(const struct target *t, int k, int row, int col,
                       void (*piece)(void *ctx, int k, struct range n, int y,
                                     int x), void *ctx)
{
	const struct grid *g = t->layout.grid;
	struct range ys = line_cores(&g->y, row), xs = line_cores(&g->x, col);

	if (t->slab) {
		int x = part_owner(&t->layout.k, k);

		if (x >= xs.lo && x < xs.hi)
			piece(ctx, k, part_range(&t->layout.n, ys), 0, 0);
		return;
	}
	for (int x = xs.lo; x < xs.hi; x++) {
		int y = skewed_row(t, k, x);

		if (y >= ys.lo && y < ys.hi)
			piece(ctx, k, part_range(&t->layout.n,
			      (struct range){ x, x + 1 }), y, x);
	}
}

/* A walk over pieces: packs them from rows, or unpacks them into place. */
struct walk {
	const struct target *t;
	enum wl_type type;
	size_t element;             /* bytes */
	size_t row_bytes;
	const unsigned char *rows;  /* packing: the rows read, from row0 on */
	int row0;
	unsigned char *at;          /* where in the message; NULL: count only */
	size_t bytes;
};

static void pack_piece(void *ctx, int k, struct range n, int y, int x)
{
	struct walk *w = ctx;
	size_t bytes = range_size(n) * w->element;

	(void)y;
	(void)x;
	if (w->at)
		memcpy(w->at + w->bytes, w->rows + (k - w->row0) *
		       w->row_bytes + n.lo * w->element, bytes);
	w->bytes += bytes;
}

static void place_piece(void *ctx, int k, struct range n, int y, int x)
{
	struct walk *w = ctx;
	const struct layout *l = &w->t->layout;
	size_t count = range_size(n);
	float *to;

	if (w->t->slab) {
		struct box own = layout_own_box(l);

		to = w->t->slab->data + (k - own.k.lo) * w->t->slab->width;
	} else {
		int b = part_owner(&l->k, k);

		to = tiles_at(w->t->tiles, y, x) +
		     (k - part_start(&l->k, b)) * count;
	}
	wl_to_f32(to, w->at + w->bytes, w->type, count);
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

static void read_share(struct loader *l, enum tensor_kind kind, int layer,
                       struct range rows, size_t row_bytes,
                       unsigned char *data)
{
	struct share *s = &l->share[l->tensor];
	size_t bytes = range_size(rows) * row_bytes;

	if (!l->failed && bytes &&
	    checkpoint_read_rows(l->c, kind, layer, rows.lo, range_size(rows),
	                         data, l->err))
		l->failed = true;
	if (l->failed)
		memset(data, 0, bytes);
	s->crc = crc32_z(s->bytes ? s->crc : crc32_z(0, NULL, 0), data, bytes);
	s->bytes += bytes;
}

/* One round: read, count, pack, exchange, place. */
static void load_round(struct loader *l, const struct target *t,
                       enum tensor_kind kind, int layer, enum wl_type type,
                       int round, int rounds)
{
	struct tensor_shape shape = tensor_shape(checkpoint_model(l->c), kind);
	size_t element = wl_type_size(type), row_bytes = shape.cols * element;
	struct range mine = round_rows(l, shape.rows, l->rank, round, rounds);
	int count[2][l->size], at[2][l->size]; /* [give, get] */
	size_t total[2] = { 0, 0 };
	struct walk w = { t, type, element, row_bytes, NULL, mine.lo, NULL, 0 };
	unsigned char *rows = wl_malloc(range_size(mine), row_bytes);

	read_share(l, kind, layer, mine, row_bytes, rows);
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

/* A vector is small: every rank reads all of it, for its own two blocks. */
static void load_norm(struct loader *l, const struct weights *w,
                      enum tensor_kind kind, int layer,
                      struct norm_weights *norm)
{
	enum wl_type type = checkpoint_type(l->c, kind, layer);
	int n = w->model->dim;
	struct part on_x = part_of(n, w->prefill->cols);
	struct part on_y = part_of(n, w->decode->rows);
	struct range x = part_range(&on_x, w->prefill->x.mine);
	struct range y = part_range(&on_y, w->decode->y.mine);
	unsigned char *raw = wl_malloc(n, wl_type_size(type));

	read_share(l, kind, layer, (struct range){ 0, n }, wl_type_size(type),
	           raw);
	if (l->rank)
		l->share[l->tensor] = (struct share){ 0, 0 };
	norm->on_x = wl_malloc(range_size(x), sizeof(float));
	norm->on_y = wl_malloc(range_size(y), sizeof(float));
	wl_to_f32(norm->on_x, raw + x.lo * wl_type_size(type), type,
	          range_size(x));
	wl_to_f32(norm->on_y, raw + y.lo * wl_type_size(type), type,
	          range_size(y));
	free(raw);
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
	default:
		load_tiles(l, w, kind, layer, matrix[kind]);
	}
	return 0;
}

/* The leader puts the shares' CRCs together and compares. */
struct verify {
	struct loader *l;
	const struct share *all; /* [ranks][tensors] */
	int tensor;
};

static int verify_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct verify *v = ctx;
	struct loader *l = v->l;
	uLong crc = crc32_z(0, NULL, 0);
	char name[64];

	for (int r = 0; r < l->size; r++) {
		const struct share *s = &v->all[r * l->tensors + v->tensor];

		if (s->bytes)
			crc = crc32_combine(crc, s->crc, s->bytes);
	}
	v->tensor++;
	if (crc == checkpoint_crc(l->c, kind, layer))
		return 0;
	tensor_name(kind, layer, name, sizeof name);
	return wl_error_set(l->err, "%s: tensor %s is damaged: its checksum "
	                    "does not match", checkpoint_path(l->c), name);
}

static int verify(struct loader *l)
{
	size_t bytes = l->tensors * sizeof *l->share;
	struct share *all = wl_malloc(l->rank ? 0 : l->size, bytes);
	struct verify v = { l, all, 0 };
	int rc = 0;

	MPI_Gather(l->share, bytes, MPI_BYTE, all, bytes, MPI_BYTE, 0,
	           l->mesh->control);
	if (l->rank == 0)
		rc = model_each_tensor(checkpoint_model(l->c), verify_tensor,
		                       &v);
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
                 const struct mesh *mesh,
                 void (*progress)(void *ctx, int done, int all), void *ctx,
                 struct wl_error *err)
{
	struct loader l = { .c = c, .mesh = mesh, .err = err,
	                    .progress = progress, .ctx = ctx };
	struct visit v = { &l, w };

	MPI_Comm_rank(mesh->control, &l.rank);
	MPI_Comm_size(mesh->control, &l.size);
	model_each_tensor(w->model, count_tensor, &l.tensors);
	l.share = wl_calloc(l.tensors, sizeof *l.share);
	model_each_tensor(w->model, load_tensor, &v);
	int rc = mesh_agree(mesh->control, l.failed ? -1 : 0, err);

	if (!rc)
		rc = mesh_agree(mesh->control, verify(&l), err);
	free(l.share);
	return rc;
}
