/* The all-reduce of MeshGEMV, norms and softmax: a tree of K levels, here of
 * two.
 *
 *   o->[o]<-o | o->[o]<-o | o->[o]<-o     sum in groups of about sqrt(n)
 *       o -------> [*] <------- o         sum of the groups' roots
 *   o<- o <- o <-  [*]  -> o -> o ->o     multicast
 *
 * A level's members are the roots of the level before, or all n cores. Group
 * g of G on m members is [g m/G, (g+1) m/G), its root start + size/2; the last
 * level is one group. After level i about n^((K-i)/K) members are left, or as
 * many as the line says. The links between roots lead over the cores in
 * between, which do not touch the words.
 *
 * Source: WaferLLM (OSDI'25), section 6, whose kernels have K = 2. */
#include "config.h"
#include "allreduce_charge.h"

#include <math.h>

/* Groups of level i of the tree on n cores, of which m are left. */
static int groups_of(const struct allreduce *a, const struct line *l, int n,
                     int m, int i)
{
	double share = (double)(a->levels - 1 - i) / a->levels;
	int groups = i < a->levels - 1 ? l->groups[i] : 1;

	if (!groups)
		groups = (int)(pow(n, share) + 0.5);
	return groups < 1 ? 1 : groups < m ? groups : m;
}

static void chains(const struct allreduce *a, const struct line *l, int first,
                   int last, int i, struct allreduce_level *v)
{
	int n = last - first + 1, m = i == 0 ? n : v->n;

	for (int j = 0; j < m; j++)
		v->core[j] = i == 0 ? first + j : v->core[v->root[j]];
	v->n = groups_of(a, l, n, m, i);
	for (int g = 0; g <= v->n; g++)
		v->start[g] = (int)((long)g * m / v->n);
	for (int g = 0; g < v->n; g++)
		v->root[g] = v->start[g] +
		             (v->start[g + 1] - v->start[g]) / 2;
}

static void routes(const struct allreduce *a, struct line *l)
{
	const enum route_kind level[LINE_LEVELS_MAX] = {
		ROUTE_ON(CHAIN, l->axis), ROUTE_ON(ROOTS, l->axis),
		ROUTE_ON(ROOTS2, l->axis), ROUTE_ON(ROOTS3, l->axis)
	};

	for (int i = 0; i < a->levels; i++)
		ledger_route(l->ledger, level[i]);
	ledger_route(l->ledger, ROUTE_ON(CAST, l->axis));
}

#define KTREE(name, alias, help, levels)                        \
	{ name, alias, help, levels, chains, routes, allreduce_charge_cast }

const struct allreduce allreduce_ktree1 = KTREE(
	"ktree1", NULL, "from both ends to the middle core, and a multicast",
	1);
const struct allreduce allreduce_ktree2 = KTREE(
	"ktree", "ktree2", "a tree: groups, their roots, and a multicast", 2);
const struct allreduce allreduce_ktree3 = KTREE(
	"ktree3", NULL, "a tree of three levels, and a multicast", 3);
const struct allreduce allreduce_ktree4 = KTREE(
	"ktree4", NULL, "a tree of four levels, and a multicast", 4);
