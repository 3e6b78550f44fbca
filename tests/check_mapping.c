/* The mapping of ranks to nodes and sockets of made-up machines, against the
 * fewest edges that any order cuts where all orders can be tried; and the
 * README's figures. */
#include "config.h"
#include "host/host.h"
#include "host/mapping.h"
#include "host/mesh.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { MOST_NODES = 4, MOST_PLACES = 15 };

/* All ways to deal places out to nodes of so many ranks each. */
struct search {
	int rows, cols, nodes;
	int left[MOST_NODES];
	int node[MOST_PLACES];
	long fewest;
};

static void search_on(struct search *s, int place, long cut)
{
	if (cut >= s->fewest)
		return;
	if (place == s->rows * s->cols) {
		s->fewest = cut;
		return;
	}
	for (int i = 0; i < s->nodes; i++) {
		if (!s->left[i])
			continue;
		s->left[i]--;
		s->node[place] = i;
		search_on(s, place + 1, cut +
		          (place % s->cols && s->node[place - 1] != i) +
		          (place >= s->cols && s->node[place - s->cols] != i));
		s->left[i]++;
	}
}

static long fewest(int rows, int cols, const int *size, int nodes)
{
	struct search s = { .rows = rows, .cols = cols, .nodes = nodes,
	                    .fewest = LONG_MAX };

	memcpy(s.left, size, nodes * sizeof *size);
	search_on(&s, 0, 0);
	return s.fewest;
}

/* What is cut after the choice, which is checked for itself: every rank has
 * a place, the first one the first, and the order of ranks is no better. */
static struct edge_cut choose(int rows, int cols, const struct seat *seat)
{
	int n = rows * cols, *rank_at = malloc(n * sizeof *rank_at);
	char *seen = calloc(n, 1);

	mapping_choose(rows, cols, seat, rank_at);
	ck_assert_int_eq(rank_at[0], 0);
	for (int i = 0; i < n; i++) {
		ck_assert(rank_at[i] >= 0 && rank_at[i] < n);
		ck_assert(!seen[rank_at[i]]++);
	}
	struct edge_cut c = mapping_cut(rows, cols, seat, rank_at);
	struct edge_cut plain = mapping_cut(rows, cols, seat, NULL);

	ck_assert(c.node < plain.node ||
	          (c.node == plain.node && c.socket <= plain.socket));
	ck_assert_int_eq(c.edges, (long)rows * (cols - 1) +
	                          (long)cols * (rows - 1));
	ck_assert_int_eq(plain.edges, c.edges);
	free(rank_at);
	free(seen);
	return c;
}

/* The node of each rank: node by node, or round-robin. */
static void seat_nodes(struct seat *seat, const int *size, int nodes,
                       bool turns)
{
	int left[MOST_NODES], n = 0, all = 0;

	memcpy(left, size, nodes * sizeof *size);
	for (int i = 0; i < nodes; i++)
		all += size[i];
	for (int i = 0; n < all; i = (i + 1) % nodes)
		while (left[i] > 0) {
			left[i]--;
			seat[n++] = (struct seat){ i, -1, -1 };
			if (turns)
				break;
		}
}

static void check_sizes(int rows, int cols, const int *size, int nodes,
                        long spare)
{
	struct seat seat[MOST_PLACES];

	for (int turns = 0; turns <= 1; turns++) {
		seat_nodes(seat, size, nodes, turns);
		ck_assert_int_le(choose(rows, cols, seat).node,
		                 fewest(rows, cols, size, nodes) + spare);
	}
}

/* Equal nodes, as jobs have them: as few as can be. Others: one more at most
 * in all those that are tried. */
START_TEST(nodes_cut_few_edges)
{
	srand(1);
	for (int rows = 1; rows <= 3; rows++)
		for (int cols = rows; rows * cols <= MOST_PLACES; cols++)
			for (int nodes = 1; nodes <= MOST_NODES; nodes++) {
				int n = rows * cols, even[MOST_NODES];
				int odd[MOST_NODES] = { 0 };

				if (n < nodes)
					continue;
				for (int i = 0; i < nodes; i++)
					even[i] = n / nodes;
				if (n % nodes == 0)
					check_sizes(rows, cols, even, nodes, 0);
				for (int i = 0; i < n; i++)
					odd[i < nodes ? i : rand() % nodes]++;
				check_sizes(rows, cols, odd, nodes, 1);
			}
}
END_TEST

/* Nodes of two sockets with the ranks of a node in order. */
static struct seat *seat_all(int nodes, int ranks)
{
	struct seat *seat = malloc(sizeof *seat * nodes * ranks);

	for (int i = 0; i < nodes * ranks; i++)
		seat[i] = (struct seat){ i / ranks, i % ranks * 2 / ranks,
		                         i % ranks };
	return seat;
}

