#include "config.h"
#include "redistribute.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/huge.h"

/* Bytes of a rank's rows that may wait, at most, where no row is longer. */
#define ROOM ((size_t)2 << 20)

/* Rows k and columns n that lie in one core's tile, or in a slab. */
struct piece {
	struct range k, n;
	int line, place;     /* the tile's */
};

struct range redistribute_share(const struct redistribution *s, int rows, int r,
                                int i, int n)
{
	struct partition all = partition_of(rows, s->size);
	struct partition part = partition_of(partition_size(&all, r), n);
	int first = partition_start(&all, r);

	return (struct range){ first + partition_start(&part, i),
	                       first + partition_start(&part, i + 1) };
}

static struct range share_of(const struct redistribution *s,
                             const struct round *d, int r)
{
	return redistribute_share(s, d->rows, r, d->i, d->n);
}

static size_t element_size(const struct target *t)
{
	return wl_type_size(t->gemv ? t->gemv->type : t->tiles->type);
}

/* --- Where rows belong --- */

/* Calls visit for every piece of those rows that belongs to rank r of the
 * mesh. */
static void each_piece(const struct target *t, const struct mesh *m, int r,
                       struct range rows,
                       void (*visit)(void *ctx, const struct piece *p),
                       void *ctx)
{
	const struct tiles *tiles = t->tiles;
	struct box box = layout_box(&t->layout, r / m->cols, r % m->cols);

	if (t->gemv) {
		box.k = range_intersect(box.k, rows);
		visit(ctx, &(struct piece){ .k = box.k, .n = box.n });
		return;
	}
	struct range ys = line_cores(&tiles->grid->y, r / m->cols);
	struct range xs = line_cores(&tiles->grid->x, r % m->cols);
	bool on_x = tiles->axis == AXIS_X;
	struct range lines = on_x ? ys : xs, cores = on_x ? xs : ys;

	for (int k = rows.lo; k < rows.hi;) {
		int b = partition_owner(&tiles->ring, k);
		int end = partition_start(&tiles->ring, b + 1);
		struct piece p = { .k = { k, end < rows.hi ? end : rows.hi } };

		for (int q = lines.lo; q < lines.hi; q++) {
			p.line = q;
			p.place = tiles_place(tiles, q, b);
			int core = p.place / tiles->path->per_core;

			if (core < cores.lo || core >= cores.hi)
				continue;
			p.n = partition_range(&t->layout.n,
			                 (struct range){ q, q + 1 });
			visit(ctx, &p);
		}
		k = p.k.hi;
	}
}

/* Lays rows of an own piece, pitch bytes apart, where they belong. */
static void lay_piece(const struct target *t, const struct piece *p,
                      const char *from, size_t pitch)
{
	size_t row = range_size(p->n) * element_size(t);
	struct box own = layout_own_box(&t->layout);
	/* They are not written to. */
	void *rows = (void *)(uintptr_t)from;

	if (t->gemv) {
		gemv_matrix_copy(t->gemv, (struct range){ p->k.lo - own.k.lo,
		                                   p->k.hi - own.k.lo },
		          0, range_size(p->n), rows, pitch, false);
		return;
	}
	const struct partition *ring = &t->tiles->ring;
	int b = partition_owner(ring, p->k.lo);
	char *to = (char *)*tiles_slot(t->tiles, p->line, p->place) +
	           (p->k.lo - partition_start(ring, b)) * row;

	matrix_view_rows(to, row, rows, pitch, range_size(p->k), row, false);
}

/* Copies pieces between whole rows, a message, and memory. */
struct walk {
	const struct target *t;
	size_t element;
	const char *rows;    /* from row first on; NULL: to be taken from */
	int first;
	char *message;       /* the next piece's place in it, or NULL */
	size_t bytes;        /* of all pieces */
};

static size_t piece_bytes(const struct walk *w, const struct piece *p)
{
	return (size_t)range_size(p->k) * range_size(p->n) * w->element;
}

static void count_piece(void *ctx, const struct piece *p)
{
	struct walk *w = ctx;

	w->bytes += piece_bytes(w, p);
}

/* Bytes of a whole row. */
static size_t row_pitch(const struct walk *w)
{
	return w->t->layout.n.n * w->element;
}

static const char *first_row(const struct walk *w, const struct piece *p)
{
	return w->rows + (p->k.lo - w->first) * row_pitch(w) +
	       p->n.lo * w->element;
}

/* From whole rows to their place. */
static void keep_piece(void *ctx, const struct piece *p)
{
	struct walk *w = ctx;

	if (piece_bytes(w, p))
		lay_piece(w->t, p, first_row(w, p), row_pitch(w));
}

