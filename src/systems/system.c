#include "config.h"
#include "systems/system.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *help;
	bool line;
	const struct gemm_algorithm *gemm; /* NULL: the default */
	const char *allreduce;             /* NULL: the default */
	const struct baseline *baseline;   /* NULL: not an account alone */
} table[] = {
	{ "waferllm", "both dimensions of a matrix over both sides of the grid",
	  false, NULL, NULL, NULL },
	{ "megatron", "one dimension over all cores in a line, sums on a ring",
	  true, &gemm_megatron, "ring", NULL },
	{ "t10", "as a planner that knows nothing of distance would have it",
	  false, NULL, NULL, &baseline_t10 },
	{ "ladder", "as a compiler that sees one shared memory would have it",
	  false, NULL, NULL, &baseline_ladder },
};

const char *system_name(size_t i)
{
	return i < sizeof table / sizeof *table ? table[i].name : NULL;
}

/* Refuses an option's value that is none of the names at(0), at(1), ... */
static int unknown(struct wl_error *err, const char *option, const char *name,
                   const char *(*at)(size_t i))
{
	char known[256] = "";

	for (size_t i = 0; at(i); i++) {
		size_t end = strlen(known);

		snprintf(known + end, sizeof known - end, "%s%s",
		         i ? ", " : "", at(i));
	}
	return wl_error_set(err, "option %s: \"%s\" is not one of %s", option,
	                    name, known);
}

static const char *gemm_name(size_t i)
{
	return i < gemm_count() ? gemm_at(i)->name : NULL;
}

static const char *allreduce_name(size_t i)
{
	return i < allreduce_count() ? allreduce_at(i)->name : NULL;
}

static int find(const char *name, struct system *s, struct wl_error *err)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strcmp(table[i].name, name))
			continue;
		*s = (struct system){
			.name = table[i].name, .help = table[i].help,
			.line = table[i].line,
			.gemm = table[i].gemm ? table[i].gemm : gemm_at(0),
			.allreduce = table[i].allreduce
			             ? allreduce_find(table[i].allreduce)
			             : allreduce_default(),
			.baseline = table[i].baseline };
		return 0;
	}
	return unknown(err, "--system", name, system_name);
}

static int set_gemm(const struct options *o, struct system *s,
                    struct wl_error *err)
{
	if (!o->gemm)
		return 0;
	if (s->line)
		return wl_error_set(err, "options --gemm and --system %s "
		                    "exclude each other: it has products of its"
		                    " own", s->name);
	s->gemm = gemm_find(o->gemm);
	return s->gemm ? 0 : unknown(err, "--gemm", o->gemm, gemm_name);
}

static int set_allreduce(const struct options *o, struct system *s,
                         struct wl_error *err)
{
	if (!o->allreduce)
		return 0;
	s->allreduce = allreduce_find(o->allreduce);
	return s->allreduce ? 0 : unknown(err, "--allreduce", o->allreduce,
	                                  allreduce_name);
}

/* What an account without data cannot have. */
static int check_baseline(const struct options *o, const struct system *s,
                          struct wl_error *err)
{
	const struct { const char *name; bool given; } never[] = {
		{ "--gemm", o->gemm }, { "--allreduce", o->allreduce },
		{ "--groups", o->groups[0] },
		{ "--kv concat", !strcmp(o->kv, "concat") },
		{ "--prefill-regions", o->prefill_regions > 1 },
		{ "--decode-regions", o->decode_regions > 1 },
	};

	if (!o->dry_run)
		return wl_error_set(err, "option --system: %s is an account "
		                    "without data and needs --dry-run",
		                    s->name);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (never[i].given)
			return wl_error_set(err, "options --system %s and %s "
			                    "exclude each other", s->name,
			                    never[i].name);
	return 0;
}

int system_choose(const struct options *o, struct system *s,
                  struct wl_error *err)
{
	if (find(o->system ? o->system : table[0].name, s, err) ||
	    (s->baseline && check_baseline(o, s, err)) ||
	    set_gemm(o, s, err) || set_allreduce(o, s, err))
		return -1;
	if (o->grid.rows == GRID_AUTO && (s->line || s->baseline))
		return wl_error_set(err, "options --system %s and --grid auto "
		                    "exclude each other", s->name);
	return 0;
}

int system_check_grid(const struct system *s, struct rxc prefill, bool warn,
                      struct wl_error *err)
{
	const struct grid g = { .rows = prefill.rows, .cols = prefill.cols };
	int blocks = gemm_blocks(&g);

	if (s->baseline || s->line)
		return 0;
	if (!gemm_applies(s->gemm, &g))
		return wl_error_set(err, "option --gemm: %s does not run on "
		                    "%dx%d cores", s->gemm->name, g.rows,
		                    g.cols);
	if (blocks <= GEMM_MANY_BLOCKS)
		return 0;
	if (blocks > GEMM_MOST_BLOCKS)
		return wl_error_set(err, GEMM_BLOCKS_REFUSAL, g.rows, g.cols,
		                    blocks, GEMM_MOST_BLOCKS);
	if (warn) {
		fprintf(stderr, GEMM_BLOCKS_WARNING "\n", g.rows, g.cols,
		        blocks);
		fflush(stderr);
	}
	return 0;
}
