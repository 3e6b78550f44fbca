#include "config.h"
#include "host/mapping.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/partition.h"

/* A rank and its sort keys. Positions are assigned by node in order of first
 * appearance, then socket, then core; rank 0, its socket and its node come
 * first. */
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

/* Renumbers each node by its first rank, and rank 0's socket to -2, ahead of
 * all others; then sorts. The caller frees. */
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

/* The rank grid while positions are assigned. Arrays are [rows * cols]. */
struct ground {
	int rows, cols;
	int *region;          /* region of a position: 0 at first, then the
	                         node that it was assigned to */
	int *group;           /* node or socket that it is assigned to now */
	int *order;           /* a region's positions, along its ribbons */
};

/* A region swept in `count` ribbons of about equal width, which run along
 * columns, or along rows if across. */
struct ribbons {
	int region;
	struct range y, x;    /* its bounding box */
	int count;
	bool across;
};

/* Lists the region's positions along its ribbons, from its north-west corner.
 * Every second ribbon, and every second line across a ribbon, runs backwards,
 * so that consecutive positions are neighbours. Returns their number. */
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

/* Number of edges between different groups of the region. */
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

/* Assigns the region's n positions to entries 0 to n - 1, along the ribbons
 * that cut the fewest edges between groups, the entries of equal key. Sets
 * g->order to the positions of the entries, and g->group to the keys. */
static void deal(struct ground *g, struct ribbons b, const int *key, int n)
{
	struct ribbons best = b;
	long min = LONG_MAX;
	bool one_group = true;

	for (int i = 1; i < n; i++)
		one_group = one_group && key[i] == key[0];
	for (int across = 0; across <= 1; across++) {
		int length = range_size(across ? b.x : b.y);
		int max = range_size(across ? b.y : b.x);

		/* The number of ribbons makes no difference. */
		if (one_group || length == 1)
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

/* Assigns positions to nodes, then each node's positions to its sockets. */
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
	struct edge_cut chosen = mapping_cut(rows, cols, seat, rank_at);
	struct edge_cut in_order = mapping_cut(rows, cols, seat, NULL);

	if (in_order.node < chosen.node ||
	    (in_order.node == chosen.node && in_order.socket <= chosen.socket))
		for (int i = 0; i < n; i++)
			rank_at[i] = i;
	free(g.region);
	free(g.group);
	free(g.order);
	free(e);
}

/* --- Counting --- */

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
