#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sums up a test run: ctest.xml (JUnit, by ctest) and one report per GoogleTest program."""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def gtest_cases(folder):
    """(program, case, result, message) of every case that some program reported."""
    for report in sorted(folder.glob("*.gtest.xml")):
        try:
            cases = list(xml.parse(report).getroot().iter("testcase"))
        except xml.ParseError:
            continue  # The program was killed while it wrote; ctest counts it as failed.
        for case in cases:
            result, message = case.get("result", ""), ""
            for note in case:
                if note.tag in ("failure", "skipped"):
                    result = "failed" if note.tag == "failure" else "skipped"
                    message = note.get("message") or ""
            name = f"{case.get('classname')}.{case.get('name')}"
            yield report.name.removesuffix(".gtest.xml"), name, result, message


def skip_reason(message):
    """The sentence a test gave, without the line that says where."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    lines = [line for line in lines if not re.search(r"\.(cc|h):\d+$", line)]
    return " ".join(lines) or "no reason given"


def main(folder):
    programs = list(xml.parse(folder / "ctest.xml").getroot().iter("testcase"))
    states = [program.get("status") for program in programs]
    cases = list(gtest_cases(folder))
    counts = {state: sum(case[2] == state for case in cases)
              for state in ("completed", "skipped", "failed")}

    skipped = {}
    for program, name, result, message in cases:
        if result == "skipped":
            skipped.setdefault(skip_reason(message), []).append(f"{program} {name}")
    for program in programs:
        if program.get("status") == "notrun":
            skipped.setdefault("the whole test was not run", []).append(program.get("name"))
    for reason, names in sorted(skipped.items()):
        print(f"skipped ({reason}): {', '.join(names[:5])}"
              + (f" and {len(names) - 5} more" if len(names) > 5 else ""))
    for program in programs:
        if program.get("status") == "fail":
            print(f"failed: {program.get('name')}")
            for owner, name, result, _ in cases:
                if owner == program.get("name") and result == "failed":
                    print(f"    {name}")
    slow = sorted(programs, key=lambda program: -float(program.get("time") or 0))[:3]
    print("slowest: " + ", ".join(f"{p.get('name')} {float(p.get('time') or 0):.1f} s" for p in slow))
    print(f"{len(programs)} tests: {states.count('run')} passed, {states.count('fail')} failed, "
          f"{states.count('notrun')} skipped; in them {len(cases)} cases: {counts['completed']} passed, "
          f"{counts['failed']} failed, {counts['skipped']} skipped")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
