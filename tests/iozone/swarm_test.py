#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""iozone/swarm measures every row, in tiny sizes, and cleans up. What it measures is not judged."""

import json
import os
import subprocess
import sys
import tempfile

ROOT = os.environ["SHOAL_SOURCE_DIR"]
SWARM = os.path.join(ROOT, "iozone", "swarm")
LOOPBACK_FIGURES = 7
SHAPED_FIGURES = 6


def namespaces():
    done = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if line.startswith("shoal-")]


def main():
    if not os.path.exists("/dev/fuse"):
        print("skipped: there is no /dev/fuse")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-test-") as folder:
        report = os.path.join(folder, "report.json")
        bench = subprocess.Popen([sys.executable, "-B", SWARM, "--tiny", "--runs", "1",
                                  "--shaped-runs", "1", "--dir", folder, "--json", report],
                                 stderr=subprocess.PIPE, text=True)
        _, complaints = bench.communicate()
        print(complaints, file=sys.stderr)
        assert bench.returncode == 0, complaints
        with open(report) as file:
            figures = json.load(file)
        assert figures["failures"] == [], figures["failures"]
        expected = LOOPBACK_FIGURES + (0 if "left out" in complaints else SHAPED_FIGURES)
        assert len(figures["rows"]) == expected, [row["row"] for row in figures["rows"]]
        for fact in ("machine", "kernel", "commit"):
            assert figures[fact], fact
        # Nothing stays behind besides the report.
        assert os.listdir(folder) == ["report.json"], os.listdir(folder)
        left = [name for name in namespaces() if f"shoal-{bench.pid}-" in name]
        assert not left, left
    return 0


if __name__ == "__main__":
    sys.exit(main())
