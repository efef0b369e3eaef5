# SPDX-License-Identifier: MIT
"""Six programs on three mounts, and a proof that what they saw could have happened in some order.

Each notes when its calls began and ended, on the machine's one monotonic clock; history.py judges. In
the calm case every call has an outcome. In the rough one the daemon of the third mount is killed and
stopped beyond its lease, and the tracker is killed: what was cut off may have happened or not, while
everything that was answered (all changes there end with an fsync) has to stay.

SHOAL_HISTORY_SECONDS says how long each case runs; hours are worth while. Only when it is set, the rough
case runs too (a round at least), and files that grow in place take part: what README says of both, the
checker finds in more than half of the runs. SHOAL_SEED replays the choices, though not the order in which the programs come to them.
"""

import errno
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
import unittest

from history import (ABSENT, NEVER, PRESENT, Call, check_log, check_register, cut_off_step, name_step,
                     register_step, search)

PROGRAMS = 6
FIRST = 7  # the length of each swapped file in the beginning
BLOCK = 200  # the length of each overwritten one
TOKEN = 16
SWAPPED = ("swap-0", "swap-1")
OVERWRITTEN = ("over-0", "over-1")
NAMES = ("name-0", "name-1", "name-2")
FOLDERS = ("folder-0", "folder-1")
MARKED = ("marked-0",)
LOGS = ("log-0",)
GROWING = "SHOAL_HISTORY_SECONDS" in os.environ  # overwritten files and logs take part
STOP = ".stop"  # beside a program's notes: it ends


# -- the programs -----------------------------------------------------------------------------------


class Fault(Exception):
    """What no order explains: half a file, for instance."""


