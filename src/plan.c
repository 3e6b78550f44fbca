#include "config.h"
#include "plan.h"

#include <unistd.h>

bool plan_installed(void)
{
	return access(WL_DATADIR "/default.h5", R_OK) == 0;
}

const char *plan_model_path(const struct options *o, bool installed)
{
	if (o->model)
		return o->model;
	return installed ? WL_DATADIR "/default.h5"
	                 : WL_SRC_DATADIR "/default.h5";
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
