/* The verb run. All ranks execute the same steps; only the leader reads the
 * prompt, samples tokens and prints. After a step that can fail on some ranks,
 * all ranks agree on success or failure. */
#include "config.h"
#include "run/run.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/signals.h"
#include "base/streams.h"
#include "dry_run.h"
#include "footprint.h"
#include "host/answer.h"
#include "host/host.h"
#include "host/mesh.h"
#include "host/profile.h"
#include "host/progress.h"
#include "inference/inference.h"
#include "leader.h"
#include "logits.h"
#include "model/checkpoint.h"
#include "request.h"
#include "results.h"
#include "systems/system.h"
#include "text/prompt.h"
#include "text/sampler.h"
#include "text/tokenizer.h"

/* Longest message of the control plane, bytes. */
#define CONTROL_BYTES 1000

/* What the leader reads from files and options and all ranks need. */
struct plan {
	struct model model;
	struct device device;
	int prompt_tokens, new_tokens;
};

struct run {
	const struct options *o;
	struct system system;        /* the same on every rank */
	struct wl_error *err;
	const char *path;            /* of the checkpoint */
	char found[PATH_MAX];        /* its buffer if it is the default one */
	struct plan plan;
	struct rxc prefill, decode;  /* core grids */
	struct mesh mesh;
	struct inference inference;
	struct profile clock;
	struct profile *profile;     /* the clock, or NULL */
	int world_size;
	bool is_leader;
	int *ids;                    /* [prompt_tokens] */
	struct leader leader;
	/* leader only */
	struct tokenizer *tokenizer;
	struct prompt prompt;
	struct answer answer;
	struct logits *file;         /* of --logits, or NULL */
	float *logits;               /* [vocab], borrowed; NULL: not needed */
	float *sampled;              /* [vocab], owns logits without --logits */
	struct sampler sampler;
	struct host_times host;
	struct profile_summary times;
	double start;                /* host seconds */
	struct progress progress;    /* of the phase */
	int generated;
	int signal;                  /* that ended the run early, or 0 */
};

/* Prints a line on standard error, on the leader only, unless --quiet. */
__attribute__((format(printf, 2, 3)))
static void say(const struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->is_leader || r->o->quiet)
		return;
	va_start(ap, fmt);
	fprintf(stderr, "%swaferllm: ", wl_line_start());
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fflush(stderr);
	va_end(ap);
}

/* Reports the progress of a phase, now and then. */
static void say_progress(struct run *r, const char *what, int done, int all,
                         const char *unit)
{
	double now = host_seconds();
	char line[80];

	if (r->is_leader && done < all && progress_due(&r->progress, now))
		say(r, "%s: %d of %d %s%s", what, done, all, unit,
		    progress_text(&r->progress, now, done, all, line,
		                  sizeof line));
}

/* Reports progress within a layer or step, if that takes long. */
static void tick(void *ctx, const struct ledger *l)
{
	struct run *r = ctx;
	double now = host_seconds();

	if (l->layer && progress_overdue(&r->progress, now))
		say(r, "%s: layer %d of %d, %s, %.0f s", phase_name(l->phase),
		    l->layer, l->layers, op_name(l->op),
		    now - r->progress.start);
}

/* Always reports the first tensor and the last. */
static void load_progress(void *ctx, int done, int all)
{
	if (done == 1 || done == all)
		say(ctx, "load: %d of %d tensors", done, all);
	else
		say_progress(ctx, "load", done, all, "tensors");
}

static void prefill_progress(void *ctx, int done, int all)
{
	struct run *r = ctx;

	/* Time until the next layer starts its first operator belongs to
	 * none. */
	profile_take(r->profile, PHASE_PREFILL, PROFILE_NO_OP);
	if (done == all)
		say(ctx, "prefill: %d of %d layers", done, all);
	else
		say_progress(ctx, "prefill", done, all, "layers");
}

static enum wl_type weights_type(const struct options *o)
{
	return o->type < 0 ? WL_F32 : o->type;
}

