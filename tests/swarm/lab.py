# SPDX-License-Identifier: MIT
"""A swarm of real processes for one test: `with Lab(peers=3) as lab`.

Starts trackerd and mounted peerds through `shoal lab`, in a folder of its own, and stops them again
however the test ends. SHOAL_BIN_DIR names the folder of the binaries.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("SHOAL_BIN_DIR", os.path.join(os.path.dirname(__file__), "../../build/release/bin"))
SHOAL = os.path.abspath(os.path.join(BIN, "shoal"))

# A bound on every wait for a condition; generous, since machines are shared.
PATIENCE_SECONDS = 60.0

_living = []


class Lab:
    """mnt(1) is the mount point of peer 1, and so on."""

    def __init__(self, peers=2, copies=2, mount_options=None):
        """mount_options: what stands behind -o; without, SHOAL_LAB_MOUNT_OPTIONS tells."""
        self.peers = peers
        self.copies = copies
        self.mount_options = mount_options or os.environ.get("SHOAL_LAB_MOUNT_OPTIONS", "")
        self.dir = tempfile.mkdtemp(prefix="shoal-test-")

    def __enter__(self):
        _living.append(self)
        try:
            self.shoal("lab", "start", "--peers", str(self.peers), "--copies", str(self.copies),
                       "--dir", self.dir,
                       *(["-o", self.mount_options] if self.mount_options else []))
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.print_logs()
        if self in _living:
            _living.remove(self)
        subprocess.run([SHOAL, "lab", "stop", "--dir", self.dir], capture_output=True, timeout=120)
        for peer in range(1, self.peers + 1):
            if os.path.ismount(self.mnt(peer)):
                subprocess.run(["umount", "-l", self.mnt(peer)], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def print_logs(self):
        """The last lines of every daemon's log, so that a failed test explains itself."""
        for name in ["tracker"] + [f"peer{k}" for k in range(1, self.peers + 1)]:
            path = os.path.join(self.dir, name, "log")
            if os.path.exists(path):
                with open(path, errors="replace") as log:
                    print(f"--- {name}", *log.read().splitlines()[-15:], sep="\n", file=sys.stderr)

    def mnt(self, peer):
        return os.path.join(self.dir, f"peer{peer}", "mnt")

    def shoal(self, *arguments, check=True, timeout=120):
        done = subprocess.run([SHOAL, *arguments], capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"shoal {' '.join(arguments)}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def status(self):
        # Exit 3 says that the lab is degraded, which is what some tests are about.
        done = self.shoal("lab", "status", "--dir", self.dir, "--json", check=False)
        assert done.returncode in (0, 3), done.stderr
        return json.loads(done.stdout)

    def kill(self, who):
        self.shoal("lab", "kill", str(who), "--dir", self.dir)

    def restart(self, who):
        self.shoal("lab", "restart", str(who), "--dir", self.dir)

    def wait_copied(self):
        """Until every file has its wanted copies."""
        wait_for(lambda: self.status()["health"]["under"] == 0, "all files to have their copies")


def wait_for(condition, what, patience=PATIENCE_SECONDS):
    """Polls a condition; fails with its name when it does not come true in time."""
    end = time.monotonic() + patience
    while True:
        if condition():
            return
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(0.02)  # between two polls of a condition, not a wait by itself


def seed():
    """The seed of a random test: SHOAL_SEED replays one that failed."""
    value = int(os.environ.get("SHOAL_SEED", int.from_bytes(os.urandom(4), "little")))
    print(f"seed {value}; replay with SHOAL_SEED={value}", file=sys.stderr)
    return value


def _stop_all(*_):
    while _living:
        _living.pop().__exit__(None, None, None)


def _on_signal(number, _frame):
    _stop_all()
    os._exit(128 + number)


atexit.register(_stop_all)
signal.signal(signal.SIGTERM, _on_signal)
signal.signal(signal.SIGINT, _on_signal)
