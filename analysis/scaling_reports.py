"""Reads reports of real runs (waferllm run --report): what scaling.py needs
of each, checked."""
import glob
import json
import os
from dataclasses import dataclass
from typing import Dict, List, Optional

from bench_tables import BYTES, decode_bytes, prefill_operations

FORMAT, VERSION = "waferllm report", 1
H5 = (".h5", ".hdf5")

PARTS = ("compute", "exchange", "wait")
ALL = "all"
AXES = "xy"

# Options that tell of nothing that the rest of a report does not, or that do
# not change how long a run takes.
MUTE = {"model", "--shape", "--prompt", "--prompt-file", "-n", "--seed",
        "--grid", "--prefill-grid", "--decode-grid", "--rank-grid",
        "--prompt-tokens", "--prefill-regions", "--decode-regions",
        "--system", "--gemm", "--allreduce", "--groups", "--device",
        "--dtype", "--dry-run", "--report", "--logits", "--profile",
        "--strict", "--quiet"}
SHAPE = ("dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "head_dim",
         "vocab_size", "tied", "qkv_bias")

# What may differ in weak scaling. Each model ends its text where it likes;
# speed-up there is of work per second.
GROWING = ("model", "shape", "prefill", "decode", "out")


class ScalingError(Exception):
    """Reports that tell nothing of scaling, in one line."""


@dataclass(frozen=True)
class Run:
    """What is needed of a report. signal: that cut it short. ranks: started;
    rank_grid: of those that work. facets: texts, by what is the same in runs
    that can be compared. work, seconds: by phase. cores: of prefill and
    decode. profile: seconds of PARTS, means over the ranks, by phase and
    operator (ALL: of the phase); None: there is none. links: words by phase
    and axis, as reported."""
    path: str
    signal: Optional[str]
    ranks: int
    rank_grid: tuple
    facets: Dict[str, str]
    parameters: int
    cores: tuple
    work: Dict[str, float]
    seconds: Dict[str, float]
    profile: Optional[Dict[str, Dict[str, List[float]]]]
    links: Dict[str, dict]

    def working(self):
        """Ranks that do not idle."""
        return self.rank_grid[0] * self.rank_grid[1]

    def without(self, *names):
        """The facets but these, to compare."""
        return tuple((name, text) for name, text in self.facets.items()
                     if name not in names)


# --- Files ---

def _files_in(folder):
    """Paths of what may be reports, and of HDF5 files that cannot be looked
    into. Checkpoints may lie beside them."""
    paths = sorted(path for kind in (".json", *H5) for path in
                   glob.glob(os.path.join(glob.escape(folder), "*" + kind)))
    blind = [path for path in paths if path.endswith(H5)]
    if blind and not _no_h5py():
        blind = []
    found = [path for path in paths if path not in blind
             and not (path.endswith(H5)
                      and _format_of(path) == "waferllm checkpoint")]
    if not found:
        raise ScalingError(f"{folder}: no reports in this folder" + (
            ", as far as can be told without h5py" if blind else ""))
    return found, blind


def find_reports(names):
    """Paths of the reports named, each once, of a folder all in it; and of
    the HDF5 files in folders that were passed over without h5py."""
    found, passed = {}, []
    for name in names:
        paths, blind = [name], []
        if os.path.isdir(name):
            paths, blind = _files_in(name)
        passed += blind
        for path in paths:
            found.setdefault(os.path.realpath(path), path)
    return list(found.values()), passed