/* Leader only: reads and checks the files and the prompt. */
static int prepare(struct run *r)
{
	const struct options *o = r->o;
	struct checkpoint *c;
	struct vocab v;

	if ((o->report && report_check_path(o->report, r->err)) ||
	    (o->logits && output_check(o->logits, &logits_output, r->err)))
		return -1;
	if (device_open(o->device, o->set, &r->plan.device, r->err))
		return -1;
	r->path = request_model_path(o, r->found, r->err);
	c = r->path ? checkpoint_open(r->path, MPI_COMM_NULL, r->err) : NULL;
	if (!c)
		return -1;
	r->plan.model = *checkpoint_model(c);
	int rc = request_check_regions(o, &r->plan.model, r->err);

	if (!rc)
		rc = checkpoint_read_vocab(c, &v, r->err);

	checkpoint_close(c);
	if (rc)
		return -1;
	r->tokenizer = tokenizer_new(&v, r->path, r->err);
	vocab_fini(&v);
	if (!r->tokenizer || prompt_get(&r->prompt, o, r->tokenizer, r->err))
		return -1;
	if (r->prompt.special[0])
		say(r, "the prompt holds %s, read as text: --special reads it"
		    " as the token it is", r->prompt.special);
	if (request_tokens(o, &r->plan.model, r->prompt.n, &r->plan.new_tokens,
	                   r->err))
		return -1;
	r->plan.prompt_tokens = (int)r->prompt.n;
	if (!o->logits)
		return 0;
	r->file = logits_create(o->logits, r->plan.model.vocab_size,
	                        r->plan.new_tokens, r->err);
	return r->file ? 0 : -1;
}

/* Broadcasts the leader's data in messages of at most CONTROL_BYTES. Collective
 * over MPI_COMM_WORLD. */
static void share(void *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += CONTROL_BYTES)
		MPI_Bcast((char *)data + i, bytes - i < CONTROL_BYTES
		          ? (int)(bytes - i) : CONTROL_BYTES, MPI_BYTE, 0,
		          MPI_COMM_WORLD);
}

/* Broadcasts the plan, the path of the default checkpoint (which other ranks
 * may be unable to find, as their programs may be installed elsewhere) and the
 * prompt. Collective over MPI_COMM_WORLD. */
static void share_plan(struct run *r)
{
	share(&r->plan, sizeof r->plan);
	if (!r->o->model)
		share(r->found, sizeof r->found);
	r->path = r->o->model ? r->o->model : r->found;
	int n = r->plan.prompt_tokens;

	r->ids = wl_malloc(n, sizeof *r->ids);
	if (r->is_leader)
		memcpy(r->ids, r->prompt.ids, n * sizeof *r->ids);
	share(r->ids, n * sizeof *r->ids);
}

/* Sets the core grids and the rank grid; the same on every rank. */
static int plan_grids(struct run *r, struct rxc *ranks)
{
	const struct options *o = r->o;

	r->prefill = request_grid(o, o->prefill_grid, &r->plan.model);
	r->decode = request_grid(o, o->decode_grid, &r->plan.model);
	struct rxc a = grid_sides(r->prefill, r->system.line);
	struct rxc b = grid_sides(r->decode, r->system.line);
	int rows = a.rows < b.rows ? a.rows : b.rows;
	int cols = a.cols < b.cols ? a.cols : b.cols;

	if (system_check_grid(&r->system, r->prefill,
	                      r->is_leader && !o->quiet, r->err))
		return -1;

	*ranks = o->rank_grid;
	if (!ranks->rows) {
		mesh_choose(r->world_size, rows, cols, &ranks->rows,
		            &ranks->cols);
		return 0;
	}
	if ((long)ranks->rows * ranks->cols > r->world_size)
		return wl_error_set(r->err,
		                    "option --rank-grid: %dx%d needs %ld"
		                    " ranks, there are %d",
		                    ranks->rows, ranks->cols,
		                    (long)ranks->rows * ranks->cols,
		                    r->world_size);
	if (ranks->rows > rows || ranks->cols > cols)
		return wl_error_set(r->err,
		                    "option --rank-grid: %dx%d ranks do "
		                    "not fit a core grid of %dx%d",
		                    ranks->rows, ranks->cols, rows, cols);
	return 0;
}

/* Bytes that the ranks of this node need; *here: the number of these ranks.
 * Collective over control. */
