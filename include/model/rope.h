/* Rotary position embedding (Su et al., "RoFormer", 2021): the angles for a
 * rank's channels. Not collective. */
#ifndef WL_ROPE_H
#define WL_ROPE_H

#include "base/partition.h"
#include "model/model.h"

/* Fills cs[tokens][channels] for the KV channels `channels` (whole pairs) and
 * the positions `tokens`: the cosine and sine of a pair's angle are at its two
 * channels. The angle of pair i of a head, in radians, is
 * position * theta^(-2i / head_dim) / factors[i]. factors[head_dim / 2] may be
 * NULL: no division. */
void rope_angles(const struct model *m, const float *factors,
                 struct range channels, struct range tokens, float *cs);

#endif
