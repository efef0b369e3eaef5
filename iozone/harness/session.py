# SPDX-License-Identifier: MIT
"""A benchmark from its first step to its files: interleaved steps, progress, failures, reports."""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time

from . import report, results
from .progress import Estimate, spoken
from .rest import settle


class Part:
    """measure(system, folder, log) -> Sample, done on each of the systems in turn, runs times.

    seconds: about how long one takes, for the first estimate of the time left.
    """

    def __init__(self, name, about, systems, measure, seconds, runs=None):
        self.name, self.about, self.systems = name, about, list(systems)
        self.measure, self.seconds, self.runs = measure, seconds, runs


class Session:
    """folders: {system: a folder on it}; pids: the daemons that must be idle before each step.

    All parts are run once, then all of them again, until each has its runs or another round would
    take longer than seconds_max.
    """

    def __init__(self, title, folders, pids, facts, runs, out, seconds_max):
        self.title, self.folders, self.pids, self.facts = title, folders, pids, facts
        self.runs, self.out, self.seconds_max = runs, out, seconds_max
        self.raw = os.path.join(out, "raw")
        self.parts, self.failures, self.skipped = [], [], []
        os.makedirs(self.raw, exist_ok=True)

    def add(self, part):
        part.runs = part.runs or self.runs
        self.parts.append(part)

    def skip(self, what, why):
        self.skipped.append({"what": what, "why": why})
        print(f"left out: {what}: {why}", file=sys.stderr, flush=True)

    def fail(self, what, error):
        self.failures.append({"what": what, "error": str(error)})
        print(f"FAILED: {what}: {error}", file=sys.stderr, flush=True)

    def run(self):
        """All parts; the result is what goes into the JSON."""
        begun, clock = time.strftime("%Y-%m-%d %H:%M %Z"), time.monotonic()
        samples = {part.name: {system: [] for system in part.systems} for part in self.parts}
        rounds = self._rounds()
        estimate = Estimate([((part.name, system), part.seconds)
                             for steps in rounds for part, system in steps])
        total = len(estimate.left)
        for number, steps in enumerate(rounds, 1):
            keys = [(part.name, system) for part, system in steps]
            if number > 1 and time.monotonic() - clock + estimate.seconds_of(keys) > self.seconds_max:
                print(f"ending after {number - 1} of {len(rounds)} runs, to be done in time", flush=True)
                break
            for part, system in steps:
                at = total - len(estimate.left) + 1
                print(f"[{at:3}/{total}] {part.name} on {system}, run {number} of {part.runs} ... ",
                      end="", flush=True)
                started = time.monotonic()
                samples[part.name][system].append(self._step(part, system, number))
                taken = time.monotonic() - started
                estimate.done(taken)
                left = min(estimate.seconds_left(),
                           max(0, self.seconds_max - (time.monotonic() - clock)))
                print(f"{taken:.1f} s; about {spoken(left)} left", flush=True)
        combined = {"measures": [], "surfaces": [], "curves": []}
        for part in self.parts:
            for kind, entries in results.combine(part.name, samples[part.name]).items():
                combined[kind] += entries
        return {"schema": 1, "title": self.title, "begun": begun,
                "seconds": time.monotonic() - clock,
                "runs": max((len(runs) for systems in samples.values() for runs in systems.values()),
                            default=0),
                "command": shlex.join(sys.argv), "facts": self.facts,
                "parts": {part.name: part.about for part in self.parts}, **combined,
                "failures": self.failures, "skipped": self.skipped}

    def _rounds(self):
        """[[(part, system)] of the first runs of all, of the second runs of all, ...]."""
        return [[(part, system) for part in self.parts if number < part.runs
                 for system in part.systems]
                for number in range(max((part.runs for part in self.parts), default=0))]

    def _step(self, part, system, number):
        """One sample, or None when it failed, which is on record then."""
        name = f"{part.name}-{system}-{number}".replace(" ", "_").replace("/", "_")
        folder = tempfile.mkdtemp(prefix="bench-", dir=self.folders[system])
        try:
            settle(self.pids)
            return part.measure(system, folder, os.path.join(self.raw, f"{name}.txt"))
        except (RuntimeError, OSError, AssertionError, ValueError) as error:
            print()
            self.fail(f"{part.name} on {system}, run {number}", error)
            return None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def write(self, result, name):
        """result as name.json and as the page name.html."""
        with open(os.path.join(self.out, f"{name}.json"), "w") as file:
            json.dump(result, file, indent=1)
        page = os.path.join(self.out, f"{name}.html")
        with open(page, "w") as file:
            file.write(report.page(result))
        print(f"\nreport: {page}")


def print_table(result):
    """The medians and the ratios, for the terminal."""
    from . import svg
    print()
    for measure in result["measures"]:
        ratios = ", ".join(f"{svg.short(ratio['median'])} x {system}"
                           for system, ratio in measure["ratios"].items())
        values = ", ".join(f"{system} {report.amount(figures['median'], measure['unit'])}"
                           for system, figures in measure["systems"].items())
        print(f"{measure['part'] + ': ' + measure['label']:58} {ratios or '-':42} {values}")


def common_options(about, out):
    """A parser with what both programs take."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--runs", type=int, help="of each step on each system, in turn (default: 5)")
    parser.add_argument("--dir", default="/var/tmp", help="a folder on the disk to measure on")
    parser.add_argument("--out", default=out, help=f"where the report goes (default: {out})")
    parser.add_argument("--install", action="store_true",
                        help="unpack missing tools into build/deps/bench, from Debian's packages")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="full",
                      help="smaller sizes and 3 runs")
    size.add_argument("--tiny", dest="size", action="store_const", const="tiny",
                      help="only to see that everything runs")
    return parser


def end_on_signals():
    """So that all that was begun is ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
