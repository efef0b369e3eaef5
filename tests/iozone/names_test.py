#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""iozone/names measures every row, in tiny sizes, and cleans up. What it measures is not judged."""

import json
import os
import subprocess
import sys
import tempfile

NAMES = os.path.join(os.environ["SHOAL_SOURCE_DIR"], "iozone", "names")
EXPECTED_FIGURES = 12


def main():
    if not os.path.exists("/dev/fuse"):
        print("skipped: there is no /dev/fuse")
        return 77
    with tempfile.TemporaryDirectory(prefix="shoal-test-") as folder:
        report = os.path.join(folder, "report.json")
        subprocess.run([sys.executable, "-B", NAMES, "--tiny", "--large", "--runs", "1",
                        "--dir", folder, "--json", report], check=True)
        with open(report) as file:
            figures = json.load(file)
        assert figures["failures"] == [], figures["failures"]
        assert len(figures["rows"]) == EXPECTED_FIGURES, [row["row"] for row in figures["rows"]]
        for fact in ("machine", "kernel", "fuse_mode", "commit", "durability"):
            assert figures[fact], fact
        # Nothing stays behind besides the report.
        assert os.listdir(folder) == ["report.json"], os.listdir(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