/* From whole rows to the message. */
static void pack_piece(void *ctx, const struct piece *p)
{
	struct walk *w = ctx;
	size_t bytes = range_size(p->n) * w->element;

	matrix_view_rows((char *)(uintptr_t)first_row(w, p), row_pitch(w),
	                 w->message, bytes, range_size(p->k), bytes, true);
	w->message += piece_bytes(w, p);
}

/* From the message to its place. */
static void unpack_piece(void *ctx, const struct piece *p)
{
	struct walk *w = ctx;

	if (piece_bytes(w, p))
		lay_piece(w->t, p, w->message, range_size(p->n) * w->element);
	w->message += piece_bytes(w, p);
}

void redistribute_init(struct redistribution *s, const struct mesh *mesh,
                       size_t min)
{
	*s = (struct redistribution){ .mesh = mesh };
	MPI_Comm_rank(mesh->control, &s->rank);
	MPI_Comm_size(mesh->control, &s->size);
	s->room = min > ROOM ? min : ROOM;
	s->rows = huge_malloc(1, s->room);
}

void redistribute_fini(struct redistribution *s)
{
	huge_free(s->rows);
	huge_free(s->message[0]);
	huge_free(s->message[1]);
}

/* --- The exchange --- */

/* Calls visit for the pieces that rank `from` gives to rank `to` in the rounds
 * that wait. */
static void each_waiting(const struct redistribution *s, int from, int to,
                         void (*visit)(void *ctx, const struct piece *p),
                         struct walk *w)
{
	for (int i = 0; i < s->rounds; i++) {
		const struct round *d = &s->round[i];
		struct range rows = share_of(s, d, from);

		w->t = &d->target;
		w->element = element_size(w->t);
		w->first = rows.lo;
		w->rows = from == s->rank ? s->rows + d->at : NULL;
		each_piece(w->t, s->mesh, to, rows, visit, w);
	}
}

static size_t count_pieces(const struct redistribution *s, int from, int to)
{
	struct walk w = { .bytes = 0 };

	each_waiting(s, from, to, count_piece, &w);
	return w.bytes;
}

/* The message to give or get, with room for so many bytes. */
static char *message_of(struct redistribution *s, int i, size_t bytes)
{
	if (bytes > INT_MAX)
		wl_die("a message of %zu bytes is too long", bytes);
	if (s->message_room[i] < bytes) {
		huge_free(s->message[i]);
		s->message[i] = huge_malloc(bytes, 1);
		s->message_room[i] = bytes;
	}
	return s->message[i];
}

static void exchange(struct redistribution *s)
{
	int count[2][s->size], at[2][s->size]; /* [give, get] */
	size_t total[2] = { 0, 0 };
	struct walk w = { .bytes = 0 };

	for (int r = 0; r < s->size; r++) {
		const bool other = r != s->rank;
		const size_t n[2] = {
			other ? count_pieces(s, s->rank, r) : 0,
			other ? count_pieces(s, r, s->rank) : 0
		};

		for (int i = 0; i < 2; i++) {
			count[i][r] = n[i];
			at[i][r] = total[i];
			total[i] += n[i];
		}
	}
	char *give = message_of(s, 0, total[0]);
	char *get = message_of(s, 1, total[1]);

	w.message = give;
	for (int r = 0; r < s->size && total[0]; r++)
		if (r != s->rank)
			each_waiting(s, s->rank, r, pack_piece, &w);
	MPI_Alltoallv(give, count[0], at[0], MPI_BYTE, get, count[1], at[1],
	              MPI_BYTE, s->mesh->control);
	w.message = get;
	for (int r = 0; r < s->size && total[1]; r++)
		if (r != s->rank)
			each_waiting(s, r, s->rank, unpack_piece, &w);
}

/* --- Rounds --- */

void *redistribute_space(struct redistribution *s, size_t bytes)
{
	WL_ASSERT(bytes <= s->room);
	if (s->rounds == REDISTRIBUTE_ROUNDS || s->used + bytes > s->room)
		redistribute_meet(s);
	s->round[s->rounds].at = s->used;
	s->used += bytes;
	return s->rows + s->round[s->rounds].at;
}

void redistribute_round(struct redistribution *s, const struct target *t, int i,
                        int n)
{
	struct round *d = &s->round[s->rounds++];

	d->target = *t;
	d->rows = t->layout.k.n;
	d->i = i;
	d->n = n;
	/* The own ones now: they are in the cache. */
	struct range rows = share_of(s, d, s->rank);
	struct walk w = { .t = t, .element = element_size(t),
	                  .rows = s->rows + d->at, .first = rows.lo };

	each_piece(t, s->mesh, s->rank, rows, keep_piece, &w);
}

void redistribute_meet(struct redistribution *s)
{
	exchange(s);
	s->rounds = 0;
	s->used = 0;
}
