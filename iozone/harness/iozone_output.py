# SPDX-License-Identifier: MIT
"""Reads what iozone (version 3) prints. Pure."""

import re

COMPLETE = "iozone test complete"
# The titles of iozone's reports, and what this harness calls the operations, in iozone's order.
OPERATIONS = {
    "Writer": "write", "Re-writer": "rewrite", "Reader": "read", "Re-Reader": "reread",
    "Random read": "random read", "Random write": "random write",
    "Backward read": "backward read", "Record rewrite": "record rewrite",
    "Stride read": "stride read", "Fwrite": "fwrite", "Re-Fwrite": "frewrite",
    "Fread": "fread", "Re-Fread": "freread",
}
_TITLE = re.compile(r'^"(.+?) (CPU utilization report|report)\b')
_CHILDREN = re.compile(r"Children see throughput for\s+(\d+)\s+(.+?)\s*=\s*([\d.]+) kB/sec")


def parse_reports(text):
    """({operation: {(file KiB, record KiB): KiB/s}}, the same with % of CPU) of an automatic run.

    Reads the reports that -R and -b add at the end. A record size that iozone left out for a file
    size (it writes 0 there) is left out here too.
    Errors: ValueError when the run did not reach its end, or has no reports.
    """
    if COMPLETE not in text:
        raise ValueError("iozone did not reach its end")
    speeds, processor = {}, {}
    cells, records = None, []
    for line in text.splitlines():
        title = _TITLE.match(line)
        if title:
            kind = speeds if title[2] == "report" else processor
            cells = kind.setdefault(OPERATIONS.get(title[1], title[1].lower()), {})
            records = []
            continue
        words = line.split()
        if cells is None or not words or not words[0].startswith('"'):
            if not words:
                cells = None  # an empty line ends a report
            continue
        if all(word.startswith('"') for word in words) and not records:
            records = [int(word.strip('"')) for word in words]
            continue
        size = int(words[0].strip('"'))
        for record, value in zip(records, words[1:]):
            if float(value) > 0:
                cells[size, record] = float(value)
    if not speeds:
        raise ValueError("iozone printed no reports")
    return speeds, processor


def parse_throughput(text):
    """{operation: KiB/s of all processes together} of a run with -t.

    Errors: ValueError when the run did not reach its end.
    """
    found = {}
    for _, what, speed in _CHILDREN.findall(text):
        name = what.strip().lower().removeprefix("initial ").rstrip("s")
        found[{"writer": "write", "rewriter": "rewrite", "reader": "read", "re-reader": "reread",
               "random reader": "random read", "random writer": "random write"}
              .get(name, name)] = float(speed)
    if COMPLETE not in text or not found:
        raise ValueError("iozone did not reach its end")
    return found


def is_worksheet(head):
    """Whether a file begins as the worksheets do that iozone -b writes (BIFF, its BOF record)."""
    return len(head) >= 4 and head[0] == 0x09 and head[1] in (0x00, 0x02, 0x04, 0x08)
