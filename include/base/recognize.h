/* Identifies a file by its first bytes, or a directory by its entries, so that
 * a reader that expected something else can say what to do with it. Reads a few
 * kilobytes and parses no format beyond that. Not collective. */
#ifndef WL_RECOGNIZE_H
#define WL_RECOGNIZE_H

#include "base/error.h"

enum file_kind {
	FILE_UNKNOWN,
	/* Given by mistake. */
	FILE_EMPTY, FILE_LFS_POINTER, FILE_HTML, FILE_BYTE_ORDER_MARK,
	FILE_TEXT,
	/* Models and parts of them. */
	FILE_HDF5, FILE_GGUF, FILE_GGML, FILE_SAFETENSORS, FILE_LLAMA2C,
	FILE_LLAMA2C_TOKENIZER, FILE_SENTENCEPIECE, FILE_TIKTOKEN, FILE_JSON,
	FILE_PICKLE, FILE_PYTORCH, FILE_ONNX, FILE_NUMPY,
	/* Archives and compressed files. */
	FILE_ZIP, FILE_GZIP, FILE_XZ, FILE_BZIP2, FILE_ZSTD, FILE_TAR,
	/* Directories. */
	FILE_HF_DIR, FILE_HF_DIR_BARE, FILE_HF_DIR_RENAMED,
	FILE_HF_DIR_PYTORCH, FILE_ADAPTER_DIR, FILE_CACHE_DIR, FILE_META_DIR,
	FILE_GGUF_DIR, FILE_OTHER_DIR, FILE_CHECKPOINT_DIR, FILE_PARENT_DIR,
	FILE_EMPTY_DIR,
	FILE_NKINDS
};

/* The kind of the file or directory; FILE_UNKNOWN also if it cannot be read or
 * is neither. */
enum file_kind recognize(const char *path);

/* Call after a reader of kind `wanted` (FILE_UNKNOWN: import, which reads
 * several) has failed with err: replaces err by what the file is instead and
 * what to do. Leaves err unchanged if the file is unknown or of the wanted
 * kind, or a text where JSON was wanted, since the reader's message says more.
 * Always returns -1. */
int recognize_explain(const char *path, enum file_kind wanted,
                      struct wl_error *err);

#endif
