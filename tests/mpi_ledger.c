/* The account is a function of problem and core grids alone: the ledger of a
 * dry run, made by one process without weights or ids, equals the ledger of a
 * real run, field by field, on every rank. */
/* ranks: 1 4 9 */
/* full-ranks: 64 */
#include "config.h"
#include "wafer.h"

#include <stdlib.h>

#include "fail.h"
#include "lab.h"
#include "made_model.h"

enum { MOST_PROMPT = 20, NEW_TOKENS = 5 };

struct request {
	struct made_model made;
	char path[256];
	int prefill_side, decode_side;
	int prompt;
	int ids[MOST_PROMPT + NEW_TOKENS];
};

static void no_progress(void *ctx, int done, int all)
{
	(void)ctx;
	(void)done;
	(void)all;
}

static int load(struct wafer *w, const char *path)
{
	struct wl_error err = { "" };
	struct checkpoint *c = checkpoint_open(path, w->mesh->control, &err);
	int rc = c ? weights_load(&w->weights, c, w->mesh, true, no_progress,
	                          NULL, &err) : -1;

	checkpoint_close(c);
	if (rc && w->mesh->leader)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

/* All phases, with the calls in the order of a real request. */
static void run_phases(struct wafer *w, const struct request *r)
{
	bool dry = !w->mesh;
	size_t vocab = r->made.model.vocab_size;
	float *logits = dry ? NULL : wl_malloc(vocab, sizeof *logits);

	prefill_run(w, dry ? NULL : r->ids, r->prompt);
	prefill_gather_logits(w, logits);
	transition_run(w, r->prompt + NEW_TOKENS);
	for (int i = 0; i < NEW_TOKENS; i++) {
		decode_step(w, dry ? 0 : r->ids[r->prompt + i]);
		decode_gather_logits(w, logits);
	}
	free(logits);
}

/* The ledger of the request; mesh NULL: of a dry run. 0 or -1. */
static int account(const struct request *r, const struct mesh *mesh,
                   struct ledger *ledger)
{
	struct wafer w;

	wafer_init(&w, &r->made.model, mesh, r->prefill_side, r->decode_side);
	int rc = mesh ? load(&w, r->path) : 0;

	if (!rc)
		run_phases(&w, r);
	*ledger = w.ledger;
	wafer_fini(&w);
	return rc;
}

/* Names each field in which two ledgers differ. */
static void check_equal(struct lab *lab, const struct ledger *dry,
                        const struct ledger *real)
{
	for (int p = 0; p < NPHASES; p++)
		for (int o = 0; o < NOPS; o++) {
			const struct charge *a = &dry->row[p][o];
			const struct charge *b = &real->row[p][o];
			char what[128];

#define WL_COUNTER(field, unit, help)                                      \
			snprintf(what, sizeof what, "%s, %s, " #field      \
			         ": dry %llu, real %llu", phase_name(p),   \
			         op_name(o), (unsigned long long)a->field, \
			         (unsigned long long)b->field);            \
			lab_check(lab, a->field == b->field, what,         \
			          __func__, __LINE__);
#include "counters.def"
		}
}

/* Operators that a phase must have charged; a ledger that nothing was charged
 * to would be equal too. */
static void check_filled(struct lab *lab, const struct ledger *l)
{
	static const enum op both[] = {
		OP_EMBED, OP_NORM, OP_QKV, OP_SCORES, OP_SOFTMAX, OP_VALUES,
		OP_OUTPUT, OP_FFN_UP, OP_FFN_DOWN, OP_HEAD, OP_CHOOSE };

	for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
		CHECK(lab, l->row[PHASE_PREFILL][both[i]].calls > 0);
		CHECK(lab, l->row[PHASE_DECODE][both[i]].calls > 0);
	}
	CHECK(lab, l->row[PHASE_DECODE][OP_KV_SHIFT].calls > 0);
	CHECK(lab, l->row[PHASE_TRANSITION][OP_RELAYOUT].calls > 0);
	CHECK(lab, ledger_total(l, PHASE_LOAD).calls == 0);
}

/* Multiply-adds follow from the shapes: for n tokens that look at t each. */
static uint64_t macs_of(const struct model *m, uint64_t n, uint64_t t)
{
	uint64_t e = m->dim, f = m->hidden_dim, q = model_q_dim(m);
	uint64_t kv = model_kv_dim(m);
	uint64_t layer = n * (e * (q + 2 * kv) + 2 * t * q + q * e + 3 * e * f);

	/* The head runs for one token. */
	return m->n_layers * layer + e * m->vocab_size;
}

static void check_macs(struct lab *lab, const struct request *r,
                       const struct ledger *l)
{
	const struct model *m = &r->made.model;
	uint64_t decode = 0;

	for (int i = 1; i <= NEW_TOKENS; i++)
		decode += macs_of(m, 1, r->prompt + i);
	/* Prefill multiplies masked places too. */
	CHECK(lab, ledger_total(l, PHASE_PREFILL).macs ==
	           macs_of(m, r->prompt, r->prompt));
	CHECK(lab, ledger_total(l, PHASE_TRANSITION).macs == 0);
	CHECK(lab, ledger_total(l, PHASE_DECODE).macs == decode);
}

static void throw_request(struct lab *lab, struct request *r)
{
	int least = lab->mesh.rows > lab->mesh.cols ? lab->mesh.rows
	                                            : lab->mesh.cols;

	made_model_init(&r->made, &lab->dice);
	r->prefill_side = least + dice_throw(&lab->dice, 0, 4);
	r->decode_side = dice_throw(&lab->dice, 0, 2)
	                 ? least + dice_throw(&lab->dice, 0, 6)
	                 : r->prefill_side;
	r->prompt = dice_throw(&lab->dice, 1, MOST_PROMPT);
	for (int i = 0; i < r->prompt + NEW_TOKENS; i++)
		r->ids[i] = dice_throw(&lab->dice, 0,
		                       r->made.model.vocab_size - 1);
}

static void try_request(struct lab *lab)
{
	struct ledger dry, real;
	struct request r;

	lab_next(lab);
	throw_request(lab, &r);
	made_path(r.path);
	if (lab->mesh.leader)
		CHECK(lab, made_model_write(&r.made, r.path) == 0);
	mesh_join(MPI_COMM_WORLD);
	CHECK(lab, account(&r, &lab->mesh, &real) == 0);
	CHECK(lab, account(&r, NULL, &dry) == 0);
	check_equal(lab, &dry, &real);
	check_filled(lab, &dry);
	check_macs(lab, &r, &dry);
	mesh_join(MPI_COMM_WORLD);
	if (lab->mesh.leader)
		unlink(r.path);
	made_model_fini(&r.made);
}

int main(int argc, char **argv)
{
	struct lab lab = { .dice.key = 4 };
	int size;

	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (int rows = 1; rows <= size; rows++) {
		if (size % rows)
			continue;
		lab_open(&lab, MPI_COMM_WORLD, rows, size / rows);
		for (int i = 0; i < (size > 16 ? 1 : 12); i++)
			try_request(&lab);
		lab_close(&lab);
	}
	int failed = lab_verdict(&lab, "mpi_ledger");

	MPI_Finalize();
	return failed;
}