class Program:
    """One process: random calls until the time is over, each noted before it begins and when it ends."""

    def __init__(self, root, log, number, seconds, start, rough):
        self.root = root
        self.log = open(log, "w", buffering=1)
        self.stop = log + STOP
        self.number = number
        self.until = time.monotonic() + seconds
        self.generator = random.Random(start)
        self.rough = rough
        self.count = 0

    def path(self, name):
        return f"{self.root}/{name}"

    def fresh(self):
        """A number that no other program and no other call gets."""
        self.count += 1
        return self.count * PROGRAMS + self.number

    def note(self, **what):
        self.log.write(json.dumps(what) + "\n")

    def begin(self, thing, action, value=None):
        """A change is noted before it is made, since it may never end."""
        self.count += 1
        key = f"{self.number}-{self.count}"
        self.note(key=key, thing=thing, action=action, value=value, begin=time.monotonic_ns())
        return key

    def end(self, key, value=None):
        self.note(key=key, end=time.monotonic_ns(), result=value)

    def saw(self, thing, action, value, begin):
        self.note(thing=thing, action=action, value=value, begin=begin, end=time.monotonic_ns())

    def run(self):
        actions = [self.swap, self.see_swapped, self.see_swapped, self.measure_swapped,
                   self.make, self.remove, self.look, self.make_folder, self.remove_folder,
                   self.look_at_folder, self.list_all, self.mark, self.see_marks]
        if GROWING:
            actions += [self.overwrite, self.see_overwritten, self.measure_overwritten, self.append,
                        self.see_log, self.measure_log]
        while time.monotonic() < self.until and not os.path.exists(self.stop):
            try:
                self.generator.choice(actions)()
            except Fault as fault:
                self.note(fault=str(fault))
            except OSError as error:
                if not self.rough:
                    self.note(fault=repr(error))
                time.sleep(0.02)  # the daemon may be away: between two tries

    def settle(self, descriptor):
        if self.rough:
            os.fsync(descriptor)

    def settle_names(self):
        if self.rough:
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # A file that is replaced by rename; its value is its length.

    def swap(self):
        thing = self.generator.choice(SWAPPED)
        value = FIRST + self.fresh()
        text = (f"{value}:" * value)[:value].encode()
        descriptor = os.open(self.path(f"new-{self.number}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(descriptor, text)
            self.settle(descriptor)
        finally:
            os.close(descriptor)
        key = self.begin(thing, "write", value)
        os.rename(self.path(f"new-{self.number}"), self.path(thing))
        self.settle_names()
        self.end(key)

    def see_swapped(self):
        thing = self.generator.choice(SWAPPED)
        begin = time.monotonic_ns()
        descriptor = os.open(self.path(thing), os.O_RDONLY)
        try:
            text = os.pread(descriptor, 1 << 20, 0)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        value = len(text)
        if size != value or text != (f"{value}:" * value)[:value].encode():
            raise Fault(f"{thing}: {value} bytes were read, of {size}: {text[:20]!r}")
        self.saw(thing, "read", value, begin)

    def measure_swapped(self):
        thing = self.generator.choice(SWAPPED)
        begin = time.monotonic_ns()
        self.saw(thing, "read", os.stat(self.path(thing)).st_size, begin)

    # A file that is cut and written again: it is empty for a moment.

    def overwrite(self):
        thing = self.generator.choice(OVERWRITTEN)
        value = f"{self.fresh():08}"
        cut = self.begin(thing, "write", "")
        descriptor = os.open(self.path(thing), os.O_WRONLY | os.O_TRUNC)
        try:
            # What was cut may come back when the rest is cut off.
            ended = time.monotonic_ns()
            put = self.begin(thing, "write", value)
            os.write(descriptor, value.encode() * (BLOCK // 8))
            self.settle(descriptor)
            self.note(key=cut, end=ended, result=None)
            self.end(put)
        finally:
            os.close(descriptor)

    def see_overwritten(self):
        thing = self.generator.choice(OVERWRITTEN)
        begin = time.monotonic_ns()
        with open(self.path(thing), "rb", buffering=0) as file:
            text = os.pread(file.fileno(), 2 * BLOCK, 0)
        value = text[:8].decode()
        if text != value.encode() * (BLOCK // 8) and text:
            raise Fault(f"{thing}: {len(text)} bytes of several versions: {text!r}")
        self.saw(thing, "read", value, begin)

    def measure_overwritten(self):
        thing = self.generator.choice(OVERWRITTEN)
        begin = time.monotonic_ns()
        self.saw(thing, "measure", os.stat(self.path(thing)).st_size, begin)

    # Names that come and go.

    def try_name(self, thing, action, call, expected):
        key = self.begin(thing, action)
        try:
            call(self.path(thing))
            done = True
        except OSError as error:
            if error.errno != expected:
                raise
            done = False
        if done:
            self.settle_names()
        self.end(key, "done" if done else "not done")

    def make(self):
        def call(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        self.try_name(self.generator.choice(NAMES), "make", call, errno.EEXIST)

    def remove(self):
        self.try_name(self.generator.choice(NAMES), "remove", os.unlink, errno.ENOENT)

    def make_folder(self):
        self.try_name(self.generator.choice(FOLDERS), "make", os.mkdir, errno.EEXIST)

    def remove_folder(self):
        self.try_name(self.generator.choice(FOLDERS), "remove", os.rmdir, errno.ENOENT)

    def look(self, things=NAMES):
        thing = self.generator.choice(things)
        begin = time.monotonic_ns()
        try:
            os.stat(self.path(thing))
            self.saw(thing, "look", PRESENT, begin)
        except FileNotFoundError:
            self.saw(thing, "look", ABSENT, begin)

    def look_at_folder(self):
        self.look(FOLDERS)

    def list_all(self):
        begin = time.monotonic_ns()
        present = set(os.listdir(self.root))
        for thing in (*NAMES, *FOLDERS):
            self.saw(thing, "look", PRESENT if thing in present else ABSENT, begin)

    # Attributes.

    def mark(self):
        thing = self.generator.choice(MARKED)
        value = self.fresh()
        which = self.generator.randrange(3)
        if which == 0:
            key = self.begin(f"{thing} mtime", "write", value)
            os.utime(self.path(thing), ns=(1, value))
        elif which == 1:
            key = self.begin(f"{thing} xattr", "write", value)
            os.setxattr(self.path(thing), "user.value", str(value).encode())
        else:
            value = 0o600 + value % 0o200
            key = self.begin(f"{thing} mode", "write", value)
            os.chmod(self.path(thing), value)
        if self.rough:
            with open(self.path(thing), "rb") as file:
                os.fsync(file.fileno())
        self.end(key)

    def see_marks(self):
        thing = self.generator.choice(MARKED)
        begin = time.monotonic_ns()
        seen = os.stat(self.path(thing))
        self.saw(f"{thing} mtime", "read", seen.st_mtime_ns, begin)
        self.saw(f"{thing} mode", "read", stat.S_IMODE(seen.st_mode), begin)
        begin = time.monotonic_ns()
        value = int(os.getxattr(self.path(thing), "user.value"))
        self.saw(f"{thing} xattr", "read", value, begin)

    # Lines at the end of a file.

    def append(self):
        thing = self.generator.choice(LOGS)
        token = f"{self.fresh():0{TOKEN - 1}}\n"
        descriptor = os.open(self.path(thing), os.O_WRONLY | os.O_APPEND)
        try:
            key = self.begin(thing, "append", token)
            os.write(descriptor, token.encode())
            self.settle(descriptor)
            self.end(key)
        finally:
            os.close(descriptor)

    def see_log(self):
        thing = self.generator.choice(LOGS)
        begin = time.monotonic_ns()
        self.saw(thing, "see", tokens(self.path(thing)), begin)

    def measure_log(self):
        thing = self.generator.choice(LOGS)
        begin = time.monotonic_ns()
        size = os.stat(self.path(thing)).st_size
        if size % TOKEN:
            raise Fault(f"{thing}: {size} bytes")
        self.saw(thing, "read", size // TOKEN, begin)


def tokens(path):
    with open(path, "rb") as file:
        text = file.read().decode()
    if len(text) % TOKEN:
        raise Fault(f"{path}: {len(text)} bytes")
    return [text[at:at + TOKEN] for at in range(0, len(text), TOKEN)]


# -- the test -----------------------------------------------------------------------------------------


def prepare(root):
    os.mkdir(root)
    for name in SWAPPED:
        with open(f"{root}/{name}", "w") as file:
            file.write((f"{FIRST}:" * FIRST)[:FIRST])
    for name in (*OVERWRITTEN, *MARKED, *LOGS):
        with open(f"{root}/{name}", "w"):
            pass
    for name in MARKED:
        os.setxattr(f"{root}/{name}", "user.value", b"0")
        os.chmod(f"{root}/{name}", 0o600)
        os.utime(f"{root}/{name}", ns=(1, 0))


def over_step(state, call):
    if call.action == "measure":
        return register_step(state, call._replace(value=state if call.value == len(state) // 8 * BLOCK
                                                  else None))
    return register_step(state, call)


def gather(logs):
    """The calls of each thing, and the faults."""
    calls, faults = {}, []
    for who, path in logs:
        open_calls = {}
        with open(path) as log:
            for line in log:
                if not line.endswith("\n"):
                    break  # the program was killed
                note = json.loads(line)
                if "fault" in note:
                    faults.append(f"{who}: {note['fault']}")
                elif "key" in note and "begin" in note:
                    open_calls[note["key"]] = note
                elif "key" in note:
                    began = open_calls.pop(note["key"])
                    value = began["value"] if note["result"] is None else note["result"]
                    calls.setdefault(began["thing"], []).append(
                        Call(began["action"], value, began["begin"], note["end"], who))
                else:
                    value = tuple(note["value"]) if note["action"] == "see" else note["value"]
                    calls.setdefault(note["thing"], []).append(
                        Call(note["action"], value, note["begin"], note["end"], who))
        for note in open_calls.values():
            calls.setdefault(note["thing"], []).append(
                Call(note["action"], note["value"], note["begin"], NEVER, who))
    return calls, faults


def judge(calls, finals):
    """What is wrong with each thing."""
    wrong = {}
    for thing, history in sorted(calls.items()):
        if thing in SWAPPED:
            wrong[thing] = check_register(history, FIRST)
        elif thing in OVERWRITTEN:
            wrong[thing] = search(history, "", over_step)
        elif thing in LOGS:
            wrong[thing] = check_log(history, finals[thing])
        elif thing.endswith(" mode"):
            wrong[thing] = search(history, 0o600, register_step)
        elif thing in NAMES or thing in FOLDERS:
            wrong[thing] = search(history, ABSENT, cut_off_step(name_step))
        else:
            wrong[thing] = check_register(history, 0)
    return {thing: what for thing, what in wrong.items() if what is not None}


class History(unittest.TestCase):
    maxDiff = None

    def run_history(self, lab, mounts, seconds, trouble=None):
        """mounts: the peer of each program. trouble() runs beside them."""
        from lab import seed
        start = seed()
        folder = f"history-{self._testMethodName}"
        prepare(f"{lab.mnt(1)}/{folder}")
        running, logs = [], []
        for number, peer in enumerate(mounts):
            log = os.path.join(lab.dir, f"{folder}-{number}")
            logs.append((f"program {number} on peer{peer}", log))
            running.append(subprocess.Popen(
                [sys.executable, "-B", __file__, "--program", f"{lab.mnt(peer)}/{folder}", log,
                 str(number), str(seconds), str(start + number), "rough" if trouble else "calm"]))
        try:
            if trouble:
                trouble()
                for _, log in logs:
                    open(log + STOP, "w").close()
            for program in running:
                self.assertEqual(program.wait(timeout=150 + (0 if trouble else seconds)), 0)
        finally:
            for program in running:
                program.kill()
        # What is there in the end, on each mount.
        finals = {}
        for peer in sorted(set(mounts)):
            log = os.path.join(lab.dir, f"{folder}-end-{peer}")
            program = Program(f"{lab.mnt(peer)}/{folder}", log, PROGRAMS, 0, start, False)
            for look in (program.see_swapped, program.measure_swapped, program.see_overwritten,
                         program.measure_overwritten, program.list_all, program.see_marks,
                         program.see_log, program.measure_log):
                for _ in range(5):
                    try:
                        look()
                    except Fault as fault:
                        program.note(fault=str(fault))
            program.log.close()
            logs.append((f"in the end on peer{peer}", log))
            for thing in LOGS:
                finals[thing] = tokens(f"{lab.mnt(peer)}/{folder}/{thing}")
        calls, faults = gather(logs)
        counts = {thing: len(history) for thing, history in sorted(calls.items())}
        print(f"calls: {counts}", file=sys.stderr)
        wrong = judge(calls, finals)
        for thing in wrong:
            print(f"--- {thing}, all calls", *sorted(calls[thing], key=lambda call: call.begin),
                  sep="\n", file=sys.stderr)
        self.assertEqual((faults[:10], wrong), ([], {}))
        for thing, count in counts.items():
            if thing in (*OVERWRITTEN, *LOGS) and not GROWING:
                continue  # looked at in the end only
            self.assertGreater(count, 10, f"{thing}: too little to prove anything")

    def test_calm(self):
        from lab import Lab
        seconds = float(os.environ.get("SHOAL_HISTORY_SECONDS", "12"))
        with Lab(peers=3) as lab:
            self.run_history(lab, (1, 1, 2, 2, 3, 3), seconds)

    @unittest.skipUnless("SHOAL_HISTORY_SECONDS" in os.environ,
                         "a cut off machine may make a name twice (README); SHOAL_HISTORY_SECONDS=0 shows it")
    def test_with_daemons_killed_and_stopped(self):
        from lab import Lab, wait_for
        seconds = float(os.environ.get("SHOAL_HISTORY_SECONDS", "0"))

        def process(lab, name):
            return next(peer["pid"] for peer in lab.status()["peers"] if peer["name"] == name)

        with Lab(peers=3) as lab:
            def is_online():
                return all(peer["online"] for peer in lab.status()["peers"])

            def work_goes_on():
                began = os.stat(f"{lab.mnt(1)}/work").st_size
                with open(f"{lab.mnt(2)}/work", "ab", buffering=0) as file:
                    file.write(b"x")
                return os.stat(f"{lab.mnt(1)}/work").st_size > began

            def trouble():
                with open(f"{lab.mnt(1)}/work", "wb"):
                    pass
                end = time.monotonic() + seconds
                while True:
                    wait_for(work_goes_on, "work to go on")
                    lab.kill(3)
                    lab.restart(3)
                    wait_for(is_online, "the killed peer to be back")
                    lab.kill("tracker")
                    lab.restart("tracker")
                    wait_for(is_online, "the peers to be back")
                    wait_for(work_goes_on, "work to go on")
                    frozen = process(lab, "peer3")
                    os.kill(frozen, signal.SIGSTOP)
                    try:
                        wait_for(lambda: not is_online(), "the lease of the stopped peer to end", 90)
                    finally:
                        os.kill(frozen, signal.SIGCONT)
                    wait_for(is_online, "the stopped peer to be back")
                    wait_for(work_goes_on, "work to go on")
                    if time.monotonic() > end:
                        break

            # One program on the mount that suffers: what it was told, it was told after an fsync.
            self.run_history(lab, (1, 1, 1, 2, 2, 3), NEVER, trouble)


if __name__ == "__main__":
    if "--program" in sys.argv:
        Program(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6]),
                sys.argv[7] == "rough").run()
    else:
        unittest.main(verbosity=2)
