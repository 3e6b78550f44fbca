#include "config.h"
#include "plan.h"

#include "datafile.h"

const char *plan_model_path(const struct options *o, char found[PATH_MAX],
                            struct wl_error *err)
{
	if (o->model)
		return o->model;
	return datafile_path("default.h5", found, err) ? NULL : found;
}

struct rxc plan_grid(const struct options *o, struct rxc own,
                     const struct model *m)
{
	/* By the model alone: bits must not depend on ranks. */
	int side = m->dim < 128 ? 8 : 16;

	if (own.rows)
		return own;
	return o->grid.rows ? o->grid : (struct rxc){ side, side };
}

int plan_check_regions(const struct options *o, const struct model *m,
                       struct wl_error *err)
{
	int most = o->prefill_regions > o->decode_regions ? o->prefill_regions
	                                                  : o->decode_regions;

	if (most <= m->n_layers)
		return 0;
	return wl_error_set(err, "option --%s-regions: %d regions for %d "
	                    "layers", most == o->prefill_regions ? "prefill"
	                                                         : "decode",
	                    most, m->n_layers);
}
