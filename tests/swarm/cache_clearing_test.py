# SPDX-License-Identifier: MIT
"""Two writers and ten readers on the same files over three mounts: never old bytes, never stuck.

Every write makes the daemons clear what the kernels of the other mounts have: names, attributes,
pages, while reads, faults and lookups of exactly those are in flight. A writer notes a version once
its call has returned; what a reader begins after that may show a newer one, never an older one.
SHOAL_SECONDS lets it run longer than the 20 s of a test run.
"""

import mmap
import multiprocessing
import os
import random
import struct
import sys
import time
import traceback
import unittest

from lab import Lab, seed

SECONDS = float(os.environ.get("SHOAL_SECONDS", "20"))
# A process that has done nothing for so long is stuck: far more than any wait here has a right to.
STUCK_SECONDS = 60.0
FILES = 4
BLOCK = 4096
BLOCKS = 40
STAMP = struct.Struct("<Q")


class Shared:
    """What the processes tell one another; nothing of it is in the swarm."""

    def __init__(self, processes):
        self.stop = multiprocessing.Event()
        self.locks = [multiprocessing.Lock() for _ in range(FILES + 1)]
        self.begun = multiprocessing.Array("Q", FILES + 1, lock=False)
        self.done = multiprocessing.Array("Q", FILES + 1, lock=False)
        self.changed_ns = multiprocessing.Array("Q", FILES, lock=False)
        self.steps = multiprocessing.Array("Q", processes, lock=False)
        self.complaints = multiprocessing.SimpleQueue()


def path_of(mount, number):
    return f"{mount}/file-{number}"


def check(seen, least, what):
    if seen < least:
        raise AssertionError(f"{what}: version {seen} was shown after {least} was complete")


# -- writers ------------------------------------------------------------------------------------------


def write_file(shared, mount, chance, opened):
    """All blocks of a file, at most times through a descriptor that stays open."""
    number = chance.randrange(FILES)
    with shared.locks[number]:
        version = shared.begun[number] + 1
        shared.begun[number] = version
        if number not in opened:
            opened[number] = os.open(path_of(mount, number), os.O_RDWR)
        file = opened[number]
        data = STAMP.pack(version).ljust(BLOCK, b".") * BLOCKS
        os.pwrite(file, data, 0)
        # Through an open descriptor the tracker hears at the latest when somebody asks.
        if chance.random() < 0.3:
            os.fsync(file)
        if chance.random() < 0.3:
            os.close(opened.pop(number))
        changed = os.stat(path_of(mount, number)).st_mtime_ns
        shared.changed_ns[number] = changed
        shared.done[number] = version


def change_names(shared, mount, chance, _opened):
    """names/V is made before names/V-1 goes."""
    with shared.locks[FILES]:
        version = shared.begun[FILES] + 1
        shared.begun[FILES] = version
        with open(f"{mount}/names/new", "wb"):
            pass
        os.rename(f"{mount}/names/new", f"{mount}/names/{version}")
        os.unlink(f"{mount}/names/{version - 1}")
        shared.done[FILES] = version


def write_step(shared, mount, chance, opened):
    chance.choice([write_file, write_file, change_names])(shared, mount, chance, opened)


# -- readers ------------------------------------------------------------------------------------------


def read_step(shared, mount, chance, opened):
    number = chance.randrange(FILES)
    if number not in opened:
        opened[number] = os.open(path_of(mount, number), os.O_RDONLY)
    first = chance.randrange(BLOCKS)
    count = chance.randint(1, BLOCKS - first)
    least = shared.done[number]
    data = os.pread(opened[number], count * BLOCK, first * BLOCK)
    if len(data) != count * BLOCK:
        raise AssertionError(f"a read of {count} blocks gave {len(data)} bytes")
    for at in range(0, len(data), BLOCK):
        check(STAMP.unpack_from(data, at)[0], least, f"read block {first + at // BLOCK}")
    if chance.random() < 0.05:
        os.close(opened.pop(number))


