/* The all-reduce of MeshGEMV, norms and softmax: a two-level tree.
 *
 *   o->[o]<-o | o->[o]<-o | o->[o]<-o     sum in groups of about sqrt(n)
 *       o -------> [*] <------- o         sum of the groups' roots
 *   o<- o <- o <-  [*]  -> o -> o ->o     multicast
 *
 * Group i of G on n cores is [i n/G, (i+1) n/G), its root start + size/2; the
 * second root is that of group G/2. The links between roots lead over the
 * cores in between, which do not touch the words.
 *
 * Source: WaferLLM (OSDI'25), section 6, with K = 2. */
#include "config.h"
#include "chain.h"

#include <math.h>
#include <string.h>

int line_groups(int n)
{
	int g = (int)(sqrt((double)n) + 0.5);

	return g < 1 ? 1 : g;
}

static int group_start(const struct line_segment *s, int i)
{
	int n = s->last - s->first + 1;

	return s->first + (int)((long)i * n / line_groups(n));
}

static int group_root(const struct line_segment *s, int i)
{
	int start = group_start(s, i);

	return start + (group_start(s, i + 1) - start) / 2;
}

static int segment_groups(const struct line_segment *s)
{
	return line_groups(s->last - s->first + 1);
}

static int tree_top(const struct line_segment *s)
{
	return group_root(s, segment_groups(s) / 2);
}

static struct charge tree_charge(const struct line *l,
                                 const struct line_segment *s)
{
	int groups = segment_groups(s), top = tree_top(s);
	uint64_t depth = 0, span = 0, way = line_hops(l, s->first, s->last);
	struct charge c = { 0 };

	for (int i = 0; i < groups; i++) {
		int first = group_start(s, i), root = group_root(s, i);
		int last = group_start(s, i + 1) - 1;
		uint64_t low = line_hops(l, first, root);
		uint64_t high = line_hops(l, root, last);
		uint64_t far = line_hops(l, root, top);

		c.words += s->words_all * (last - first);
		c.word_hops += s->words_all * (low + high);
		depth = low > depth ? low : depth;
		depth = high > depth ? high : depth;
		span = far > span ? far : span;
	}
	c.words += s->words_all * (groups - 1) + (way ? s->words_all : 0);
	c.word_hops += s->words_all *
	               (line_hops(l, group_root(s, 0),
	                          group_root(s, groups - 1)) + way);
	uint64_t low = line_hops(l, s->first, top);
	uint64_t high = line_hops(l, top, s->last);

	c.path_hops = depth + span + (low > high ? low : high);
	return c;
}

static void charge_allreduce(struct line *l, int n,
                             const struct line_segment *segments)
{
	struct charge sum = { .calls = 1 };

	for (int i = 0; i < n; i++) {
		struct charge c = tree_charge(l, &segments[i]);

		if (!segments[i].words_all)
			continue;
		sum.words += c.words;
		sum.word_hops += c.word_hops;
		if (c.path_hops > sum.path_hops)
			sum.path_hops = c.path_hops;
	}
	ledger_charge(l->ledger, &sum);
}

/* One level of the trees of all segments that touch this rank: chains over
 * the groups' cores (level 0) or over the groups' roots (level 1). */
static void run_level(struct line *l, int n, const struct line_segment *segment,
                      enum line_op op, int level)
{
	int most = l->n + n, chains = 0, roots = 0;
	int core[l->n], root[most], top[most];
	struct chain chain[most];
	struct line_parts parts[most];

	for (int p = 0; p < l->n; p++)
		core[p] = p;
	for (int i = 0; i < n; i++) {
		const struct line_segment *s = &segment[i];
		int groups = segment_groups(s), *first_root = &root[roots];

		if (!line_touches(l, s->first, s->last))
			continue;
		for (int g = 0; g < groups; g++)
			root[roots++] = group_root(s, g);
		for (int g = 0; g < (level ? 1 : groups); g++) {
			int first = group_start(s, g);
			int last = group_start(s, g + 1) - 1;
			const int *cores = level ? first_root : &core[first];
			int size = level ? groups : last - first + 1;

			if (!line_touches(l, cores[0], cores[size - 1]))
				continue;
			top[chains] = level ? tree_top(s) : group_root(s, g);
			parts[chains] = (struct line_parts){
				1, { 0, 1 }, &s->words, &top[chains] };
			chain[chains] = (struct chain){
				cores, size, &parts[chains], op, s->value,
				s->stride, line_base(l, s->first) };
			chains++;
		}
	}
	chains_run(l, chain, chains);
}

static void spread(struct line *l, int n, const struct line_segment *segment)
{
	struct multicast cast[n];
	struct line_parts parts[n];
	int top[n], casts = 0;

	for (int i = 0; i < n; i++) {
		const struct line_segment *s = &segment[i];

		if (!line_touches(l, s->first, s->last))
			continue;
		top[casts] = tree_top(s);
		if (line_has(l, top[casts]))
			memcpy(s->result, s->value + s->stride *
			       (top[casts] - line_base(l, s->first)),
			       s->words * sizeof(float));
		parts[casts] = (struct line_parts){
			1, { 0, 1 }, &s->words, &top[casts] };
		cast[casts] = (struct multicast){
			s->first, s->last, &parts[casts], s->result };
		casts++;
	}
	multicasts_run(l, cast, casts);
}

void line_allreduce(struct line *l, int n, const struct line_segment *segments,
                    enum line_op op)
{
	charge_allreduce(l, n, segments);
	if (!l->noc)
		return;
	run_level(l, n, segments, op, 0);
	run_level(l, n, segments, op, 1);
	spread(l, n, segments);
}
