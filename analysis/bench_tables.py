#!/usr/bin/env python3
"""The speed of this machine beside its limits: one table of the reports that
jobs/bench.sh leaves. See README."""
import argparse
import glob
import json
import os
import statistics
import sys
from dataclasses import dataclass, field
from typing import Dict, List

COUNTS = 3    # of ranks, beside each other
LABEL = 30    # widths
FIGURE = 9
SHARE = 7

BYTES = {"f32": 4, "f16": 2, "bf16": 2}


class ReportError(Exception):
    """Reports that make no table, in one line."""


@dataclass
class Row:
    """A line of the table. values: of each round, by ranks; limit: of the
    same by ranks, what the medians are parts of."""
    label: str
    unit: str
    values: Dict[int, List[float]] = field(default_factory=dict)
    limit: Dict[int, float] = field(default_factory=dict)

    def add(self, ranks, value):
        """One round's; None: there was nothing to measure."""
        if value is not None:
            self.values.setdefault(ranks, []).append(value)

    def median(self, ranks):
        """Over the rounds."""
        return statistics.median(self.values[ranks])

    def medians(self, scale=1.0):
        """By ranks, as a limit of others."""
        return {ranks: scale * self.median(ranks) for ranks in self.values}

    def share(self, ranks):
        """Of the limit; None: there is none."""
        if ranks not in self.values or ranks not in self.limit:
            return None
        return self.median(ranks) / self.limit[ranks]

    def spread(self):
        """(largest round / smallest, ranks)."""
        return max((max(made) / min(made), ranks)
                   for ranks, made in self.values.items())


def read_reports(folder):
    """All of the folder, in the order in which they were made."""
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "*.json")))
    reports = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            reports.append(json.load(file))
    if not reports:
        raise ReportError(f"no reports in {folder}")
    return reports


def of_format(reports, name):
    """Those that call themselves so."""
    return [report for report in reports if report["format"] == name]


# --- What a token takes ---

def layer_weights(model):
    """Elements of all matrices of all layers."""
    dim, hidden = model["dim"], model["hidden_dim"]
    query = model["n_heads"] * model["head_dim"]
    keys = model["n_kv_heads"] * model["head_dim"]
    layer = 2 * dim * query + 2 * dim * keys + 3 * dim * hidden
    return model["n_layers"] * layer


def prefill_operations(model):
    """Of a token: a multiplication and an addition for each weight of the
    layers; attention and the head, for one token of all, are left out."""
    return 2 * layer_weights(model)


def decode_bytes(model):
    """Read for a token: each weight of the layers and of the head once."""
    head = model["dim"] * model["vocab_size"]
    return (layer_weights(model) + head) * BYTES[model["dtype"]]


# --- Rows ---

def host_rows(reports):
    """What memory and arithmetic give."""
    read = Row("memory read", "GB/s")
    compute = Row("fp32 peak", "GFLOP/s")
    for report in of_format(reports, "waferllm host report"):
        host = report["host"]
        read.add(host["ranks"], host["read_gb_per_s"])
        compute.add(host["ranks"], host["fp32_gflops"])
    return read, compute


def model_rows(reports, read, compute):
    """Prefill and decode for each type of elements."""
    made = {}
    for report in of_format(reports, "waferllm report"):
        model, host = report["model"], report["host"]
        limits = {"prefill": compute.medians(1e9 / prefill_operations(model)),
                  "decode": read.medians(1e9 / decode_bytes(model))}
        for phase, limit in limits.items():
            key = phase, model["dtype"]
            row = made.setdefault(key, Row(" ".join(key), "tokens/s",
                                           limit=limit))
            row.add(host["ranks"], host[f"{phase}_tokens_per_s"])
    return [made[key] for key in sorted(made, key=_phases_apart)]


def _phases_apart(key):
    """Prefill first, f32 first."""
    phase, dtype = key
    return phase != "prefill", -BYTES[dtype], dtype != "f16"


def kernel_rows(reports, read, compute):
    """Products: with a matrix, by arithmetic; with a vector, by memory."""
    limits = {"gemm": compute.medians(),
              "gemv": read.medians(2 / BYTES["f32"])}
    made = {}
    for report in of_format(reports, "waferllm bench report"):
        for result in report["results"]:
            if result["kernel"] not in limits:
                continue
            label = f"{result['kernel']} {result['algo']}"
            if result["emulated"]:
                label += f" {result['rows']}x{result['cols']}"
            row = made.setdefault(label, Row(
                label, "GFLOP/s", limit=limits[result["kernel"]]))
            row.add(report["host"]["ranks"], result["host_gflops"])
    return list(made.values())


