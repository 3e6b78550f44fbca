#include "config.h"
#include "model/rope.h"

#include <math.h>

/* All heads have the same angles: those of the first head_dim channels are
 * computed and then copied. */
void rope_angles(const struct model *m, const float *factors,
                 struct range channels, struct range tokens, float *cs)
{
	int n = range_size(channels), first = n < m->head_dim ? n : m->head_dim;

	for (int c = 0; c < first; c += 2) {
		int pair = (channels.lo + c) % m->head_dim / 2;
		double frequency = pow(m->rope_theta, -2.0 * pair /
		                                      m->head_dim);

		if (factors)
			frequency /= factors[pair];
		for (int t = tokens.lo; t < tokens.hi; t++) {
			float *at = cs + (size_t)(t - tokens.lo) * n + c;

			at[0] = (float)cos(t * frequency);
			at[1] = (float)sin(t * frequency);
		}
	}
	for (int t = 0; t < range_size(tokens); t++, cs += n)
		for (int c = first; c < n; c++)
			cs[c] = cs[c - first];
}
