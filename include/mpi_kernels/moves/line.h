/* The moves along a row or column of cores that kernels are made of (the
 * ring shift is in tiles.h). All of them: collective over the ranks of the
 * line (each rank passes the same shape), data may be NULL in a dry run,
 * every floating-point sum follows from the cores' order on the line alone,
 * and the whole grid's cost is charged by every rank alike. */
#ifndef WL_LINE_H
#define WL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/partition.h"
#include "device/cost.h"
#include "grid/grid.h"
#include "grid/matrix_view.h"

enum line_op {
	LINE_ADD,
	LINE_MAXIMUM,
	LINE_ARGMAX /* pairs of words (float value, int32 id); larger value,
	               then lower id; a NaN beats all, so that it shows */
};

/* Whether the pair (value a, id i) goes before (value b, id j) in
 * LINE_ARGMAX. */
static inline bool line_argmax_before(float a, int32_t i, float b, int32_t j)
{
	if (a != a || b != b)
		return a != a && (b == b || i < j);
	return a > b || (a == b && i < j);
}

/* Parts of one vector, each with a root of its own: part i has words[i] words
 * and belongs to core root[i]. All n parts of the whole grid are listed; this
 * rank's lines hold those of [mine.lo, mine.hi), one after the other. */
struct line_parts {
	int n;
	struct range local;
	const size_t *words; /* [n] */
	const int *root;     /* [n] */
};

/* Parts for a vector that lies cut by p across the line's axis (each parallel
 * line carries one block), all with one root: fills words and roots [p->parts].
 */
static inline struct line_parts line_vector_parts(const struct partition *p,
                                                  struct range local, int root,
                                                  size_t *words, int *roots)
{
	for (int i = 0; i < p->parts; i++) {
		words[i] = partition_size(p, i);
		roots[i] = root;
	}
	return (struct line_parts){ p->parts, local, words, roots };
}

/* Words of the parts that this rank's lines hold. */
static inline size_t line_parts_words(const struct line_parts *p)
{
	size_t words = 0;

	for (int i = p->local.lo; i < p->local.hi; i++)
		words += p->words[i];
	return words;
}

/* Of the cores first.., the first that is this rank's: the vectors of a span
 * of cores are kept from this one on. */
static inline int line_base(const struct line *l, int first)
{
	return first > l->local.lo ? first : l->local.lo;
}

/* Sums the vectors of cores first..last of the line into the parts' roots,
 * neighbour by neighbour from both ends: a root adds (own + higher side) +
 * lower side. value: the own cores' vectors from line_base(first) on, stride
 * apart; a root's parts are replaced by the sums, others are left alone.
 * Cost charged: every part crosses last - first links, word by word: a core
 * adds what passes. Lines do not wait for each other, and in a full turn each
 * has every root once, so that the way that counts is the lines' mean. */
void line_reduce(struct line *l, int first, int last,
                 const struct line_parts *parts, enum line_op op,
                 float *value, size_t stride);

/* Brings each part from the rank of its root to every rank that holds some of
 * the cores first..last. data: the parts of [mine.lo, mine.hi), one after the
 * other. Cost charged: one multicast per part over the whole span, wherever
 * its root is (it may follow from a token's id, the account may not); a stage,
 * for the cores that receive. follows: it is one of a row of multicasts that
 * wait for nothing but room, so that only the first one's hops and stage show.
 */
void line_multicast(struct line *l, int first, int last,
                    const struct line_parts *parts, float *data,
                    bool follows);

/* Broadcasts a vector from core root to all of the line. data [words]: this
 * rank's part of it, of its own lines, filled on the root's rank. wire: over
 * all parallel lines. To be used where each core is the root in its turn. Cost
 * charged: a set-up, the hops to the farther end, the words, a stage; and,
 * where a router has not a path for every root (cost_relays), a stage for each
 * core on the way that sends on in software, and that core's own time, which
 * nothing hides: a stage for the head, then all words. */
void line_broadcast(struct line *l, int root, float *data, size_t words,
                    struct wire_words wire);

/* Brings each part, all n of which this rank's lines hold, from its root to
 * every rank of the line. data: the parts, one after the other. wire: all of
 * them, over all parallel lines. Cost charged: all words into every core, the
 * hops and stages of the longest way, a set-up for each core that is heard
 * from, software that sends on as in line_broadcast. */
void line_allgather(struct line *l, const struct line_parts *parts,
                    float *data, struct wire_words wire);

/* Charges a step in which each of the cores first + 1..last passes a message
 * to its lower neighbour: one hop, by software, which takes in the whole of it
 * before it sends it on (a stage, elsewhere, works word by word).
 * wire: a message, over all parallel lines. */
void line_charge_pass(struct line *l, int first, int last,
                      struct wire_words wire);

/* Passes one message of words words to the lower neighbour rank where send is
 * given and receives one from the upper where recv is given (either may be
 * NULL): the one-hop step of the KV cache. Charges nothing: the caller knows
 * what its cores pass. */
void line_pass_down(struct line *l, const void *send, void *recv,
                    size_t words);

/* Sends n rows of words words each along the line, row i from core from[i] to
 * core to[i], relayed rank by rank. row [n]: where this rank has row i if
 * from[i] is its own, or wants it if to[i] is, or both; else NULL.
 * wire: one row over all parallel lines of the grid. Cost charged: each row
 * comes from the end of the line that is farther off (from may follow from a
 * token's id, the account may not); cores on the way pass words on. */
void line_route(struct line *l, int n, const int *from, const int *to,
                float *const *row, size_t words, struct wire_words wire);

/* Brings the blocks of a vector (block i of p on the line's rank that holds
 * core i) to the line's first rank, relayed rank by rank. own: this rank's
 * blocks, NULL on all ranks of a line that does not take part; all [p->n]:
 * filled on the first rank only.
 * Cost charged: each block's words over its distance to core 0, whose link
 * takes them all. */
void line_gather(struct line *l, const struct partition *p, const float *own,
                 float *all);

/* Re-lays a matrix along the line: this rank gives from[rank], out of `source`,
 * and receives to[rank], into `sink` (boxes by rank index along the axis; what
 * a rank's new box takes from others' old boxes is relayed rank by rank).
 * Charges nothing: see relayout in layout.h. */
void line_relay_boxes(struct line *l, const struct box *from,
                      const struct box *to, const struct matrix_view *source,
                      const struct matrix_view *sink);

#endif
