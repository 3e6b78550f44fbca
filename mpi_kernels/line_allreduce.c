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

int line_groups(const struct line *l, int n)
{
	int g = l->groups ? l->groups : (int)(sqrt((double)n) + 0.5);

	return g < 1 ? 1 : g < n ? g : n;
}

static int segment_groups(const struct line *l, const struct line_segment *s)
{
	return line_groups(l, s->last - s->first + 1);
}

static int group_start(const struct line *l, const struct line_segment *s,
                       int i)
{
	int n = s->last - s->first + 1;

	return s->first + (int)((long)i * n / segment_groups(l, s));
}

static int group_root(const struct line *l, const struct line_segment *s,
                      int i)
{
	int start = group_start(l, s, i);

	return start + (group_start(l, s, i + 1) - start) / 2;
}

static int tree_top(const struct line *l, const struct line_segment *s)
{
	return group_root(l, s, segment_groups(l, s) / 2);
}

/* The tree of one segment, seen by its words: how far they go, how often they
 * are added. */
struct tree {
	uint64_t depth;       /* cores that add and send on, longest way */
	uint64_t reach;       /* hops of the farthest core to the second root */
	uint64_t spread;      /* hops of the multicast */
	uint64_t sent, hops;  /* messages up the tree, and their hops */
	uint64_t into;        /* messages that the second root receives */
};

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Ends that a root in the middle of a chain receives from. */
static int sides(int first, int root, int last)
{
	return (root > first) + (root < last);
}

static struct tree tree_of(const struct line *l, const struct line_segment *s)
{
	int groups = segment_groups(l, s), middle = groups / 2;
	int top = tree_top(l, s);
	uint64_t inner = 0, outer = 0;
	struct tree t = { 0 };

	for (int i = 0; i < groups; i++) {
		int first = group_start(l, s, i), root = group_root(l, s, i);
		int last = group_start(l, s, i + 1) - 1;
		uint64_t low = line_hops(l, first, root);
		uint64_t high = line_hops(l, root, last);

		t.sent += last - first;
		t.hops += low + high;
		inner = larger(inner, larger(root - first, last - root));
		outer = larger(outer, line_hops(l, root, top));
		if (root == top)
			t.into = sides(first, root, last);
	}
	t.sent += groups - 1;
	t.hops += line_hops(l, group_root(l, s, 0),
	                    group_root(l, s, groups - 1));
	t.into += sides(0, middle, groups - 1);
	t.depth = inner + larger(middle, groups - 1 - middle);
	t.reach = inner + outer;
	t.spread = larger(line_hops(l, s->first, top),
	                  line_hops(l, top, s->last));
	return t;
}

/* Reduction: the second root takes in all that reaches it (contention), or
 * the words keep the links busy (energy over links) and then have their way
 * to go; each core that adds and sends on is a stage. Then the multicast. */
static uint64_t tree_cycles(const struct line *l, const struct tree *t,
                            uint64_t words, uint64_t links)
{
	const struct ledger *account = l->ledger;
	uint64_t contention = cost_wire(account, words * t->into);
	uint64_t energy = cost_wire(account,
	                            (words * t->hops + links - 1) / links);

	return larger(contention, energy + cost_hops(account, t->reach)) +
	       cost_stages(account, t->depth + 1) + cost_wire(account, words) +
	       cost_hops(account, t->spread);
}

static void charge_links(struct line *l, const struct line_segment *s)
{
	int groups = segment_groups(l, s);
	uint64_t words = s->wire.all;

	for (int i = 0; i < groups; i++)
		ledger_link(l->ledger, l->axis, group_start(l, s, i),
		            group_start(l, s, i + 1) - 1, words);
	ledger_link(l->ledger, l->axis, group_root(l, s, 0),
	            group_root(l, s, groups - 1), words);
	ledger_link(l->ledger, l->axis, s->first, s->last, words);
}

static struct charge tree_charge(struct line *l, const struct line_segment *s)
{
	uint64_t links = line_hops(l, s->first, s->last);
	struct charge c = { 0 };

	if (!links || !s->wire.all)
		return c;
	struct tree t = tree_of(l, s);

	c.words = s->wire.all * (t.sent + 1);
	c.word_hops = s->wire.all * (t.hops + links);
	c.path_hops = t.reach + t.spread;
	c.stages = t.depth + 1;
	c.comm_cycles = tree_cycles(l, &t, s->wire.most, links);
	charge_links(l, s);
	return c;
}

static void charge_allreduce(struct line *l, int n,
                             const struct line_segment *segments)
{
	struct charge sum = { .calls = 1 };
	uint64_t words = 0;

	for (int i = 0; i < n; i++) {
		struct charge c = tree_charge(l, &segments[i]);

		words = larger(words, segments[i].wire.most);

		sum.words += c.words;
		sum.word_hops += c.word_hops;
		/* The segments' trees work at the same time. */
		sum.path_hops = larger(sum.path_hops, c.path_hops);
		sum.stages = larger(sum.stages, c.stages);
		sum.comm_cycles = larger(sum.comm_cycles, c.comm_cycles);
	}
	/* A core's own vector, and what comes in to be added. */
	ledger_hold(l->ledger, SRAM_BUFFERS, 8 * words);
	ledger_release(l->ledger, SRAM_BUFFERS, 8 * words);
	ledger_charge(l->ledger, &sum);
	ledger_route(l->ledger, ROUTE_ON(CHAIN, l->axis));
	ledger_route(l->ledger, ROUTE_ON(ROOTS, l->axis));
	ledger_route(l->ledger, ROUTE_ON(CAST, l->axis));
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
		int groups = segment_groups(l, s), *first_root = &root[roots];

		if (!line_touches(l, s->first, s->last))
			continue;
		for (int g = 0; g < groups; g++)
			root[roots++] = group_root(l, s, g);
		for (int g = 0; g < (level ? 1 : groups); g++) {
			int first = group_start(l, s, g);
			int last = group_start(l, s, g + 1) - 1;
			const int *cores = level ? first_root : &core[first];
			int size = level ? groups : last - first + 1;

			if (!line_touches(l, cores[0], cores[size - 1]))
				continue;
			top[chains] = level ? tree_top(l, s)
			                    : group_root(l, s, g);
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
		top[casts] = tree_top(l, s);
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
