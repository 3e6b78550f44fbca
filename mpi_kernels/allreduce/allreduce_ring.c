/* All-reduce on the ring of ring.h, of which no edge is longer than two hops:
 *
 *   0 ---> 2 ---> 4 -,       the sum goes around from ring position 0 to the
 *                    |       last one, core 1: up the even cores, down the odd
 *      1 <--- 3 <--- 5       ones; then around once more from there, for all
 *      `-> 0 (again)         to have it
 *
 * The rings of GPU pods cut the vector in a chunk for each core. Here it has
 * fewer words than the ring has cores, as a rule, so that chunks would be
 * single words, or none; it streams around whole instead, word by word, and
 * takes as many steps. Each is a stage and at most two hops, on links that no
 * other step needs: a link's two directions serve the even and the odd cores.
 *
 * The way up in chains: the even cores to the last core of all, be it even or
 * odd, then from there the odd ones down to core 1.
 *
 * Source: WaferLLM (OSDI'25), sections 5.3 (the ring) and 6.1. */
#include "config.h"
#include "allreduce_charge.h"
#include "grid/ring.h"
#include "mpi_kernels/allreduce/allreduce.h"

/* Every second core from first on, and the last one. */
static int every_second(int first, int last, int *core)
{
	int n = 0;

	for (int p = first; p < last; p += 2)
		core[n++] = p;
	core[n++] = last;
	return n;
}

static void chains(const struct allreduce *a, const struct line *l, int first,
                   int last, int i, struct allreduce_level *v)
{
	(void)a;
	(void)l;
	v->n = 1;
	v->start[0] = 0;
	v->start[1] = every_second(first + i, last, v->core);
	v->root[0] = i == 0 ? v->start[1] - 1 : 0;
}

static void routes(const struct allreduce *a, struct line *l)
{
	(void)a;
	ledger_route(l->ledger, ROUTE_ON(RING, l->axis));
}

/* The second time around, from the last ring position to the last but one. */
static struct allreduce_down go_around(struct line *l,
                                       const struct line_segment *s)
{
	int m = s->last - s->first + 1;
	struct allreduce_down d = { .depth = m - 1, .sent = m - 1 };

	for (int k = 0; k < m - 1; k++) {
		int from = s->first + ring_core((m - 1 + k) % m, m);
		int to = s->first + ring_core(k, m);

		d.reach += line_hops(l, from, to);
		ledger_link(l->ledger, l->axis, from < to ? from : to,
		            from < to ? to : from, s->wire.all);
	}
	d.hops = d.reach;
	return d;
}

/* The words keep both directions of the links busy, each once. */
static struct charge charge(const struct allreduce *a, struct line *l,
                            const struct line_segment *s)
{
	struct allreduce_up up = allreduce_go_up(a, l, s);
	struct allreduce_down down = go_around(l, s);

	return allreduce_both(l, s, &up, &down, up.hops);
}

const struct allreduce allreduce_ring = {
	"ring", NULL, "twice around the two-hop ring of all cores", 2,
	chains, routes, charge
};
