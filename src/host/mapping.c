#include "config.h"
#include "host/mapping.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/partition.h"

/* A rank in the order in which places are given away: nodes as they first
 * appear, then sockets, then cores, but what has rank 0 first. */
struct entry {
	int node, socket, core;
	int rank;
};

static int compare(const void *a, const void *b)
{
	const struct entry *p = a, *q = b;
	const int key[][2] = { { p->node, q->node }, { p->socket, q->socket },
	                       { p->rank != 0, q->rank != 0 },
	                       { p->core, q->core }, { p->rank, q->rank } };

	for (size_t i = 0; i < sizeof key / sizeof *key; i++)
		if (key[i][0] != key[i][1])
			return key[i][0] < key[i][1] ? -1 : 1;
	return 0;
}

static int by_node(const void *a, const void *b)
{
	const struct entry *p = a, *q = b;

	if (p->node != q->node)
		return p->node < q->node ? -1 : 1;
	return p->rank < q->rank ? -1 : 1;
}

/* Renames each node to its first rank, and rank 0's socket to -2, before all
 * others; then sorts. */
static struct entry *sort_ranks(const struct seat *seat, int n)
{
	struct entry *e = wl_malloc(n, sizeof *e);

	for (int i = 0; i < n; i++)
		e[i] = (struct entry){ seat[i].node, seat[i].socket,
		                       seat[i].core, i };
	qsort(e, n, sizeof *e, by_node);
	for (int i = 0, first = 0, node = INT_MIN; i < n; i++) {
		if (i == 0 || e[i].node != node) {
			node = e[i].node;
			first = e[i].rank;
		}
		e[i].node = first;
		if (first == 0 && e[i].socket == seat[0].socket)
			e[i].socket = -2;
	}
	qsort(e, n, sizeof *e, compare);
	return e;
}

/* --- Ribbons --- */

/* The grid, while places are dealt out. */
struct ground {
	int rows, cols;
	int *region;          /* [rows * cols] a number that is the place's
	                         region's, in the step before */
	int *group;           /* [rows * cols] what is dealt out in this one */
	int *order;           /* [rows * cols] places along the ribbons */
};

/* A region, and how ribbons lie in it: so many, of about equal widths, along
 * columns, or along rows. */
struct ribbons {
	int region;
	struct range y, x;    /* that hold all of it */
	int count;
	bool across;
};

/* The places of the region along its ribbons, from its north-west corner: every
 * other ribbon is followed back, and every other line of a ribbon, so that one
 * place comes after its neighbour. Returns how many. */
static int wind(const struct ground *g, const struct ribbons *b, int *order)
{
	struct range along = b->across ? b->x : b->y;
	struct range over = b->across ? b->y : b->x;
	struct partition ribbon = partition_of(range_size(over), b->count);
	int n = 0;

	for (int i = 0; i < b->count; i++) {
		int lo = over.lo + partition_start(&ribbon, i);
		int width = partition_size(&ribbon, i);

		for (int j = 0; j < range_size(along); j++) {
			int line = i % 2 ? along.hi - 1 - j : along.lo + j;

			for (int k = 0; k < width; k++) {
				int at = j % 2 ? lo + width - 1 - k : lo + k;
				int place = b->across ? at * g->cols + line
				                      : line * g->cols + at;

				if (g->region[place] == b->region)
					order[n++] = place;
			}
		}
	}
	return n;
}

/* Edges between two groups of the region. */
static long count_cut(const struct ground *g, const struct ribbons *b)
{
	long cut = 0;

	for (int y = b->y.lo; y < b->y.hi; y++)
		for (int x = b->x.lo; x < b->x.hi; x++) {
			int p = y * g->cols + x, east = p + 1,
			    south = p + g->cols;

			if (g->region[p] != b->region)
				continue;
			if (x + 1 < b->x.hi &&
			    g->region[east] == b->region)
				cut += g->group[p] != g->group[east];
			if (y + 1 < b->y.hi &&
			    g->region[south] == b->region)
				cut += g->group[p] != g->group[south];
		}
	return cut;
}

