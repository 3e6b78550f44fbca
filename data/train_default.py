#!/usr/bin/python3
"""Make the default checkpoint: a small Llama model of the King James Bible.

  corpus   the `bible` program's text, one verse a line, chapters apart
  vocab    byte-pair merges with byte fallback, SentencePiece's rule
  train    AdamW on one thread; stops and resumes at any step
  export   model.bin and tokenizer.bin, in the formats of llama2.c

Needs Debian's bible-kjv, bible-kjv-text, python3-torch, python3-numpy, and
for speed libopenblas0-pthread.  data/README tells how long it takes.

Shapes in comments: B sequences of T tokens, D the width of the model, H query
heads and G key/value heads of E numbers each, F the width of the feed-forward
part, L blocks, V tokens in the vocabulary.
"""

import argparse
import collections
import dataclasses
import math
import os
import re
import struct
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as fun

UNK, BOS, EOS, FIRST_BYTE, FIRST_PIECE = 0, 1, 2, 3, 259
NEWLINE = FIRST_BYTE + ord("\n")
SEED = 1611


@dataclasses.dataclass(frozen=True)
class Shape:
    """The seven numbers of a llama2.c header, in its order."""
    dim: int = 144          # D
    hidden: int = 384       # F
    layers: int = 5         # L
    heads: int = 6          # H
    kv_heads: int = 3       # G
    vocab: int = 1536       # V
    max_seq: int = 512      # the largest T

    @property
    def head_dim(self):
        """E, the width of one head."""
        return self.dim // self.heads


# ---------------------------------------------------------------- corpus

def read_chapters():
    """The whole text: a list of (book name, [verse, ...]), one a chapter."""
    dump = subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], check=True,
                          capture_output=True, text=True).stdout
    chapters, last = [], None
    for line in dump.splitlines():
        reference, verse = line.split(" ", 1)       # "Ge1:1", "In the ..."
        chapter = reference.split(":")[0]
        if chapter != last:
            chapters.append((chapter.rstrip("0123456789"), []))
            last = chapter
        chapters[-1][1].append(" ".join(verse.split()))
    return chapters


def split_chapters(chapters):
    """(training, validation): every 40th chapter is kept from training."""
    held = set(range(20, len(chapters), 40))
    return ([c for i, c in enumerate(chapters) if i not in held],
            [c for i, c in enumerate(chapters) if i in held])


# ------------------------------------------------------------- vocabulary

# Pieces never reach over these bounds: a word and the space before it, a
# possessive, one mark.  Line ends belong to no piece; they are bytes.
WORD = re.compile(r" ?[A-Za-z]+|'s(?![A-Za-z])| ?[^A-Za-z\s]|\s")


def merge_pieces(text, rank):
    """Cut text into pieces: from single characters, always join the adjacent
    pair whose piece has the best (lowest) rank, the leftmost on ties."""
    parts = list(text)
    while len(parts) > 1:
        ranks = [rank.get(a + b, math.inf) for a, b in zip(parts, parts[1:])]
        best = min(ranks)
        if best == math.inf:
            break
        i = ranks.index(best)
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    return parts


def train_pieces(chapters, wanted):
    """Learn the pieces from chapters; give them in order of their ids.

    A merge is known by the piece it makes, not by its two halves, and each
    word touched by a new merge is cut afresh.  So the cut seen here is the
    one an encoder finds that knows nothing but the pieces and their scores.
    """
    words = collections.Counter(
        word for _, verses in chapters for verse in verses
        for word in WORD.findall(" " + verse) + WORD.findall(verse)[:1])
    letters = collections.Counter()
    for word, n in words.items():
        for letter in word:
            letters[letter] += n
    rank, pairs = {}, collections.Counter()
    where, cuts = collections.defaultdict(set), {}

    def count(word, sign):
        for a, b in zip(cuts[word], cuts[word][1:]):
            pairs[a + b] += sign * words[word]
            where[a + b].add(word)

    for word in words:
        cuts[word] = list(word)
        count(word, +1)
    while len(rank) < wanted - len(letters):
        best = max(pairs, key=lambda piece: (pairs[piece], piece))
        rank[best] = len(rank)
        for word in where.pop(best):
            count(word, -1)
            cuts[word] = merge_pieces(word, rank)
            count(word, +1)
        del pairs[best]
    return list(rank) + [letter for letter, _ in letters.most_common()]