def latency_row(reports):
    """All-reduces, in microseconds."""
    row = Row("all-reduce", "us")
    for report in of_format(reports, "waferllm bench report"):
        for result in report["results"]:
            if result["kernel"] == "allreduce":
                row.add(report["host"]["ranks"], 1e6 * result["host_seconds"])
    return row


# --- The page ---

def number(value):
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value > 99.9 else f"{value:#.3g}"


def crowded(ranks, cores):
    """The number of ranks, with a star when there are fewer cores."""
    return f"{ranks}{'*' if cores and ranks > cores else ''}"


def cell(row, ranks):
    """The columns of one number of ranks."""
    if ranks not in row.values:
        return f"{'-':>{FIGURE}}{'':>{SHARE}}"
    share = row.share(ranks)
    text = "" if share is None else f"{100 * share:.1f}%"
    return f"{number(row.median(ranks)):>{FIGURE}}{text:>{SHARE}}"


def show_rows(rows, counts, cores):
    """A table of these numbers of ranks."""
    print(f"{'ranks':<{LABEL}}" + "".join(
        f"{crowded(ranks, cores):>{FIGURE}}{'limit':>{SHARE}}"
        for ranks in counts))
    for row in rows:
        label = f"{row.label}, {row.unit}"
        print((f"{label:<{LABEL}}" + "".join(
            cell(row, ranks) for ranks in counts)).rstrip())
    print()


def show_latency(row, words, cores):
    """All numbers of ranks, a column each."""
    counts = sorted(row.values)
    print(f"all-reduce of {words} word{'s' if words > 1 else ''}, a core on "
          "each rank")
    print(f"{'ranks':<{FIGURE}}" + "".join(
        f"{crowded(ranks, cores):>{FIGURE}}" for ranks in counts))
    print(f"{'us':<{FIGURE}}" + "".join(
        f"{number(row.median(ranks)):>{FIGURE}}" for ranks in counts))
    print()


def show_model(reports):
    """What ran."""
    for report in of_format(reports, "waferllm report")[:1]:
        model, request = report["model"], report["request"]
        grid = report["grids"]["decode"]
        print(f"{os.path.basename(model['source'])}: "
              f"{model['parameters'] / 1e6:.4g} M parameters, "
              f"{grid['rows']}x{grid['cols']} cores,\nprompt of "
              f"{request['prompt_tokens']} tokens, then "
              f"{request['new_tokens'] - 1} decode steps")


def show_rest(rows, most, cores):
    """What to know about the figures. most: ranks in any column."""
    print("limit: part of what the machine gave to as many ranks in the same "
          "minutes.\nPrefill, gemm: of the fp32 peak; decode, gemv: of "
          "reading every weight once.")
    if crowded(most, cores) != str(most):
        print(f"* more ranks than the {cores} cores: they take turns")
    worst = max((row for row in rows if row.values),
                key=lambda row: row.spread()[0])
    times, ranks = worst.spread()
    rounds = max(map(len, worst.values.values()))
    if rounds > 1:
        print(f"Medians of {rounds} rounds, which differ most in "
              f"{worst.label} on {ranks} rank{'s' if ranks > 1 else ''}:\n"
              f"the best is {times:.2f} times the worst.")


def show(reports):
    """The page."""
    read, compute = host_rows(reports)
    rows = [read, compute, *model_rows(reports, read, compute),
            *kernel_rows(reports, read, compute)]
    cores = max((report["host"]["cores"] for report in
                 of_format(reports, "waferllm host report")), default=0)
    counts = sorted({ranks for row in rows for ranks in row.values})
    if not counts:
        raise ReportError("these reports have no speed of the host")
    show_model(reports)
    for first in range(0, len(counts), COUNTS):
        show_rows(rows, counts[first:first + COUNTS], cores)
    latency = latency_row(reports)
    if latency.values:
        words = next(result["vector_words"] for report in
                     of_format(reports, "waferllm bench report")
                     for result in report["results"]
                     if result["kernel"] == "allreduce")
        show_latency(latency, words, cores)
    show_rest(rows, max([*counts, *latency.values]), cores)


def main():
    """Exit status 0; 2 if there is nothing to show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", metavar="DIR",
                        help="where bench.sh left them: OUT/reports")
    try:
        show(read_reports(parser.parse_args().reports))
    except (ReportError, OSError, ValueError) as why:
        print(f"bench_tables: {why}", file=sys.stderr)
        return 2
    except (KeyError, TypeError) as why:
        print(f"bench_tables: a report is not as it should be: {why}",
              file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
