# SPDX-License-Identifier: MIT
"""Reads what fio prints with --output-format=json. Pure."""

import json

DIRECTIONS = ("read", "write")


def parse(text):
    """[{job, direction, bytes_per_second, iops, percentiles}], one for each direction of each job.

    percentiles: [(percent, latency in seconds)] of the completions. Jobs that only lay files out
    (their name begins with "prepare") are left out.
    Errors: ValueError when the output is none of fio's, or fio says that a job failed.
    """
    try:
        jobs = json.loads(text[text.index("{"):])["jobs"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"this is not the output of fio: {error}") from error
    found = []
    for job in jobs:
        if job.get("error"):
            raise ValueError(f"fio's job {job['jobname']} failed with error {job['error']}")
        if job["jobname"].startswith("prepare"):
            continue
        for direction in DIRECTIONS:
            side = job.get(direction, {})
            if not side.get("total_ios"):
                continue
            percentiles = side.get("clat_ns", {}).get("percentile", {})
            found.append({
                "job": job["jobname"], "direction": direction,
                "bytes_per_second": float(side["bw_bytes"]), "iops": float(side["iops"]),
                "percentiles": sorted((float(percent), nanoseconds / 1e9)
                                      for percent, nanoseconds in percentiles.items())})
    if not found:
        raise ValueError("fio's output has no job that did anything")
    return found
