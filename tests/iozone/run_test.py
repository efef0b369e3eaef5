#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""iozone/run runs every part, in tiny sizes, writes its reports, fails when a run fails, and cleans up.

What it measures is not judged. iozone and fio need not be here: what is missing must be named.
"""

import html.parser
import json
import os
import signal
import subprocess
import sys
import tempfile

RUN = os.path.join(os.environ["SHOAL_SOURCE_DIR"], "iozone", "run")
FILES = {"create", "stat", "untar"}
TOOLS = {"iozone": {"iozone -a", "iozone -a -+u -n 4k -g 16k -b FILE.xls", "iozone -e -c",
                    "iozone -e -c -I", "iozone -t 2"},
         "fio": {"fio sequential", "fio random", "fio mixed", "fio verify"}}


class Tags(html.parser.HTMLParser):
    """Whether what is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert not {"src", "href"} & {name for name, _ in attrs}, f"<{tag}> points elsewhere"
        if tag not in ("meta", "br"):  # they have no end
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> does not match"


def run(folder, *words, **more):
    return subprocess.run([sys.executable, "-B", RUN, "--tiny", "--dir", f"{folder}/disk",
                           "--out", f"{folder}/out", *words], **more)


def is_clean(folder):
    left = os.listdir(f"{folder}/disk")
    with open("/proc/self/mounts") as mounts:
        return not left and folder not in mounts.read()


def everything_runs(folder):
    run(folder, "iozone", "fio", "files", check=True)
    with open(f"{folder}/out/run.json") as file:
        result = json.load(file)
    assert result["failures"] == [], result["failures"]
    left_out = {one["what"] for one in result["skipped"]}
    expected = FILES.union(*(parts for tool, parts in TOOLS.items() if tool not in left_out))
    assert set(result["parts"]) == expected, result["parts"].keys()
    assert {measure["part"] for measure in result["measures"]} == expected
    for measure in result["measures"]:
        assert measure["ratios"]["ext4"]["runs"], measure
    for fact in ("processor", "kernel", "FUSE mode", "libfuse", "durability", "commit"):
        assert result["facts"][fact] not in ("", "unknown"), fact
    if "iozone" not in left_out:
        surfaces = [one for one in result["surfaces"] if one["part"] == "iozone -a"]
        assert len(surfaces) == 13, [one["operation"] for one in surfaces]
        assert any(name.endswith(".xls") for name in os.listdir(f"{folder}/out/raw"))
    tags = Tags()
    with open(f"{folder}/out/run.html") as page:
        tags.feed(page.read())
    tags.close()
    assert tags.open == [], tags.open
    assert is_clean(folder), os.listdir(f"{folder}/disk")


def failing_tool_fails_the_run(folder):
    """An iozone that ends badly; the other parts are measured all the same."""
    tools = os.path.join(folder, "tools")
    os.mkdir(tools)
    with open(f"{tools}/iozone", "w") as file:
        file.write("#!/bin/sh\necho no disk today\nexit 3\n")
    os.chmod(f"{tools}/iozone", 0o755)
    done = run(folder, "iozone", "files", capture_output=True, text=True,
               env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
    assert done.returncode == 1, (done.returncode, done.stderr)
    with open(f"{folder}/out/run.json") as file:
        result = json.load(file)
    assert len(result["failures"]) == 2 * len(TOOLS["iozone"]), result["failures"]
    assert "no disk today" in result["failures"][0]["error"], result["failures"][0]
    assert {measure["part"] for measure in result["measures"]} == FILES
    assert is_clean(folder), os.listdir(f"{folder}/disk")


def interrupted_run_cleans_up(folder):
    """Ended in the middle of a step, which its first line announces."""
    process = subprocess.Popen([sys.executable, "-B", RUN, "--tiny", "--runs", "1000", "--dir",
                                f"{folder}/disk", "--out", f"{folder}/out", "files"],
                               stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.startswith("["):
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + signal.SIGTERM, process.returncode
    assert is_clean(folder), os.listdir(f"{folder}/disk")


def main():
    if not os.path.exists("/dev/fuse"):
        print("skipped: there is no /dev/fuse")
        return 77
    for test in (everything_runs, failing_tool_fails_the_run, interrupted_run_cleans_up):
        with tempfile.TemporaryDirectory(prefix="shoal-test-") as folder:
            os.mkdir(f"{folder}/disk")
            test(folder)
            print(f"ok: {test.__name__}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
