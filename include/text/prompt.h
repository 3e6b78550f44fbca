/* From the options to the token ids of the prompt; on the leader. */
#ifndef WL_PROMPT_H
#define WL_PROMPT_H

#include <stddef.h>

#include "base/error.h"
#include "base/options.h"
#include "text/tokenizer.h"

struct prompt {
	char *text;   /* bytes as given, of --prompt-ids decoded; owned */
	size_t len;
	int *ids;     /* owned */
	size_t n;
	/* a control token that the text holds and that was read as text, cut
	 * and without control characters, for a message; "": none */
	char special[64];
};

/* Takes --prompt, --prompt-file or the default prompt and encodes it, with BOS
 * in front where the model has one; or takes --prompt-ids as they are. 0, or
 * -1 and err naming the option or file. Free with prompt_fini in any case. */
int prompt_get(struct prompt *p, const struct options *o,
               const struct tokenizer *t, struct wl_error *err);
void prompt_fini(struct prompt *p);

#endif
