/* Messages between neighbours: of all sizes, many in flight, in both directions
 * at once, through every function of noc.h, by ranks that spin or yield while
 * they wait, with and without shared memory. Every word is compared. */
/* ranks: 1 2 4 6 */
/* full-ranks: 64 */
/* timeout: 240 */
#include "config.h"
#include "host/noc.h"

#include <stdlib.h>

#include "base/error.h"
#include "lab.h"

/* Messages to each side in a round, and rounds whose sends may be in flight at
 * the same time: fewer than NOC_SLOTS in all. */
enum { MOST = 3, ROUNDS = 2, SIDES = 4 };

static const enum dir opposite[] = { DIR_EAST, DIR_WEST, DIR_SOUTH,
                                     DIR_NORTH };

/* This rank's own choices, unknown to the others. */
static struct dice own;

static bool has(const struct lab *lab, enum dir d)
{
	const struct mesh *m = &lab->mesh;

	return (bool[]){ m->col > 0, m->col + 1 < m->cols, m->row > 0,
	                 m->row + 1 < m->rows }[d];
}

/* Of what the rank on that side (or this one, side -1) sends to `to`. */
static uint64_t key_of(const struct lab *lab, int side, enum dir to, int i)
{
	const int rows[] = { 0, 0, -1, 1 }, cols[] = { -1, 1, 0, 0 };
	int row = lab->mesh.row + (side < 0 ? 0 : rows[side]);
	int col = lab->mesh.col + (side < 0 ? 0 : cols[side]);

	return made_key(lab->key, (uint64_t)row << 32 | col, 4 * i + to);
}

/* The words of a message, which both ends know: none, few, about the capacity
 * of a channel's ring, or more than that. */
static size_t words_of(const struct lab *lab, uint64_t key)
{
	size_t many = lab->mesh.rows * lab->mesh.cols > 16 ? 1 << 15 : 1 << 18;
	uint64_t kind = key % 16, n = key >> 8;

	if (kind < 2)
		return kind;
	if (kind < 10)
		return n % 1000;
	if (kind < 14)
		return n % 30000;
	if (kind == 14)
		return (size_t)1 << 17 >> n % 5;
	return n % (3 * many);
}

/* A message that this rank sends or receives. */
struct message {
	uint64_t key;
	size_t words;
	uint32_t *buf;
	int ticket;
	bool posted;
};

/* Word i of a message. All words differ, and so do their differences between
 * messages. */
static uint32_t word(uint64_t key, size_t i)
{
	return (uint32_t)key + (uint32_t)i * ((uint32_t)(key >> 32) | 1);
}

static void fill(uint32_t *buf, const struct message *m)
{
	for (size_t i = 0; i < m->words; i++)
		buf[i] = word(m->key, i);
}

static void compare(struct lab *lab, const uint32_t *buf,
                    const struct message *m)
{
	bool same = true;

	for (size_t i = 0; i < m->words; i++)
		same &= buf[i] == word(m->key, i);
	CHECK(lab, same);
}

static void send(struct lab *lab, enum dir to, struct message *m)
{
	if (m->words && dice_throw(&own, 0, 1)) {
		uint32_t *space = noc_space(lab->noc, to, m->words);

		fill(space, m);
		m->ticket = noc_send(lab->noc, to, space, m->words);
		return;
	}
	m->buf = wl_malloc(m->words, sizeof *m->buf);
	fill(m->buf, m);
	m->ticket = noc_send(lab->noc, to, m->buf, m->words);
}

/* Starts to receive a message, to be waited for later. */
static void post(struct lab *lab, enum dir from, struct message *m)
{
	m->buf = wl_calloc(m->words, sizeof *m->buf);
	m->ticket = noc_recv(lab->noc, from, m->buf, m->words);
	m->posted = true;
}

