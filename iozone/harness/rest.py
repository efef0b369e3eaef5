# SPDX-License-Identifier: MIT
"""Waits until nothing of an earlier run is left to do."""

import os
import time

from .programs import ROOT  # noqa: F401  (makes lab known)
from lab import wait_for  # noqa: E402

IDLE_SPAN_SECONDS = 0.2  # the span over which idleness is judged
IDLE_SECONDS_MAX = 300


def cpu_ticks(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            ticks += sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))
    return ticks


def settle(pids):
    """Until what went before is on the disk and the daemons have nothing left to do."""
    os.sync()

    def is_idle():
        before = cpu_ticks(pids)
        time.sleep(IDLE_SPAN_SECONDS)
        return cpu_ticks(pids) - before <= 1
    wait_for(is_idle, "the daemons to be idle", IDLE_SECONDS_MAX)
