#include "config.h"
#include "summary_parts.h"

#include "base/figure.h"

/* Tokens per second of the host: one decimal, or three digits if below 1. */
static struct figure host_rate(double v)
{
	struct figure t;

	snprintf(t.s, sizeof t.s, v < 0.9995 ? "%#.3g" : "%.1f", v);
	return t;
}

/* The nodes, and how many edges of the rank grid cross nodes and sockets. */
static void say_nodes(const struct seating *s, FILE *out)
{
	const struct edge_cut *c = &s->cut, *plain = &s->cut_in_order;

	summary_say(out, "nodes", "%d; ranks bound to: %s", s->nodes,
	            mesh_binding_name(s->binding));
	if (plain->node || plain->socket)
		summary_say(out, "neighbours", "%ld pairs of ranks: %ld on two "
		            "nodes (%ld if in rank order), %ld on two sockets "
		            "(%ld)", c->edges, c->node, plain->node, c->socket,
		            plain->socket);
}

void summary_host(const struct report *r, FILE *out)
{
	const struct host_times *h = &r->host;
	int decoded = r->account->new_tokens - 1;
	char decode[80] = "";

	summary_heading(out, "This computer (the host)");
	if (h->dry)
		summary_say(out, "time", "%.2f s", h->seconds);
	else
		summary_say(out, "time", "%.2f s: load %.2f s, prefill %.2f s, "
		            "transition %.2f s, decode %.2f s", h->seconds,
		            h->load, h->prefill, h->transition, h->decode);
	if (decoded > 0 && h->decode > 0)
		snprintf(decode, sizeof decode, ", decode %s tokens/s",
		         host_rate(decoded / h->decode).s);
	if (!h->dry && h->prefill > 0)
		summary_say(out, "speed", "prefill %s tokens/s%s",
		            host_rate(r->account->prompt_tokens /
		                      h->prefill).s, decode);
	summary_say(out, "MPI ranks", "%dx%d of %d; memory of the largest: "
	            "%.0f MiB", h->rank_rows, h->rank_cols, h->ranks,
	            h->peak_memory / (1 << 20));
	if (h->ranks > 1)
		say_nodes(&h->seating, out);
}
