# SPDX-License-Identifier: MIT
"""Puts the samples of repeated, interleaved runs together. Pure.

A sample is what one run on one system gave:
  figures   {label: Figure}
  surfaces  {operation: {(file KiB, record KiB): KiB/s}}
  curves    {label: [(percent, seconds)]}
"""

import dataclasses
import statistics

from . import stats

OURS = "shoal"


@dataclasses.dataclass(frozen=True)
class Figure:
    value: float
    unit: str
    smaller_is_better: bool = False
    headline: bool = False  # belongs into the summary


@dataclasses.dataclass
class Sample:
    figures: dict = dataclasses.field(default_factory=dict)
    surfaces: dict = dataclasses.field(default_factory=dict)
    curves: dict = dataclasses.field(default_factory=dict)


def combine(part, samples):
    """{measures, surfaces, curves} as they go into the JSON, from {system: [Sample of each run]}.

    A run that failed is None. Ratios are made of the pairs in which both systems have a sample.
    """
    pairs = {system: runs for system, runs in samples.items() if any(runs)}
    return {"measures": _measures(part, pairs), "surfaces": _surfaces(part, pairs),
            "curves": _curves(part, pairs)}


def _in_order(runs_of_systems, kind):
    """The labels of a kind over all samples, in the order in which they first came."""
    labels = {}
    for runs in runs_of_systems.values():
        for sample in filter(None, runs):
            labels.update(dict.fromkeys(getattr(sample, kind)))
    return list(labels)


def _measures(part, samples):
    measures = []
    for label in _in_order(samples, "figures"):
        figures = {system: [sample.figures.get(label) if sample else None for sample in runs]
                   for system, runs in samples.items()}
        known = next(figure for runs in figures.values() for figure in runs if figure)
        systems, ratios = {}, {}
        for system, runs in figures.items():
            values = [figure.value for figure in runs if figure]
            if values:
                systems[system] = {"runs": values, **stats.summary(values)}
        for system, runs in figures.items():
            both = [(ours.value, theirs.value)
                    for ours, theirs in zip(figures.get(OURS, []), runs) if ours and theirs]
            if system != OURS and both:
                each = stats.speed_ratios(*zip(*both), known.smaller_is_better)
                ratios[system] = {"runs": each, **stats.summary(each)}
        measures.append({"part": part, "label": label, "unit": known.unit,
                         "smaller_is_better": known.smaller_is_better,
                         "headline": known.headline, "systems": systems, "ratios": ratios})
    return measures


def _surfaces(part, samples):
    surfaces = []
    for operation in _in_order(samples, "surfaces"):
        systems = {}
        for system, runs in samples.items():
            cells = {}
            for sample in filter(None, runs):
                for place, speed in sample.surfaces.get(operation, {}).items():
                    cells.setdefault(place, []).append(speed)
            systems[system] = [[*place, statistics.median(speeds)]
                               for place, speeds in sorted(cells.items())]
        surfaces.append({"part": part, "operation": operation, "unit": "KiB/s", "systems": systems})
    return surfaces


def _curves(part, samples):
    curves = []
    for label in _in_order(samples, "curves"):
        systems = {}
        for system, runs in samples.items():
            points = {}
            for sample in filter(None, runs):
                for percent, seconds in sample.curves.get(label, []):
                    points.setdefault(percent, []).append(seconds)
            if points:
                systems[system] = [[percent, statistics.median(values)]
                                   for percent, values in sorted(points.items())]
        curves.append({"part": part, "label": label, "unit": "s", "systems": systems})
    return curves


def surface_figures(surfaces, headlines=()):
    """A figure of each surface: the geometric mean over its cells, in MiB/s."""
    return {f"{operation}, all sizes":
            Figure(stats.geometric_mean(cells.values()) / 1024, "MiB/s",
                   headline=operation in headlines)
            for operation, cells in surfaces.items() if cells}
