#include "config.h"
#include "request.h"

#include <stdio.h>

#include "base/datafile.h"

const char *request_model_path(const struct options *o, char found[PATH_MAX],
                               struct wl_error *err)
{
	if (o->model)
		return o->model;
	return datafile_path("default.h5", found, err) ? NULL : found;
}

struct rxc request_grid(const struct options *o, struct rxc own,
                        const struct model *m)
{
	/* Depends on the model alone, so that bits do not depend on ranks. */
	int side = m->dim < 128 ? 8 : 16;

	if (own.rows)
		return own;
	return o->grid.rows ? o->grid : (struct rxc){ side, side };
}

int request_context(const struct options *o, const struct model *m)
{
	return o->context ? o->context : m->max_seq_len;
}

/* tokens: a description of the tokens that exceed the context. */
static int refuse_tokens(const struct options *o, const struct model *m,
                         const char *tokens, struct wl_error *err)
{
	if (o->context)
		return wl_error_set(err, "%s exceed the context of %d that "
		                    "--context sets", tokens, o->context);
	return wl_error_set(err, "%s exceed the model's context of %d "
	                    "(--context lifts it in a dry run)", tokens,
	                    m->max_seq_len);
}

int request_tokens(const struct options *o, const struct model *m,
                   size_t prompt_tokens, int *new_tokens, struct wl_error *err)
{
	size_t context = request_context(o, m), left;
	char tokens[128];

	if (!o->dry_run && o->context > m->max_seq_len)
		return wl_error_set(err, "option --context: %d exceeds the "
		                    "model's context of %d, which is allowed "
		                    "only in a dry run", o->context,
		                    m->max_seq_len);
	if (prompt_tokens > context) {
		snprintf(tokens, sizeof tokens, "the prompt's %zu tokens",
		         prompt_tokens);
		return refuse_tokens(o, m, tokens, err);
	}
	left = context - prompt_tokens;
	*new_tokens = o->new_tokens;
	if (o->new_tokens < 0)
		*new_tokens =
			left < REQUEST_NEW_TOKENS ? left : REQUEST_NEW_TOKENS;
	if (*new_tokens >= 1 && (size_t)*new_tokens <= left)
		return 0;
	snprintf(tokens, sizeof tokens, "option -n: %zu prompt tokens and %d "
	         "new ones", prompt_tokens, *new_tokens < 1 ? 1 : *new_tokens);
	return refuse_tokens(o, m, tokens, err);
}

int request_check_regions(const struct options *o, const struct model *m,
                          struct wl_error *err)
{
	int max = o->prefill_regions > o->decode_regions ? o->prefill_regions
	                                                 : o->decode_regions;

	if (max <= m->n_layers)
		return 0;
	return wl_error_set(err, "option --%s-regions: %d regions for %d "
	                    "layers", max == o->prefill_regions ? "prefill"
	                                                        : "decode",
	                    max, m->n_layers);
}
