/* What the fuzzers share. Each fuzz_*.c defines the one function that
 * libFuzzer calls for every input; where there is no libFuzzer replay.c calls
 * it for files. An input that is refused with an error line is well. */
#ifndef WL_FUZZ_H
#define WL_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file that holds these bytes, in memory; slot 0 or 1. Both are
 * valid until the next call for that slot. */
const char *fuzz_file(int slot, const uint8_t *data, size_t size);

/* Takes a length of 4 bytes and as many bytes (fewer where there are no
 * more) from the front of an input; the rest stays in it. */
const uint8_t *fuzz_take(const uint8_t **data, size_t *size, size_t *len);

/* Makes a tokenizer of a vocabulary that a reader let through, encodes some
 * texts with it and decodes every id. */
void fuzz_vocab(const struct vocab *v);

/* Imports a model that a reader let through into a checkpoint that only looks
 * at what it is given (it stands in for src/model/checkpoint.c), and frees it. */
void fuzz_import(struct import_model *m);

#endif
