/* All-reduce among cores of a line, whatever the variant (allreduce.h): level
 * by level the variant's chains of partial sums, then a multicast.
 *
 *   o->[o]<-o | o->[o]<-o | o->[o]<-o     level 0
 *       o -------> [*] <------- o         level 1: roots of level 0
 *   o<- o <- o <-  [*]  -> o -> o ->o     multicast
 *
 * Whatever way the wafer gives the sum out, and is charged for, ranks give it
 * to each other by a multicast: its bits are the same all over. */
#include "config.h"
#include "allreduce_charge.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "mpi_kernels/moves/reduce_chain.h"

#include <string.h>

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void charge_allreduce(const struct allreduce *a, struct line *l, int n,
                             const struct line_segment *segments)
{
	bool listens = ledger_listens(l->ledger);
	struct charge sum = { .calls = 1 };
	uint64_t words = 0;

	for (int i = 0; i < n; i++) {
		const struct line_segment *s = &segments[i];

		words = larger(words, s->wire.max);
		if (!listens || s->first == s->last || !s->wire.all)
			continue;
		struct charge c = a->charge(a, l, s);

		sum.words += c.words;
		sum.word_hops += c.word_hops;
		/* The segments work at the same time. */
		sum.path_hops = larger(sum.path_hops, c.path_hops);
		sum.stages = larger(sum.stages, c.stages);
		sum.comm_cycles = larger(sum.comm_cycles, c.comm_cycles);
	}
	/* A core's own vector, and what comes in to be added. */
	ledger_alloc(l->ledger, SRAM_BUFFERS, 8 * words);
	ledger_free(l->ledger, SRAM_BUFFERS, 8 * words);
	ledger_charge(l->ledger, &sum);
	a->routes(a, l);
}

/* A segment that touches this rank, and where its sums are. */
struct ascent {
	const struct line_segment *s;
	struct allreduce_level level;
	int top;             /* after the last level: who has the sum */
	struct line_parts whole;
};

/* Whether chain i of a level lies on this rank, or links of it do. */
static bool touches(const struct line *l, const struct allreduce_level *v,
                    int i)
{
	return line_touches(l, v->core[v->start[i]],
	                    v->core[v->start[i + 1] - 1]);
}

/* Makes level i of all segments; returns how many of its chains touch this
 * rank. */
static int next_level(const struct allreduce *a, const struct line *l, int i,
                      struct ascent *ascent, int n)
{
	int chains = 0;

	for (int k = 0; k < n; k++) {
		const struct line_segment *s = ascent[k].s;
		struct allreduce_level *v = &ascent[k].level;

		a->chains(a, l, s->first, s->last, i, v);
		for (int c = 0; c < v->n; c++)
			chains += touches(l, v, c);
	}
	return chains;
}

/* A chain that touches this rank, of one part. */
struct link {
	struct line_parts part;
	int root;
};

/* Runs those of a level's chains that touch this rank, of which there are so
 * many. */
static void run_level(struct line *l, const struct ascent *ascent, int n,
                      enum line_op op, int chains)
{
	struct reduce_chain *chain = line_room(l, LINE_CHAINS,
	                                chains * sizeof *chain);
	struct link *link = line_room(l, LINE_LINKS, chains * sizeof *link);
	int own = 0;

	for (int k = 0; k < n; k++) {
		const struct line_segment *s = ascent[k].s;
		const struct allreduce_level *v = &ascent[k].level;

		for (int i = 0; i < v->n; i++) {
			const int *core = v->core + v->start[i];
			int size = v->start[i + 1] - v->start[i];

			if (!touches(l, v, i))
				continue;
			link[own].root = v->core[v->root[i]];
			link[own].part = (struct line_parts){
				1, { 0, 1 }, &s->words, &link[own].root };
			chain[own] = (struct reduce_chain){
				core, 0, size, &link[own].part, op, s->value,
				s->stride, line_base(l, s->first) };
			own++;
		}
	}
	reduce_chains_run(l, chain, own);
}

static void spread(struct line *l, struct ascent *ascent, int n)
{
	struct multicast cast[n];

	for (int k = 0; k < n; k++) {
		const struct line_segment *s = ascent[k].s;
		const struct allreduce_level *v = &ascent[k].level;
		int top = ascent[k].top = v->core[v->root[0]];

		if (line_has(l, top))
			memcpy(s->result, s->value + s->stride *
			       (top - line_base(l, s->first)),
			       s->words * sizeof(float));
		ascent[k].whole = (struct line_parts){
			1, { 0, 1 }, &s->words, &ascent[k].top };
		cast[k] = (struct multicast){
			s->first, s->last, &ascent[k].whole, s->result };
	}
	multicasts_run(l, cast, n);
}

static int segment_size(const struct line_segment *s)
{
	return s->last - s->first + 1;
}

/* Number of ints that hold one level of each segment. */
static size_t segments_ints(const struct line_segment *segments, int n)
{
	size_t ints = 0;

	for (int i = 0; i < n; i++)
		ints += allreduce_level_ints(segment_size(&segments[i]));
	return ints;
}

static void run_allreduce(const struct allreduce *a, struct line *l, int n,
                          const struct line_segment *segments, enum line_op op)
{
	enum profile_kind before = profile_enter(l->profile, PROFILE_EXCHANGE);
	struct ascent ascent[n];
	int *level = line_room(l, LINE_LEVELS,
	                       segments_ints(segments, n) * sizeof *level);
	int own = 0;

	for (int i = 0; i < n; i++) {
		const struct line_segment *s = &segments[i];

		if (!line_touches(l, s->first, s->last))
			continue;
		ascent[own++] = (struct ascent){
			.s = s,
			.level = allreduce_level_in(level, segment_size(s)) };
		level += allreduce_level_ints(segment_size(s));
	}
	for (int i = 0; i < a->levels && own; i++)
		run_level(l, ascent, own, op,
		          next_level(a, l, i, ascent, own));
	if (own)
		spread(l, ascent, own);
	profile_leave(l->profile, before);
}

void line_allreduce(struct line *l, int n, const struct line_segment *segments,
                    enum line_op op)
{
	const struct allreduce *a = l->allreduce ? l->allreduce
	                                         : allreduce_default();

	charge_allreduce(a, l, n, segments);
	if (l->noc)
		run_allreduce(a, l, n, segments, op);
}
