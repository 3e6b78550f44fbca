/* Other people's files -> a checkpoint. Serial, without MPI. One tensor is in
 * memory at a time, in the type in which it is stored. */
#ifndef WL_IMPORT_H
#define WL_IMPORT_H

#include <stdint.h>

#include "base/error.h"
#include "import/source.h"
#include "model/model.h"
#include "text/vocab.h"

struct import_options {
	const char *source;     /* file or directory; NULL with random_shape */
	const char *dest;       /* checkpoint to write */
	const char *tokenizer;  /* llama2.c tokenizer.bin, for that format */
	const char *random_shape; /* random weights of that shape instead */
	int type;               /* enum wl_type to store, -1: the source's */
	unsigned long long seed; /* of random weights */
	int quiet;              /* no progress lines on stderr */
};

/* What a format calls the tensors: a name of the model, or of a layer with
 * its number between prefix and name. NULL: the format has no such tensor. */
struct source_names {
	const char *layer_prefix;     /* e.g. "model.layers." */
	const char *name[T_NKINDS];   /* e.g. "self_attn.q_proj.weight" */
};

/* A model found in someone else's files: what the readers of each format
 * fill in and import_write turns into a checkpoint. Matrices lie there as
 * [n][k], n outputs of k inputs each, the embedding as [V][E]. */
struct import_model {
	struct model model;
	struct vocab vocab;
	int source_context;         /* tokens, where the model's context is
	                             * capped at a sliding window; else 0 */
	char origin[512];           /* a line for the checkpoint */
	struct sources sources;
	const struct source_names *names;
	bool rotate_half;           /* RoPE turns channels i and i + head_dim/2
	                             * of q and k; else 2i and 2i+1 */
	float *rope_factors;        /* [head_dim/2] where model.rope_scaled */
	char *made_names;           /* where names is not static; freed */
	char **note;                /* [n_notes], see import_note */
	int n_notes;
};

void import_model_fini(struct import_model *m);

/* Keeps a line for the user about something in the source that is not as
 * expected and was ignored, e.g. "ignored: config.json: \"x\"". import_write
 * prints it on stderr behind "import: ", unless quiet, when nothing is wrong
 * with the source. Control characters become '?'; at most 64 lines are
 * kept. */
void import_note(struct import_model *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds an id to those that end a text, once; model.vocab_size must be known.
 * One that the model cannot give, such as -1, is ignored with a note; where:
 * file and field, for messages. 0, or -1 and err when there are too many. */
int import_add_stop(struct import_model *m, int64_t id, const char *where,
                    struct wl_error *err);

/* Readers of the formats: they set all of m, reading no tensor data, and
 * refuse by name what they do not know. 0, or -1 and err; m is to be freed with
 * import_model_fini either way.
 * llama2.c checkpoint, legacy header or version 1 ("ak42"), and its
 * tokenizer.bin. */
int import_read_llama2c(const char *path, const char *tokenizer,
                        struct import_model *m, struct wl_error *err);
/* A Hugging Face directory: config.json, generation_config.json (optional),
 * safetensors (single or sharded), tokenizer.json. */
int import_read_hf(const char *dir, struct import_model *m,
                   struct wl_error *err);
int import_read_gguf(const char *path, struct import_model *m,
                     struct wl_error *err);

/* Caps the model's context, which the reader has set, at a sliding window of
 * so many tokens, above 0, that some of its layers have. */
void import_window_cap(struct import_model *m, int window);
/* Adds to m->origin and to the notes that the context was capped. */
void import_window_tell(struct import_model *m);

/* The name that the format has for a tensor, in name[size]. False when it has
 * none. */
bool source_tensor_name(const struct source_names *names,
                        enum tensor_kind kind, int layer, char *name,
                        size_t size);

/* Whether a tensor is by its name a table, no weight: what is in it follows
 * from the model's shape. */
bool import_is_table(const char *name);

/* The rule for all formats once every tensor that the model needs is marked as
 * used: what else the source has is ignored, with a note, where it provably
 * does not change the answer, and refused by name otherwise. Tensors: RoPE's
 * tables, biases of zeros, a tied head that equals the embedding. Pieces
 * beyond the model's ids: those that no text makes; a tokenizer of fewer is
 * padded. source: for messages. 0, or -1 and err. */
int import_fit(struct import_model *m, const char *source,
               struct wl_error *err);

/* Writes m as a checkpoint. Before that every tensor must be there in the
 * model's shape, and what remains must pass import_fit. Weights that are not finite,
 * or not in the type to store, are refused by tensor name. 0, or -1 and
 * err. */
int import_write(const struct import_options *o, struct import_model *m,
                 struct wl_error *err);

/* Recognizes the source's format and does all of the above; or random
 * weights. 0, or -1 and err. Nothing is left at dest on failure. */
int import_run(const struct import_options *o, struct wl_error *err);
/* Random weights of the shape in o->random_shape. */
int import_random(const struct import_options *o, struct wl_error *err);

#endif
