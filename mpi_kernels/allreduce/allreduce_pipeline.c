/* All-reduce by a pipeline: one chain from end to end, and back.
 *
 *   [*]<- o <- o <- o <- o <- o     every core adds and sends on
 *    * -> o -> o -> o -> o -> o     multicast
 *
 * 2 n hops and n stages for n cores: few messages, but a stage a core.
 *
 * Source: WaferLLM (OSDI'25), section 6.1, which names Cerebras' kernels and
 * TPU pods as its users. */
#include "config.h"
#include "allreduce_charge.h"

static void chains(const struct allreduce *a, const struct line *l, int first,
                   int last, int i, struct allreduce_level *v)
{
	(void)a;
	(void)l;
	(void)i;
	allreduce_one_chain(first, last, 0, v);
}

static void routes(const struct allreduce *a, struct line *l)
{
	(void)a;
	ledger_route(l->ledger, ROUTE_ON(CHAIN, l->axis));
	ledger_route(l->ledger, ROUTE_ON(CAST, l->axis));
}

const struct allreduce allreduce_pipeline = {
	"pipeline", NULL,
	"from the last core to the first, and a multicast back", 1,
	chains, routes, allreduce_charge_cast
};