static void take(struct lab *lab, enum dir from, struct message *m)
{
	if (dice_throw(&own, 0, 1)) {
		compare(lab, noc_take(lab->noc, from, m->words), m);
		noc_release(lab->noc, from);
		return;
	}
	m->buf = wl_calloc(m->words, sizeof *m->buf);
	noc_recv_now(lab->noc, from, m->buf, m->words);
	compare(lab, m->buf, m);
}

/* Waits for the messages in flight. */
static void finish(struct lab *lab, struct message *m, bool received)
{
	noc_wait(lab->noc, m->ticket);
	if (received)
		compare(lab, m->buf, m);
	free(m->buf);
	*m = (struct message){ .ticket = NOC_NOTHING };
}

static void set_message(const struct lab *lab, struct message *m, int side,
                        enum dir to, int i)
{
	uint64_t key = key_of(lab, side, to, i);

	*m = (struct message){ .key = key, .words = words_of(lab, key),
	                       .ticket = NOC_NOTHING };
}

/* All sends of a round, one side after the other or alternating, with the first
 * receive of some sides between them; then the other receives. A rank waits for
 * a neighbour's messages of this round only after it has sent its own. */
static void round_run(struct lab *lab, struct message out[SIDES][MOST])
{
	struct message in[SIDES][MOST];
	int first = dice_throw(&own, 0, SIDES - 1);
	bool turns = dice_throw(&own, 0, 1), early[SIDES];

	lab_next(lab);
	for (int d = 0; d < SIDES; d++) {
		early[d] = dice_throw(&own, 0, 1);
		for (int i = 0; i < MOST; i++) {
			finish(lab, &out[d][i], false);
			set_message(lab, &out[d][i], -1, d, i);
			set_message(lab, &in[d][i], d, opposite[d], i);
		}
	}
	for (int k = 0; k < SIDES * MOST; k++) {
		enum dir d = (first + (turns ? k : k / MOST)) % SIDES;
		int i = turns ? k / SIDES : k % MOST;

		if (has(lab, d) && i == 0 && early[d])
			post(lab, d, &in[d][i]);
		if (has(lab, d))
			send(lab, d, &out[d][i]);
	}
	for (int i = 0; i < MOST; i++)
		for (int k = 0; k < SIDES; k++) {
			enum dir d = (first + k) % SIDES;

			if (!has(lab, d))
				continue;
			if (in[d][i].posted)
				finish(lab, &in[d][i], true);
			else
				take(lab, d, &in[d][i]);
			free(in[d][i].buf);
		}
}

static void try_noc(struct lab *lab, bool crowded, bool share, int rounds)
{
	struct message out[ROUNDS][SIDES][MOST] = { 0 };

	for (int r = 0; r < ROUNDS; r++)
		for (int d = 0; d < SIDES; d++)
			for (int i = 0; i < MOST; i++)
				out[r][d][i].ticket = NOC_NOTHING;
	lab->noc = noc_new(lab->mesh.cart, crowded, share);
	for (int i = 0; i < rounds; i++)
		round_run(lab, out[i % ROUNDS]);
	for (int r = 0; r < ROUNDS; r++)
		for (int d = 0; d < SIDES; d++)
			for (int i = 0; i < MOST; i++)
				finish(lab, &out[r][d][i], false);
	noc_free(lab->noc);
}

int main(int argc, char **argv)
{
	struct lab lab = { .dice.key = 3 };
	int size, rank, rows, cols;

	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	own.key = made_key(4, rank, 0);
	for (int line = 0; line <= 1; line++) {
		mesh_choose(size, line ? 1 : size, size, &rows, &cols);
		mesh_init(&lab.mesh, MPI_COMM_WORLD, rows, cols);
		for (int how = 0; how < 4; how++) {
			bool crowded = how & 1, share = how & 2;

			/* More ranks than this would not end in time if they
			 * spun. */
			if (size > 16 && !crowded)
				continue;
			try_noc(&lab, crowded, share, size > 16 ? 30 : 100);
		}
		mesh_fini(&lab.mesh);
	}
	int failed = lab_verdict(&lab, "mpi_noc");

	MPI_Finalize();
	return failed;
}
