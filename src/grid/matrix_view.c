#include "config.h"
#include "grid/matrix_view.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Bytes that matrix_view_move copies at a time, or one row; they stay in the
 * host core's L2 cache. */
#define MOVE_BYTES ((size_t)64 << 10)

void matrix_view_rows(void *storage, size_t pitch, void *block,
                      size_t block_pitch, int rows, size_t bytes, bool out)
{
	char *stored = storage, *row = block;

	for (int i = 0; i < rows && bytes; i++) {
		memcpy(out ? row : stored, out ? stored : row, bytes);
		stored += pitch;
		row += block_pitch;
	}
}

static void copy_dense(const struct matrix_view *v, struct box what,
                       void *block, bool out)
{
	size_t bytes = range_size(what.n) * v->size;
	size_t pitch = range_size(v->own.n) * v->size;
	char *row = (char *)v->matrix + (what.k.lo - v->own.k.lo) * pitch +
	            (what.n.lo - v->own.n.lo) * v->size;

	matrix_view_rows(row, pitch, block, bytes, range_size(what.k), bytes,
	                 out);
}

struct matrix_view matrix_view_dense(struct box own, size_t size, void *data)
{
	return (struct matrix_view){ own, size, copy_dense, data, 0 };
}

void matrix_view_get(const struct matrix_view *v, void *data)
{
	v->copy(v, v->own, data, true);
}

void matrix_view_put(const struct matrix_view *v, const void *data)
{
	/* Only read. */
	v->copy(v, v->own, (void *)(uintptr_t)data, false);
}

void matrix_view_move(const struct matrix_view *from,
                      const struct matrix_view *to, struct box what)
{
	size_t row = range_size(what.n) * from->size;
	int rows = row && row < MOVE_BYTES ? MOVE_BYTES / row : 1;
	struct box part = what;

	if (!box_elements(what))
		return;
	rows = rows < range_size(what.k) ? rows : range_size(what.k);
	char *block = wl_malloc(rows, row);

	for (; part.k.lo < what.k.hi; part.k.lo = part.k.hi) {
		part.k.hi = part.k.lo + rows;
		part.k = range_intersect(part.k, what.k);
		from->copy(from, part, block, true);
		to->copy(to, part, block, false);
	}
	free(block);
}
