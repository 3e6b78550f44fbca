/* Distribution of attention heads over core columns. The key and value
 * channels, ordered (KV head, channel), are partitioned over the columns in
 * whole RoPE pairs. A head occupies the columns that have some of its channels;
 * a column may have several heads, and adjacent heads may share a column. Heads
 * here are KV heads. Pure arithmetic, not collective; nothing fails. */
#ifndef WL_HEADS_H
#define WL_HEADS_H

#include "base/partition.h"
#include "model/model.h"

struct heads {
	int n_kv;          /* KV heads */
	int head_dim;
	int group;         /* query heads per KV head */
	struct partition kv;    /* of KV channels over columns */
	struct partition q;     /* of query channels, group times as many */
};

/* The heads of a model on `cols` core columns. */
struct heads heads_of(const struct model *m, int cols);

/* The first and last column of head g. */
int heads_first(const struct heads *h, int g);
int heads_last(const struct heads *h, int g);
/* KV channels of head g on column x, relative to the column's first channel. */
struct range heads_channels(const struct heads *h, int g, int x);
/* The heads with channels on the columns xs. */
struct range heads_on(const struct heads *h, struct range xs);

/* Most heads on any one column. */
int heads_max(const struct heads *h);

#endif
