/* Sliding windows. A query attends to itself and to the window - 1 tokens
 * before it. Within a context no longer than the window that is every token, so
 * a model with windows in some or all layers then equals one with full
 * attention. */
#include "config.h"
#include "import/import.h"

#include <stdio.h>
#include <string.h>

void import_window_cap(struct import_model *m, int window)
{
	if (window >= m->model.max_seq_len)
		return;
	m->source_context = m->model.max_seq_len;
	m->model.max_seq_len = window;
}

void import_window_tell(struct import_model *m)
{
	size_t at = strlen(m->origin);

	if (!m->source_context)
		return;
	snprintf(m->origin + at, sizeof m->origin - at, ", context %d of %d: "
	         "its sliding window", m->model.max_seq_len,
	         m->source_context);
	import_note(m, "the context is reduced from %d to %d tokens, the"
	            " sliding window, within which attention is full",
	            m->source_context, m->model.max_seq_len);
}
