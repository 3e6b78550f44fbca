/* The account is a function of problem, core grids and device alone: the
 * ledger of a dry run, made by one process without weights or ids, equals the
 * ledger of a real run, field by field, on every rank: counters, routes,
 * memory, peaks and links. */
/* ranks: 1 4 9 */
/* full-ranks: 64 */
#include "config.h"
#include "mpi_kernels/allreduce/allreduce.h"
#include "inference/inference.h"

#include <stdlib.h>

#include "base/error.h"
#include "lab.h"
#include "made_model.h"

enum { MOST_PROMPT = 20, NEW_TOKENS = 5 };

struct request {
	struct made_model made;
	char path[256];
	struct rxc prefill, decode;
	const struct gemm_algorithm *gemm;
	const struct allreduce *allreduce;
	bool line;
	enum wl_type type;            /* of the elements charged */
	int prefill_regions, decode_regions;
	int prompt;
	int ids[MOST_PROMPT + NEW_TOKENS];
};

static void no_progress(void *ctx, int done, int all)
{
	(void)ctx;
	(void)done;
	(void)all;
}

static int load(struct inference *w, const char *path)
{
	struct wl_error err = { .text = "" };
	struct checkpoint *c = checkpoint_open(path, w->mesh->control, &err);
	int rc = c ? weights_load(&w->weights, c, w->mesh, true, no_progress,
	                          NULL, &err) : -1;

	checkpoint_close(c);
	if (rc && w->mesh->leader)
		fprintf(stderr, "%s\n", err.text);
	return rc;
}

/* All phases, with the calls in the order of a real request. */
static void run_phases(struct inference *w, const struct request *r)
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

/* All cores of a grid of 21 x 21, as a line. */
enum { MOST_CUTS = 440 };

/* A ledger's whole content, of which nothing is borrowed or freed. */
struct books {
	struct ledger ledger;
	int cuts;
	uint64_t link[NPHASES][2][MOST_CUTS];
};

static void copy_books(struct books *b, const struct ledger *l)
{
	b->ledger = *l;
	b->cuts = l->link_max - 1;
	for (int p = 0; p < NPHASES; p++)
		for (int a = 0; a < 2; a++)
			ledger_links(l, p, a, b->cuts, b->link[p][a]);
}

/* The ledger of the request; mesh NULL: of a dry run. Returns 0 or -1. */
static int account(struct lab *lab, const struct request *r,
                   const struct mesh *mesh, struct books *books)
{
	struct inference w;
	struct ledger *l = &w.ledger;

	inference_init(&w, &(struct inference_setup){
		.model = &r->made.model, .mesh = mesh, .prefill = r->prefill,
		.decode = r->decode, .device = &made_device, .type = r->type,
		.gemm = r->gemm, .allreduce = r->allreduce, .line = r->line });
	w.prefill_regions = r->prefill_regions;
	w.decode_regions = r->decode_regions;
	int rc = mesh ? load(&w, r->path) : 0;

	if (!rc)
		run_phases(&w, r);
	CHECK(lab, l->repeat == 1 && !l->overlap.open &&
	           l->allocated[SRAM_BUFFERS] == 0);
	copy_books(books, l);
	inference_fini(&w);
	return rc;
}

/* Names each field in which two ledgers differ. */
static void check_rows(struct lab *lab, const struct ledger *dry,
                       const struct ledger *real)
{
	for (int i = 0; i < NPHASES * NOPS; i++) {
		enum phase p = i / NOPS;
		enum op o = i % NOPS;
		const struct charge *a = &dry->row[p][o];
		const struct charge *b = &real->row[p][o];
		char what[128];

#define WL_COUNTER(field, unit, help)                                    \
		snprintf(what, sizeof what, "%s, %s, " #field            \
		         ": dry %llu, real %llu", phase_name(p),         \
		         op_name(o), (unsigned long long)a->field,       \
		         (unsigned long long)b->field);                  \
		lab_check(lab, a->field == b->field, what, __func__,     \
		          __LINE__);
#include "device/counters.def"
		lab_check(lab, dry->routes[p][o] == real->routes[p][o],
		          op_name(o), "routes", __LINE__);
		lab_check(lab, dry->sram[p][o] == real->sram[p][o], op_name(o),
		          phase_name(p), __LINE__);
	}
}

static void check_peaks(struct lab *lab, const struct ledger *dry,
                        const struct ledger *real)
{
	for (int p = 0; p < NPHASES; p++) {
		const struct sram_peak *a = &dry->peak[p], *b = &real->peak[p];

		CHECK(lab, a->total == b->total && a->op == b->op);
		for (int s = 0; s < NSRAM; s++)
			CHECK(lab, a->allocated[s] == b->allocated[s]);
	}
	for (int s = 0; s < NSRAM; s++)
		CHECK(lab, dry->allocated[s] == real->allocated[s]);
}

/* Every hop of a word is over a link of the grid, except hops from one region
 * to the next. */
static void check_links(struct lab *lab, const struct books *dry,
                        const struct books *real)
{
	for (int p = 0; p < NPHASES; p++) {
		uint64_t sum = 0;

		for (int a = 0; a < 2; a++)
			for (int c = 0; c < dry->cuts; c++) {
				sum += dry->link[p][a][c];
				CHECK(lab, dry->link[p][a][c] ==
				           real->link[p][a][c]);
			}
		struct charge all = ledger_total(&dry->ledger, p);
		const struct charge *handed = dry->ledger.row[p] + OP_HANDOVER;

		CHECK(lab, sum == all.word_hops - handed->words);
		CHECK(lab, all.cycles == all.compute_cycles +
		                         all.comm_cycles);
	}
}