/* Deals the region's n places out to entries, of which those with the same key
 * make a group, by the ribbons that cut the fewest edges. g->order has its
 * places afterwards, and g->group of each the entry's key. */
static void deal(struct ground *g, struct ribbons b, const int *key, int n)
{
	struct ribbons best = b;
	long min = LONG_MAX;
	bool one = true;

	for (int i = 1; i < n; i++)
		one = one && key[i] == key[0];
	for (int across = 0; across <= 1; across++) {
		int length = range_size(across ? b.x : b.y);
		int max = range_size(across ? b.y : b.x);

		/* All ways to go along one line are the same. */
		if (one || length == 1)
			max = 1;
		b.across = across;
		for (b.count = 1; b.count <= max; b.count++) {
			wind(g, &b, g->order);
			for (int i = 0; i < n; i++)
				g->group[g->order[i]] = key[i];
			long cut = count_cut(g, &b);

			if (cut < min) {
				min = cut;
				best = b;
			}
		}
	}
	wind(g, &best, g->order);
	for (int i = 0; i < n; i++)
		g->group[g->order[i]] = key[i];
}

static struct range stretch(struct range r, int i)
{
	return (struct range){ i < r.lo ? i : r.lo, i >= r.hi ? i + 1 : r.hi };
}

/* Places of each node, then within them of each socket. */
static void deal_all(struct ground *g, const struct entry *e, int *rank_at)
{
	int n = g->rows * g->cols;
	int *key = wl_malloc(n, sizeof *key),
	    *home = wl_malloc(n, sizeof *home);

	for (int i = 0; i < n; i++)
		key[i] = e[i].node;
	deal(g, (struct ribbons){ .y = { 0, g->rows }, .x = { 0, g->cols } },
	     key, n);
	memcpy(g->region, g->group, n * sizeof *g->region);
	memcpy(home, g->order, n * sizeof *home);
	for (int i = 0, end; i < n; i = end) {
		struct ribbons b = { .region = e[i].node,
		                     .y = { INT_MAX, 0 }, .x = { INT_MAX, 0 } };

		for (end = i; end < n && e[end].node == e[i].node; end++) {
			b.y = stretch(b.y, home[end] / g->cols);
			b.x = stretch(b.x, home[end] % g->cols);
			key[end] = e[end].socket;
		}
		deal(g, b, key + i, end - i);
		for (int j = i; j < end; j++)
			rank_at[g->order[j - i]] = e[j].rank;
	}
	free(key);
	free(home);
}

void mapping_choose(int rows, int cols, const struct seat *seat, int *rank_at)
{
	int n = rows * cols;
	struct ground g = { rows, cols, wl_calloc(n, sizeof(int)),
	                    wl_calloc(n, sizeof(int)),
	                    wl_malloc(n, sizeof(int)) };
	struct entry *e = sort_ranks(seat, n);

	deal_all(&g, e, rank_at);
	struct edge_cut ours = mapping_cut(rows, cols, seat, rank_at);
	struct edge_cut plain = mapping_cut(rows, cols, seat, NULL);

	if (plain.node < ours.node ||
	    (plain.node == ours.node && plain.socket <= ours.socket))
		for (int i = 0; i < n; i++)
			rank_at[i] = i;
	free(g.region);
	free(g.group);
	free(g.order);
	free(e);
}

/* --- What is cut --- */

static void add_edge(struct edge_cut *c, const struct seat *a,
                     const struct seat *b)
{
	c->edges++;
	c->node += a->node != b->node;
	c->socket += a->node == b->node && a->socket != b->socket;
}

struct edge_cut mapping_cut(int rows, int cols, const struct seat *seat,
                            const int *rank_at)
{
	struct edge_cut c = { 0 };

	for (int p = 0; p < rows * cols; p++) {
		const struct seat *s = &seat[rank_at ? rank_at[p] : p];

		if (p % cols + 1 < cols)
			add_edge(&c, s, &seat[rank_at ? rank_at[p + 1]
			                              : p + 1]);
		if (p / cols + 1 < rows)
			add_edge(&c, s, &seat[rank_at ? rank_at[p + cols]
			                              : p + cols]);
	}
	return c;
}
