# SPDX-License-Identifier: MIT
"""Runs the programs that measure: those of the build, and those from packages."""

import json
import os
import shutil
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "swarm"))
from lab import BIN  # noqa: E402  (the folder is known only now)

# Where scripts/fetch-tools unpacks packages that are not installed.
TOOLS = os.path.join(ROOT, "build", "deps", "bench")
# No single run of a program takes longer; one that does is stuck (iozone's parent waits for ever when
# one of its processes could not start).
RUN_SECONDS_MAX = 600


def run(command, cwd=None, env=None, log=None, limit=RUN_SECONDS_MAX):
    """What a command printed on stdout; log gets that too. It and its children end with the limit.

    Errors: RuntimeError with the last lines when it failed, could not start, or took too long.
    """
    words = " ".join(command)
    try:
        process = subprocess.Popen(command, cwd=cwd, env=env, text=True, errors="replace",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        raise RuntimeError(f"{words}: {error}") from error
    try:
        output, _ = process.communicate(timeout=limit)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise RuntimeError(f"{words}: did not end within {limit} s") from error
        raise
    if log:
        with open(log, "w") as file:
            file.write(f"$ {words}\n{output}")
    if process.returncode != 0:
        last = "\n".join(output.splitlines()[-5:])
        raise RuntimeError(f"{words}: exit {process.returncode}\n{last}")
    return output


def program(name, *words):
    """What a program of the build printed as JSON."""
    command = [os.path.join(BIN, name), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def load(*words):
    """A verb of names_load: the loops that are timed."""
    return program("names_load", *words)


def find_tool(name):
    """(path, environment) of a program that is installed or was unpacked; None when neither."""
    path = shutil.which(name)
    if path:
        return path, None
    path = os.path.join(TOOLS, "usr", "bin", name)
    if not os.path.exists(path):
        return None
    return path, {**os.environ, "LD_LIBRARY_PATH": ":".join(library_folders())}


def library_folders():
    """Where unpacked packages have their libraries."""
    libraries = [os.path.join(TOOLS, "usr", "lib"), os.path.join(TOOLS, "lib")]
    machine = os.uname().machine
    return [os.path.join(folder, f"{machine}-linux-gnu") for folder in libraries] + libraries


def fetch_tools(packages):
    """Unpacks packages for find_tool. Errors: RuntimeError."""
    run([os.path.join(ROOT, "scripts", "fetch-tools"), "--dir", TOOLS, *packages])


def line_of(*command, cwd=None):
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd).stdout.strip()
