# SPDX-License-Identifier: MIT
"""Statistics of repeated runs. Pure."""

import math
import statistics


def quantile(values, share):
    """The value below which that share (0..1) of the values lies, interpolated between neighbours."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low, rest = int(at), at - int(at)
    if rest == 0:
        return ordered[low]
    return ordered[low] * (1 - rest) + ordered[low + 1] * rest


def summary(values):
    """Least, quartiles and greatest of the runs."""
    return {"least": min(values), "lower": quantile(values, 0.25),
            "median": statistics.median(values), "upper": quantile(values, 0.75),
            "greatest": max(values)}


def speed_ratios(ours, theirs, smaller_is_better):
    """How many times as fast we are in each pair of runs that were made in turn; above 1: faster.

    Errors: ValueError when there are not as many of one as of the other, or one is not positive.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} runs cannot be paired with {len(theirs)}")
    if min([*ours, *theirs], default=1) <= 0:
        raise ValueError("a run measured nothing, so there is no ratio")
    if smaller_is_better:
        ours, theirs = theirs, ours
    return [our / their for our, their in zip(ours, theirs)]


def geometric_mean(values):
    """The mean for ratios and speeds: twice as fast here and half as fast there is 1. None of none."""
    values = [value for value in values if value > 0]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None
