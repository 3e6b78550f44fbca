/* Attention heads on columns. The key and value channels, ordered (KV head,
 * channel), are cut over the core columns in whole RoPE pairs; each head
 * lives on the columns that its channels fall on. A column may hold several
 * heads, neighbouring heads may share a column. Pure arithmetic. */
#ifndef WL_HEADS_H
#define WL_HEADS_H

#include "base/partition.h"
#include "model/model.h"

struct heads {
	int n_kv;          /* KV heads */
	int head_dim;
	int group;         /* query heads per KV head */
	struct partition kv;    /* KV channels over columns */
	struct partition q;     /* query channels, group times as many */
};

struct heads heads_of(const struct model *m, int cols);

/* The first and last column of head g. */
int heads_first(const struct heads *h, int g);
int heads_last(const struct heads *h, int g);
/* Channels of head g on column x, counted from the column's first channel. */
struct range heads_channels(const struct heads *h, int g, int x);
/* Heads that have channels on the columns xs. */
struct range heads_on(const struct heads *h, struct range xs);

/* Heads on the column that has most. */
int heads_max(const struct heads *h);

#endif
