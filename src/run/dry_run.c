#include "config.h"
#include "dry_run.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "autogrid.h"
#include "dry_request.h"
#include "host/host.h"
#include "host/progress.h"
#include "model/checkpoint.h"
#include "model/shape.h"
#include "request.h"
#include "results.h"

/* Reads the model: a shape, or that of a checkpoint; found gets the path of the
 * default checkpoint. source: the shape's name or the checkpoint's path, for
 * the report. type: of the elements that are charged. */
static int read_model(const struct options *o, struct model *m,
                      const char **source, char found[PATH_MAX],
                      enum wl_type *type, struct wl_error *err)
{
	struct checkpoint *c;

	*type = o->shape ? WL_F16 : WL_F32;
	if (o->type >= 0)
		*type = o->type;
	*source = o->shape;
	if (o->shape)
		return shape_read(o->shape, m, err);
	*source = request_model_path(o, found, err);
	c = *source ? checkpoint_open(*source, MPI_COMM_NULL, err) : NULL;
	if (!c)
		return -1;
	*m = *checkpoint_model(c);
	checkpoint_close(c);
	return 0;
}

static int refuse_size(struct wl_error *err)
{
	return wl_error_set(err, "option --dry-run: the request is too large "
	                    "to be counted in 64 bits");
}

static int longest_side(const struct dry_request *r)
{
	const int sides[] = { r->prefill.rows, r->prefill.cols,
	                      r->decode.rows, r->decode.cols };
	int max = 0;

	for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
		max = sides[i] > max ? sides[i] : max;
	return max;
}

/* Elements of a layer's matrices, at most: Q, K, V and O; gate, up and down. */
static double layer_elements(const struct model *m)
{
	return 4.0 * m->dim * model_q_dim(m) + 3.0 * m->dim * m->hidden_dim;
}

/* Elements of a token's vectors in a layer: residual, hidden and query. */
static double token_elements(const struct model *m)
{
	return (double)m->dim + m->hidden_dim + model_q_dim(m);
}

/* An upper bound of the request's arithmetic operations: each token multiplies
 * with all matrices and attends to all tokens; element-wise work takes at most
 * 40 operations an element. */
static double max_operations(const struct dry_request *r)
{
	const struct model *m = r->model;
	double tokens = (double)r->prompt_tokens + r->new_tokens;
	double attention = tokens * (2.0 * model_q_dim(m) + 40.0 * m->n_heads);
	double layer = layer_elements(m) + 40 * token_elements(m) + attention;

	return tokens * (m->n_layers * layer + (double)m->dim * m->vocab_size);
}

/* An upper bound of the words moved times the links that they cross: all
 * matrices, activations and scores cross the grid eight times. */
static double max_word_hops(const struct dry_request *r)
{
	const struct model *m = r->model;
	double tokens = (double)r->prompt_tokens + r->new_tokens;
	double layer = layer_elements(m) + 4 * tokens * token_elements(m) +
	               tokens * tokens * m->n_heads;

	return 8 * longest_side(r) *
	       (m->n_layers * layer + (double)m->dim * m->vocab_size);
}

/* Refuses a request that might overflow the ledger's 64-bit counters: SRAM
 * traffic, at most 12 bytes an operation, and word hops. */
static int check_size(const struct dry_request *r, struct wl_error *err)
{
	if (max_operations(r) < 1e18 && max_word_hops(r) < 4e18)
		return 0;
	return refuse_size(err);
}

/* Whether --grid auto applies: it was given; or the model is a shape, which may
 * need a grid of any size, and no grid was given. */
static bool finds_grids(const struct options *o, const struct dry_request *r)
{
	bool named = o->grid.rows || o->prefill_grid.rows ||
	             o->decode_grid.rows;

	return o->grid.rows == GRID_AUTO ||
	       (o->shape && !named && !r->system->line && !r->system->baseline);
}

static int find_grids(const struct options *o, struct dry_request *r,
                      struct auto_result *found, struct wl_error *err)
{
	bool prefill = o->prefill_regions > 1;

	if (prefill || o->decode_regions > 1)
		return wl_error_set(err, "option --%s-regions needs --grid or "
		                    "--prefill-grid: without a grid the search "
		                    "(--grid auto) chooses the regions",
		                    prefill ? "prefill" : "decode");
	if (check_size(r, err))
		return -1;
	return autogrid_choose(r, found, o->quiet, err);
}

