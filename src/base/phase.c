#include "config.h"
#include "base/phase.h"

static const char *const phase_names[] = {
	"load", "prefill", "transition", "decode"
};

static const char *const op_names[] = {
#define WL_OP(id, name) name,
#include "base/operators.def"
};

const char *phase_name(enum phase p)
{
	return phase_names[p];
}

const char *op_name(enum op op)
{
	return op_names[op];
}
