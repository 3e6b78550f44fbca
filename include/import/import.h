/* Conversion of foreign model files to checkpoints. Serial, without MPI. Memory
 * holds one tensor at a time, in the type in which it will be stored. Functions
 * that return int return 0, or -1 and err. */
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
	const char *random_shape; /* make random weights of that shape */
	int type;               /* enum wl_type to store; -1: the source's */
	unsigned long long seed; /* of random weights */
	int quiet;              /* print no notes or progress on stderr */
};

/* The names of a format's tensors: "NAME", or for a tensor of a layer
 * "PREFIX<layer>.NAME". NULL: the format has no such tensor. */
struct source_names {
	const char *layer_prefix;     /* e.g. "model.layers." */
	const char *name[T_NKINDS];   /* e.g. "self_attn.q_proj.weight" */
};

/* A model in foreign files: the readers of the formats fill it in, and
 * import_write turns it into a checkpoint. The source's matrices are [n][k], n
 * outputs of k inputs each; its embedding is [V][E]. */
struct import_model {
	struct model model;
	struct vocab vocab;
	int source_context;         /* the source's context, tokens, if it was
	                             * reduced to a sliding window; else 0 */
	char origin[512];           /* one line, for the checkpoint */
	struct sources sources;
	const struct source_names *names;
	bool rotate_half;           /* RoPE pairs channels i and i + head_dim/2
	                             * of q and k; else 2i and 2i+1 */
	float *rope_factors;        /* [head_dim/2] if model.rope_scaled */
	char *made_names;           /* memory of names if that is not static */
	char **note;                /* [n_notes], see import_note */
	int n_notes;
};

/* Frees what the fields point to and zeroes m. */
void import_model_fini(struct import_model *m);

/* Adds a line for the user about something unexpected in the source that was
 * ignored, e.g. "ignored: config.json: \"x\"". import_write prints the lines on
 * stderr, prefixed with "import: ", once the source has passed all checks and
 * unless quiet. Control characters become '?'; at most 64 lines are kept. */
void import_note(struct import_model *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds an id to the model's stop ids unless it is among them;
 * model.vocab_size must be set. An id outside the vocabulary, such as -1, is
 * ignored with a note. where: file and field, for messages. Fails when there
 * are too many. */
int import_add_stop(struct import_model *m, int64_t id, const char *where,
                    struct wl_error *err);

/* Readers of the formats. Each sets all of m without reading tensor data, and
 * refuses what it does not support by name. The caller frees m with
 * import_model_fini, also on failure.
 *
 * A llama2.c checkpoint, legacy header or version 1 ("ak42"), and its
 * tokenizer.bin. */
int import_read_llama2c(const char *path, const char *tokenizer,
                        struct import_model *m, struct wl_error *err);
/* A Hugging Face directory: config.json, generation_config.json (optional),
 * safetensors (single or sharded), tokenizer.json. */
int import_read_hf(const char *dir, struct import_model *m,
                   struct wl_error *err);
/* A GGUF file, or any part of a model that is split over several. */
int import_read_gguf(const char *path, struct import_model *m,
                     struct wl_error *err);

/* Limits the model's context, which must be set, to the sliding window of some
 * of its layers: window > 0 tokens. */
void import_window_cap(struct import_model *m, int window);
/* If the context was limited, says so in m->origin and in a note. */
void import_window_tell(struct import_model *m);

/* Writes the format's name of a tensor into name[size]. False when it has
 * none. */
bool source_tensor_name(const struct source_names *names,
                        enum tensor_kind kind, int layer, char *name,
                        size_t size);

/* Whether a tensor's name is that of a table, whose values follow from the
 * model's shape, rather than of a weight. */
bool import_is_table(const char *name);

/* Handles whatever the source has beyond what the model needs; every tensor
 * that the model needs must be marked as used. Unneeded tensors are ignored
 * with a note where they provably do not change the answer: RoPE's tables,
 * biases of zeros, a tied head that equals the embedding. Likewise pieces
 * beyond the model's ids, if no text is encoded to them. All others are refused
 * by name. A vocabulary with fewer pieces than the model has ids is padded.
 * source: for messages. */
int import_fit(struct import_model *m, const char *source,
               struct wl_error *err);

/* Writes m to the checkpoint o->dest. First checks that the source has every
 * tensor in the model's shape, then calls import_fit. Weights that are not
 * finite, or overflow in the type to store, are refused by tensor name. */
int import_write(const struct import_options *o, struct import_model *m,
                 struct wl_error *err);

/* The whole import: recognizes the source's format, reads the model and writes
 * the checkpoint; or makes random weights. On failure nothing is left at
 * o->dest. */
int import_run(const struct import_options *o, struct wl_error *err);
/* Writes a checkpoint with random weights of the shape o->random_shape. */
int import_random(const struct import_options *o, struct wl_error *err);

#endif
