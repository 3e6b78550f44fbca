/* All variants of the all-reduce. Another one is a file and a row here. */
#include "config.h"
#include "allreduce_charge.h"

#include <string.h>

static const struct allreduce *const variants[] = {
	&allreduce_pipeline, &allreduce_ring, &allreduce_ktree1,
	&allreduce_ktree2, &allreduce_ktree3, &allreduce_ktree4,
	&allreduce_binary,
};

const struct allreduce *allreduce_default(void)
{
	return &allreduce_ktree2;
}

const struct allreduce *allreduce_find(const char *name)
{
	for (size_t i = 0; i < allreduce_count(); i++) {
		const struct allreduce *a = variants[i];

		if (!strcmp(a->name, name) ||
		    (a->alias && !strcmp(a->alias, name)))
			return a;
	}
	return NULL;
}

size_t allreduce_count(void)
{
	return sizeof variants / sizeof *variants;
}

const struct allreduce *allreduce_at(size_t i)
{
	return variants[i];
}
