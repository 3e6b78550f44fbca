/* Shared by the test programs for several ranks: a rank grid with its links, a
 * count of failures on this rank, and one verdict for all ranks. A failed check
 * does not change what the rank does next, so that no rank waits for one that
 * gave up. */
#ifndef WL_LAB_H
#define WL_LAB_H

#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "device/ledger.h"
#include "host/mesh.h"
#include "host/noc.h"
#include "made_device.h"
#include "made_up.h"

/* Cores of the longest line. */
enum { LAB_CORES = 128 };

struct lab {
	struct mesh mesh;
	struct noc *noc;
	struct ledger ledger;
	struct dice dice;  /* in step on all ranks */
	uint64_t key;      /* of the data of the case in hand */
	int cases;
	int failed;        /* on this rank */
	double worst;      /* error as a part of what is allowed */
};

/* Counts a failure; prints the first few. */
#define CHECK(lab, c) lab_check(lab, c, #c, __func__, __LINE__)

static inline void lab_check(struct lab *lab, bool ok, const char *what,
                             const char *where, int line)
{
	if (ok)
		return;
	if (lab->failed++ < 3)
		fprintf(stderr, "case %d, rank (%d,%d) of %dx%d, %s:%d: %s\n",
		        lab->cases, lab->mesh.row, lab->mesh.col,
		        lab->mesh.rows, lab->mesh.cols, where, line, what);
}

/* Whether value is within `allowed` of truth; NaN never is. */
static inline bool lab_near(struct lab *lab, double value, double truth,
                            double allowed)
{
	double part = fabs(value - truth) / allowed;

	if (value == truth)
		return true;
	if (part > lab->worst)
		lab->worst = part;
	return part <= 1;
}

/* Makes a rank grid of the first rows * cols ranks of comm. Collective over
 * comm. */
static inline void lab_open(struct lab *lab, MPI_Comm comm, int rows, int cols)
{
	mesh_init(&lab->mesh, comm, rows, cols);
	lab->noc = noc_new(lab->mesh.cart, lab->mesh.crowded, true);
	ledger_init(&lab->ledger, &made_device, WL_F32, LAB_CORES);
}

/* Checks that all SRAM charged to the emulated cores was freed. */
static inline void lab_check_empty(struct lab *lab)
{
	for (int i = 0; i < NSRAM; i++)
		lab_check(lab, lab->ledger.allocated[i] == 0, "memory held",
		          sram_name(i), __LINE__);
}

static inline void lab_close(struct lab *lab)
{
	lab_check_empty(lab);
	ledger_fini(&lab->ledger);
	noc_free(lab->noc);
	mesh_fini(&lab->mesh);
}

/* Starts the next case, whose data have a new key. */
static inline void lab_next(struct lab *lab)
{
	lab->key = made_key(lab->dice.key, ++lab->cases, 0);
}

/* A random core grid that fits the ranks. Half of the grids have unequal sides,
 * except those whose products take so many steps that ranks which share cores
 * would reach the time limit. */
static inline struct rxc lab_grid(struct lab *lab)
{
	int rows = lab->mesh.rows + dice_throw(&lab->dice, 0, 5);
	int cols = lab->mesh.cols + dice_throw(&lab->dice, 0, 5);
	int side = rows > cols ? rows : cols, steps = side;

	while (steps % rows || steps % cols)
		steps += side;
	if (dice_throw(&lab->dice, 0, 1) &&
	    (steps <= 100 || lab->mesh.rows * lab->mesh.cols <= 16))
		return (struct rxc){ rows, cols };
	return (struct rxc){ side, side };
}

/* The charges since the last call. SRAM in use is not reset. */
static inline struct charge lab_charged(struct lab *lab)
{
	struct ledger *l = &lab->ledger;
	struct charge c = l->row[0][0];

	l->row[0][0] = (struct charge){ 0 };
	l->routes[0][0] = 0;
	for (int a = 0; a < 2; a++)
		memset(l->link[0][a], 0, LAB_CORES * sizeof **l->link[0]);
	return c;
}

static inline bool lab_same_charge(const struct charge *a,
                                   const struct charge *b)
{
#define WL_COUNTER(field, unit, help) if (a->field != b->field) return false;
#include "device/counters.def"
	return true;
}

/* Rank 0 prints the verdict; the exit status, the same on every rank. */
static inline int lab_verdict(const struct lab *lab, const char *name)
{
	int rank, size, failed;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Allreduce(&lab->failed, &failed, 1, MPI_INT, MPI_SUM,
	              MPI_COMM_WORLD);
	if (rank == 0)
		printf("%s, %d ranks: %d cases, %d failed checks\n", name,
		       size, lab->cases, failed);
	return failed != 0;
}

#endif
