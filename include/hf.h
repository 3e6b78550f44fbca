/* The parts of a Hugging Face directory, as JSON that has been read (path is
 * its file's, for messages). For import_read_hf and vocab_read_json only. */
#ifndef WL_HF_H
#define WL_HF_H

#include <jansson.h>
#include <stdbool.h>

#include "fail.h"
#include "import.h"
#include "vocab.h"

/* Bounds on files, bytes: about twice the largest known. Parsed, hostile JSON
 * takes some 50 times its bytes. */
#define HF_MAX_CONFIG ((size_t)1 << 24)
#define HF_MAX_TOKENIZER ((size_t)1 << 26)

/* config.json -> m->model, but for BOS and stop ids, and m->rope_factors.
 * The name of the architecture, static; NULL and err when something in it is
 * not known here. */
const char *hf_config_read(json_t *config, const char *path,
                           struct import_model *m, struct wl_error *err);
/* Adds eos_token_id of config.json or generation_config.json to m's stop ids.
 * 0, or -1 and err when they are not in the vocabulary or too many. */
int hf_config_stops(json_t *config, const char *path, struct model *m,
                    struct wl_error *err);

/* tokenizer.json: normalizer, pre_tokenizer and decoder -> v's split, nfc,
 * add_space and space_rule. byte_fallback tells SentencePiece-like tokenizers from byte-level
 * ones. 0, or -1 and err naming what is not known here. */
int hf_pipeline_read(json_t *tokenizer, bool byte_fallback, const char *path,
                     struct vocab *v, struct wl_error *err);
/* post_processor -> v->bos_id, an id of v. 0, or -1 and err. */
int hf_pipeline_bos(json_t *tokenizer, const char *path, struct vocab *v,
                    struct wl_error *err);

#endif
