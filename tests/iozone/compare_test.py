#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""iozone/compare runs every row, in tiny sizes, fails when a run fails, and cleans up.

Only with what needs no download: the disk and libtorrent. What it measures is not judged.
"""

import json
import os
import subprocess
import sys
import tempfile

COMPARE = os.path.join(os.environ["SHOAL_SOURCE_DIR"], "iozone", "compare")
PARTS = {"one file", "random", "create", "stat", "untar", "cold read", "crowd"}


def compare(folder, *words, **more):
    return subprocess.run([sys.executable, "-B", COMPARE, "--tiny", "--dir", f"{folder}/disk",
                           "--out", f"{folder}/out", *words], **more)


def result_of(folder):
    with open(f"{folder}/out/compare.json") as file:
        return json.load(file)


def is_clean(folder):
    with open("/proc/self/mounts") as mounts:
        return not os.listdir(f"{folder}/disk") and folder not in mounts.read()


def every_row_runs(folder):
    compare(folder, "--with", "libtorrent", check=True)
    result = result_of(folder)
    assert result["failures"] == [], result["failures"]
    assert {measure["part"] for measure in result["measures"]} == PARTS
    crowd = next(measure for measure in result["measures"] if measure["part"] == "crowd")
    left_out = {one["what"] for one in result["skipped"]}
    assert set(crowd["systems"]) == {"shoal", "libtorrent"} - left_out, crowd["systems"]
    with open(f"{folder}/out/compare.html") as page:
        assert page.read().rstrip().endswith("</html>")
    assert is_clean(folder), os.listdir(f"{folder}/disk")


def failing_client_fails_the_run(folder):
    """An aria2 that ends at once; shoal's own crowd is measured all the same."""
    tools = os.path.join(folder, "tools")
    os.mkdir(tools)
    with open(f"{tools}/aria2c", "w") as file:
        file.write("#!/bin/sh\nexit 3\n")
    os.chmod(f"{tools}/aria2c", 0o755)
    done = compare(folder, "crowd", "--with", "aria2", capture_output=True, text=True,
                   env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
    assert done.returncode == 1, (done.returncode, done.stderr)
    result = result_of(folder)
    assert [failure["what"] for failure in result["failures"]] == ["crowd on aria2, run 1"], result
    assert set(result["measures"][0]["systems"]) == {"shoal"}
    assert is_clean(folder), os.listdir(f"{folder}/disk")


def main():
    if not os.path.exists("/dev/fuse"):
        print("skipped: there is no /dev/fuse")
        return 77
    for test in (every_row_runs, failing_client_fails_the_run):
        with tempfile.TemporaryDirectory(prefix="shoal-test-") as folder:
            os.mkdir(f"{folder}/disk")
            test(folder)
            print(f"ok: {test.__name__}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
