#!/usr/bin/env python3
"""Models in other people's formats, for tests and fuzzers.

  models.py convert DIR OUT   a Hugging Face Llama directory, as
                              OUT/sharded/ (three safetensors), OUT/model.gguf
                              (F32) and OUT/bf16/ (weights cut to BF16)
  models.py seeds OUT         OUT/NAME/*: small valid inputs for each fuzzer
  models.py tokens OUT        OUT/NAME/: directories with tokenizers of several
                              kinds, and OUT/smollm.gguf
  models.py large OUT         a directory of 150 MB of BF16 zeros, 128 of them
                              in one tensor; not stored on the disk
  models.py odd OUT           OUT/*: sources with something that does not
                              matter, and files that are something else;
                              prints lines "VERB<tab>PATH<tab>WORDS" of what
                              tests/test_sources.sh does with each
  models.py broken OUT        OUT/*: sources that import must refuse; prints
                              a line "PATH<tab>WORDS" for each, and first one
                              for a directory and a GGUF file that are good

Python's own library only. Tensors are dicts of name -> (dtype, shape, bytes)
with Hugging Face's names, in the order of the file."""

import json
import os
import shutil
import struct
import sys

GGML = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7,
        "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14,
        "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30}

# Packed types: elements and bytes of a block, where its binary16 are.
BLOCK = {"Q8_0": (32, 34, [0]), "Q4_0": (32, 18, [0]),
         "Q4_1": (32, 20, [0, 2]), "Q5_0": (32, 22, [0]),
         "Q5_1": (32, 24, [0, 2]), "Q2_K": (256, 84, [80, 82]),
         "Q3_K": (256, 110, [108]), "Q4_K": (256, 144, [0, 2]),
         "Q5_K": (256, 176, [0, 2]), "Q6_K": (256, 210, [208]),
         "IQ4_NL": (32, 18, [0]), "IQ4_XS": (256, 136, [0])}


# --- safetensors ---

def read_safetensors(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        head, data = json.loads(f.read(length)), f.read()
    head.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])])
            for name, t in head.items()}


def write_safetensors(path, tensors):
    head, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, raw) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape,
                      "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, _, raw in tensors.values():
            f.write(raw)


def write_sharded(folder, tensors, n):
    names, where = list(tensors), {}
    for i in range(n):
        file = "model-%05d-of-%05d.safetensors" % (i + 1, n)
        part = {k: tensors[k] for k in names[i::n]}
        where.update({k: file for k in part})
        write_safetensors(os.path.join(folder, file), part)
    size = sum(len(raw) for _, _, raw in tensors.values())
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": size}, "weight_map": where}, f)


# --- GGUF ---

def gguf_string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(value):
    """Type and bytes: bool, int (uint32), float, str, or a list of one."""
    if isinstance(value, list):
        kind = gguf_value(value[0])[0] if value else 8
        if kind == 4:  # token types are signed
            kind = 5
        return 9, struct.pack("<IQ", kind, len(value)) + b"".join(
            gguf_value(v)[1] for v in value)
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    return 8, gguf_string(value)


def write_gguf(path, meta, tensors, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(meta))
    for key, value in meta.items():
        kind, raw = gguf_value(value)
        head += gguf_string(key) + struct.pack("<I", kind) + raw
    data = b""
    for name, (dtype, shape, raw) in tensors.items():
        head += gguf_string(name) + struct.pack("<I", len(shape))
        head += struct.pack("<%dQ" % len(shape), *reversed(shape))
        head += struct.pack("<IQ", GGML[dtype], len(data))
        data += raw + b"\0" * (-len(raw) % alignment)
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % alignment) + data)


def split_gguf(path, meta, tensors):
    """Two parts of a model, the second behind the first in one file."""
    names, data = list(tensors), b""
    for no in range(2):
        write_gguf(path, {**(meta if no == 0 else {}), "split.no": no,
                          "split.count": 2,
                          "split.tensors.count": len(names)},
                   {name: tensors[name] for name in names[no::2]})
        with open(path, "rb") as f:
            data += f.read()
    with open(path, "wb") as f:
        f.write(data)


GGUF_NAME = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd", "lm_head": "output",
    "model.norm": "output_norm",
}


def gguf_name(name, tied):
    stem, _, kind = name.rpartition(".")
    if tied and stem == "lm_head":
        stem = "model.embed_tokens"
    if stem.startswith("model.layers."):
        layer, _, rest = stem[len("model.layers."):].partition(".")
        return "blk.%s.%s.%s" % (layer, GGUF_NAME[rest], kind)
    return GGUF_NAME[stem] + "." + kind


def adjacent_pairs(raw, heads, rows):
    """Rows of q or k: from halves of a head to adjacent pairs."""
    size, half = len(raw) // rows, rows // heads // 2
    order = [h * 2 * half + part * half + i for h in range(heads)
             for i in range(half) for part in range(2)]
    return b"".join(raw[i * size:(i + 1) * size] for i in order)


def gguf_tensors(config, tensors):
    out = {}
    for name, (dtype, shape, raw) in tensors.items():
        heads = {"q_proj": config["num_attention_heads"],
                 "k_proj": config["num_key_value_heads"]}.get(
                     name.split(".")[-2])
        if heads and config["architectures"] == ["LlamaForCausalLM"]:
            raw = adjacent_pairs(raw, heads, shape[0])
        out[gguf_name(name, config["tie_word_embeddings"])] = (
            dtype, shape, raw)
    return out


