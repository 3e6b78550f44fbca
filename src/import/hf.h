/* The parts of a Hugging Face directory, as parsed JSON; `path` is the file's,
 * for messages. For import_read_hf and vocab_read_json only. Functions that
 * return int return 0, or -1 and err. */
#ifndef WL_HF_H
#define WL_HF_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/jsonfile.h"
#include "import/import.h"
#include "text/vocab.h"
#include "vocab_read.h"

/* Bounds on file sizes, bytes: about twice the largest known. Parsing hostile
 * JSON takes some 50 times as much memory. */
#define HF_MAX_CONFIG ((size_t)1 << 24)
#define HF_MAX_TOKENIZER ((size_t)1 << 26)

/* Sets m->model, except BOS and stop ids, and m->rope_factors from config.json.
 * Returns the name of the architecture, static storage; NULL and err when
 * something in the file is not supported. */
const char *hf_config_read(json_t *config, const char *path,
                           struct import_model *m, struct wl_error *err);
/* Checks the keys of config.json that hf_config_read does not use; m->model
 * must be set. A key that would change the answer is refused by name; other
 * unknown keys are noted. */
int hf_keys_check(json_t *config, const char *path, struct import_model *m,
                  struct wl_error *err);

/* Add a file's stop ids to m's: eos_token_id (config.json,
 * generation_config.json), or eos_token (tokenizer_config.json,
 * special_tokens_map.json), which needs m->vocab. added: object that maps the
 * texts of tokens named by other files to ids. A text that is neither in the
 * vocabulary nor in added is ignored with a note. Fail when a value has the
 * wrong type or there are too many ids. */
int hf_stops_ids(json_t *config, const char *path, struct import_model *m,
                 struct wl_error *err);
int hf_stops_tokens(json_t *file, const char *path, const json_t *added,
                    struct import_model *m, struct wl_error *err);

/* Sets v's split, nfc, add_space and space_rule from the normalizer,
 * pre_tokenizer and decoder of tokenizer.json. byte_fallback: whether the
 * tokenizer is SentencePiece-like rather than byte-level. err names what is not
 * supported. */
int hf_pipeline_read(json_t *tokenizer, bool byte_fallback, const char *path,
                     struct vocab *v, struct wl_error *err);
/* Sets *says to the settings that tokenizer.json fixes. */
void hf_pipeline_says(json_t *tokenizer, struct vocab_says *says);
/* Applies add_prefix_space of tokenizer_config.json (settings) to v; null or
 * no such key changes nothing. says: what tokenizer.json fixes; llama: whether
 * the tokenizer is of Llama's class, which builds its own normalizer and reads
 * "legacy". Fails when the setting contradicts what tokenizer.json fixes. */
int hf_pipeline_space(const struct jsonfile_at *settings,
                      const struct vocab_says *says, bool llama,
                      struct vocab *v);
/* Sets v->bos_id from the post_processor of tokenizer.json. v must have its
 * pieces. */
int hf_pipeline_bos(json_t *tokenizer, const char *path, struct vocab *v,
                    struct wl_error *err);

#endif
