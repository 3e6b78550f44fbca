#include "config.h"
#include "model/heads.h"

struct heads heads_of(const struct model *m, int cols)
{
	int group = model_group(m);

	return (struct heads){
		.n_kv = m->n_kv_heads, .head_dim = m->head_dim, .group = group,
		.kv = { model_kv_dim(m), 2, cols, false },
		.q = { model_q_dim(m), 2 * group, cols, false },
	};
}

int heads_first(const struct heads *h, int g)
{
	return partition_owner(&h->kv, g * h->head_dim);
}

int heads_last(const struct heads *h, int g)
{
	return partition_owner(&h->kv, (g + 1) * h->head_dim - 1);
}

struct range heads_channels(const struct heads *h, int g, int x)
{
	struct range head = { g * h->head_dim, (g + 1) * h->head_dim };
	struct range r = range_intersect(head, partition_range(&h->kv,
	                            (struct range){ x, x + 1 }));
	int start = partition_start(&h->kv, x);

	if (r.hi <= r.lo)
		return (struct range){ 0, 0 };
	return (struct range){ r.lo - start, r.hi - start };
}

struct range heads_on(const struct heads *h, struct range xs)
{
	struct range c = partition_range(&h->kv, xs);

	if (c.hi <= c.lo)
		return (struct range){ 0, 0 };
	return (struct range){ c.lo / h->head_dim,
	                       (c.hi - 1) / h->head_dim + 1 };
}

int heads_max(const struct heads *h)
{
	int max = 0;

	for (int x = 0; x < h->kv.parts; x++) {
		int here = range_size(heads_on(h, (struct range){ x, x + 1 }));

		max = here > max ? here : max;
	}
	return max;
}