class Vocabulary:
    """Text to ids and back, as llama2.c's encode() and decode() do it."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.rank = {piece: i for i, piece in enumerate(pieces)}
        self.cache = {}

    def ids(self, parts):
        """Ids of parts; a character without a piece becomes its bytes."""
        for part in parts:
            if part in self.rank:
                yield FIRST_PIECE + self.rank[part]
            else:
                yield from (FIRST_BYTE + b for b in part.encode())

    def encode(self, text):
        """Ids of a text of any kind, without BOS."""
        return list(self.ids(merge_pieces(" " + text, self.rank)))

    def encode_verse(self, verse, space):
        """As encode(), but word by word and remembered: fast.  `space` says
        whether the verse begins a text, so that a space goes before it."""
        ids = []
        for word in WORD.findall(" " + verse if space else verse):
            if word not in self.cache:
                self.cache[word] = list(self.ids(merge_pieces(word,
                                                              self.rank)))
            ids += self.cache[word]
        return ids

    def decode(self, ids):
        """Text of ids, without the space that encode() put before it."""
        raw = b""
        for i in ids:
            if i >= FIRST_PIECE:
                raw += self.pieces[i - FIRST_PIECE].encode()
            elif i >= FIRST_BYTE:
                raw += bytes([i - FIRST_BYTE])
        return raw.decode(errors="replace").removeprefix(" ")

    def write(self, path):
        """Write tokenizer.bin."""
        names = ["<unk>", "\n<s>\n", "\n</s>\n"]
        names += [f"<0x{b:02X}>" for b in range(256)] + self.pieces
        names = [name.encode() for name in names]
        with open(path, "wb") as out:
            out.write(struct.pack("<i", max(map(len, names))))
            for i, name in enumerate(names):
                score = -float(max(i - FIRST_PIECE, 0))
                out.write(struct.pack("<fi", score, len(name)) + name)

    @staticmethod
    def read(path):
        """Read back what write() wrote."""
        with open(path, "rb") as file:
            data = file.read()
        names, at = [], 4
        while at < len(data):
            length = struct.unpack_from("<i", data, at + 4)[0]
            names.append(data[at + 8:at + 8 + length].decode())
            at += 8 + length
        return Vocabulary(names[FIRST_PIECE:])


# -------------------------------------------------------- training sequences

class Stream:
    """Chapters as one row of ids, and the places where sequences may begin.

    A book is: BOS, its verses with a line end between them and an empty line
    between chapters, EOS.  A sequence is BOS and the row from some verse on.
    """

    def __init__(self, chapters, vocab):
        row, starts, chapter_starts, book = [], [], [], None
        for name, verses in chapters:
            if name != book:
                row += ([EOS] if book else []) + [BOS]
            else:
                row += [NEWLINE, NEWLINE]
            chapter_starts.append(len(starts))
            for i, verse in enumerate(verses):
                row += [NEWLINE] if i else []
                head = vocab.encode_verse(verse, space=True)
                body = vocab.encode_verse(verse, space=False)
                begins_book = i == 0 and name != book
                row += head if begins_book else body
                starts.append((head, len(row)))
            book = name
        self.row = np.array(row + [EOS], dtype=np.int64)
        self.starts, self.chapter_starts = starts, chapter_starts
        self.marks = list(vocab.ids(",;:."))

    def sequence(self, start, length):
        """`length` ids from verse number `start` on, BOS first."""
        head, after = self.starts[start]
        ids = np.concatenate([[BOS], head, self.row[after:after + length]])
        return np.pad(ids[:length], (0, max(0, length - len(ids))),
                      constant_values=EOS)

    def batch(self, rng, count, length):
        """count sequences [B][T + 1]; a quarter of them begin a chapter."""
        rows = []
        for _ in range(count):
            if rng.random() < 0.25:
                start = rng.choice(self.chapter_starts)
            else:
                start = rng.integers(len(self.starts))
            rows.append(self.sequence(start, length + 1))
        return torch.from_numpy(np.stack(rows))

    def loop(self, rng, length):
        """One sequence [T + 1] that falls into a loop: some text, then a
        span over and over.  The span is from one mark to another, as loops
        tend to be, or else of any 2 to 48 tokens.  Gives the sequence, where
        the loop begins, and the length of the span."""
        row = self.sequence(rng.integers(len(self.starts)), 112)
        cuts = np.flatnonzero(np.isin(row, self.marks)) + 1
        first, count = rng.integers(0, 3), rng.integers(1, 4)
        if rng.random() < 0.5 and first + count < len(cuts):
            begin, end = cuts[first], cuts[first + count]
        else:
            begin = rng.integers(1, 64)
            end = begin + int(2 * 24 ** rng.random())
        around = np.arange(length + 1)
        around[begin:] = begin + (around[begin:] - begin) % (end - begin)
        return row[around], begin, end - begin

    def loops(self, rng, count, length):
        """count loops: sequences [B][T + 1], beginnings [B], spans [B]."""
        parts = zip(*(self.loop(rng, length) for _ in range(count)))
        return [torch.from_numpy(np.array(part)) for part in parts]


# ------------------------------------------------------------------- model

def tensor_shapes(s):
    """Names and shapes of all weights, in the order of llama2.c's file."""
    kv_dim = s.kv_heads * s.head_dim
    return {"embedding": (s.vocab, s.dim),
            "att_norm": (s.layers, s.dim),
            "wq": (s.layers, s.dim, s.dim),
            "wk": (s.layers, kv_dim, s.dim),
            "wv": (s.layers, kv_dim, s.dim),
            "wo": (s.layers, s.dim, s.dim),
            "ffn_norm": (s.layers, s.dim),
            "w1": (s.layers, s.hidden, s.dim),
            "w2": (s.layers, s.dim, s.hidden),
            "w3": (s.layers, s.hidden, s.dim),
            "final_norm": (s.dim,)}