static double needs_here(const struct run *r, int *here)
{
	const struct mesh *m = &r->mesh;
	const double local[2] = { m->node, footprint_of_rank(
		&(struct footprint){
			.model = &r->plan.model, .type = weights_type(r->o),
			.prompt_tokens = r->plan.prompt_tokens,
			.new_tokens = r->plan.new_tokens,
			.prefill = r->prefill, .decode = r->decode,
			.ranks = { m->rows, m->cols },
			.row = m->row, .col = m->col }) };
	int n = m->rows * m->cols;
	double (*all)[2] = wl_malloc(n, sizeof *all), sum = 0;

	MPI_Allgather(local, 2, MPI_DOUBLE, all, 2, MPI_DOUBLE, m->control);
	*here = 0;
	for (int i = 0; i < n; i++)
		if (all[i][0] == m->node) {
			sum += all[i][1];
			++*here;
		}
	free(all);
	return sum;
}

/* Refuses a run for which this node lacks memory, as far as can be estimated,
 * rather than let the system kill it halfway. Collective over control. */
static int check_memory(const struct run *r)
{
	const double giga = 1e9;
	int here;
	double needs = needs_here(r, &here), has = host_free_memory("");

	if (!has || needs <= has)
		return 0;
	return wl_error_set(r->err, "%s and %d tokens need at least %.1f GB on"
	                    " %s (%d of the %d ranks), which has %.1f GB left:"
	                    " use more nodes, fewer tokens, or --dtype",
	                    r->path, r->plan.prompt_tokens +
	                    r->plan.new_tokens, needs / giga, host_name(),
	                    here, r->mesh.rows * r->mesh.cols, has / giga);
}

static int load(struct run *r)
{
	struct checkpoint *c =
		checkpoint_open(r->path, r->mesh.control, r->err);
	int rc = !c ? -1 : 0;

	if (c && !model_same(checkpoint_model(c), &r->plan.model))
		rc = wl_error_set(r->err, "%s: changed while it was opened",
		                  r->path);
	if (mesh_agree(r->mesh.control, rc, r->err)) {
		/* Closing is collective: impossible if only some ranks opened
		 * the checkpoint. */
		if (c && rc == 0)
			wl_die("%s", r->err->text);
		checkpoint_close(c);
		return -1;
	}
	rc = weights_load(&r->inference.weights, c, &r->mesh, !r->o->no_verify,
	                  load_progress, r, r->err);

	checkpoint_close(c);
	return rc;
}

/* Output could not be written: the leader ends the run after the current token.
 * r->err has the reason. */
static void give_up(struct run *r)
{
	r->leader.failed = true;
}

/* Handles the result of printing a part of the answer. rc: 0, or it failed: for
 * example because the reader of a pipe ended. */
static void check_answer(struct run *r, int rc)
{
	if (!rc || r->leader.failed)
		return;
	streams_note();
	streams_check(r->err);
	give_up(r);
}

/* Appends a step to the file of logits, if there is one. */
static void record(struct run *r, int id)
{
	if (r->file && !r->leader.failed && logits_append(r->file, id, r->err))
		give_up(r);
}

/* Completes the file of logits, if there is one. */
static int finish_logits(struct run *r)
{
	struct logits *file = r->file;

	r->file = NULL;
	return file ? logits_commit(file, r->err) : 0;
}

/* The profile assigns the time from now on, around step number `step`, to no
 * operator. */
static void leave_operator(struct run *r, int step)
{
	profile_take(r->profile, step ? PHASE_DECODE : PHASE_PREFILL,
	             PROFILE_NO_OP);
}

/* Receives the leader's token and whether the run ends; profiled as waiting. */
static int broadcast_token(struct run *r, int id, int step)
{
	enum profile_kind before = profile_enter(r->profile, PROFILE_WAIT);

	id = leader_broadcast(&r->leader, id, step);
	profile_leave(r->profile, before);
	return id;
}

static void gather_logits(struct run *r, int step)
{
	if (step == 0)
		prefill_gather_logits(&r->inference, r->logits);
	else
		decode_gather_logits(&r->inference, r->logits);
	leave_operator(r, step);
}

/* The token that follows step number `step` (0: the prompt): the wafer's greedy
 * choice, or a sampled one. The same on all ranks; -1 if greedy is -1. */
