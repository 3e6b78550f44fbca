#include "config.h"
#include "redistribute.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/huge.h"

/* --- Which rank reads and stores what --- */

/* One rank's share of a matrix. */
struct share {
	struct range rows;          /* that it reads */
	struct box box;             /* that it stores, of a GEMV matrix */
	struct range lines, places; /* that it stores, of tiles */
};

struct shares {
	struct target target;
	size_t element;      /* bytes */
	size_t pitch;        /* bytes of a whole row */
	int rounds;
	int max_rows;        /* of a rank in a round */
	struct share *rank;  /* [ranks] */
};

static struct share share_of(const struct target *t, const struct mesh *mesh,
                             int rank)
{
	struct grid *g = t->layout.grid;
	int ranks = mesh->rows * mesh->cols;
	struct partition readers = partition_of(t->layout.k.n, ranks);
	int row = rank / mesh->cols, col = rank % mesh->cols;
	struct share share = {
		.rows = partition_range(&readers,
		                        (struct range){ rank, rank + 1 }),
		.box = layout_box(&t->layout, row, col),
	};

	if (!t->tiles)
		return share;
	bool on_x = t->tiles->axis == AXIS_X;
	int per_core = t->tiles->path->per_core;
	struct range ys = line_cores(&g->y, row), xs = line_cores(&g->x, col);
	struct range cores = on_x ? xs : ys;

	share.lines = on_x ? ys : xs;
	share.places = (struct range){ cores.lo * per_core,
	                               cores.hi * per_core };
	return share;
}

static int divide_up(int a, int b)
{
	return (a + b - 1) / b;
}

static struct shares *shares_new(const struct redistribution *s,
                                 const struct target *t, int max_rows)
{
	struct shares *m = wl_malloc(1, sizeof *m);
	int per_rank = divide_up(t->layout.k.n, s->size);

	*m = (struct shares){ .target = *t };
	m->element = wl_type_size(t->gemv ? t->gemv->type : t->tiles->type);
	m->pitch = t->layout.n.n * m->element;
	WL_ASSERT(m->pitch <= s->room);
	if (max_rows * m->pitch > s->room)
		max_rows = s->room / m->pitch;
	m->rounds = divide_up(per_rank, max_rows);
	m->max_rows = divide_up(per_rank, m->rounds);
	m->rank = wl_malloc(s->size, sizeof *m->rank);
	for (int r = 0; r < s->size; r++)
		m->rank[r] = share_of(t, s->mesh, r);
	return m;
}

static void shares_free(struct shares *m)
{
	free(m->rank);
	free(m);
}

/* The rows that a rank reads in one round. */
static struct range rows_read(const struct shares *m, int rank, int round)
{
	struct range all = m->rank[rank].rows;
	struct partition cut = partition_of(range_size(all), m->rounds);

	return (struct range){ all.lo + partition_start(&cut, round),
	                       all.lo + partition_start(&cut, round + 1) };
}

/* --- Pieces: rows of one round that one tile or GEMV matrix stores --- */

struct piece {
	struct range k, n;   /* rows and columns of the matrix, not empty */
	int row;             /* the first one's index where it is stored */
	int line, place;     /* of the tile */
};

/* What is done with each piece on its way between whole rows, a message and the
 * target. */
struct walk {
	const struct shares *shares;
	const char *rows;    /* whole rows that this rank read, from row */
	int first;           /* `first` on; NULL: another rank read them */
	char *message;       /* where the next piece begins; or NULL */
	size_t bytes;        /* of all pieces, when counted */
};

typedef void piece_visit(struct walk *w, const struct piece *p);

/* Visits the pieces of these rows that a rank stores in tiles. */
static void each_tile(struct walk *w, const struct share *share,
                      struct range rows, piece_visit *visit)
{
	const struct tiles *t = w->shares->target.tiles;

	for (int k = rows.lo; k < rows.hi;) {
		int b = partition_owner(&t->ring, k);
		struct range block = { partition_start(&t->ring, b),
		                       partition_start(&t->ring, b + 1) };
		struct piece p = { .k = range_intersect(block, rows),
		                   .row = k - block.lo };

		for (int q = share->lines.lo; q < share->lines.hi; q++) {
			p.line = q;
			p.place = tiles_place(t, q, b);
			p.n = partition_range(&t->fixed,
			                      (struct range){ q, q + 1 });
			if (p.place >= share->places.lo &&
			    p.place < share->places.hi && range_size(p.n))
				visit(w, &p);
		}
		k = p.k.hi;
	}
}

/* Visits the pieces of these rows that a rank stores. */
static void each_piece(struct walk *w, int rank, struct range rows,
                       piece_visit *visit)
{
	const struct share *share = &w->shares->rank[rank];
	struct piece p = { .k = range_intersect(share->box.k, rows),
	                   .n = share->box.n };

	if (w->shares->target.tiles) {
		each_tile(w, share, rows, visit);
		return;
	}
	p.row = p.k.lo - share->box.k.lo;
	if (range_size(p.k) && range_size(p.n))
		visit(w, &p);
}

/* Copies rows of a piece, pitch bytes apart, to the target. */
static void store_piece(const struct target *t, const struct piece *p,
                        size_t element, const char *from, size_t pitch)
{
	int rows = range_size(p->k), cols = range_size(p->n);
	size_t bytes = cols * element;
	/* Only read. */
	void *block = (void *)(uintptr_t)from;

	if (t->gemv) {
		gemv_matrix_copy(t->gemv,
		                 (struct range){ p->row, p->row + rows }, 0,
		                 cols, block, pitch, false);
		return;
	}
	char *tile = *tiles_slot(t->tiles, p->line, p->place);

	matrix_view_rows(tile + p->row * bytes, bytes, block, pitch, rows,
	                 bytes, false);
}