/* The grid of a phase, as request_grid gives it for a real run; but if only the
 * other phase's grid was given for a shape, both phases use that. */
static struct rxc named_grid(const struct options *o, struct rxc own,
                             struct rxc other, const struct model *m)
{
	bool one = o->shape && !own.rows && !o->grid.rows && other.rows;

	return request_grid(o, one ? other : own, m);
}

/* Fills in the request's tokens, policies, regions and grids. */
static int fill_request(const struct options *o, struct dry_request *r,
                        struct auto_result *found, struct wl_error *err)
{
	r->prompt_tokens = o->prompt_tokens;
	if (request_tokens(o, r->model, o->prompt_tokens, &r->new_tokens, err))
		return -1;
	r->kv = !strcmp(o->kv, "concat") ? KV_CONCAT : KV_SHIFT;
	r->sampled = o->temperature > 0;
	r->prefill_regions = o->prefill_regions;
	r->decode_regions = o->decode_regions;
	/* The largest grids that the search may find, for check_size. */
	r->prefill = r->decode = (struct rxc){ 4096, 4096 };
	if (finds_grids(o, r))
		return find_grids(o, r, found, err);
	r->prefill = named_grid(o, o->prefill_grid, o->decode_grid, r->model);
	r->decode = named_grid(o, o->decode_grid, o->prefill_grid, r->model);
	return check_size(r, err);
}

/* Reports progress on standard error, now and then. */
static void tick(void *ctx, const struct ledger *l)
{
	struct progress *p = ctx;
	double now = host_seconds();

	if (!progress_due(p, now))
		return;
	fprintf(stderr, "waferllm: dry run: %s, %s, %.0f s\n",
	        phase_name(l->phase), op_name(l->op), now - p->start);
	fflush(stderr);
}

/* A dry run: the request and all that it borrows. */
struct dry {
	const struct options *o;
	struct dry_request request;
	struct system system;
	struct device device;
	struct model model;
	char path[PATH_MAX];       /* of the default checkpoint, if used */
	struct auto_result found;
	struct report report;
};

/* Reads and checks options and files, and chooses the grids. */
static int prepare(struct dry *d, struct wl_error *err)
{
	const struct options *o = d->o;
	struct dry_request *r = &d->request;

	if (system_choose(o, &d->system, err) ||
	    (o->report && report_check_path(o->report, err)) ||
	    device_open(o->device, o->set, &d->device, err) ||
	    read_model(o, &d->model, &d->report.model_source, d->path,
	               &r->type, err))
		return -1;
	if (o->kv_heads_full) {
		d->model = dry_request_full_heads(&d->model);
		if (model_check(&d->model, "option --kv-heads-full", err))
			return -1;
	}
	if (request_check_regions(o, &d->model, err))
		return -1;
	r->model = &d->model;
	r->device = &d->device;
	r->system = &d->system;
	r->groups = o->groups;
	if (fill_request(o, r, &d->found, err))
		return -1;
	return system_check_grid(&d->system, r->prefill, !o->quiet, err);
}

/* Runs the request and reports on it. start: of the program, host seconds. */
static int account_for(struct dry *d, double start, struct wl_error *err)
{
	struct dry_request *r = &d->request;
	struct progress progress;
	struct inference w;
	int rc;

	progress_start(&progress);
	if (!d->o->quiet) {
		r->tick = tick;
		r->tick_ctx = &progress;
	}
	dry_request_run(&w, r);
	d->report.options = d->o;
	d->report.system = &d->system;
	d->report.context = request_context(d->o, &d->model);
	d->report.automatic = finds_grids(d->o, r) ? &d->found : NULL;
	d->report.host = (struct host_times){
		.ranks = 1, .rank_rows = 1, .rank_cols = 1,
		.seating.nodes = 1, .dry = true,
		.seconds = host_seconds() - start,
		.peak_memory = host_peak_memory() };
	rc = w.ledger.overflow ? refuse_size(err)
	   : results_write(&d->report, &w, r->prompt_tokens, r->new_tokens,
	                   err);
	inference_fini(&w);
	return rc;
}

int dry_run(const struct options *o, struct wl_error *err)
{
	double start = host_seconds();
	struct dry d = { .o = o };

	return prepare(&d, err) ? -1 : account_for(&d, start, err);
}