static int choose(struct run *r, int greedy, int step)
{
	bool sampled = r->o->temperature > 0;
	int id = greedy;

	leave_operator(r, step);
	if (id < 0)
		return id;
	if (sampled || r->o->logits)
		gather_logits(r, step);
	if (sampled && r->is_leader)
		id = sampler_choose(&r->sampler, r->logits,
		                    r->plan.model.vocab_size, step);
	if (leader_broadcasts(&r->leader, step, sampled))
		id = broadcast_token(r, id, step);
	record(r, id);
	return id;
}

/* Why the answer ended with token id. A signal that arrived with the last token
 * did not end it. */
static const char *find_end(struct run *r, int id)
{
	if (id < 0 || r->generated == r->plan.new_tokens)
		return "length";
	if (model_stops_at(&r->plan.model, id))
		return "stop token";
	r->signal = r->leader.stop;
	return signals_name(r->signal);
}

/* Prints the text of token id, which follows token prev. */
static void print_token(struct run *r, int prev, int id)
{
	size_t len;

	if (!r->is_leader)
		return;
	const char *piece = tokenizer_decode(r->tokenizer, prev, id, &len);

	check_answer(r, answer_print(&r->answer, piece, len));
}

/* Runs prefill, transition and decode, and prints each token when it is chosen.
 */
static int generate(struct run *r)
{
	const struct model *m = &r->plan.model;
	int n = r->plan.prompt_tokens, prev = r->ids[n - 1];
	double start = host_seconds();

	leave_operator(r, 0);
	leader_start(&r->leader, r->mesh.control);
	progress_start(&r->progress);
	r->inference.progress = prefill_progress;
	r->inference.progress_ctx = r;
	int id = choose(r, prefill_run(&r->inference, r->ids, n), 0);

	r->host.prefill = host_seconds() - start;
	if (r->is_leader)
		check_answer(r, answer_print(&r->answer, r->prompt.text,
		                             r->prompt.len));
	for (r->generated = 1; id >= 0 && !model_stops_at(m, id);
	     r->generated++) {
		print_token(r, prev, id);
		if (r->generated == r->plan.new_tokens || r->leader.stop)
			break;
		say_progress(r, "decode", r->generated, r->plan.new_tokens,
		             "tokens");
		if (r->generated == 1) {
			start = host_seconds();
			transition_run(&r->inference, n + r->plan.new_tokens);
			r->host.transition = host_seconds() - start;
			start = host_seconds();
			progress_start(&r->progress);
		}
		prev = id;
		id = choose(r, decode_step(&r->inference, id), r->generated);
	}
	if (r->generated > 1)
		r->host.decode = host_seconds() - start;
	r->host.ended_by = find_end(r, id);
	if (r->is_leader)
		check_answer(r, answer_end(&r->answer));
	if (r->leader.failed || (r->is_leader && streams_check(r->err)))
		return -1;
	if (id >= 0)
		return 0;
	return wl_error_set(r->err, "%s: the logits of new token %d are not "
	                    "numbers", r->path, r->generated);
}

/* Gathers the host figures; the leader then makes the account and writes
 * summary and report. Collective over control. */
static int write_results(struct run *r)
{
	double local = host_peak_memory();
	struct report report = { .options = r->o, .system = &r->system,
	                         .model_source = r->path,
	                         .context = request_context(
		                         r->o, &r->plan.model) };
	struct host_times *h = &r->host;

	MPI_Reduce(&local, &h->peak_memory, 1, MPI_DOUBLE, MPI_MAX, 0,
	           r->mesh.control);
	if (r->profile) {
		profile_gather(r->profile, r->mesh.control, &r->times);
		report.profile = &r->times;
	}
	if (!r->is_leader)
		return 0;
	if (r->signal)
		say(r, "%s: ended after %d of %d new tokens", h->ended_by,
		    r->generated, r->plan.new_tokens);
	h->ranks = r->world_size;
	h->rank_rows = r->mesh.rows;
	h->rank_cols = r->mesh.cols;
	h->seating = r->mesh.seating;
	h->seconds = host_seconds() - r->start;
	report.host = *h;
	return results_write(&report, &r->inference, r->plan.prompt_tokens,
	                     r->generated, r->err);
}