static size_t piece_bytes(const struct walk *w, const struct piece *p)
{
	return (size_t)range_size(p->k) * range_size(p->n) *
	       w->shares->element;
}

static void count_piece(struct walk *w, const struct piece *p)
{
	w->bytes += piece_bytes(w, p);
}

/* The piece's first element among the rows that this rank read. */
static const char *read_piece(const struct walk *w, const struct piece *p)
{
	return w->rows + (p->k.lo - w->first) * w->shares->pitch +
	       p->n.lo * w->shares->element;
}

/* From the rows that this rank read to the target. */
static void keep_piece(struct walk *w, const struct piece *p)
{
	store_piece(&w->shares->target, p, w->shares->element,
	            read_piece(w, p), w->shares->pitch);
}

/* From the rows that this rank read to the message. */
static void pack_piece(struct walk *w, const struct piece *p)
{
	size_t bytes = range_size(p->n) * w->shares->element;

	matrix_view_rows((char *)(uintptr_t)read_piece(w, p), w->shares->pitch,
	                 w->message, bytes, range_size(p->k), bytes, true);
	w->message += piece_bytes(w, p);
}

/* From the message to the target. */
static void unpack_piece(struct walk *w, const struct piece *p)
{
	store_piece(&w->shares->target, p, w->shares->element, w->message,
	            range_size(p->n) * w->shares->element);
	w->message += piece_bytes(w, p);
}

/* --- The exchange --- */

/* Visits the pieces of a round that rank `from` read and rank `to` stores. */
static void walk_round(const struct redistribution *s, const struct round *r,
                       int from, int to, piece_visit *visit, struct walk *w)
{
	struct range rows = rows_read(r->shares, from, r->index);

	w->shares = r->shares;
	w->rows = from == s->rank ? s->rows + r->offset : NULL;
	w->first = rows.lo;
	each_piece(w, to, rows, visit);
}

/* The same of all rounds since the last exchange. What a rank read for itself
 * is stored already. */
static void walk_rounds(const struct redistribution *s, int from, int to,
                        piece_visit *visit, struct walk *w)
{
	for (int i = 0; i < s->rounds && from != to; i++)
		walk_round(s, &s->round[i], from, to, visit, w);
}

/* The buffer of a message [sent, received], of at least so many bytes. */
static char *message_buffer(struct redistribution *s, int i, size_t bytes)
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
	int count[2][s->size], offset[2][s->size]; /* [sent, received] bytes */
	char *message[2];
	struct walk w = { .bytes = 0 };

	for (int i = 0; i < 2; i++) {
		size_t total = 0;

		for (int r = 0; r < s->size; r++) {
			w.bytes = 0;
			walk_rounds(s, i ? r : s->rank, i ? s->rank : r,
			            count_piece, &w);
			count[i][r] = w.bytes;
			offset[i][r] = total;
			total += w.bytes;
		}
		message[i] = message_buffer(s, i, total);
	}
	w.message = message[0];
	for (int r = 0; r < s->size; r++)
		walk_rounds(s, s->rank, r, pack_piece, &w);
	MPI_Alltoallv(message[0], count[0], offset[0], MPI_BYTE, message[1],
	              count[1], offset[1], MPI_BYTE, s->mesh->control);
	w.message = message[1];
	for (int r = 0; r < s->size; r++)
		walk_rounds(s, r, s->rank, unpack_piece, &w);
}

/* --- Rounds --- */

void redistribute_init(struct redistribution *s, const struct mesh *mesh,
                       struct profile *profile, size_t room)
{
	*s = (struct redistribution){ .mesh = mesh, .profile = profile,
	                              .room = room };
	MPI_Comm_rank(mesh->control, &s->rank);
	MPI_Comm_size(mesh->control, &s->size);
	s->rows = huge_malloc(1, room);
}

void redistribute_fini(struct redistribution *s)
{
	WL_ASSERT(!s->rounds);
	huge_free(s->rows);
	huge_free(s->message[0]);
	huge_free(s->message[1]);
}

void redistribute_begin(struct redistribution *s, const struct target *t,
                        int max_rows)
{
	s->current = shares_new(s, t, max_rows);
	s->begun = 0;
}

/* Stores this rank's own rows while they are in the cache. */
static void end_round(struct redistribution *s)
{
	struct walk w = { .bytes = 0 };

	walk_round(s, &s->round[s->rounds++], s->rank, s->rank, keep_piece,
	           &w);
}

bool redistribute_next(struct redistribution *s, struct range *rows,
                       void **to)
{
	struct shares *m = s->current;
	size_t bytes = m->max_rows * m->pitch;
	bool more = s->begun < m->rounds;
	enum profile_kind before = profile_enter(s->profile,
	                                         PROFILE_EXCHANGE);

	if (s->begun)
		end_round(s);
	if (more && (s->rounds == REDISTRIBUTE_ROUNDS ||
	             s->used + bytes > s->room))
		redistribute_meet(s);
	profile_leave(s->profile, before);
	if (!more)
		return false;
	*rows = rows_read(m, s->rank, s->begun);
	*to = s->rows + s->used;
	s->round[s->rounds] = (struct round){ m, s->begun++, s->used };
	s->used += bytes;
	return true;
}

void redistribute_meet(struct redistribution *s)
{
	enum profile_kind before = profile_enter(s->profile,
	                                         PROFILE_EXCHANGE);

	exchange(s);
	for (int i = 0; i < s->rounds; i++)
		if (s->round[i].index == s->round[i].shares->rounds - 1)
			shares_free(s->round[i].shares);
	s->rounds = 0;
	s->used = 0;
	profile_leave(s->profile, before);
}
