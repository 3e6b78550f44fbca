/* How much memory of the host a run takes, told from the model's shape before
 * anything is loaded. */
#ifndef WL_FOOTPRINT_H
#define WL_FOOTPRINT_H

#include "base/partition.h"
#include "model/model.h"

/* A request and how it is laid out. */
struct footprint {
	const struct model *model;
	enum wl_type type;         /* of weights, keys and values in memory */
	int prompt_tokens, new_tokens;
	struct rxc prefill, decode, ranks; /* core grids, rank grid */
	int row, col;              /* of the rank in it */
};

/* Bytes that the rank takes at least, when it takes most: its share of the
 * weights; beside it, in prefill, of the activations of a layer, the scores and
 * all layers' keys and values, in the transition of the largest matrix once
 * more, in decode of the KV cache. Not counted: messages on their way, and what
 * MPI and HDF5 take, most of it before. */
double footprint_of_rank(const struct footprint *f);

#endif
