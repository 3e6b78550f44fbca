/* The move of a matrix from one layout on a core grid to another. */
#ifndef WL_RELAYOUT_H
#define WL_RELAYOUT_H

#include <stdint.h>

#include "grid/layout.h"
#include "grid/matrix_view.h"

/* Re-lays a matrix from one layout to another (other grid, other
 * orientation) on the same ranks: first along x, then along y, every element
 * over mesh links only. source and sink: this rank's box of `from` and of
 * `to`, of the same element size; not looked at in a dry run. Collective.
 * Cost charged: every element that changes its core, words and hops; the
 * busiest link of each axis, and the cores that words pass on their way: where
 * each goes is no fixed route, so that software sends it on. */
void relayout(const struct layout *from, const struct layout *to,
              const struct matrix_view *source, const struct matrix_view *sink);

/* Lower bound of the cycles of a re-layout, in constant time. Not collective. */
uint64_t relayout_min_cycles(const struct layout *from,
                             const struct layout *to);

#endif