def _plain(value):
    """Of HDF5, as JSON would have it: NaN is null, text is text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value != value else value


def _put(row, name, value):
    """row["a"]["b"] for "a.b"."""
    first, _, rest = name.partition(".")
    if rest:
        _put(row.setdefault(first, {}), rest, value)
    else:
        row[first] = value


def _tree(node):
    """A group or dataset of HDF5 as the JSON form of the report has it."""
    if not hasattr(node, "items"):
        return _plain(node[()])
    tree = {key: _plain(value) for key, value in node.attrs.items()}
    tree.update((key, _tree(value)) for key, value in node.items())
    if "rows" not in node.attrs or not len(node):
        return tree
    # Columns: lists, or texts by the number of the row.
    rows = [{} for _ in range(tree.pop("rows"))]
    for name, column in tree.items():
        pairs = (column.items() if isinstance(column, dict)
                 else enumerate(column))
        for at, value in pairs:
            _put(rows[int(at)], name, value)
    return rows


def _no_h5py():
    """Why HDF5 cannot be read; empty: it can."""
    try:
        import h5py  # noqa: F401
    except ImportError as why:
        return str(why)
    return ""


def _read_h5(path):
    if _no_h5py():
        raise ScalingError(f"{path}: HDF5 needs h5py, and there is none: "
                           + _no_h5py())
    import h5py
    if not h5py.is_hdf5(path):
        raise ScalingError(f"{path}: not HDF5")
    with h5py.File(path, "r") as file:
        found = _plain(file.attrs.get("format"))
        return _tree(file) if found == FORMAT else {"format": found}


def _format_of(path):
    return _read_h5(path).get("format")


def _read(path):
    """The report in the file, whatever it is."""
    try:
        if path.endswith(H5):
            os.stat(path)
            return _read_h5(path)
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as why:
        raise ScalingError(f"{path}: {why.strerror or why}") from why
    except (ValueError, RecursionError) as why:
        raise ScalingError(f"{path}: not JSON: {why}") from why


# --- What a report says ---

def _sides(grid):
    return f"{grid['rows']}x{grid['cols']}"


def _cores(grid):
    regions = grid.get("regions") or 1
    return _sides(grid) + (f" in {regions} regions" if regions > 1 else "")


def _facets(report):
    """What makes runs comparable; ranks are no part of it."""
    model, request = report["model"], report["request"]
    system, grids = report["system"], report["grids"]
    options = {key: value for key, value in
               sorted(report.get("options", {}).items())
               if key not in MUTE and value not in (None, False)}
    versions = sorted(report["host"].get("versions", {}).items())
    return {
        "model": os.path.basename(model["source"]),
        "shape": " ".join(f"{key} {model[key]:d}" for key in SHAPE),
        "dtype": model["dtype"],
        "prefill": _cores(grids["prefill"]),
        "decode": _cores(grids["decode"]),
        "in": str(request["prompt_tokens"]),
        "out": str(request["new_tokens"]),
        "system": " ".join(
            [str(system[key]) for key in ("name", "gemm", "allreduce")
             if system.get(key)]
            + [f"{int(n)} groups" for n in system.get("groups") or []]),
        "device": report["device"]["name"],
        "options": " ".join(f"{key} {value}" for key, value in
                            options.items()),
        "versions": ", ".join(f"{key} {value}" for key, value in versions)}


def _work(report):
    """What a phase has to do at least: bytes to read, or operations."""
    model, request = report["model"], report["request"]
    return {"load": model["parameters"] * BYTES[model["dtype"]],
            "prefill": prefill_operations(model) * request["prompt_tokens"],
            "decode": decode_bytes(model) * (request["new_tokens"] - 1)}


def _parts(row):
    return [float(row[part]["mean_seconds"]) for part in PARTS]


def _profile(profile):
    if not profile:
        return None
    made = {row["phase"]: {ALL: _parts(row)} for row in profile["phases"]}
    for row in profile["operators"]:
        made[row["phase"]][row["operator"]] = _parts(row)
    return made


def _links(phases):
    return {name: {axis: [float(words) for words in phase["links"][axis]]
                   for axis in AXES}
            | {"lines_" + axis: int(phase["links"]["lines_" + axis])
               for axis in AXES}
            for name, phase in phases.items() if phase.get("links")}


def _run(path, report):
    host, grids = report["host"], report["grids"]
    ended_by = report["request"].get("ended_by") or ""
    return Run(
        path, ended_by if ended_by.startswith("SIG") else None,
        int(host["ranks"]),
        (grids["ranks"]["rows"], grids["ranks"]["cols"]), _facets(report),
        report["model"]["parameters"],
        tuple(grids[phase]["rows"] * grids[phase]["cols"]
              for phase in ("prefill", "decode")),
        _work(report),
        {phase: host[phase + "_seconds"]
         for phase in ("load", "prefill", "decode")},
        _profile(host.get("profile")), _links(report["phases"]))


def _check_kind(path, report):
    """That it is a report of a real run, of a form known here."""
    found = report.get("format") if isinstance(report, dict) else None
    if found != FORMAT:
        raise ScalingError(f"{path}: not a report of waferllm run"
                           + (f" but a {found}" if found else ""))
    version = report.get("format_version")
    if version != VERSION:
        raise ScalingError(f"{path}: a report of version {version}; known "
                           f"here is {VERSION}")
    if report["request"]["dry_run"]:
        raise ScalingError(f"{path}: a dry run, which has no host times")


def read_run(path):
    """The run of a report."""
    report = _read(path)
    try:
        _check_kind(path, report)
        run = _run(path, report)
        if run.ranks < 1 or max(run.seconds.values()) <= 0:
            raise ScalingError(f"{path}: no host times")
    except (KeyError, TypeError, AttributeError, ValueError) as why:
        raise ScalingError(f"{path}: a report is not as it should be: "
                           f"{type(why).__name__} {why}") from why
    return run
