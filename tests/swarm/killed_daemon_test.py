# SPDX-License-Identifier: MIT
"""A daemon that is killed in the middle of work ends, and so does everything in its mount.

The moment that matters is the one in which the daemon clears the kernel's caches: the call may wait
for a lock or a page that a program in the mount keeps, while that program waits for the daemon. So
each round works on the same names and bytes from both mounts until a thread of the daemon is seen
waiting in such a call, and kills it then.
"""

import os
import random
import signal
import subprocess
import sys
import time
import unittest

from lab import Lab, seed, wait_for

ROUNDS = int(os.environ.get("SHOAL_ROUNDS", "4"))
# A round without a daemon thread seen waiting kills all the same.
LOOK_SECONDS = 5.0
# Nothing may stay uninterruptible longer. The daemon's own bounds are far below.
STUCK_SECONDS = 40.0

WORKER = r"""
import errno, mmap, os, random, sys
folder, kind, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
chance = random.Random(number)
names = [f"{folder}/name-{k}" for k in range(4)]
files = [f"{folder}/file-{k}" for k in range(3)]
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)

def step():
    path = chance.choice(files)
    if kind == "rename":
        os.rename(chance.choice(names), chance.choice(names))
        os.close(os.open(chance.choice(names), os.O_CREAT | os.O_RDWR))
    elif kind == "look":
        os.stat(chance.choice(names + files))
        os.listdir(folder)
    elif kind == "map":
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            for at in range(0, len(pages), 4096):
                pages[at]
    elif kind == "read":
        with open(path, "rb", 0) as file:
            while file.read(65536):
                pass
    else:
        with open(path, "r+b", 0) as file:
            file.seek(chance.randrange(0, 400_000))
            file.write(b"%08d" % number * 4096)

while True:
    try:
        step()
    except OSError as error:
        if error.errno in GONE:
            sys.exit(0)
    except ValueError:
        pass  # an empty file is not mapped
"""


def state_of(path):
    """The letter in a stat file of /proc; unset when it is gone."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def threads(pid, comm=None):
    """(name, state) of the threads of a process."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as file:
                name = file.read().strip()
            if comm is None or name == comm:
                found.append((name, state_of(f"/proc/{pid}/task/{task}/stat")))
    except OSError:
        pass
    return found


def has_ended(pid):
    """A zombie has, unless threads of it are left."""
    return all(state in (None, "Z", "X") for _, state in threads(pid))


def guardians():
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[1] == b"guard" and state_of(f"/proc/{pid}/stat") != "Z":
            found.add((int(pid), int(words[2])))
    return found


def wait_in_kernel(pid):
    """True when a call of the daemon that clears caches was seen waiting."""
    end = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < end:
        if any(state == "D" for _, state in threads(pid, "shoal-notify")):
            return True
    return False


class KilledDaemon(unittest.TestCase):
    def setUp(self):
        self.workers = []
        self.addCleanup(self.stop_workers)

    def stop_workers(self):
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.wait(timeout=STUCK_SECONDS)
        self.workers = []

    def work(self, folder, kinds, number):
        for kind in kinds:
            number += 1
            self.workers.append(subprocess.Popen(
                [sys.executable, "-c", WORKER, folder, kind, str(number)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def pid_of(self, lab, peer):
        with open(f"{lab.dir}/peer{peer}/peerd.pid", encoding="ascii") as file:
            return int(file.read())

    def prepare(self, lab):
        os.mkdir(f"{lab.mnt(1)}/shared")
        for k in range(3):
            with open(f"{lab.mnt(1)}/shared/file-{k}", "wb") as file:
                file.write(os.urandom(500_000))

    def work_on_both(self, lab, chance):
        """A peer, its daemon's process, and what works in its mount."""
        victim, other = chance.sample([1, 2], 2)
        os.listdir(f"{lab.mnt(other)}/shared")
        self.work(f"{lab.mnt(victim)}/shared", ["rename", "look", "map", "read", "write"],
                  chance.randrange(1 << 30))
        inside = list(self.workers)
        self.work(f"{lab.mnt(other)}/shared", ["rename", "look", "write"], chance.randrange(1 << 30))
        return victim, self.pid_of(lab, victim), inside

    def test_the_next_start_ends_what_hangs_when_the_guardian_was_killed_too(self):
        chance = random.Random(seed())
        with Lab(peers=2) as lab:
            self.prepare(lab)
            for _ in range(ROUNDS // 2):
                victim, pid, _ = self.work_on_both(lab, chance)
                guardian = self.guardian_of(pid)
                wait_in_kernel(pid)
                if guardian is not None:
                    os.kill(guardian, signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)
                lab.restart(victim)
                self.assertTrue(has_ended(pid))
                self.stop_workers()  # none of them is stuck
                os.listdir(f"{lab.mnt(victim)}/shared")

    def test_it_ends_with_all_that_works_in_its_mount(self):
        chance = random.Random(seed())
        with Lab(peers=2) as lab:
            self.prepare(lab)
            seen = 0
            for _ in range(ROUNDS):
                victim, pid, inside = self.work_on_both(lab, chance)
                seen += wait_in_kernel(pid)
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: has_ended(pid), f"daemon {pid} to end", STUCK_SECONDS)
                for worker in inside:
                    worker.wait(timeout=STUCK_SECONDS)
                self.stop_workers()
                wait_for(lambda: all(daemon != pid for _, daemon in guardians()),
                         "its guardian to end", STUCK_SECONDS)
                lab.restart(victim)
                os.listdir(f"{lab.mnt(victim)}/shared")
            print(f"{seen} of {ROUNDS} kills in a call that waited", file=sys.stderr)

    def guardian_of(self, pid):
        return next((guardian for guardian, daemon in guardians() if daemon == pid), None)

    def test_its_guardian_goes_with_it_in_every_order(self):
        with Lab(peers=1, copies=1) as lab:
            def daemon():
                pid = self.pid_of(lab, 1)
                with open(f"{lab.mnt(1)}/file", "w", encoding="ascii") as file:
                    file.write("served")
                if self.guardian_of(pid) is None:
                    self.skipTest("the kernel's control files are not to be had here")
                return pid

            def gone(pid):
                wait_for(lambda: has_ended(pid) and self.guardian_of(pid) is None,
                         "daemon and guardian to end")

            pid = daemon()
            lab.restart(1)  # in order
            gone(pid)
            pid = daemon()
            os.killpg(os.getpgid(pid), signal.SIGINT)  # as Ctrl-C does
            gone(pid)
            self.assertFalse(os.path.ismount(lab.mnt(1)))
            lab.restart(1)
            pid = daemon()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(self.guardian_of(pid), number)
            self.assertEqual(daemon(), pid)  # it heard nothing of that
            os.kill(self.guardian_of(pid), signal.SIGKILL)
            wait_for(lambda: self.guardian_of(pid) is None, "the guardian to end")
            with open(f"{lab.mnt(1)}/file", encoding="ascii") as file:
                self.assertEqual(file.read(), "served")
            os.kill(pid, signal.SIGKILL)
            gone(pid)
            lab.restart(1)
            pid = daemon()
            os.kill(self.guardian_of(pid), signal.SIGSTOP)
            lab.shoal("lab", "stop", "--dir", lab.dir)
            gone(pid)


if __name__ == "__main__":
    unittest.main(verbosity=2)