def init_weights(s):
    """Random weights; what adds to the residual stream starts smaller."""
    torch.manual_seed(SEED)
    weights = {}
    for name, shape in tensor_shapes(s).items():
        if name.endswith("norm"):
            weights[name] = torch.ones(shape)
        else:
            std = 0.06 / math.sqrt(2 * s.layers if name in ("wo", "w2") else 1)
            weights[name] = torch.randn(shape) * std
        weights[name].requires_grad_()
    return weights


def rope_angles(s, length):
    """Rotation of pair e at position t, in radians: [T][E/2]."""
    rate = 1e4 ** (-torch.arange(0, s.head_dim, 2).double() / s.head_dim)
    return torch.outer(torch.arange(length).double(), rate)


def rotate(x, cos, sin):
    """Turn each pair of neighbours of x [B][heads][T][E] by its angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin,
                        even * sin + odd * cos], -1).flatten(-2)


def norm(x, gain):
    """RMSNorm over the last dimension."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain


def attention(s, x, w, tables):
    """x [B][T][D] attends to itself at or before each position."""
    batch, length, _ = x.shape
    cos, sin, mask = tables
    kv_dim = s.kv_heads * s.head_dim
    qkv = fun.linear(x, torch.cat([w["wq"], w["wk"], w["wv"]]))
    q, k, v = (y.unflatten(-1, (-1, s.head_dim)).transpose(1, 2)
               for y in qkv.split([s.dim, kv_dim, kv_dim], -1))
    q = rotate(q, cos, sin) / math.sqrt(s.head_dim)         # [B][H][T][E]
    k = rotate(k, cos, sin)                                 # [B][G][T][E]
    # The query heads of one key/value head stand below one another, H/G * T
    # rows in all, so that one product serves them.
    q = q.to(v.dtype).reshape(batch, s.kv_heads, -1, s.head_dim)
    score = q @ k.to(v.dtype).transpose(-1, -2) + mask      # [B][G][H/G*T][T]
    y = (torch.softmax(score, -1) @ v).view(batch, s.heads, length, -1)
    return fun.linear(y.transpose(1, 2).flatten(2), w["wo"])


def feed_forward(x, w):
    """SwiGLU of x [B][T][D], through F numbers."""
    gate, up = fun.linear(x, torch.cat([w["w1"], w["w3"]])).chunk(2, -1)
    return fun.linear(fun.silu(gate) * up, w["w2"])


