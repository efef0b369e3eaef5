# SPDX-License-Identifier: MIT
"""An open never fails because another peer replaces, removes or makes the file at that moment.

Programs on three mounts change one name while others open it, without a pause. SHOAL_SECONDS says how
long each case runs (default 5); hours are worth while, since what is wrong here is wrong seldom.
"""

import os
import subprocess
import sys
import unittest

from lab import Lab, seed

SECONDS = float(os.environ.get("SHOAL_SECONDS", "5"))

# Each program gets its folder, seconds and a seed, and prints how often it went round. An error that is
# not expected ends it, and says what it met.
PRELUDE = """
import errno, os, random, sys, time
folder, seconds, start = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
generator = random.Random(start)
end = time.monotonic() + seconds
rounds = 0
faults = []
stage = ""
def fault(what, error):
    faults.append(f"round {rounds}: {what} {stage}: {error!r}")
def finish():
    print(rounds)
    if faults:
        sys.exit(f"{len(faults)} faults in {rounds} rounds, the first: " + "; ".join(faults[:5]))
def put(name, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    text = bytes([generator.randrange(97, 123)]) * generator.choice((1, 100, 5000))
    descriptor = os.open(f"{folder}/{name}", flags, 0o644)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
def look(name, flags=os.O_RDONLY):
    global stage
    stage = f"(open {flags:#x})"
    descriptor = os.open(f"{folder}/{name}", flags, 0o644)
    try:
        stage = "(fstat)"
        size = os.fstat(descriptor).st_size
        text = b""
        stage = "(read)"
        if flags & os.O_ACCMODE != os.O_WRONLY:
            text = os.pread(descriptor, 10_000, 0)
        stage = "(second fstat)"
        os.fstat(descriptor)
        stage = "(path)"
        return size, text
    finally:
        os.close(descriptor)
"""

# A name that is always there: what is read is one whole version.
REPLACE = PRELUDE + """
while time.monotonic() < end:
    try:
        put(f"new-{start}")
        os.rename(f"{folder}/new-{start}", f"{folder}/file")
    except OSError as error:
        fault("replace", error)
    rounds += 1
finish()
"""

OPEN = PRELUDE + """
while time.monotonic() < end:
    try:
        size, text = look("file")
        if len(set(text)) != 1 or len(text) not in (1, 100, 5000) or size != len(text):
            fault("read", (size, len(text), set(text)))
        if generator.randrange(4) == 0:
            os.stat(f"{folder}/file")
    except OSError as error:
        fault("open", error)
    rounds += 1
finish()
"""

# A name that comes and goes: it may be absent, and nothing else.
COME_AND_GO = PRELUDE + """
while time.monotonic() < end:
    try:
        put("file")
        os.unlink(f"{folder}/file")
    except FileNotFoundError:
        pass
    except OSError as error:
        fault("make or remove", error)
    rounds += 1
finish()
"""

OPEN_IF_THERE = PRELUDE + """
while time.monotonic() < end:
    try:
        look("file", generator.choice((os.O_RDONLY, os.O_RDWR, os.O_WRONLY)))
        os.stat(f"{folder}/file")
    except FileNotFoundError:
        pass
    except OSError as error:
        fault("open", error)
    rounds += 1
finish()
"""

# Made where it is absent, opened where it is there; somebody else removes it.
OPEN_OR_MAKE = PRELUDE + """
while time.monotonic() < end:
    try:
        look("file", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        fault("open or make", error)
    rounds += 1
finish()
"""

REMOVE = PRELUDE + """
while time.monotonic() < end:
    try:
        os.unlink(f"{folder}/file")
    except FileNotFoundError:
        pass
    except OSError as error:
        fault("remove", error)
    rounds += 1
finish()
"""


class Replacing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=3).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.seed = seed()

    def run_all(self, *programs, prepare=lambda folder: None):
        """(peer, program) each in a process of its own, side by side."""
        name = self._testMethodName
        os.mkdir(os.path.join(self.lab.mnt(1), name))
        prepare(os.path.join(self.lab.mnt(1), name))
        running = [subprocess.Popen(
            [sys.executable, "-c", code, os.path.join(self.lab.mnt(peer), name), str(SECONDS),
             str(self.seed + number)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for number, (peer, code) in enumerate(programs)]
        outcomes = [(program, *program.communicate(timeout=SECONDS + 120)) for program in running]
        for number, (program, out, err) in enumerate(outcomes):
            peer, _ = programs[number]
            print(f"{name}: program {number} on peer{peer}: {out.strip()} rounds", file=sys.stderr)
        self.assertEqual([err for program, _, err in outcomes if program.returncode != 0], [])

    def first_version(self, folder):
        with open(f"{folder}/file", "wb") as file:
            file.write(b"x" * 100)

    def test_a_name_that_is_replaced_elsewhere_is_always_opened(self):
        self.run_all((1, REPLACE), (2, OPEN), (3, OPEN), (3, OPEN), prepare=self.first_version)

    def test_a_name_that_is_replaced_here_and_elsewhere_is_always_opened(self):
        self.run_all((1, REPLACE), (2, REPLACE), (1, OPEN), (2, OPEN), (3, OPEN),
                     prepare=self.first_version)

    def test_a_name_that_comes_and_goes_is_there_or_absent(self):
        self.run_all((1, COME_AND_GO), (2, COME_AND_GO), (3, REMOVE), (1, OPEN_IF_THERE),
                     (2, OPEN_IF_THERE), (3, OPEN_IF_THERE))

    def test_whoever_opens_or_makes_a_name_gets_it(self):
        self.run_all((1, OPEN_OR_MAKE), (2, OPEN_OR_MAKE), (3, OPEN_OR_MAKE), (3, REMOVE),
                     (1, REMOVE))


if __name__ == "__main__":
    unittest.main(verbosity=2)