def gguf_shape(config, arch="llama"):
    c = config
    return {
        "general.architecture": arch,
        arch + ".block_count": c["num_hidden_layers"],
        arch + ".context_length": c["max_position_embeddings"],
        arch + ".embedding_length": c["hidden_size"],
        arch + ".feed_forward_length": c["intermediate_size"],
        arch + ".attention.head_count": c["num_attention_heads"],
        arch + ".attention.head_count_kv": c["num_key_value_heads"],
        arch + ".attention.layer_norm_rms_epsilon": c["rms_norm_eps"],
        arch + ".rope.freq_base": c["rope_theta"],
    }


def gguf_spm(tokenizer):
    """The pieces of a tokenizer.json with byte fallback, as SentencePiece
    would have them: a piece's score falls with the rule that makes it."""
    model = tokenizer["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    rank = {}
    for i, rule in enumerate(model["merges"]):
        pair = rule.split(" ") if isinstance(rule, str) else rule
        rank.setdefault("".join(pair), i)
    special = {t["content"] for t in tokenizer["added_tokens"]}

    def kind(token):
        if token == model["unk_token"]:
            return 2
        if token in special:
            return 3
        return 6 if len(token) == 6 and token.startswith("<0x") else 1

    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-float(rank.get(t, 0)) for t in tokens],
        "tokenizer.ggml.token_type": [kind(t) for t in tokens],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


# --- Conversion of a directory ---

def cut_to_bf16(tensors):
    return {name: ("BF16", shape, b"".join(
        raw[i + 2:i + 4] for i in range(0, len(raw), 4)))
        for name, (_, shape, raw) in tensors.items()}


def convert(source, out):
    with open(os.path.join(source, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(source, "tokenizer.json")) as f:
        tokenizer = json.load(f)
    tensors = read_safetensors(os.path.join(source, "model.safetensors"))
    for folder in "sharded", "bf16":
        os.makedirs(os.path.join(out, folder))
        for file in "config.json", "tokenizer.json", "generation_config.json":
            shutil.copyfile(os.path.join(source, file),
                            os.path.join(out, folder, file))
    write_sharded(os.path.join(out, "sharded"), tensors, 3)
    write_safetensors(os.path.join(out, "bf16", "model.safetensors"),
                      cut_to_bf16(tensors))
    write_gguf(os.path.join(out, "model.gguf"),
               {**gguf_shape(config), **gguf_spm(tokenizer)},
               gguf_tensors(config, tensors))


# --- Seeds ---

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 8,
    "intermediate_size": 6, "max_position_embeddings": 16,
    "num_attention_heads": 2, "num_hidden_layers": 1,
    "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
    "tie_word_embeddings": True, "vocab_size": 12,
}

LLAMA3_SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                  "high_freq_factor": 4.0,
                  "original_max_position_embeddings": 8}


def added(i, content, special=True):
    return {"id": i, "content": content, "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
            "special": special}


SPM_JSON = {
    "version": "1.0",
    "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "},
         "content": "\u2581"}]},
    "pre_tokenizer": None,
    "post_processor": {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1],
                                   "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
              "continuing_subword_prefix": None, "end_of_word_suffix": None,
              "fuse_unk": True, "byte_fallback": True,
              "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<0x0A>": 3,
                        "\u2581": 4, "a": 5, "b": 6, "c": 7, "ab": 8,
                        "\u2581a": 9, "abc": 10, "\u2581abc": 11},
              "merges": ["a b", "\u2581 a", "ab c", "\u2581 abc"]},
}

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

BYTES_JSON = {
    "version": "1.0",
    "added_tokens": [added(11, "<|end|>"), added(12, "<tool>", False)],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": QWEN2},
         "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False,
         "trim_offsets": False, "use_regex": False}]},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": False,
                       "trim_offsets": False, "use_regex": False},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": None, "unk_token": None,
              "byte_fallback": False, "ignore_merges": False,
              "vocab": {"a": 0, "b": 1, "c": 2, "\u0120": 3, "\u010a": 4,
                        "\u00c3": 5, "\u00a9": 6, "ab": 7, "\u0120ab": 8,
                        "\u00c3\u00a9": 9, "abc": 10},
              "merges": [["a", "b"], ["\u0120", "ab"],
                         ["\u00c3", "\u00a9"], ["ab", "c"]]},
}


def byte_alphabet():
    """GPT-2's character of each byte."""
    plain = [b for b in range(256)
             if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    other = [b for b in range(256) if b not in plain]
    return [chr(b) if b in plain else chr(256 + other.index(b))
            for b in range(256)]


def byte_level(pre_tokenizer):
    """All bytes, a few merges, two control tokens, one of the user's."""
    pieces = byte_alphabet()  # its characters are the ids 0 to 255
    merges = [["l", "l"], ["h", "e"], ["1", "2"], ["\u0120", "a"],
              ["\u0120", "\u0120"], ["\u0120", "1"], ["he", "ll"]]
    pieces = pieces + ["".join(m) for m in merges]
    n = len(pieces)
    return {
        "version": "1.0",
        "added_tokens": [added(n, "<|im_start|>"), added(n + 1, "<|im_end|>"),
                         added(n + 2, "<tool>", False)],
        "normalizer": None, "pre_tokenizer": pre_tokenizer,
        "post_processor": None, "decoder": byte_pre_tokenizer(True),
        "model": {"type": "BPE", "vocab": {p: i for i, p in enumerate(pieces)},
                  "merges": merges},
    }


def byte_pre_tokenizer(space):
    return {"type": "ByteLevel", "add_prefix_space": space,
            "trim_offsets": True, "use_regex": True}


SMOLLM_JSON = byte_level({"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True},
    byte_pre_tokenizer(False)]})