/* Makes the emulated wafer, and the sampler and logits of the leader. */
static void set_up(struct run *r)
{
	if (r->file)
		r->logits = logits_row(r->file);
	else if (r->is_leader && r->o->temperature > 0)
		r->logits = r->sampled =
			wl_malloc(r->plan.model.vocab_size, sizeof(float));
	r->sampler = (struct sampler){ .temperature = r->o->temperature,
	                               .top_k = r->o->top_k,
	                               .top_p = r->o->top_p,
	                               .seed = r->o->seed };
	inference_init(&r->inference, &(struct inference_setup){
		.model = &r->plan.model, .mesh = &r->mesh,
		.prefill = r->prefill, .decode = r->decode,
		.device = &r->plan.device,
		.type = weights_type(r->o),
		.gemm = r->system.gemm, .allreduce = r->system.allreduce,
		.groups = r->o->groups, .line = r->system.line,
		.profile = r->profile });
	ledger_mute(&r->inference.ledger, r->o->no_account);
	r->inference.ledger.tick = r->is_leader ? tick : NULL;
	r->inference.ledger.tick_ctx = r;
	r->inference.prefill_regions = r->o->prefill_regions;
	r->inference.decode_regions = r->o->decode_regions;
}

/* The work of the ranks in the mesh; idle ranks skip it. */
static int work(struct run *r)
{
	double start = host_seconds();

	progress_start(&r->progress);
	if (mesh_agree(r->mesh.control, check_memory(r), r->err))
		return -1;
	r->profile = r->o->profile ? &r->clock : NULL;
	profile_start(r->profile);
	set_up(r);
	int rc = load(r);

	r->host.load = host_seconds() - start;
	/* Tells profilers, and the test of neighbour-only communication, that
	 * from here on tensors move only between neighbours. */
	MPI_Pcontrol(1);
	if (!rc)
		rc = generate(r);
	profile_stop(r->profile);
	MPI_Pcontrol(2);
	/* rc of load is the same on all ranks, that of generate may differ. */
	rc = mesh_agree(r->mesh.control, rc, r->err);
	/* Saves the logits first, lest a failing account lose them. */
	if (!rc)
		rc = mesh_agree(r->mesh.control, finish_logits(r), r->err);
	if (!rc)
		rc = mesh_agree(r->mesh.control, write_results(r), r->err);
	inference_fini(&r->inference);
	return rc;
}

static int start_ranks(struct run *r)
{
	struct rxc ranks;

	if (system_choose(r->o, &r->system, r->err) ||
	    mesh_agree(MPI_COMM_WORLD, r->is_leader ? prepare(r) : 0, r->err))
		return -1;
	share_plan(r);
	if (mesh_agree(MPI_COMM_WORLD, plan_grids(r, &ranks), r->err))
		return -1;
	mesh_init(&r->mesh, MPI_COMM_WORLD, ranks.rows, ranks.cols);
	r->mesh.share = !r->o->no_shared_memory;
	if (ranks.rows * ranks.cols < r->world_size)
		say(r, MESH_IDLE_NOTE,
		    r->world_size - ranks.rows * ranks.cols, r->world_size,
		    ranks.rows, ranks.cols);
	if (!mesh_same_processors(MPI_COMM_WORLD))
		say(r, "warning: the ranks run on differing processors; the "
		    "last bits may differ from a run on others");
	int rc = r->mesh.active ? work(r) : 0;

	mesh_fini(&r->mesh);
	return rc;
}

/* The leader alone does the dry run; the other ranks wait for its result. */
static int run_dry(struct run *r)
{
	return mesh_agree(MPI_COMM_WORLD,
	                  r->is_leader ? dry_run(r->o, r->err) : 0, r->err);
}

int run(const struct options *o, int *signal, struct wl_error *err)
{
	struct run r = { .o = o, .err = err, .start = host_seconds(),
	                 .answer.to = launch_streams() };
	int rank;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &r.world_size);
	r.is_leader = rank == 0;
	int rc = o->dry_run ? run_dry(&r) : start_ranks(&r);

	*signal = r.signal;
	logits_cancel(r.file);
	sampler_fini(&r.sampler);
	prompt_fini(&r.prompt);
	tokenizer_free(r.tokenizer);
	free(r.sampled);
	free(r.ids);
	return rc;
}
