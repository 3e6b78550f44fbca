/* Moves a matrix from one layout on a core grid to another. */
#ifndef WL_RELAYOUT_H
#define WL_RELAYOUT_H

#include <stdint.h>

#include "grid/layout.h"
#include "grid/matrix_view.h"

/* Moves a matrix from layout `from` to layout `to` (another grid, another
 * orientation, or both) on the same ranks: first along x, then along y, every
 * element over mesh links only. source, sink: views of this rank's box of
 * `from` and of `to`, with equal element sizes; unused in a dry run.
 * Collective. Cost charged: words and hops of every element that changes its
 * core; cycles of the busiest link of each axis and of the cores on the
 * longest path, where software forwards because routes are not fixed. */
void relayout(const struct layout *from, const struct layout *to,
              const struct matrix_view *source, const struct matrix_view *sink);

/* Lower bound of the cycles of a re-layout, in constant time. Not collective.
 */
uint64_t relayout_min_cycles(const struct layout *from,
                             const struct layout *to);

#endif
