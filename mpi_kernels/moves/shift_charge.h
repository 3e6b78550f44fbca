/* Inside the ring shift only (line_shift.c): which lines move in a step, and
 * what the step costs. Nothing here is collective. */
#ifndef WL_SHIFT_CHARGE_H
#define WL_SHIFT_CHARGE_H

#include "grid/tiles.h"

/* Lines that move alike. A line's ring position is that of its index among as
 * many as the ring has places. */
struct shift_group {
	int dir;             /* +1 or -1: the step that they take */
	int lo, hi;          /* their ring positions lo..hi */
	int off;             /* steps that they are away from home, or, */
	bool skewed;         /* skewed: ring position + off steps */
};

/* The lines that move in one step. */
struct shift_lines {
	const signed char *steps; /* [lines] +1, -1 or 0; NULL: not given */
	struct shift_group group[2]; /* the same lines, in at most two groups */
	int n;               /* of groups; 0: only steps tell, and NULL means
	                        +1 for all lines */
	bool turning;        /* a step of a skew or unskew */
};

/* The step that line q takes: +1, -1, or 0 when it stays. */
static inline int shift_of_line(const signed char *steps, int q)
{
	return steps ? steps[q] : 1;
}

static inline const struct ring_route *shift_route(const struct tiles *t,
                                                   int step)
{
	return &t->path->route[step > 0];
}

/* Whether groups can describe the lines: `skewed` and `turned` give every
 * line's offset, and the grid has a line for every place of the ring. */
bool shift_is_regular(const struct tiles *t);

/* All lines, one step forwards. */
struct shift_lines shift_all_lines(const struct tiles *t);

/* Sets the groups of step number i of a turn of regular tiles that are at home
 * (skewed: to become skewed) or skewed (to go home). False when no step is
 * left. */
bool shift_turn_lines(const struct tiles *t, int i, bool skewed,
                      struct shift_lines *g);

/* Charges one step of all lines: the words of the tiles that leave their cores,
 * and, with set_up, the exchange's set-up and the hops of the ring's longest
 * edge (without it the tiles travel in the messages of another step). Returns
 * whether any words move; false when nothing is recorded. */
bool shift_charge(const struct tiles *t, const struct shift_lines *g,
                  bool set_up);

/* Bytes that a core receives in one step while it sends its own: one tile, or
 * one from either side where a core has several places. */
uint64_t shift_buffer_bytes(const struct tiles *t);

#endif
