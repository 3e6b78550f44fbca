"""Groups runs to studies of strong and weak scaling, and what each tells:
speed-up, efficiency, shares."""
import statistics
from dataclasses import dataclass
from typing import Dict, List

from scaling_reports import ALL, GROWING, PARTS, Run, ScalingError

PHASES = ("load", "prefill", "decode")  # those that have a work
UNITS = {"load": "GB", "prefill": "GFLOP", "decode": "GB"}
ALL_PHASES = ("load", "prefill", "transition", "decode")


def named(name, text):
    """A facet for people."""
    if name in ("prefill", "decode"):
        return f"{name} on {text} cores"
    if name in ("in", "out"):
        return f"{text} {'tokens ' if name == 'in' else ''}{name}"
    if name == "shape":
        return f"{text} parameters"
    return text or f"no {name}"


SAID = ("model", "shape", "dtype", "prefill", "decode", "in", "out")


def _parts_of(runs):
    """What ran, from the smallest to the largest: a text for each of SAID."""
    def span(name):
        texts = [f"{run.parameters / 1e6:.4g} M" if name == "shape"
                 else run.facets[name] for run in runs]
        if name == "out":
            texts.sort(key=int)
        return named(name, " to ".join(dict.fromkeys((texts[0], texts[-1]))))
    return [span(name) for name in SAID]


def subject(*lists):
    """What ran, a text, of lists of runs; without what differs in these."""
    parts = zip(*map(_parts_of, lists))
    return ", ".join(some[0] for some in parts if len(set(some)) == 1)


@dataclass
class Study:
    """Runs on several numbers of ranks. kind: strong or weak; label: what
    tells it from the others of its kind."""
    kind: str
    name: str
    label: str
    points: Dict[int, List[Run]]

    def ranks(self):
        """In order."""
        return sorted(self.points)

    def run(self, ranks):
        """The first of that point: what is not measured is the same in all
        of them."""
        return self.points[ranks][0]

    def runs(self):
        """All."""
        return [run for ranks in self.ranks() for run in self.points[ranks]]

    def firsts(self):
        """The first run of each point."""
        return [self.run(ranks) for ranks in self.ranks()]

    def subject(self):
        """What ran, from the smallest to the largest."""
        return subject(self.firsts())


@dataclass
class Spread:
    """Over the runs of a point."""
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values):
        """Of any number of them."""
        return cls(statistics.median(values), min(values), max(values))

    def scaled(self, factor):
        """Each times factor."""
        return Spread(self.median * factor, self.least * factor,
                      self.most * factor)


# --- Groups ---

def _by(runs, key):
    """{key of a run: its runs}"""
    groups = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _points(runs):
    """By ranks. Runs of one point have the same rank grid."""
    points = _by(runs, lambda run: run.ranks)
    for same in points.values():
        for run in same:
            if run.rank_grid != same[0].rank_grid:
                raise ScalingError(
                    f"{run.path}: on another rank grid than "
                    f"{same[0].path} with as many ranks: not comparable")
    return points


def _same(run):
    return run.without()


def _grows(run):
    """What is the same in weak scaling."""
    return run.without(*GROWING)


def _check_grows(points):
    """One model for each number of ranks, larger with more of them."""
    last = None
    for ranks in sorted(points):
        first = points[ranks][0]
        for run in points[ranks]:
            if run.facets != first.facets:
                raise ScalingError(
                    f"{run.path}: other than {first.path} on as many ranks, "
                    "and neither is strong scaling; weak scaling has one "
                    "model for each number of ranks")
        if last and (first.work["prefill"] <= last.work["prefill"]
                     or min(a - b for a, b in
                            zip(first.cores, last.cores)) < 0):
            raise ScalingError(
                f"{first.path}: no larger than {last.path} on fewer ranks, so "
                "this is no weak scaling")
        last = first


def _labels(groups, aside):
    """What differs between groups of runs, but for some names, a text for
    each."""
    seen = [same[0].facets for same in groups]
    names = [name for name in (seen[0] if seen else ()) if name not in aside
             and len({facets[name] for facets in seen}) > 1]
    return [", ".join(named(name, facets[name]) for name in names)
            for facets in seen]