/* Operators that a phase must have charged: two empty ledgers would be equal,
 * too. */
static void check_filled(struct lab *lab, const struct ledger *l)
{
	static const enum op both[] = {
		OP_EMBED, OP_NORM, OP_QKV, OP_SCORES, OP_SOFTMAX, OP_VALUES,
		OP_OUTPUT, OP_FFN_UP, OP_FFN_DOWN, OP_HEAD, OP_CHOOSE };

	for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
		CHECK(lab, l->row[PHASE_PREFILL][both[i]].calls > 0);
		CHECK(lab, l->row[PHASE_DECODE][both[i]].calls > 0);
	}
	CHECK(lab, l->row[PHASE_DECODE][OP_KV_SHIFT].runs > 0);
	CHECK(lab, l->row[PHASE_TRANSITION][OP_RELAYOUT].calls > 0);
	CHECK(lab, ledger_total(l, PHASE_LOAD).calls == 0);
	for (int p = PHASE_PREFILL; p < NPHASES; p++)
		CHECK(lab, l->peak[p].total > 0);
}

/* Token t moves the oldest entries of all rows after t mod R at once, in every
 * layer. */
static void check_shifts(struct lab *lab, const struct request *r,
                         const struct ledger *l)
{
	const struct charge *shift = &l->row[PHASE_DECODE][OP_KV_SHIFT];
	uint64_t moves = 0;
	int rows = r->line ? 1 : r->decode.rows;

	for (int t = r->prompt; t < r->prompt + NEW_TOKENS; t++)
		moves += t >= rows && (t + 1) % rows;
	moves *= r->made.model.n_layers;
	CHECK(lab, shift->calls == moves && shift->stages == moves &&
	           shift->path_hops == moves);
}

/* Activations move from region to region, once in prefill and once in each
 * decode step. */
static void check_handed(struct lab *lab, const struct request *r,
                         const struct ledger *l)
{
	const struct charge *prefill = &l->row[PHASE_PREFILL][OP_HANDOVER];
	const struct charge *decode = &l->row[PHASE_DECODE][OP_HANDOVER];
	uint64_t times = r->decode_regions - 1;

	CHECK(lab, (int)prefill->calls == r->prefill_regions - 1);
	CHECK(lab, decode->calls == NEW_TOKENS * times);
	CHECK(lab, decode->path_hops == NEW_TOKENS * times * r->decode.cols);
	CHECK(lab, l->row[PHASE_TRANSITION][OP_HANDOVER].calls == 0);
}

/* Multiply-adds by the shapes, for n tokens that attend to t each. */
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
	/* Prefill multiplies masked elements, too. */
	CHECK(lab, ledger_total(l, PHASE_PREFILL).macs ==
	           macs_of(m, r->prompt, r->prompt));
	CHECK(lab, ledger_total(l, PHASE_TRANSITION).macs == 0);
	CHECK(lab, ledger_total(l, PHASE_DECODE).macs == decode);
}

static void throw_request(struct lab *lab, struct request *r)
{
	made_model_init(&r->made, &lab->dice);
	r->prefill = lab_grid(lab);
	r->decode = dice_throw(&lab->dice, 0, 2) ? lab_grid(lab) : r->prefill;
	r->line = !dice_throw(&lab->dice, 0, 4) && lab->mesh.rows == 1;
	r->gemm = r->line ? &gemm_megatron : gemm_at(
		dice_throw(&lab->dice, 0, (int)gemm_count() - 1));
	r->allreduce = allreduce_at(dice_throw(&lab->dice, 0,
	                                       (int)allreduce_count() - 1));
	r->type = (enum wl_type)dice_throw(&lab->dice, WL_F32, WL_BF16);
	r->prefill_regions = dice_throw(&lab->dice, 1, 3);
	r->decode_regions = dice_throw(&lab->dice, 1, 3);
	r->prompt = dice_throw(&lab->dice, 1, MOST_PROMPT);
	for (int i = 0; i < r->prompt + NEW_TOKENS; i++)
		r->ids[i] = dice_throw(&lab->dice, 0,
		                       r->made.model.vocab_size - 1);
}

static void try_request(struct lab *lab)
{
	static struct books dry, real;
	struct request r;

	lab_next(lab);
	throw_request(lab, &r);
	made_path(r.path);
	if (lab->mesh.leader)
		CHECK(lab, made_model_write(&r.made, r.path) == 0);
	mesh_join(MPI_COMM_WORLD);
	CHECK(lab, account(lab, &r, &lab->mesh, &real) == 0);
	CHECK(lab, account(lab, &r, NULL, &dry) == 0);
	check_rows(lab, &dry.ledger, &real.ledger);
	check_peaks(lab, &dry.ledger, &real.ledger);
	check_links(lab, &dry, &real);
	check_filled(lab, &dry.ledger);
	check_shifts(lab, &r, &dry.ledger);
	check_handed(lab, &r, &dry.ledger);
	check_macs(lab, &r, &dry.ledger);
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
		for (int i = 0; i < (size > 16 ? 1 : size > 1 ? 12 : 60); i++)
			try_request(&lab);
		lab_close(&lab);
	}
	int failed = lab_verdict(&lab, "mpi_ledger");

	MPI_Finalize();
	return failed;
}
