/* Tiles that left this rank stay readable for some shifts: see shift.h.
 *
 *   spare      o o o o     an arriving tile takes a spare buffer,
 *   departed   x x         so that the one that left keeps its content
 *
 * As many tiles arrive as leave. In the end the tiles' own memory therefore has
 * room for all of them again. */
#include "config.h"
#include "grid/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mpi_kernels/moves/shift.h"

/* Buffers for tiles; each has room for the largest. */
struct tiles_kept {
	char *memory, *end;  /* of the added buffers; the line's */
	void **spare;        /* [n] stack of `spares` unused buffers */
	void **departed;     /* [n] stack of `left` buffers that are kept */
	int n, spares, left;
};

static size_t buffer_bytes(const struct tiles *t)
{
	return tiles_max_elements(t) * wl_type_size(t->type);
}

/* Tiles that arrive on this rank in one shift. */
static int arriving(const struct tiles *t)
{
	const struct line *l = tiles_line(t);
	int ends = (line_cut(l, false) >= 0) + (line_cut(l, true) >= 0);

	return ends * range_size(tiles_own_lines(t));
}

size_t tiles_departed_bytes(const struct tiles *t)
{
	return arriving(t) * buffer_bytes(t);
}

void tiles_keep_departed(struct tiles *t, int shifts)
{
	struct tiles_kept *k;
	size_t bytes = buffer_bytes(t);
	int n = arriving(t) * shifts;

	WL_ASSERT(!t->kept);
	if (t->grid->dry || !n)
		return;
	k = t->kept = wl_malloc(1, sizeof *k);
	*k = (struct tiles_kept){ .n = n, .spares = n };
	k->memory = (char *)line_buffer(tiles_line(t), LINE_KEPT,
	                                (n * bytes + 3) / 4);
	k->end = k->memory + n * bytes;
	k->spare = wl_malloc(n, sizeof *k->spare);
	k->departed = wl_malloc(n, sizeof *k->departed);
	for (int i = 0; i < n; i++)
		k->spare[i] = k->memory + i * bytes;
}

void *tiles_departed_swap(struct tiles_kept *k, void *buffer)
{
	WL_ASSERT(k->spares > 0);
	k->departed[k->left++] = buffer;
	return k->spare[--k->spares];
}

void tiles_reuse_departed(struct tiles *t)
{
	struct tiles_kept *k = t->kept;

	while (k && k->left)
		k->spare[k->spares++] = k->departed[--k->left];
}

/* Whether a buffer is an added one, not of the tiles' own memory. */
static bool is_added(const struct tiles_kept *k, const void *buffer)
{
	const char *p = buffer;

	return p >= k->memory && p < k->end;
}

/* Takes a spare buffer of the tiles' own memory. */
static void *own_buffer(struct tiles_kept *k)
{
	while (is_added(k, k->spare[--k->spares]))
		;
	return k->spare[k->spares];
}

void tiles_departed_end(struct tiles *t)
{
	struct tiles_kept *k = t->kept;
	struct range lines = tiles_own_lines(t), places = t->path->local;

	if (!k)
		return;
	tiles_reuse_departed(t);
	for (int q = lines.lo; q < lines.hi; q++)
		for (int p = places.lo; p < places.hi; p++) {
			void **slot = tiles_slot(t, q, p);

			if (!is_added(k, *slot))
				continue;
			void *own = own_buffer(k);

			memcpy(own, *slot, tiles_bytes_at(t, q, p));
			*slot = own;
		}
	free(k->departed);
	free(k->spare);
	free(k);
	t->kept = NULL;
}
