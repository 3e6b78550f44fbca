#include "config.h"
#include "ledger.h"

#include <string.h>

static const char *const op_names[] = {
#define WL_OP(id, name) name,
#include "counters.def"
};

static const char *const phase_names[] = {
	"load", "prefill", "transition", "decode"
};

const char *phase_name(enum phase p)
{
	return phase_names[p];
}

const char *op_name(enum op op)
{
	return op_names[op];
}

void ledger_init(struct ledger *l)
{
	memset(l, 0, sizeof *l);
	l->repeat = 1;
}

void ledger_phase(struct ledger *l, enum phase p)
{
	l->phase = p;
}

void ledger_op(struct ledger *l, enum op op)
{
	l->op = op;
}

static void add(struct charge *sum, const struct charge *c, uint64_t times)
{
#define WL_COUNTER(field, unit, help) sum->field += c->field * times;
#include "counters.def"
}

void ledger_charge(struct ledger *l, const struct charge *c)
{
	add(&l->row[l->phase][l->op], c, l->repeat);
}

struct charge ledger_total(const struct ledger *l, enum phase p)
{
	struct charge sum = { 0 };

	for (int i = 0; i < NOPS; i++)
		add(&sum, &l->row[p][i], 1);
	return sum;
}
