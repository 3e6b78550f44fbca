#include "config.h"
#include "grid/layout.h"

static struct box box_of(const struct layout *l, struct range ys,
                         struct range xs)
{
	return (struct box){ partition_range(&l->k, l->transposed ? xs : ys),
	                     partition_range(&l->n, l->transposed ? ys : xs) };
}

struct box layout_box(const struct layout *l, int row, int col)
{
	return box_of(l, line_cores(&l->grid->y, row),
	              line_cores(&l->grid->x, col));
}

struct box layout_own_box(const struct layout *l)
{
	return box_of(l, l->grid->y.local, l->grid->x.local);
}