def _studies(kind, groups):
    """Of groups of runs, each one study."""
    labels = _labels(groups, GROWING if kind == "weak" else ("shape",))
    made = []
    for at, (same, label) in enumerate(zip(groups, labels), 1):
        name = kind if len(groups) == 1 else f"{kind}{at}"
        made.append(Study(kind, name, label or name, _points(same)))
    return made


def _several(runs):
    """Whether these are of more than one number of ranks."""
    return len({run.ranks for run in runs}) > 1


def group(runs, named_weak):
    """All studies. Runs that differ in ranks alone are strong scaling; of
    the others, and of those named so, those whose model grows are weak."""
    by_same = list(_by(runs, _same).values())
    strong = [same for same in by_same if _several(same)]
    rest = [run for same in by_same if not _several(same) for run in same]
    weak = [same for some in (rest, named_weak)
            for same in _by(some, _grows).values()]
    for same in weak:
        if not _several(same):
            raise ScalingError(
                f"{same[0].path}: nothing to compare with: no report of "
                "another number of ranks has its settings "
                f"({subject(same[:1])})")
        _check_grows(_points(same))
    return _studies("strong", strong) + _studies("weak", weak)


# --- Numbers ---

@dataclass
class Row:
    """One phase of a point. rate: work/s; speedup, efficiency: against the
    point with the fewest ranks."""
    study: Study
    phase: str
    ranks: int
    work: float
    seconds: Spread
    rate: Spread
    speedup: Spread
    ideal: float
    efficiency: Spread


def _seconds(study, phase, ranks):
    return Spread.of([run.seconds[phase] for run in study.points[ranks]])


def _rate(work, seconds):
    """work/s; the least time has the most."""
    return Spread(work / seconds.median, work / seconds.most,
                  work / seconds.least)


def timed(study, phase):
    """The ranks whose runs all had something to do there and took time for
    it: after one new token there is no decode."""
    return [ranks for ranks in study.ranks()
            if all(run.seconds[phase] > 0 and run.work[phase] > 0
                   for run in study.points[ranks])]


def rows(study, phase):
    """A Row for each point. Speed-up is of work/s: with the same work, of
    time. Efficiency is that of work/s of a rank."""
    counts = timed(study, phase)
    made, base = [], None
    for ranks in counts if len(counts) > 1 else ():
        work = study.run(ranks).work[phase]
        seconds = _seconds(study, phase, ranks)
        rate = _rate(work, seconds)
        base = base or (rate.median, ranks)
        speedup, ideal = rate.scaled(1 / base[0]), ranks / base[1]
        made.append(Row(study, phase, ranks, work, seconds, rate, speedup,
                        ideal, speedup.scaled(1 / ideal)))
    return made


def profiled(study):
    """{ranks: runs with a profile}, where there are any."""
    found = {ranks: [run for run in study.points[ranks] if run.profile]
             for ranks in study.ranks()}
    return {ranks: runs for ranks, runs in found.items() if runs}


def operators(study, phase):
    """{operator: {ranks: seconds of each of PARTS}}: means over the ranks,
    medians over the runs; ALL first."""
    made = {}
    for ranks, runs in profiled(study).items():
        times = [run.profile.get(phase, {}) for run in runs]
        for operator in times[0]:
            made.setdefault(operator, {})[ranks] = [
                statistics.median(one.get(operator, (0, 0, 0))[part]
                                  for one in times)
                for part in range(len(PARTS))]
    return made


def shares(study, phase):
    """{ranks: Spreads of the shares of exchange, wait and both together in
    the ranks' time}"""
    made = {}
    for ranks, runs in profiled(study).items():
        parts = [run.profile[phase][ALL] for run in runs
                 if sum(run.profile.get(phase, {}).get(ALL, [0])) > 0]
        if parts:
            made[ranks] = [Spread.of([sum(one[first:last]) / sum(one)
                                      for one in parts])
                           for first, last in ((1, 2), (2, 3), (1, 3))]
    return made


def accounts(studies):
    """The runs whose accounts differ: of strong scaling one, for the account
    does not depend on ranks, of weak the largest."""
    for study in studies:
        yield study, study.run(study.ranks()[-1])
