#include "config.h"
#include "rope.h"

#include <math.h>

void rope_angles(const struct model *m, const float *factors,
                 struct range channels, struct range tokens, float *cs)
{
	for (int c = channels.lo; c < channels.hi; c += 2) {
		int pair = c % m->head_dim / 2;
		double turn = pow(m->rope_theta, -2.0 * pair / m->head_dim);
		float *at = cs + (c - channels.lo);

		if (factors)
			turn /= factors[pair];
		for (int t = tokens.lo; t < tokens.hi; t++) {
			at[0] = (float)cos(t * turn);
			at[1] = (float)sin(t * turn);
			at += range_size(channels);
		}
	}
}
