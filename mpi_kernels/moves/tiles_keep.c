/* Tiles that left this rank, for a while: see tiles.h.
 *
 *   spare   o o o o        those that come take a spare place,
 *   gone    x x            those that left leave theirs as it is
 *
 * As many come as leave, so that in the end there is room for all of them where
 * they had it before. */
#include "config.h"
#include "grid/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mpi_kernels/moves/shift.h"

/* Places for tiles; each has room for the largest. */
struct tiles_kept {
	char *memory, *end;  /* of what was added */
	void **spare, **gone; /* [n] stacks */
	int n, spares, left;
};

static size_t place_bytes(const struct tiles *t)
{
	return tiles_max_elements(t) * wl_type_size(t->type);
}

/* Tiles that come in one shift. */
static int coming(const struct tiles *t)
{
	const struct line *l = tiles_line(t);
	int ends = (line_cut(l, false) >= 0) + (line_cut(l, true) >= 0);

	return ends * range_size(tiles_own_lines(t));
}

size_t tiles_keep_bytes(const struct tiles *t)
{
	return coming(t) * place_bytes(t);
}

void tiles_keep(struct tiles *t, int shifts)
{
	struct tiles_kept *k;
	size_t bytes = place_bytes(t);
	int n = coming(t) * shifts;

	WL_ASSERT(!t->kept);
	if (t->grid->dry || !n)
		return;
	k = t->kept = wl_malloc(1, sizeof *k);
	*k = (struct tiles_kept){ .n = n, .spares = n };
	k->memory = (char *)line_buffer(tiles_line(t), LINE_KEPT,
	                                (n * bytes + 3) / 4);
	k->end = k->memory + n * bytes;
	k->spare = wl_malloc(n, sizeof *k->spare);
	k->gone = wl_malloc(n, sizeof *k->gone);
	for (int i = 0; i < n; i++)
		k->spare[i] = k->memory + i * bytes;
}

void *tiles_kept_swap(struct tiles_kept *k, void *place)
{
	WL_ASSERT(k->spares > 0);
	k->gone[k->left++] = place;
	return k->spare[--k->spares];
}

void tiles_forget(struct tiles *t)
{
	struct tiles_kept *k = t->kept;

	while (k && k->left)
		k->spare[k->spares++] = k->gone[--k->left];
}

static bool is_added(const struct tiles_kept *k, const void *place)
{
	const char *p = place;

	return p >= k->memory && p < k->end;
}

/* A spare place of the tiles' own. */
static void *own_place(struct tiles_kept *k)
{
	while (is_added(k, k->spare[--k->spares]))
		;
	return k->spare[k->spares];
}

void tiles_keep_end(struct tiles *t)
{
	struct tiles_kept *k = t->kept;
	struct range lines = tiles_own_lines(t), places = t->path->local;

	if (!k)
		return;
	tiles_forget(t);
	for (int q = lines.lo; q < lines.hi; q++)
		for (int p = places.lo; p < places.hi; p++) {
			void **slot = tiles_slot(t, q, p);

			if (!is_added(k, *slot))
				continue;
			void *own = own_place(k);

			memcpy(own, *slot, tiles_bytes_at(t, q, p));
			*slot = own;
		}
	free(k->gone);
	free(k->spare);
	free(k);
	t->kept = NULL;
}
