"""The numbers of scaling.py as CSV files. A column of a measured figure says
host or emulated, and its unit."""
from output import write_csv
from scaling_reports import AXES, PARTS
from scaling_studies import (ALL_PHASES, PHASES, UNITS, accounts, operators,
                             rows, shares)


def scaling_table(studies):
    """Speed-up and efficiency, a dict for each row."""
    for study in studies:
        for phase in PHASES:
            for row in rows(study, phase):
                run = study.run(row.ranks)
                yield {
                    "study": study.name, "label": study.label,
                    "phase": phase, "ranks": row.ranks,
                    "rank_grid": "x".join(map(str, run.rank_grid)),
                    "model": run.facets["model"],
                    "parameters": run.parameters,
                    "emulated_prefill_cores": run.facets["prefill"],
                    "emulated_decode_cores": run.facets["decode"],
                    "runs": len(study.points[row.ranks]),
                    "work": row.work / 1e9, "work_unit": UNITS[phase],
                    **_columns("host_s", row.seconds),
                    **_columns("host_work_per_s", row.rate.scaled(1e-9)),
                    **_columns("host_speedup", row.speedup),
                    "ideal_speedup": row.ideal,
                    **_columns("host_efficiency_percent",
                               row.efficiency.scaled(100))}


def _columns(name, spread):
    return {name: spread.median, name + "_least": spread.least,
            name + "_most": spread.most}


def operators_table(studies):
    """Seconds of the host by operator."""
    for study in studies:
        for phase in ALL_PHASES:
            for operator, points in operators(study, phase).items():
                for ranks, parts in points.items():
                    yield {"study": study.name, "phase": phase,
                           "operator": operator, "ranks": ranks,
                           **{f"host_{part}_s_mean_of_ranks": seconds
                              for part, seconds in zip(PARTS, parts)}}


def shares_table(studies):
    """Shares of exchange and wait."""
    for study in studies:
        for phase in ALL_PHASES:
            for ranks, spreads in shares(study, phase).items():
                row = {"study": study.name, "phase": phase, "ranks": ranks}
                for name, spread in zip(("exchange", "wait", "both"),
                                        spreads):
                    row.update(_columns(f"host_{name}_percent",
                                        spread.scaled(100)))
                yield row


def links_table(studies):
    """Words over each cut, of every account."""
    for study, run in accounts(studies):
        for phase, links in run.links.items():
            for axis in AXES:
                lines = links["lines_" + axis]
                for cut, words in enumerate(links[axis]):
                    yield {"study": study.name, "phase": phase,
                           "ranks": run.ranks, "axis": axis,
                           "behind_core": cut, "links_of_cut": lines,
                           "emulated_words_of_cut": words,
                           "emulated_words_of_link_mean": words / lines}


TABLES = {"scaling": scaling_table, "operators": operators_table,
          "shares": shares_table, "links": links_table}


def write(studies, folder):
    """NAME.csv of each of TABLES that has rows; yields the paths."""
    for name, table in TABLES.items():
        lines = list(table(studies))
        if lines:
            yield write_csv(folder, name, list(lines[0]), lines)
