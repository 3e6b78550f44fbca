/* The binomial tree of message passing libraries, laid on a line.
 *
 *   0->1   2->3   4<-5   6<-7      level 0: neighbours
 *      1 ---->3   4<---- 6         level 1: two cores on
 *             3-->4                level 2: ... and a multicast from there
 *
 * The core nearer to the middle of the line has the pair's sum, the lower one
 * of two as near. Stages are few, log2(n); but each level's messages pass over
 * the routers of the cores in between on paths of that level alone, so that
 * their number grows too.
 *
 * Source: Thakur, Rabenseifner and Gropp (IJHPCA 2005), section 2. */
#include "config.h"
#include "allreduce_charge.h"

#include <stdlib.h>

/* Levels that halve any line. */
enum { LEVELS = 24 };

static void chains(const struct allreduce *a, const struct line *l, int first,
                   int last, int i, struct allreduce_level *v)
{
	int m = i == 0 ? last - first + 1 : v->n;

	(void)a;
	(void)l;
	for (int j = 0; j < m; j++)
		v->core[j] = i == 0 ? first + j : v->core[v->root[j]];
	v->n = (m + 1) / 2;
	for (int g = 0; g < v->n; g++) {
		int pair = 2 * g, upper = pair + 1 < m ? pair + 1 : pair;
		int low = abs(2 * v->core[pair] - first - last);
		int high = abs(2 * v->core[upper] - first - last);

		v->start[g] = pair;
		v->root[g] = high < low ? upper : pair;
	}
	v->start[v->n] = m;
}

/* A path each way for each level, through all cores. */
static void routes(const struct allreduce *a, struct line *l)
{
	int levels = 0;

	(void)a;
	while (1 << levels < l->n)
		levels++;
	ledger_route_each(l->ledger, l->axis, 2 * levels);
	ledger_route(l->ledger, ROUTE_ON(CAST, l->axis));
}

const struct allreduce allreduce_binary = {
	"binary", NULL, "pairs, pairs of pairs, ..., and a multicast", LEVELS,
	chains, routes, allreduce_charge_cast
};