def forward(s, w, ids, dropout=0.0):
    """Logits [B][T][V] of ids [B][T]."""
    length = ids.shape[1]
    angles = rope_angles(s, length)
    mask = torch.full((length, length), -1e9).triu(1)
    mask = mask.repeat(s.heads // s.kv_heads, 1)            # [H/G * T][T]
    tables = angles.cos().float(), angles.sin().float(), mask
    blocks = {name: t.unbind() for name, t in w.items() if len(t) == s.layers}
    x = fun.dropout(w["embedding"][ids], dropout)           # [B][T][D]
    for layer in range(s.layers):
        block = {name: parts[layer] for name, parts in blocks.items()}
        y = attention(s, norm(x, block["att_norm"]), block, tables)
        x = x + fun.dropout(y, dropout)
        y = feed_forward(norm(x, block["ffn_norm"]), block)
        x = x + fun.dropout(y, dropout)
    return fun.linear(norm(x, w["final_norm"]), w["embedding"]).float()


def loss_of(s, w, batch, dropout=0.0):
    """Mean loss, in nats a token, of predicting batch [B][T + 1]."""
    logits = forward(s, w, batch[:, :-1], dropout)
    return fun.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def loop_loss(s, w, loops):
    """Loss that teaches to leave a loop.  In each round through the span, a
    token should be a quarter as likely as it was one round before.  (Xu et al.,
    "Learning to Break the Loop", NeurIPS 2022, arXiv:2206.02369.)"""
    batch, begins, spans = loops
    chances = torch.softmax(forward(s, w, batch[:, :-1]), -1)
    chance = chances.gather(-1, batch[:, 1:, None])[..., 0]     # [B][T]
    place = torch.arange(chance.shape[1]) + 1       # of the token foretold
    before = (place - 1 - spans[:, None]).clamp(min=0)
    wanted = 0.25 * chance.detach().gather(1, before)
    repeats = place >= (begins + spans)[:, None]
    far = (chance - wanted).abs().clamp(max=0.9999)
    return -torch.log(1 - far)[repeats].mean()


def round_to_half(w):
    """The weights, each rounded to the nearest number that F16 can hold."""
    return {name: t.detach().half().float() for name, t in w.items()}


@torch.no_grad()
def validate(s, w, stream):
    """Loss over one full-length sequence from each held-out chapter."""
    rows = [stream.sequence(i, s.max_seq + 1) for i in stream.chapter_starts]
    losses = [loss_of(s, w, torch.from_numpy(row)[None]) for row in rows]
    return float(sum(losses)) / len(losses)


# ------------------------------------------------------------- export, import

def write_model(s, w, path):
    """Write model.bin, with the two rotation tables that llama2.c skips."""
    with open(path, "wb") as out:
        out.write(struct.pack("<7i", *dataclasses.astuple(s)))
        for name, shape in tensor_shapes(s).items():
            assert tuple(w[name].shape) == shape
            out.write(w[name].numpy().astype("<f4").tobytes())
        angles = rope_angles(s, s.max_seq)
        for table in (angles.cos(), angles.sin()):          # [max T][E/2]
            out.write(table.numpy().astype("<f4").tobytes())


def read_model(path):
    """Read back what write_model() wrote: (shape, weights)."""
    with open(path, "rb") as file:
        data = file.read()
    s, at, w = Shape(*struct.unpack_from("<7i", data)), 28, {}
    for name, shape in tensor_shapes(s).items():
        flat = np.frombuffer(data, "<f4", math.prod(shape), at)
        w[name] = torch.from_numpy(flat.reshape(shape).copy())
        at += 4 * flat.size
    return s, w


def export(s, w, vocab, folder):
    """Put both files into folder, each whole or not at all."""
    for name, write in (("model.bin", lambda p: write_model(s, w, p)),
                        ("tokenizer.bin", vocab.write)):
        path = os.path.join(folder, name)
        write(path + ".new")
        os.replace(path + ".new", path)


# ---------------------------------------------------------------- training

def optimizer_for(w):
    """AdamW; the norms' gains are not pulled towards zero."""
    gains = [t for name, t in w.items() if name.endswith("norm")]
    matrices = [t for name, t in w.items() if not name.endswith("norm")]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05},
                              {"params": gains, "weight_decay": 0.0}],
                             betas=(0.9, 0.95), eps=1e-8)


def learning_rate(step, steps, peak):
    """Rise in a straight line over 200 steps, then a cosine down to 1%."""
    if step < 200:
        return peak * (step + 1) / 200
    turn = math.pi * (step - 200) / max(1, steps - 200)
    return peak * (0.01 + 0.99 * (1 + math.cos(turn)) / 2)


