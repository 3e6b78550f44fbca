/* The parts of a Hugging Face directory, as JSON that has been read (path is
 * its file's, for messages). For import_read_hf and vocab_read_json only. */
#ifndef WL_HF_H
#define WL_HF_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/jsonfile.h"
#include "import/import.h"
#include "text/vocab.h"
#include "vocab_read.h"

/* Bounds on files, bytes: about twice the largest known. Parsed, hostile JSON
 * takes some 50 times its bytes. */
#define HF_MAX_CONFIG ((size_t)1 << 24)
#define HF_MAX_TOKENIZER ((size_t)1 << 26)

/* config.json -> m->model, but for BOS and stop ids, and m->rope_factors.
 * The name of the architecture, static; NULL and err when something in it is
 * not known here. */
const char *hf_config_read(json_t *config, const char *path,
                           struct import_model *m, struct wl_error *err);
/* The keys of config.json that the above does not read, m->model being read:
 * one that would change the answer is refused by name, others that are not
 * known are noted. 0, or -1 and err. */
int hf_keys_check(json_t *config, const char *path, struct import_model *m,
                  struct wl_error *err);

/* Add to m's stop ids what a file says: eos_token_id (config.json,
 * generation_config.json), and eos_token (tokenizer_config.json,
 * special_tokens_map.json) once m->vocab is read. added: ids by the text, of
 * tokens that are perhaps not in the vocabulary. What is in neither is ignored
 * with a note. 0, or -1 and err when they are of another
 * type or too many. */
int hf_stops_ids(json_t *config, const char *path, struct import_model *m,
                 struct wl_error *err);
int hf_stops_tokens(json_t *file, const char *path, const json_t *added,
                    struct import_model *m, struct wl_error *err);

/* tokenizer.json: normalizer, pre_tokenizer and decoder -> v's split, nfc,
 * add_space and space_rule. byte_fallback tells SentencePiece-like tokenizers
 * from byte-level ones. 0, or -1 and err naming what is not known here. */
int hf_pipeline_read(json_t *tokenizer, bool byte_fallback, const char *path,
                     struct vocab *v, struct wl_error *err);
/* What the file decides by itself. */
void hf_pipeline_says(json_t *tokenizer, struct vocab_says *says);
/* The add_prefix_space of settings, tokenizer_config.json, in place of v's
 * own. says: of tokenizer.json; llama: Llama's class, which makes its own
 * normalizer, by "legacy". null, or no such member, changes nothing. 0, or -1
 * and err when it contradicts what tokenizer.json decides by itself. */
int hf_pipeline_space(const struct jsonfile_at *settings,
                      const struct vocab_says *says, bool llama,
                      struct vocab *v);
/* post_processor -> v->bos_id, an id of v. 0, or -1 and err. */
int hf_pipeline_bos(json_t *tokenizer, const char *path, struct vocab *v,
                    struct wl_error *err);

#endif
