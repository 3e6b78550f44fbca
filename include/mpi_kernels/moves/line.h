/* Moves along a row or column of cores, of which kernels are made (for the ring
 * shift see shift.h). All of them are collective over the ranks of the line,
 * with the same shape on each rank. Data may be NULL in a dry run. The order of
 * every floating-point sum follows from the cores' order on the line alone.
 * Every rank charges the cost of the whole grid. Words are 32 bits. */
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
	LINE_ARGMAX /* pairs of words (float value, int32 id): the larger value
	               wins, then the lower id; NaN beats every value, so that
	               it shows in the result */
};

/* Whether LINE_ARGMAX prefers the pair (value a, id i) to (value b, id j). */
static inline bool line_argmax_before(float a, int32_t i, float b, int32_t j)
{
	if (a != a || b != b)
		return a != a && (b == b || i < j);
	return a > b || (a == b && i < j);
}

/* A vector in parts: part i has words[i] words and belongs to core root[i]. All
 * n parts of the whole grid are listed; this rank's lines hold parts
 * [local.lo, local.hi), one after the other. */
struct line_parts {
	int n;
	struct range local;
	const size_t *words; /* [n] */
	const int *root;     /* [n] */
};

/* Parts of a vector that p partitions over the parallel lines, one block each,
 * with one root for all. Fills words and roots [p->parts], which the result
 * refers to. */
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

/* This rank's first core from core `first` on. Buffers for a span of cores that
 * starts there begin with this core's vector. */
static inline int line_base(const struct line *l, int first)
{
	return first > l->local.lo ? first : l->local.lo;
}

/* Combines the vectors of cores first..last into the parts' roots, core by core
 * from both ends: a root computes (own + higher side) + lower side. value: the
 * vectors of this rank's cores from line_base(first) on, `stride` words apart;
 * on return, a root's parts hold the result, other parts are unchanged. Cost
 * charged: every part crosses last - first links; cores add each word as it
 * passes. The hops are the mean, over the parts, of the distance from the root
 * to the farther end, rounded up: lines do not wait for each other, and over a
 * full turn each line has had every root once. */
void line_reduce(struct line *l, int first, int last,
                 const struct line_parts *parts, enum line_op op,
                 float *value, size_t stride);

/* Copies each part from its root's rank to every rank with any of the cores
 * first..last. data: the local parts, one after the other. follows: pipelined
 * behind the previous multicast, so that only the words are charged. Cost
 * charged: a multicast of each part over the whole span wherever its root is
 * (the root may depend on a token, the account must not), and one stage for the
 * cores that receive. */
void line_multicast(struct line *l, int first, int last,
                    const struct line_parts *parts, float *data,
                    bool follows);

/* Broadcasts a vector from core root to all cores of the line, for algorithms
 * in which each core is the root in turn. data [words]: the part of the vector
 * on this rank's lines, filled on the root's rank. wire: over all parallel
 * lines. Cost charged: a set-up, the hops to the farther end, the words, and a
 * stage. Where a router has fewer paths than there are roots (cost_relays),
 * cores on the path forward in software: each adds a stage, and its own time,
 * which overlaps with nothing: a stage for the head, then all words. */
void line_broadcast(struct line *l, int root, float *data, size_t words,
                    struct wire_words wire);

/* Copies each part from its root to every rank of the line. This rank's lines
 * hold all n parts. data: the parts, one after the other. wire: all parts, over
 * all parallel lines. Cost charged: all words into every core, the hops and
 * stages of the longest path, a set-up for each of the other cores, and
 * forwarding in software as for line_broadcast. */
void line_allgather(struct line *l, const struct line_parts *parts,
                    float *data, struct wire_words wire);

/* Charges a step in which each of the cores first + 1..last passes a message to
 * its lower neighbour: one hop, in software, which receives the whole message
 * before it sends it (a stage, elsewhere, forwards word by word). wire: a
 * message, over all parallel lines. */
void line_charge_pass(struct line *l, int first, int last,
                      struct wire_words wire);

/* Sends `words` words to the lower neighbour rank unless send is NULL, and
 * receives as many from the upper unless recv is NULL: the one-hop step of the
 * KV cache. Charges nothing: only the caller knows what its cores pass, and
 * charges it with line_charge_pass. */
void line_pass_down(struct line *l, const void *send, void *recv,
                    size_t words);

/* Sends n rows of `words` words along the line, row i from core from[i] to core
 * to[i], relayed rank by rank. row [n]: the source of row i if from[i] is this
 * rank's core, its destination if to[i] is, the same memory for both; else
 * NULL. wire: one row, over all parallel lines. Cost charged: each row comes
 * from the end of the line that is farther from to[i] (from[i] may depend on a
 * token, the account must not); cores on the path forward the words. */
void line_route(struct line *l, int n, const int *from, const int *to,
                float *const *row, size_t words, struct wire_words wire);

/* Gathers a vector on the line's first rank, relayed rank by rank. p partitions
 * it over the line's cores. own: the blocks of this rank's cores; NULL on all
 * ranks of a line that takes no part. all [p->n]: filled on the first rank
 * only. Cost charged: each block's words over its distance to core 0, whose one
 * link carries them all. */
void line_gather(struct line *l, const struct partition *p, const float *own,
                 float *all);

/* Redistributes a matrix along the line: this rank has box from[rank], in
 * source, and gets box to[rank], in sink; from and to are indexed by the rank
 * along the axis. Elements for other ranks are relayed rank by rank. Charges
 * nothing: relayout (relayout.h) does. */
void line_relay_boxes(struct line *l, const struct box *from,
                      const struct box *to, const struct matrix_view *source,
                      const struct matrix_view *sink);

#endif
