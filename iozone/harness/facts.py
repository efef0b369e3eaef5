# SPDX-License-Identifier: MIT
"""What the figures of a run depend on: machine, kernel, mode of the mount, what was built."""

import glob
import json
import os
import re
import subprocess

from .programs import BIN, line_of

SHOAL = os.path.abspath(os.path.join(BIN, "shoal"))


def first_line_of(path, start):
    with open(path) as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(start)), "?")


def peer_status(folder):
    """The peer's part of `shoal status --json`; folder is its folder, or one inside its mount."""
    inside = "fuse" in line_of("findmnt", "-n", "-o", "FSTYPE", "-T", folder)
    words = [] if inside else ["--dir", folder]
    done = subprocess.run([SHOAL, "status", "--json", *words], capture_output=True, text=True,
                          cwd=folder if inside else None, timeout=60)
    try:
        return json.loads(done.stdout)["peer"]
    except (ValueError, KeyError) as error:
        raise RuntimeError(f"shoal status of {folder}: {done.stderr.strip()}") from error


def libfuse_of(pid):
    """The libfuse that a daemon runs with, by the name of its file: 3.14.0."""
    try:
        with open(f"/proc/{pid}/maps") as maps:
            found = re.search(r"(\S*/libfuse3\.so\S*)", maps.read())
    except OSError:
        return "unknown"
    if not found:
        return "none"
    version = re.search(r"\.so\.(\d+\.\d+\.\d+)", os.path.realpath(found[1]))
    return version[1] if version else found[1]


def mounting_pids():
    """The peer daemons of this machine, for what they have loaded."""
    return [path.split("/")[2] for path in glob.glob("/proc/[0-9]*/comm")
            if text_of(path) == "peerd"]


def text_of(path):
    """What a file says; nothing when it is gone."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def governor():
    found = set(map(text_of, glob.glob("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")))
    return ", ".join(sorted(found)) or "not told"


def machine():
    return {"processor": first_line_of("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory": first_line_of("/proc/meminfo", "MemTotal")}


def commit_of(version):
    """What was built, not what lies here."""
    found = re.search(r"commit (\S+)\)", version)
    return found[1] if found else "unknown"


def disk_of(folder):
    return line_of("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "-T", folder)


def describe(peer, pids, folder, copies):
    """{name: text} for the head of a report; pids: of daemons, one of which mounts; none: look."""
    here = machine()
    found = {libfuse_of(pid) for pid in pids or mounting_pids()} - {"none"}
    return {"processor": here["processor"], "cores": str(here["cores"]), "memory": here["memory"],
            "frequency governor": governor(), "load before": f"{os.getloadavg()[0]:.1f}",
            "kernel": os.uname().release, "disk": disk_of(folder),
            "FUSE mode": peer["mode"], "libfuse": ", ".join(sorted(found)) or "unknown",
            "hasher": peer["hasher"], "version": peer["version"],
            "commit": commit_of(peer["version"]), "copies wanted": copies,
            "durability": "close: bytes in the local store, the change queued in the journal; "
                          "fsync: on the disk, committed by the tracker, with min_copies peers"}
