/* Rotary position embedding: the angles of the channels a rank holds. */
#ifndef WL_ROPE_H
#define WL_ROPE_H

#include "base/partition.h"
#include "model/model.h"

/* Fills cs[tokens][channels] for the KV channels `channels` (whole pairs) and
 * positions `tokens`: cosine and sine of pair i's angle at [2i], [2i+1].
 * Pair i of a head turns by position * theta^(-2i / head_dim) / factors[i];
 * factors[head_dim / 2] may be NULL: no division. */
void rope_angles(const struct model *m, const float *factors,
                 struct range channels, struct range tokens, float *cs);

#endif