START_TEST(clusters)
{
	static const struct {
		int nodes, ranks, rows, cols;
		struct edge_cut ours, plain;
	} c[] = {
		{ 1, 64, 8, 8, { 112, 0, 8 }, { 112, 0, 8 } },
		{ 4, 16, 8, 8, { 112, 16, 16 }, { 112, 24, 32 } },
		{ 16, 48, 24, 32, { 1480, 168, 96 }, { 1480, 488, 272 } },
		{ 64, 128, 64, 128, { 16192, 1316, 740 }, { 16192, 8064, 64 } },
	};

	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		struct seat *seat = seat_all(c[i].nodes, c[i].ranks);
		int rows, cols;

		mesh_choose(c[i].nodes * c[i].ranks, 4096, 4096, &rows, &cols);
		ck_assert_int_eq(rows, c[i].rows);
		ck_assert_int_eq(cols, c[i].cols);
		struct edge_cut ours = choose(rows, cols, seat);
		struct edge_cut plain = mapping_cut(rows, cols, seat, NULL);

		ck_assert_mem_eq(&ours, &c[i].ours, sizeof ours);
		ck_assert_mem_eq(&plain, &c[i].plain, sizeof plain);
		free(seat);
	}
}
END_TEST

/* Any seats at all, also those of ranks that are bound to nothing. */
START_TEST(odd_seats)
{
	srand(2);
	for (int i = 0; i < 300; i++) {
		int rows = 1 + rand() % 13, cols = 1 + rand() % 17;
		int nodes = 1 + rand() % 5;
		struct seat seat[13 * 17];

		for (int j = 0; j < rows * cols; j++)
			seat[j] = (struct seat){ rand() % nodes * 7 - 3,
			                         rand() % 4 - 1,
			                         rand() % 9 - 1 };
		choose(rows, cols, seat);
	}
}
END_TEST

/* Consecutive cores of a socket get neighbouring places. */
START_TEST(cores_in_a_row)
{
	struct seat seat[16];
	int rank_at[16];

	for (int i = 0; i < 16; i++)
		seat[i] = (struct seat){ 0, i % 2, i / 2 };
	mapping_choose(4, 4, seat, rank_at);
	for (int i = 0; i < 16; i++) {
		int next = i + 2, a = 0, b = 0;

		for (int p = 0; p < 16; p++) {
			a = rank_at[p] == i ? p : a;
			b = next < 16 && rank_at[p] == next ? p : b;
		}
		if (next < 16)
			ck_assert_int_eq(abs(a / 4 - b / 4) +
			                 abs(a % 4 - b % 4), 1);
	}
}
END_TEST

/* A mask with processors lo to hi. */
static void allow(struct host_mask *m, int lo, int hi)
{
	memset(m, 0, sizeof *m);
	for (int i = lo; i <= hi; i++)
		m->bits[i / 64] |= (uint64_t)1 << i % 64;
}

/* Sockets of masks on hwloc's synthetic machines. */
START_TEST(synthetic_hosts)
{
	struct host_mask m[5];
	struct host_seat s[5];

	setenv("HWLOC_SYNTHETIC", "package:2 l3:2 core:4 pu:2", 1);
	allow(&m[0], 0, 31);
	allow(&m[1], 16, 31);
	allow(&m[2], 6, 7);
	allow(&m[3], 21, 21);
	allow(&m[4], 14, 17);
	ck_assert_int_eq(host_seats(m, 5, s), 32);
	ck_assert(s[0].socket == -1 && s[0].core == -1);
	ck_assert(s[1].socket == 1 && s[1].core == -1);
	ck_assert(s[2].socket == 0 && s[2].core == 3);
	ck_assert(s[3].socket == 1 && s[3].core == 10);
	ck_assert(s[4].socket == -1 && s[4].core == -1);
	/* One socket: all are on it, but nobody is bound to it. */
	setenv("HWLOC_SYNTHETIC", "package:1 core:64 pu:1", 1);
	allow(&m[0], 0, 63);
	allow(&m[1], 63, 63);
	ck_assert_int_eq(host_seats(m, 2, s), 64);
	ck_assert(s[0].socket == -1 && s[0].core == -1);
	ck_assert(s[1].socket == 0 && s[1].core == 63);
	unsetenv("HWLOC_SYNTHETIC");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mapping");
	TCase *tc = tcase_create("mapping");

	tcase_add_test(tc, nodes_cut_few_edges);
	tcase_add_test(tc, clusters);
	tcase_add_test(tc, odd_seats);
	tcase_add_test(tc, cores_in_a_row);
	tcase_add_test(tc, synthetic_hosts);
	tcase_set_timeout(tc, 0);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
