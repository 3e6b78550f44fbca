/* Estimates the host memory that a run needs, from the model's shape, before
 * anything is loaded. Not collective. */
#ifndef WL_FOOTPRINT_H
#define WL_FOOTPRINT_H

#include "base/partition.h"
#include "model/model.h"

/* A request, its core grids and a rank. */
struct footprint {
	const struct model *model;
	enum wl_type type;         /* of weights, keys and values in memory */
	int prompt_tokens, new_tokens;
	struct rxc prefill, decode, ranks; /* core grids, rank grid */
	int row, col;              /* of the rank in the rank grid */
};

/* A lower bound of the rank's peak memory, bytes: its share of the weights,
 * plus its share of, in prefill, a layer's activations, the scores and the keys
 * and values of all layers; in the transition, a second copy of the largest
 * matrix; in decode, the KV cache. Message buffers and the memory of MPI and
 * HDF5, most of which is allocated before, are not counted. */
double footprint_of_rank(const struct footprint *f);

#endif
