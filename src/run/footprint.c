#include "config.h"
#include "footprint.h"

static double max(double a, double b)
{
	return a > b ? a : b;
}

/* The fraction of a core grid's cores that the rank has. */
static double share(const struct footprint *f, struct rxc grid)
{
	struct partition rows = partition_of(grid.rows, f->ranks.rows);
	struct partition cols = partition_of(grid.cols, f->ranks.cols);

	return (double)partition_size(&rows, f->row) / grid.rows *
	       partition_size(&cols, f->col) / grid.cols;
}

/* Elements of all matrices; *largest: of the largest one. */
static double weights(const struct model *m, double *largest)
{
	double all = 0;

	*largest = 0;
	for (int kind = 0; kind < T_NKINDS; kind++) {
		struct tensor_shape s = tensor_shape(m, kind);
		double elements = (double)s.rows * s.cols;

		if (!tensor_present(m, kind) || s.vector)
			continue;
		all += elements * (tensor_per_layer(kind) ? m->n_layers : 1);
		*largest = max(*largest, elements);
	}
	return all;
}

double footprint_of_rank(const struct footprint *f)
{
	const struct model *m = f->model;
	const double size = wl_type_size(f->type), word = sizeof(float);
	const double prompt = f->prompt_tokens;
	const double q = model_q_dim(m), kv = model_kv_dim(m);
	double largest;
	const double all_weights = weights(m, &largest) * size;
	/* Floats of one token in prefill: residual and normed vectors, and the
	 * larger of attention's (q, output, k, v) and the FFN's (gate, up). */
	const double token = 2.0 * m->dim + max(2 * q + 2 * kv,
	                                        2.0 * m->hidden_dim);
	const double prefill = all_weights +
		word * prompt * (token + m->n_layers * 2 * kv +
		                 m->n_heads * prompt);
	const double decode = all_weights + size * m->n_layers * 2 * kv *
	                             (prompt + f->new_tokens);
	/* The largest matrix exists in both layouts while it is moved. */
	const double transition = all_weights + size * largest;

	return max(prefill * share(f, f->prefill),
	           max(decode, f->new_tokens > 1 ? transition : 0) *
	           share(f, f->decode));
}
