/* What an all-reduce costs, whatever its chains.
 *
 * Source: Luczynski et al. (HPDC'24) for reductions and multicasts on a line:
 * max(contention, energy / links + distance) + stages. */
#include "config.h"
#include "allreduce_charge.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mpi_kernels/allreduce/allreduce.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What each core of a chain takes in: one message, none at the ends; a root
 * one from either side. */
static void count_into(const int *core, int n, int root, int first,
                       int *received)
{
	for (int j = 1; j < n - 1; j++)
		received[core[j] - first]++;
	if (n > 1)
		received[core[root] - first]++;
}

static void add_level(const struct line *l, const struct allreduce_level *v,
                      int *received, struct allreduce_way *w)
{
	struct allreduce_up *up = &w->up;
	uint64_t depth = 0, reach = 0;

	for (int i = 0; i < v->n; i++) {
		const int *core = v->core + v->start[i];
		int n = v->start[i + 1] - v->start[i];
		int root = v->root[i] - v->start[i];
		uint64_t low = line_hops(l, core[0], core[root]);
		uint64_t high = line_hops(l, core[root], core[n - 1]);

		up->sent += n - 1;
		up->hops += low + high;
		depth = larger(depth, larger(root, n - 1 - root));
		reach = larger(reach, larger(low, high));
		count_into(core, n, root, w->first, received);
		up->top = core[root];
		if (n > 1)
			w->chain[w->n++] = (struct range){ core[0],
			                                   core[n - 1] };
	}
	up->depth += depth;
	up->reach += reach;
}

/* A chain of two cores or more leaves fewer of them to the next level, so that
 * there are at most as many, and one more on each level of a ring. */
static struct allreduce_way *find_way(const struct allreduce *a,
                                      const struct line *l, int first,
                                      int last)
{
	/* On the heap: a line of all cores is too long for the stack. */
	size_t m = last - first + 1;
	int *level = wl_calloc(allreduce_level_ints(m), sizeof *level);
	int *received = wl_calloc(m, sizeof *received);
	struct allreduce_level v = allreduce_level_in(level, m);
	struct allreduce_way *w = wl_calloc(1, sizeof *w +
	                                    (m + a->levels) * sizeof *w->chain);

	*w = (struct allreduce_way){ .a = a, .first = first, .last = last };
	memcpy(w->groups, l->groups, sizeof w->groups);
	for (int i = 0; i < a->levels; i++) {
		a->chains(a, l, first, last, i, &v);
		add_level(l, &v, received, w);
	}
	WL_ASSERT(w->n <= (int)m + a->levels);
	for (size_t p = 0; p < m; p++)
		w->up.into = larger(w->up.into, received[p]);
	free(received);
	free(level);
	return w;
}

static const struct allreduce_way *way_of(const struct allreduce *a,
                                          struct line *l, int first, int last)
{
	struct allreduce_way *w;

	if (!l->records)
		l->records = wl_calloc(l->n, sizeof *l->records);
	for (struct line_record *r = l->records[first]; r; r = r->next) {
		w = (struct allreduce_way *)r;
		if (w->last == last && w->a == a &&
		    !memcmp(w->groups, l->groups, sizeof w->groups))
			return w;
	}
	w = find_way(a, l, first, last);
	w->record.next = l->records[first];
	l->records[first] = &w->record;
	return w;
}

struct allreduce_up allreduce_go_up(const struct allreduce *a, struct line *l,
                                    const struct line_segment *s)
{
	const struct allreduce_way *w = way_of(a, l, s->first, s->last);

	for (int i = 0; i < w->n; i++)
		ledger_link(l->ledger, l->axis, w->chain[i].lo, w->chain[i].hi,
		            s->wire.all);
	return w->up;
}

struct allreduce_down allreduce_cast(struct line *l,
                                     const struct line_segment *s, int top)
{
	ledger_link(l->ledger, l->axis, s->first, s->last, s->wire.all);
	return (struct allreduce_down){
		.depth = 1, .sent = 1,
		.reach = larger(line_hops(l, s->first, top),
		                line_hops(l, top, s->last)),
		.hops = line_hops(l, s->first, s->last) };
}

/* Up: the busiest core takes in all that reaches it (contention), or the words
 * keep the links busy (energy over links) and then have their way to go; each
 * core that adds and sends on is a stage. Then down. */
static uint64_t cycles(const struct ledger *account, uint64_t words,
                       const struct allreduce_up *up,
                       const struct allreduce_down *down, uint64_t links)
{
	uint64_t contention = cost_wire(account, words * up->into);
	uint64_t energy = cost_wire(account,
	                            (words * up->hops + links - 1) / links);

	return larger(contention, energy + cost_hops(account, up->reach)) +
	       cost_stages(account, up->depth + down->depth) +
	       cost_wire(account, words) + cost_hops(account, down->reach);
}

struct charge allreduce_both(const struct line *l,
                             const struct line_segment *s,
                             const struct allreduce_up *up,
                             const struct allreduce_down *down,
                             uint64_t links)
{
	return (struct charge){
		.words = s->wire.all * (up->sent + down->sent),
		.word_hops = s->wire.all * (up->hops + down->hops),
		.path_hops = up->reach + down->reach,
		.stages = up->depth + down->depth,
		.comm_cycles = cycles(l->ledger, s->wire.max, up, down,
		                      links) };
}

struct charge allreduce_charge_cast(const struct allreduce *a, struct line *l,
                                    const struct line_segment *s)
{
	struct allreduce_up up = allreduce_go_up(a, l, s);
	struct allreduce_down down = allreduce_cast(l, s, up.top);

	return allreduce_both(l, s, &up, &down,
	                      line_hops(l, s->first, s->last));
}

void allreduce_one_chain(int first, int last, int root,
                         struct allreduce_level *v)
{
	v->n = 1;
	for (int p = first; p <= last; p++)
		v->core[p - first] = p;
	v->start[0] = 0;
	v->start[1] = last - first + 1;
	v->root[0] = root;
}