def map_step(shared, mount, chance, opened):
    number = chance.randrange(FILES)
    if number not in opened:
        with open(path_of(mount, number), "rb") as file:
            opened[number] = mmap.mmap(file.fileno(), BLOCK * BLOCKS, prot=mmap.PROT_READ)
    for block in chance.sample(range(BLOCKS), 8):
        least = shared.done[number]
        check(STAMP.unpack_from(opened[number], block * BLOCK)[0], least, f"mapped block {block}")
    if chance.random() < 0.05:
        opened.pop(number).close()


def stat_step(shared, mount, chance, _opened):
    number = chance.randrange(FILES)
    least = shared.changed_ns[number]
    seen = os.stat(path_of(mount, number))
    check(seen.st_mtime_ns, least, "time of the last change")
    if seen.st_size != BLOCK * BLOCKS:
        raise AssertionError(f"size {seen.st_size}")


def list_step(shared, mount, _chance, _opened):
    least = shared.done[FILES]
    names = [int(name) for name in os.listdir(f"{mount}/names") if name != "new"]
    check(max(names, default=0), least, "names")


def run(step, number, shared, mount, start):
    chance = random.Random(start + number)
    opened = {}
    try:
        while not shared.stop.is_set():
            step(shared, mount, chance, opened)
            shared.steps[number] += 1
    except BaseException:
        shared.complaints.put(f"{step.__name__} {number} on {mount}\n{traceback.format_exc()}")


# -- the test -----------------------------------------------------------------------------------------


def where(pid):
    """What a process waits in, for the report."""
    lines = []
    for name in ("comm", "wchan", "stack", "syscall"):
        try:
            with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as file:
                lines.append(f"{name}: {file.read().strip()}")
        except OSError:
            pass
    return "\n".join(lines)


class CacheClearing(unittest.TestCase):
    def watch(self, shared, processes):
        """Until the time is over; at once when somebody complains or is stuck."""
        end = time.monotonic() + SECONDS
        last = list(shared.steps)
        moved = [time.monotonic()] * len(processes)
        while time.monotonic() < end and shared.complaints.empty():
            shared.stop.wait(0.1)  # between two looks
            now = time.monotonic()
            for number, steps in enumerate(shared.steps):
                if steps != last[number]:
                    last[number], moved[number] = steps, now
                elif now - moved[number] > STUCK_SECONDS:
                    self.fail(f"{processes[number].name} is stuck\n{where(processes[number].pid)}")

    def finish(self, shared, processes):
        shared.stop.set()
        for process in processes:
            process.join(STUCK_SECONDS)
        stuck = [process for process in processes if process.is_alive()]
        reports = [f"{process.name} does not end\n{where(process.pid)}" for process in stuck]
        for process in stuck:
            process.kill()
        while not shared.complaints.empty():
            reports.append(shared.complaints.get())
        self.assertEqual(reports, [])

    def test_nothing_old_is_shown_and_nothing_is_stuck(self):
        start = seed()
        steps = [write_step] * 2 + [read_step] * 3 + [map_step] * 3 + [stat_step] * 2 + [list_step] * 2
        with Lab(peers=3) as lab:
            os.mkdir(f"{lab.mnt(1)}/names")
            with open(f"{lab.mnt(1)}/names/0", "wb"):
                pass
            for number in range(FILES):
                with open(path_of(lab.mnt(1), number), "wb") as file:
                    file.write(bytes(BLOCK * BLOCKS))
            shared = Shared(len(steps))
            processes = [
                multiprocessing.Process(target=run, name=f"{step.__name__}-{number}",
                                        args=(step, number, shared, lab.mnt(1 + number % 3), start))
                for number, step in enumerate(steps)]
            for process in processes:
                process.start()
            try:
                self.watch(shared, processes)
            finally:
                self.finish(shared, processes)
            print(f"{sum(shared.steps[:2])} writes, {sum(shared.steps[2:])} looks", file=sys.stderr)
            self.assertTrue(all(shared.steps), list(shared.steps))


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    unittest.main(verbosity=2)