RUNS_JSON = byte_level({"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": False},
    byte_pre_tokenizer(False)]})
PREFIX_JSON = byte_level(byte_pre_tokenizer(True))


def numbers(n, key):
    """n reproducible numbers in (-1, 1)."""
    out = []
    for _ in range(n):
        key = (key * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((key >> 40) / 2**23 - 1)
    return out


def weights(dtype, n, key):
    if dtype in BLOCK:
        elements, size, halves = BLOCK[dtype]
        raw = bytearray(int(x * 127) % 256
                        for x in numbers(n // elements * size, key))
        for block in range(0, len(raw), size):
            for at in halves:
                struct.pack_into("<e", raw, block + at, 0.001)
        return bytes(raw)
    values = numbers(n, key)
    if dtype == "BF16":
        return b"".join(struct.pack("<f", x)[2:] for x in values)
    return struct.pack("<%d%s" % (n, "e" if dtype == "F16" else "f"), *values)


def shapes_of(config, bias=False):
    c = config
    e, f = c["hidden_size"], c["intermediate_size"]
    hd = c.get("head_dim") or e // c["num_attention_heads"]
    q, kv = c["num_attention_heads"] * hd, c["num_key_value_heads"] * hd
    shape = {"model.embed_tokens.weight": [c["vocab_size"], e]}
    for i in range(c["num_hidden_layers"]):
        layer = "model.layers.%d." % i
        shape[layer + "input_layernorm.weight"] = [e]
        for name, n in ("q", q), ("k", kv), ("v", kv):
            shape[layer + "self_attn.%s_proj.weight" % name] = [n, e]
            if bias:
                shape[layer + "self_attn.%s_proj.bias" % name] = [n]
        shape[layer + "self_attn.o_proj.weight"] = [e, q]
        shape[layer + "post_attention_layernorm.weight"] = [e]
        shape[layer + "mlp.gate_proj.weight"] = [f, e]
        shape[layer + "mlp.up_proj.weight"] = [f, e]
        shape[layer + "mlp.down_proj.weight"] = [e, f]
    shape["model.norm.weight"] = [e]
    if not c["tie_word_embeddings"]:
        shape["lm_head.weight"] = [c["vocab_size"], e]
    return shape


def tensors_of(config, matrix="F16", bias=False):
    out = {}
    for key, (name, s) in enumerate(shapes_of(config, bias).items()):
        dtype = matrix if len(s) == 2 else "F32"
        if s[-1] % BLOCK.get(dtype, (1,))[0]:
            dtype = "F16"
        n = s[0] * (s[1] if len(s) == 2 else 1)
        out[name] = (dtype, s, weights(dtype, n, key))
    return out


def put(out, name, file, data):
    os.makedirs(os.path.join(out, name), exist_ok=True)
    with open(os.path.join(out, name, file), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def gguf_seeds(out):
    os.makedirs(os.path.join(out, "gguf"))
    for matrix in "F32", "F16", "BF16", *BLOCK:
        row = BLOCK[matrix][0] if matrix in BLOCK else 8
        c = dict(CONFIG, hidden_size=row, head_dim=2,
                 intermediate_size=2)
        tensors = gguf_tensors(c, tensors_of(c, matrix))
        write_gguf(os.path.join(out, "gguf", matrix),
                   {**gguf_shape(c), **gguf_spm(SPM_JSON),
                    "llama.attention.key_length": 2,
                    "llama.attention.value_length": 2}, tensors)
    split_gguf(os.path.join(out, "gguf", "split"),
               {**gguf_shape(CONFIG), **gguf_spm(SPM_JSON)},
               gguf_tensors(CONFIG, tensors_of(CONFIG)))
    write_gguf(os.path.join(out, "gguf", "no-bos"),
               {**gguf_shape(CONFIG), **gguf_spm(SPM_JSON),
                "tokenizer.ggml.add_bos_token": False},
               gguf_tensors(CONFIG, tensors_of(CONFIG)))
    model = BYTES_JSON["model"]
    qwen = dict(CONFIG, architectures=["Qwen2ForCausalLM"], vocab_size=13)
    write_gguf(os.path.join(out, "gguf", "qwen2"), {
        **gguf_shape(qwen, "qwen2"), "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": list(model["vocab"]) + ["<|end|>", "<tool>"],
        "tokenizer.ggml.token_type": [1] * 11 + [3, 4],
        "tokenizer.ggml.merges": [" ".join(m) for m in model["merges"]],
        "tokenizer.ggml.eos_token_id": 11, "tokenizer.ggml.bos_token_id": 11,
    }, gguf_tensors(qwen, tensors_of(qwen, bias=True)))


def llama2c_seeds(out):
    c = CONFIG
    pieces = ["<unk>", "<s>", "</s>", "\n", " ", "a", "b", "c", "ab", " a",
              "abc", " abc"]
    book = struct.pack("<i", 5) + b"".join(
        struct.pack("<fi", -i, len(p)) + p.encode()
        for i, p in enumerate(pieces))
    shape = (8, 6, 1, 2, 1, 12, 16)
    t = tensors_of(c, "F32")
    data = b"".join(raw for _, _, raw in t.values())
    tables = bytes(4 * 16 * 4)
    legacy = struct.pack("<7i", *shape) + data + tables
    v1 = (b"24ka" + struct.pack("<8iB", 1, *shape, 1)).ljust(256, b"\0")
    for name, model in ("legacy", legacy), ("version1", v1 + data):
        put(out, "llama2c", name, struct.pack("<I", len(model)) + model + book)


def config_seeds(out):
    index = json.dumps({"metadata": {"total_size": 9}, "weight_map": {
        "model.norm.weight": "model-00001-of-00002.safetensors",
        "lm_head.weight": "model-00002-of-00002.safetensors"}}).encode()

    generation = json.dumps({"eos_token_id": [2, 3]}).encode()
    tokenizer = json.dumps({"add_bos_token": True, "bos_token": "<s>",
                            "tokenizer_class": "LlamaTokenizer"}).encode()

    def put_config(name, **changes):
        text = json.dumps(dict(CONFIG, **changes)).encode()
        put(out, "config", name, b"".join(
            struct.pack("<I", len(part)) + part
            for part in (text, generation, tokenizer, index)))

    put_config("llama")
    put_config("llama3", rope_scaling=LLAMA3_SCALING, eos_token_id=[2, 3])
    put_config("mistral", architectures=["MistralForCausalLM"], head_dim=4,
               sliding_window=None)
    put_config("qwen2", architectures=["Qwen2ForCausalLM"],
               use_sliding_window=False, sliding_window=4096)


DEVICE = (
    ("rows", "cores", 90), ("cols", "cores", 80), ("clock", "MHz", 850.5),
    ("sram", "bytes", 49152), ("sram_reserved", "bytes", 4096),
    ("link_bytes", "bytes/cycle", 4), ("hop_cycles", "cycles", 1),
    ("stage_cycles", "cycles", 5.5), ("routes", "routes", 24),
    ("exchange_cycles", "cycles", 71), ("relay_cycles", "cycles", 60),
    ("vector_bytes", "bytes/cycle", 8), ("vector_start", "cycles", 2),
    ("gemm_loop", "cycles", 40), ("kernel_start", "cycles", 100),
    ("operator_start", "cycles", 300), ("power", "W", 15000),
    ("static_share", "fraction", 0.125), ("mac_f16_pj", "pJ", 0.5),
    ("mac_f32_pj", "pJ", 1.5), ("sram_pj", "pJ/byte", 1),
    ("hop_pj", "pJ/byte", 1e-1))


def made_device():
    numbers = {key: {"value": value, "unit": unit, "source": "made up"}
               for key, unit, value in DEVICE}
    numbers["clock"]["note"] = "n"
    return {"name": "made-up", "title": "M", "numbers": numbers,
            "notes": ["a", "b"]}


def seeds(out):
    os.makedirs(os.path.join(out, "safetensors"))
    for matrix in "F32", "F16", "BF16":
        write_safetensors(os.path.join(out, "safetensors", matrix),
                          tensors_of(CONFIG, matrix))
    gguf_seeds(out)
    llama2c_seeds(out)
    config_seeds(out)
    put(out, "recognize", "json", json.dumps(CONFIG))
    put(out, "recognize", "lfs", "version https://git-lfs.github.com/spec/v1")
    put(out, "recognize", "html", " <!doctype html>")
    put(out, "recognize", "sentencepiece",
        b"".join(b"\x0a\x0c\x0a\x05<unk>\x15\0\0\0\0" for _ in range(3)))
    put(out, "recognize", "llama2c-tokenizer", struct.pack("<i", 5) + 4 *
        (struct.pack("<fi", 1, 3) + b"abc"))
    put(out, "recognize", "llama2c",
        struct.pack("<7i", 8, 6, 1, 2, 1, 12, 16) + bytes(400))
    put(out, "recognize", "onnx", b"\x08\x07\x12\x07pytorch\x1a")
    put(out, "tokenizer", "spm", json.dumps(SPM_JSON))
    put(out, "tokenizer", "bytes", json.dumps(BYTES_JSON))
    put(out, "tokenizer", "smollm", json.dumps(SMOLLM_JSON))
    put(out, "tokenizer", "prefix", json.dumps(PREFIX_JSON))
    put(out, "text", "plain", "An apple costs 3.50, isn't it?\n\n  \u00e9\u0301")
    put(out, "text", "special", "<s>user  12\n<s><ss> a</s>\u0338 <u>1")
    put(out, "shape", "shape", json.dumps({
        "dim": 96, "hidden_dim": 256, "n_layers": 2, "n_heads": 6,
        "n_kv_heads": 3, "vocab_size": 500, "max_seq_len": 128,
        "rope_theta": 1e4, "rms_eps": 1e-5, "tied": True}))
    put(out, "device", "device", json.dumps(made_device()))
    put(out, "options", "run", "run\nm.h5\n--grid\n16x16\n-n\n7\n--top-p=0.9"
        "\n--seed\n3\n--prompt\nx\n--temperature\n0.5\n--quiet")
    put(out, "options", "ids", "--prompt-ids\n1,2,3\n-n\n7")
    put(out, "options", "special", "m.h5\n--special\n--prompt=<s>x")
    put(out, "options", "import", "import\na\nb.h5\n--dtype\nbf16\n"
        "--tokenizer=t\n--\n-x")
    put(out, "options", "dry", "--dry-run\n--shape\ns\n--prompt-tokens=9\n"
        "--kv\nconcat\n--set\nclock=1\n--set=sram=2\n--grid\nauto")
    put(out, "options", "bench", "bench\ngemm\n--dry-run\n-m\n5\n--groups"
        "\n3\n--dtype\nf16\n--grid=4x4")


# --- Models for tests of tokens ---

def tokens(out):
    n = len(SMOLLM_JSON["model"]["vocab"])
    config = dict(CONFIG, vocab_size=n + 3, bos_token_id=n, eos_token_id=n + 1,
                  max_position_embeddings=64)
    tensors = tensors_of(config, "F32")
    for name, tokenizer in (("smollm", SMOLLM_JSON), ("runs", RUNS_JSON),
                            ("prefix", PREFIX_JSON)):
        write_hf(os.path.join(out, name), config, tokenizer, tensors)
    write_hf(os.path.join(out, "marked"), dict(CONFIG,
             max_position_embeddings=64), SPM_JSON, tensors_of(CONFIG))
    model = SMOLLM_JSON["model"]
    names = list(model["vocab"]) + [
        t["content"] for t in SMOLLM_JSON["added_tokens"]]
    write_gguf(os.path.join(out, "smollm.gguf"), {
        **gguf_shape(config), "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": names,
        "tokenizer.ggml.token_type": [1] * n + [3, 3, 4],
        "tokenizer.ggml.merges": [" ".join(m) for m in model["merges"]],
        "tokenizer.ggml.eos_token_id": n + 1,
        "tokenizer.ggml.bos_token_id": n,
    }, gguf_tensors(config, tensors))


# --- A large model ---

def large(out):
    config = dict(CONFIG, hidden_size=1024, intermediate_size=2816,
                  vocab_size=65536)
    write_hf(out, config, SPM_JSON, None)
    head, at = {}, 0
    for name, shape in shapes_of(config).items():
        size = 2 * shape[0] * (shape[1] if len(shape) == 2 else 1)
        head[name] = {"dtype": "BF16", "shape": shape,
                      "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    with open(os.path.join(out, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)


# --- Broken models ---

def write_hf(folder, config, tokenizer, tensors):
    os.makedirs(folder)
    for file, content in ("config.json", config), ("tokenizer.json", tokenizer):
        with open(os.path.join(folder, file), "w") as f:
            json.dump(content, f)
    if tensors is not None:
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors)
    return folder


def edited_header(path, edit):
    """Changes the JSON of a safetensors header, not the data."""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        head, data = json.loads(f.read(length)), f.read()
    text = edit(head) or json.dumps(head)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text.encode() + data)


def broken_hf(out):
    q = "model.layers.0.self_attn.q_proj.weight"
    norm = "model.norm.weight"
    good = tensors_of(CONFIG)

    def case(name, words, **changes):
        folder = write_hf(os.path.join(out, name),
                          **{"config": CONFIG, "tokenizer": SPM_JSON,
                             "tensors": good, **changes})
        print(folder + "\t" + words)
        return os.path.join(folder, "model.safetensors")

    def without(d, key):
        return {k: v for k, v in d.items() if k != key}

    def tensor(name, dtype, shape, raw):
        return {**good, name: (dtype, shape, raw)}

    def set_offsets(name, start, end):
        def edit(head):
            head[name]["data_offsets"] = [start, end]
        return edit

    nan = struct.pack("<f", float("nan")) * 8
    case("good", "")
    case("missing-tensor", q, tensors=without(good, q))
    case("misshapen-tensor", q,
         tensors=tensor(q, "F16", [8, 4], weights("F16", 32, 1)))
    case("nan-tensor", norm, tensors=tensor(norm, "F32", [8], nan))
    case("inf-tensor", norm, tensors=tensor(
        norm, "BF16", [8], b"\x80\x7f" * 8))
    case("unknown-tensor", "model.layers.0.extra", tensors=tensor(
        "model.layers.0.extra", "F32", [8], bytes(32)))
    case("unknown-type", norm, tensors=tensor(norm, "F64", [4], bytes(32)))
    case("other-model", "GemmaForCausalLM",
         config=dict(CONFIG, architectures=["GemmaForCausalLM"]))
    case("yarn", "yarn", config=dict(CONFIG, rope_scaling={
        "rope_type": "yarn", "factor": 2.0}))
    case("no-size", "hidden_size", config=without(CONFIG, "hidden_size"))
    case("huge-size", "hidden_size", config=dict(CONFIG, hidden_size=2**40))
    case("broken-merge", "merges[1]", tokenizer=dict(
        SPM_JSON, model=dict(SPM_JSON["model"], merges=["a b", "a z"])))
    case("no-shards", "model.safetensors", tensors=None)
    path = case("lying-offsets", norm)
    edited_header(path, set_offsets(norm, 0, 2**60))
    path = case("overlap", norm)
    edited_header(path, set_offsets(norm, 0, 32))
    path = case("backwards", norm)
    edited_header(path, set_offsets(norm, 32, 0))
    path = case("duplicate", norm)
    edited_header(path, lambda head: json.dumps(head)[:-1] + ', "%s": %s}' % (
        norm, json.dumps(head[norm])))
    path = case("long-header", "header")
    with open(path, "r+b") as f:
        f.write(struct.pack("<Q", 2**63))
    path = case("truncated", "model.safetensors")
    os.truncate(path, os.path.getsize(path) - 1)
    path = case("lost-shard", "model-00002-of-00003.safetensors", tensors=None)
    folder = os.path.dirname(path)
    write_sharded(folder, good, 3)
    os.unlink(os.path.join(folder, "model-00002-of-00003.safetensors"))


def broken_gguf(out):
    meta = {**gguf_shape(CONFIG), **gguf_spm(SPM_JSON)}
    tensors = gguf_tensors(CONFIG, tensors_of(CONFIG))

    def case(name, words, change=None, **metadata):
        path = os.path.join(out, name + ".gguf")
        write_gguf(path, {**meta, **metadata}, tensors)
        if change:
            with open(path, "r+b") as f:
                f.seek(change[0])
                f.write(change[1])
        print(path + "\t" + words)
        return path

    absurd = struct.pack("<Q", 2**62)
    case("good", "")
    case("many-tensors", "tensors", (8, absurd))
    case("many-keys", "key", (16, absurd))
    case("long-key", "key", (24, absurd))
    case("later-version", "version 4", (4, struct.pack("<I", 4)))
    case("other-architecture", "mamba", None,
         **{"general.architecture": "mamba"})
    case("other-tokenizer", "t5", None, **{"tokenizer.ggml.model": "t5"})
    case("short-scores", "tokenizer.ggml.scores", None,
         **{"tokenizer.ggml.scores": [0.0] * 3})
    path = case("cut", "cut.gguf")
    os.truncate(path, os.path.getsize(path) - 40)


def broken(out):
    os.makedirs(out)
    broken_hf(out)
    broken_gguf(out)


# --- Odd models ---

def odd_hf(out, say):
    good = tensors_of(CONFIG)
    embedding = good["model.embed_tokens.weight"]
    layer = "model.layers.0."

    def case(name, words, config=CONFIG, tokenizer=SPM_JSON, tensors=good,
             files=(), verb="takes"):
        folder = write_hf(os.path.join(out, name), config, tokenizer, tensors)
        for file, content in files:
            put(out, name, file, json.dumps(content))
        if words:
            say(verb, folder, words)
        return folder

    def more(name, shape, raw, dtype="F32"):
        return {**good, name: (dtype, shape, raw)}

    def without(d, key):
        return {k: v for k, v in d.items() if k != key}

    case("good", "-")
    case("alias", "-", dict(CONFIG, architectures=["LLaMAForCausalLM"]))
    case("no-architectures", "-", dict(without(CONFIG, "architectures"),
                                       model_type="llama"))
    case("key", '"surprise"', dict(CONFIG, surprise=1))
    case("scale", '"logit_scale" is 0.5', dict(CONFIG, logit_scale=0.5),
         verb="import")
    case("tables", "ignored: 1 tensor model.layers.*.self_attn.rotary_emb"
         ".inv_freq", tensors={
             **more(layer + "self_attn.rotary_emb.inv_freq", [2], bytes(8)),
             "model.position_ids": ("I64", [1, 2], bytes(16))})
    case("zeros", "self_attn.o_proj.bias: a bias of zeros",
         tensors=more(layer + "self_attn.o_proj.bias", [8], bytes(32)))
    case("bias", "a bias that is not zero (1)", tensors=more(
        layer + "self_attn.o_proj.bias", [8],
        bytes(28) + struct.pack("<f", 1)), verb="import")
    case("q-norm", "q_norm.weight is not known here", tensors=more(
        layer + "self_attn.q_norm.weight", [4], struct.pack("<4f", 1, 1, 1, 1)),
         verb="import")
    case("fp8", "q_proj.weight_scale is not known here", tensors=more(
        layer + "self_attn.q_proj.weight_scale", [1], bytes(4)), verb="import")
    case("tied-head", "lm_head.weight: a copy of the embedding",
         tensors={**good, "lm_head.weight": embedding})
    case("other-head", "lm_head.weight differs from", tensors={
        **good, "lm_head.weight": ("F16", embedding[1], bytes(192))},
         verb="import")
    base = {k.removeprefix("model."): v for k, v in good.items()}
    case("base", "-", dict(CONFIG, architectures=["LlamaModel"]), tensors=base)
    case("no-head", "a base model has no head", dict(
        CONFIG, architectures=["LlamaModel"], tie_word_embeddings=False),
         tensors=base, verb="import")
    case("two", "two models in one", tensors={**good, **base}, verb="import")
    folder = case("index", "that no shard has", tensors=None)
    write_sharded(folder, more("model.rotary_emb.inv_freq", [2], bytes(8)), 3)
    path = os.path.join(folder, "model.safetensors.index.json")
    with open(path) as f:
        index = json.load(f)
    shard = index["weight_map"].pop("model.rotary_emb.inv_freq")
    index["weight_map"]["lm_head.weight"] = shard
    with open(path, "w") as f:
        json.dump(index, f)
    pad = dict(SPM_JSON, added_tokens=SPM_JSON["added_tokens"] +
               [added(12, "<pad>")])
    case("pad", '1 control piece of the tokenizer from id 12 on ("<pad>")',
         tokenizer=pad)
    user = dict(pad, added_tokens=SPM_JSON["added_tokens"] +
                [added(12, "<tool>", False)])
    case("user-piece", 'piece 12, "<tool>", has no embedding', tokenizer=user,
         verb="import")
    endless = without(CONFIG, "eos_token_id")
    case("endless", "no end-of-text id is given", endless)
    case("tokenizer-end", "-", endless, files=[
        ("tokenizer_config.json", {"eos_token": {"content": "</s>"}})])
    case("no-bos", None, files=[("tokenizer_config.json", {
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": False})])
    case("strange-end", '"eos_token" "<?>" is not a piece', endless, files=[
        ("special_tokens_map.json", {"eos_token": "<?>"})])


def odd_gguf(out, say):
    meta = {**gguf_shape(CONFIG), **gguf_spm(SPM_JSON)}
    good = gguf_tensors(CONFIG, tensors_of(CONFIG))
    bias = "blk.0.attn_output.bias"

    def case(verb, name, words, tensors=good, **metadata):
        path = os.path.join(out, name + ".gguf")
        write_gguf(path, {**meta, **metadata}, tensors)
        say(verb, path, words)

    case("takes", "neutral", "-", **{
        "llama.attention.causal": True, "llama.rope.scaling.attn_factor": 1.0,
        "llama.attention.head_count_kv": [1]})
    case("takes", "many-ends", "-", **{
        "tokenizer.ggml.eos_token_id": [2, 5],
        "tokenizer.ggml.eot_token_id": 6})
    path = os.path.join(out, "silent.gguf")
    write_gguf(path, {key: value for key, value in meta.items() if key not in (
        "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")}, good)
    say("takes", path, "tokenizer.ggml.bos_token_id is missing: taken as 1")
    say("takes", path, "tokenizer.ggml.eos_token_id is missing: taken as 2")
    case("takes", "far-end", "eot_token_id: end-of-text id 99", **{
        "tokenizer.ggml.eot_token_id": 99})
    case("takes", "gguf-zeros", "attn_output.bias: a bias of zeros",
         {**good, bias: ("F32", [8], bytes(32))})
    case("import", "gguf-bias", "a bias that is not zero (1)", {
        **good, bias: ("F32", [8], struct.pack("<8f", *[1] * 8))})
    case("import", "factor", "attn_factor", **{
        "llama.rope.scaling.attn_factor": 1.5})


def odd_files(out, say):
    os.makedirs(os.path.join(out, "files"))
    book = b"".join(struct.pack("<fi", 0, len(p)) + p for p in (
        b"<unk>", b"<s>", b"</s>", b"\n", b" ", b"a", b"b", b"c", b"ab", b" a"))
    shape = struct.pack("<7i", 8, 6, 1, 2, 1, 12, 16)
    data = b"".join(raw for _, _, raw in tensors_of(CONFIG, "F32").values())
    model = shape + data + bytes(4 * 16 * 4)
    pieces = b"".join(b"\x0a" + bytes([len(p) + 7, 0x0a, len(p)]) + p +
                      b"\x15\0\0\0\0" for p in (b"<unk>", b"<s>", b"</s>"))
    lfs = (b"version https://git-lfs.github.com/spec/v1\noid sha256:" +
           b"0" * 64 + b"\nsize 2626168\n")
    head = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    kinds = (
        ("lfs", lfs, "a git-lfs pointer: it only names the file; fetch that"
         " with git lfs pull"),
        ("page", b"\n<!DOCTYPE html><html>", "a web page (HTML)"),
        ("marked", b"\xef\xbb\xbf{}", "a text with a byte order mark"),
        ("utf16", b"\xff\xfe{\0}\0", "a text with a byte order mark"),
        ("sp.model", pieces, "a SentencePiece model"),
        ("tiktoken", b"IQ== 0\nIg== 1\n", "a tiktoken vocabulary"),
        ("pickle.bin", b"\x80\x02}q\0(X", "a Python pickle (PyTorch)"),
        ("torch.bin", b"PK\x03\x04" + bytes(26) + b"archive/data.pkl" +
         bytes(30), "a PyTorch archive"),
        ("x.zip", b"PK\x03\x04" + bytes(60), "a zip archive: unpack it"),
        ("x.gz", b"\x1f\x8b\x08" + bytes(9), "a gzip file: unpack it"),
        ("x.tar", bytes(257) + b"ustar\0" + bytes(250), "a tar archive"),
        ("x.onnx", b"\x08\x07\x12\x07pytorch\x1a\x05", "an ONNX model"),
        ("old.ggml", b"tjgg" + bytes(40), "an old GGML file"),
        ("answer", b"Entry not found", "a plain text"),
        ("empty", b"", "an empty file"),
    )
    for name, content, words in kinds:
        put(out, "files", name, content)
        path = os.path.join(out, "files", name)
        what, colon, cure = words.partition(":")
        is_not = "is " + what + ", not %s" + colon + cure
        say("run", path, is_not % "an HDF5 file")
        say("import", path, is_not % "a model that import can read")
        say("tokenizer", path, is_not % "a llama2.c tokenizer")
        if name != "answer":
            say("shape", path, is_not % "JSON")
        folder = write_hf(os.path.join(out, "in-" + name), CONFIG, SPM_JSON,
                          None)
        put(out, "in-" + name, "model.safetensors", content)
        say("import", folder, is_not % "a safetensors file")
    put(out, "files", "x.gguf", b"GGUF" + bytes(60))
    put(out, "files", "x.safetensors",
        struct.pack("<Q", len(head)) + head)
    with open(os.path.join(out, "llama2c.bin"), "wb") as f:
        f.write(model)
    with open(os.path.join(out, "small-tokenizer.bin"), "wb") as f:
        f.write(struct.pack("<i", 5) + book)
    put(out, "files", "large.bin", struct.pack("<i", 5) + book + 90 * (
        struct.pack("<fi", 0, 1) + b"x"))
    path = os.path.join(out, "files", "")
    say("run", path + "x.gguf", "is a GGUF file, not an HDF5 file: first make"
        " a checkpoint of it: waferllm import " + path + "x.gguf model.h5")
    say("run", path + "x.safetensors", "is a safetensors file, not an HDF5"
        " file: give the directory")
    say("import", path + "x.safetensors", "give the directory")
    say("run", os.path.join(out, "llama2c.bin"),
        "is a llama2.c checkpoint, not")
    say("run", os.path.join(out, "small-tokenizer.bin"),
        "is a llama2.c tokenizer, not")
    say("import", os.path.join(out, "small-tokenizer.bin"),
        "is a llama2.c tokenizer, not")
    say("tokenizer", os.path.join(out, "llama2c.bin"),
        "is a llama2.c checkpoint, not")
    say("tokenizer", path + "large.bin",
        "has 100 pieces, the checkpoint 12 ids")
    say("tokenizer", os.path.join(out, "good", "tokenizer.json"),
        "is a JSON file, not")


def odd_dirs(out, say):
    def case(name, files, words, verbs=("run", "import")):
        for file in files:
            folder, file = os.path.split(os.path.join(name, file))
            put(out, folder, file, b"{}")
        for verb in verbs:
            say(verb, os.path.join(out, name), words)

    say("run", os.path.join(out, "good"), "is a directory with a Hugging Face"
        " model, not an HDF5 file: first make a checkpoint of it: waferllm"
        " import")
    case("adapter", ["adapter_config.json", "adapter_model.safetensors"],
         "a PEFT adapter")
    snapshot = "models--a--b/snapshots/0123"
    case("hub", [snapshot + "/config.json"],
         os.path.join(out, "hub", snapshot))
    say("import", os.path.join(out, "hub", "models--a--b"),
        os.path.join(out, "hub", snapshot))
    case("meta", ["params.json", "consolidated.00.pth"], "Meta's own layout")
    case("only-gguf", ["x.gguf"], "only-gguf/x.gguf")
    case("pytorch", ["config.json", "pytorch_model.bin"],
         "PyTorch's pytorch_model.bin", ("run",))
    case("above", ["name/config.json"], "above/name")
    os.makedirs(os.path.join(out, "nothing"))
    case("above-dots", ["Name-3.2-1B/config.json"], "above-dots/Name-3.2-1B")
    case("hidden", [".cache/config.json"], "hidden", ("import",))
    case("cache", ["hub/version.txt", "hub/" + snapshot + "/config.json",
                   "hub/models--a--c/refs/main"],
         "the snapshot in it: " + os.path.join(out, "cache/hub", snapshot))
    say("import", os.path.join(out, "cache", "hub"),
        os.path.join(out, "cache/hub", snapshot))
    case("bare-cache", ["hub/models--a--b/refs/main"],
         "bare-cache/hub/models--a--b/snapshots/NAME")
    case("hub-above", ["hub/config.json"], "hub-above/hub")
    case("capitals", ["X.Q4_0.GGUF"], "capitals/X.Q4_0.GGUF")
    case("capitals-hf", ["config.json", "MODEL.SAFETENSORS"],
         "capitals-hf/MODEL.SAFETENSORS", ("run",))
    case("no-index", ["config.json", "model-00001-of-00002.safetensors"],
         "weights of another name", ("run",))
    case("nothing", [], "is an empty directory, not")


def odd(out):
    os.makedirs(out)

    def say(verb, path, words):
        print("\t".join((verb, path, words)))

    odd_hf(out, say)
    odd_gguf(out, say)
    odd_files(out, say)
    odd_dirs(out, say)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "convert":
        convert(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "seeds":
        seeds(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "tokens":
        tokens(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "large":
        large(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "odd":
        odd(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "broken":
        broken(sys.argv[2])
    else:
        sys.exit(__doc__)
