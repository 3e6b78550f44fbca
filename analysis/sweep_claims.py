"""What the authors say about their kernels beside those that they compare
with, judged by the rows of the studies. Nothing is adjusted to it."""
from compare import paragraph
from sweep_studies import SIDES, SIZES, pick, size_text

OURS = {"gemm": "meshgemm", "gemv": "ktree"}
BASELINES = ("summa", "cannon")  # of the paper's figure 9
FIRST, LAST = SIDES[0], SIDES[-1]
FLAT = 0.20  # what "stays flat" allows from the first side to the last


class Missing(Exception):
    """A row that a claim needs is not there."""


def _row(rows, **wanted):
    found = pick(rows, **wanted)
    if not found:
        raise Missing(", ".join(f"{key} {value}"
                                for key, value in wanted.items()))
    return found[0]


def _cells(rows, kernel, sizes):
    """Ours and all algorithms of each cell of the paper's figure, as
    (size, side, ours)."""
    found = [(row["size"], row["side"], row) for row in rows
             if row["algo"] == OURS[kernel] and row["size"] in sizes
             and row["side"] in SIDES]
    if not found:
        raise Missing(f"{OURS[kernel]} of "
                      + ", ".join(map(size_text, sizes)))
    return found


def _ratios(rows, kernel, sizes, others, key):
    """{algorithm: how many times ours each other one has, cell by cell};
    None where ours has nothing."""
    ratios = {name: [] for name in others}
    for size, side, ours in _cells(rows, kernel, sizes):
        for name in others:
            other = _row(rows, algo=name, size=size, side=side)[key]
            ratios[name].append(other / ours[key] if ours[key] else None)
    return ratios


def _within(ratios, low, high):
    """Verdict and text of ratios that all should be in the range."""
    every = [ratio for some in ratios.values() for ratio in some]
    inside = [r for r in every if r is not None and low <= r <= high]
    texts = []
    for name, some in ratios.items():
        known = [ratio for ratio in some if ratio is not None]
        texts.append(f"{name} {min(known):.2f} to {max(known):.2f}" if known
                     else f"{name}: ours has none")
    text = ", ".join(texts)
    if len(inside) < len(every):
        text += f"; {len(inside)} of {len(every)} cells within"
    return len(inside) == len(every), text


# --- Figure 9: GEMM ---

def _low_efficiency(rows):
    found = [(name, _row(rows, algo=name, size=2048, side=LAST)["efficiency"])
             for name in BASELINES]
    return (all(share < 0.5 for _, share in found),
            ", ".join(f"{name} {100 * share:.0f}%" for name, share in found))


def _growth(rows, name):
    """Cycles of 2K on the last side over those on the first."""
    first, last = (_row(rows, algo=name, size=2048, side=side)["cycles"]
                   for side in (FIRST, LAST))
    return last / first


def _get_slower(rows):
    found = [(name, _growth(rows, name)) for name in BASELINES]
    return (all(ratio > 1 for _, ratio in found),
            ", ".join(f"{name} {ratio:.2f} times" for name, ratio in found))


def _stay_flat(rows):
    ratio = _growth(rows, OURS["gemm"])
    return abs(ratio - 1) <= FLAT, f"{ratio:.2f} times"


def _high_efficiency(rows):
    found = [(size, _row(rows, algo=OURS["gemm"], size=size,
                         side=LAST)["efficiency"]) for size in SIZES["gemm"]]
    return (all(share > 0.7 for _, share in found),
            ", ".join(f"{size_text(size)} {100 * share:.0f}%"
                      for size, share in found))


def _fewer_cycles(rows):
    ratios = _ratios(rows, "gemm", [8192], BASELINES, "cycles")
    fewer = {name: [100 * (1 - 1 / ratio) for ratio in some]
             for name, some in ratios.items()}
    every = [share for some in fewer.values() for share in some]
    return (all(0 <= share <= 25 for share in every),
            ", ".join(f"{name} {min(some):.0f}% to {max(some):.0f}%"
                      for name, some in fewer.items()))


def _faster(low, high):
    return lambda rows: _within(_ratios(rows, "gemm", SIZES["gemm"],
                                        BASELINES, "cycles"), low, high)


def _less_exchange(rows):
    return _within(_ratios(rows, "gemm", SIZES["gemm"], BASELINES,
                           "comm_cycles"), 2, 5)


# --- Figure 10: GEMV ---

def _gemv_gain(rows):
    """By size, all of them against the pipeline."""
    by_size = {}
    for size in SIZES["gemv"]:
        by_size[size_text(size)] = _ratios(rows, "gemv", [size], ["pipeline"],
                                           "cycles")["pipeline"]
    return by_size


def _gemv_faster(low, high):
    return lambda rows: _within(_gemv_gain(rows), low, high)


PAPER_9 = "paper, section 7.2, figure 9"
ARTICLE = "the authors' later article"

# Study, who says it, what, the figure, what judges it.
CLAIMS = (
    ("gemm", PAPER_9, f"GEMM of 2K on {LAST}x{LAST}: efficiency of SUMMA and "
     "Cannon", "below 50%", _low_efficiency),
    ("gemm", PAPER_9, f"GEMM of 2K, {LAST}x{LAST} against {FIRST}x{FIRST}: "
     "SUMMA and Cannon get slower", "more than 1 time the cycles",
     _get_slower),
    ("gemm", PAPER_9, f"GEMM of 2K, {LAST}x{LAST} against {FIRST}x{FIRST}: "
     "MeshGEMM stays flat",
     f"flat (here: to {100 * FLAT:.0f}%)", _stay_flat),
    ("gemm", PAPER_9, f"MeshGEMM on {LAST}x{LAST}: efficiency", "above 70%",
     _high_efficiency),
    ("gemm", PAPER_9, "GEMM of 8K: MeshGEMM never slower, some 17% fewer "
     "cycles", "0 to 25% fewer", _fewer_cycles),
    ("gemm", "paper, introduction", "MeshGEMM against SUMMA and Cannon",
     "2 to 3 times faster", _faster(2, 3)),
    ("gemm", ARTICLE, "MeshGEMM against SUMMA and Cannon",
     "1.3 to 2 times faster", _faster(1.3, 2)),
    ("gemm", ARTICLE, "exposed exchange of SUMMA and Cannon over MeshGEMM's",
     "2 to 5 times", _less_exchange),
    ("gemv", "paper and article together", "GEMV, tree against pipeline",
     "2.5 to 8 times faster", _gemv_faster(2.5, 8)),
    ("gemv", "paper, introduction; 4.6 in section 7.3",
     "GEMV, tree against pipeline", "4 to 8 times faster",
     _gemv_faster(4, 8)),
    ("gemv", ARTICLE, "GEMV, tree against pipeline", "2.5 to 3 times faster",
     _gemv_faster(2.5, 3)),
)


def _judge(rows, judge):
    try:
        holds, text = judge(rows)
    except Missing as why:
        return f"not judged, no run: {why}"
    return f"{'holds' if holds else 'does not hold'}: ours {text}"


def show(studies):
    """Prints the claims about the studies there are."""
    claims = [claim for claim in CLAIMS if claim[0] in studies]
    if not claims:
        return
    print(paragraph(
        f"Claims: what the authors say in words, of sides {FIRST} to {LAST} "
        "on a WSE-2, and whether all of our cells keep it; by algorithm or "
        "size the least and the greatest of them"))
    for name, by, what, said, judge in claims:
        print(paragraph(f"{what}: {said} ({by})", "  "))
        print(paragraph(_judge(studies[name].rows(), judge) + ".", "      "))
    print()