def train_step(s, w, opt, stream, step, args):
    """One step on about args.tokens tokens; gives its loss.  Everything
    random depends on the step alone, so a resumed run goes on the same."""
    half = s.max_seq // 2
    length = half if step < 0.5 * args.steps else s.max_seq
    unloop = step >= args.unloop * args.steps   # a quarter of the tokens
    rng = np.random.default_rng([SEED, step])
    torch.manual_seed(SEED + step)
    tokens = args.tokens * 3 // 4 if unloop else args.tokens
    batch = stream.batch(rng, tokens // length, length)
    for group in opt.param_groups:
        group["lr"] = learning_rate(step, args.steps, args.lr)
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
        loss = loss_of(s, w, batch, args.dropout)
        more = loop_loss(s, w, stream.loops(rng, args.tokens // 4 // half,
                                            half)) if unloop else 0
    opt.zero_grad()
    (loss + more).backward()
    torch.nn.utils.clip_grad_norm_(list(w.values()), 1.0)
    opt.step()
    return loss.item()


def load_state(path, w, opt):
    """Go on from a state file if there is one: (step, minutes so far)."""
    if not os.path.exists(path):
        return 0, 0.0
    state = torch.load(path)
    for name, t in w.items():
        t.data.copy_(state["weights"][name])
    opt.load_state_dict(state["optimizer"])
    return state["step"], state["minutes"]


def save_state(path, w, opt, step, minutes):
    """Write the state file, whole or not at all."""
    torch.save({"weights": {name: t.detach() for name, t in w.items()},
                "optimizer": opt.state_dict(), "step": step,
                "minutes": minutes}, path + ".new")
    os.replace(path + ".new", path)


def train(args):
    """Train until args.steps are done or args.minutes are over."""
    s = Shape()
    chapters, held = split_chapters(read_chapters())
    vocab = Vocabulary(train_pieces(chapters, s.vocab - FIRST_PIECE))
    stream, valid = Stream(chapters, vocab), Stream(held, vocab)
    w = init_weights(s)
    opt = optimizer_for(w)
    state = os.path.join(args.out, "state.pt")
    step, before = load_state(state, w, opt)
    print(f"{sum(t.numel() for t in w.values())} parameters, "
          f"{len(stream.row)} training and {len(valid.row)} held-out tokens, "
          f"step {step}", flush=True)
    begin = saved = time.monotonic()
    mean, minutes = None, before
    while step < args.steps and minutes - before < args.minutes:
        loss = train_step(s, w, opt, stream, step, args)
        mean = loss if mean is None else 0.99 * mean + 0.01 * loss
        step += 1
        now = time.monotonic()
        minutes = before + (now - begin) / 60
        if step % 100 == 0:
            print(f"step {step}  loss {mean:.4f}  minutes {minutes:.2f}",
                  flush=True)
        if now - saved > 60 * args.every:
            save_all(s, w, opt, vocab, valid, step, minutes, args)
            saved = now
    save_all(s, w, opt, vocab, valid, step, minutes, args)


def save_all(s, w, opt, vocab, valid, step, minutes, args):
    """State, export, and the loss of what was exported."""
    save_state(os.path.join(args.out, "state.pt"), w, opt, step, minutes)
    rounded = round_to_half(w)
    export(s, rounded, vocab, args.out)
    print(f"step {step}  exported, validation loss "
          f"{validate(s, rounded, valid):.4f}", flush=True)


# ---------------------------------------------------------------- samples

@torch.no_grad()
def generate(s, w, ids, length, temperature=0.0):
    """Lengthen ids to `length` tokens, or up to BOS or EOS."""
    ids = [BOS] + ids
    while len(ids) < length:
        logits = forward(s, w, torch.tensor([ids]))[0, -1]          # [V]
        if temperature == 0:
            token = int(logits.argmax())
        else:
            chance = torch.softmax(logits / temperature, -1)
            token = int(torch.multinomial(chance, 1))
        if token in (BOS, EOS):
            break
        ids.append(token)
    return ids[1:]


def sample(args):
    """Print what the exported model says."""
    s, w = read_model(os.path.join(args.out, "model.bin"))
    vocab = Vocabulary.read(os.path.join(args.out, "tokenizer.bin"))
    torch.manual_seed(SEED)
    for prompt, heat in (("", 0.0), ("In the beginning", 0.0), ("", 0.8)):
        ids = vocab.encode(prompt) if prompt else []
        print(f"--- prompt '{prompt}', temperature {heat}")
        print(vocab.decode(generate(s, w, ids, args.length, heat)))


def main():
    """Read the options, then train or sample."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--out", required=True, help="folder for all files written")
    add("--sample", action="store_true", help="only print samples")
    add("--length", type=int, default=256, help="tokens in a sample")
    add("--steps", type=int, default=7000, help="training steps in all")
    add("--minutes", type=float, default=math.inf,
        help="stop after so long; the same command goes on from there")
    add("--every", type=float, default=5, help="minutes between exports")
    add("--tokens", type=int, default=2048, help="tokens in a step")
    add("--lr", type=float, default=3e-3, help="highest learning rate")
    add("--unloop", type=float, default=0.5,
        help="after this part of the steps, also train to leave loops")
    add("--dropout", type=float, default=0.05)
    add("--bf16", action="store_true",
        help="multiply in bfloat16: much faster where the CPU has AMX")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(args.out, exist_ok=True)
    sample(args) if args.sample else train(args)


if __name__ == "__main__":
    main()
