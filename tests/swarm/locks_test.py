# SPDX-License-Identifier: MIT
"""flock(2) and fcntl(2) locks over several mounts, by real processes."""

import fcntl
import os
import select
import signal
import subprocess
import sys
import unittest

from lab import Lab, seed, wait_for

ROUNDS = int(os.environ.get("SHOAL_ROUNDS", "10"))
PATIENCE_SECONDS = 60

# A process that does what its standard input says and tells the outcome: a number, or an errno's
# name.
AGENT = """
import errno, fcntl, mmap, os, signal, struct, sys

def open(path):
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

def flock(descriptor, operation):
    fcntl.flock(descriptor, operation)
    return 0

def lock(descriptor, command, kind, first=0, length=0):
    given = struct.pack("hhqqi", kind, os.SEEK_SET, first, length, 0)
    got = struct.unpack("hhqqi", fcntl.fcntl(descriptor, command, given))
    return (got[0], got[2], got[3], got[4]) if command in (fcntl.F_GETLK, fcntl.F_OFD_GETLK) else 0

def alarm(seconds):
    def stop(*_):
        raise InterruptedError(errno.EINTR, "alarm")
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return 0

def fork_and_wait():
    return os.fork() or (signal.pause(), os._exit(0))

for line in sys.stdin:
    try:
        print(repr(eval(line)), flush=True)
    except OSError as error:
        name = "EDEADLK" if error.errno == errno.EDEADLK else errno.errorcode[error.errno]
        print(repr(name), flush=True)
"""


class Agent:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", AGENT], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def begin(self, what):
        self.process.stdin.write(what + "\n")

    def is_done(self, seconds=0.0):
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def result(self):
        if not self.is_done(PATIENCE_SECONDS):
            raise AssertionError("an agent did not answer")
        return eval(self.process.stdout.readline())

    def ask(self, what):
        self.begin(what)
        return self.result()

    def kill(self):
        self.process.kill()
        self.end()

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(timeout=PATIENCE_SECONDS)
        self.process.stdout.close()


COUNT = """
import fcntl, mmap, os, sys
path, how, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
descriptor = os.open(path, os.O_RDWR)
take = fcntl.flock if how == "flock" else fcntl.lockf
for _ in range(rounds):
    take(descriptor, fcntl.LOCK_EX)
    if how == "mmap":
        with mmap.mmap(descriptor, 8) as memory:
            count = int.from_bytes(memory[:], "little")
            memory[:] = (count + 1).to_bytes(8, "little")
            memory.flush()
    else:
        count = int.from_bytes(os.pread(descriptor, 8, 0), "little")
        os.pwrite(descriptor, (count + 1).to_bytes(8, "little"), 0)
    take(descriptor, fcntl.LOCK_UN)
"""

# Counts under locks whose waits are interrupted again and again; tells how often it counted.
COUNT_IMPATIENTLY = """
import ctypes, errno, fcntl, os, random, signal, struct, sys
path, how, start, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
generator = random.Random(start)
descriptor = os.open(path, os.O_RDWR)
# The calls themselves: Python's own begin again after a signal.
libc = ctypes.CDLL(None, use_errno=True)
KINDS = {fcntl.LOCK_SH: fcntl.F_RDLCK, fcntl.LOCK_EX: fcntl.F_WRLCK, fcntl.LOCK_UN: fcntl.F_UNLCK}

def take(kind, wait=True):
    if how == "flock":
        failed = libc.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
    else:
        failed = libc.fcntl(descriptor, fcntl.F_SETLKW if wait else fcntl.F_SETLK,
                            struct.pack("hhqqi", KINDS[kind], os.SEEK_SET, 0, 0, 0))
    number = ctypes.get_errno() if failed else 0
    assert number in (0, errno.EINTR, errno.EAGAIN), os.strerror(number)
    return number == 0

signal.signal(signal.SIGALRM, lambda *_: None)
counted = 0
for _ in range(rounds):
    shared = generator.random() < 0.3
    signal.setitimer(signal.ITIMER_REAL, generator.uniform(0.0005, 0.02))
    taken = take(fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if taken and (not shared or take(fcntl.LOCK_EX, wait=False)):
        count = int.from_bytes(os.pread(descriptor, 8, 0), "little")
        os.pwrite(descriptor, (count + 1).to_bytes(8, "little"), 0)
        counted += 1
    while taken and not take(fcntl.LOCK_UN):
        pass
print(counted)
"""

INSERT = """
import sqlite3, sys
path, who, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = sqlite3.connect(path, timeout=60, isolation_level=None)
for number in range(rounds):
    database.execute("begin immediate")
    (total,) = database.execute("select count(*) from lines").fetchone()
    database.execute("insert into lines values (?, ?, ?)", (total, who, number))
    database.execute("commit")
database.close()
"""


class LabTest(unittest.TestCase):
    def agent(self):
        agent = Agent()
        self.addCleanup(agent.end)
        return agent

    def on(self, lab, peer, name):
        """A process that has the file open on that peer as descriptor `d`."""
        agent = self.agent()
        agent.ask(f"globals().update(d=open({lab.mnt(peer) + '/' + name!r}))")
        return agent

    def assert_waits(self, agent):
        self.assertFalse(agent.is_done(0.15), "should wait")  # to see that nothing happens


def flock(operation):
    return f"flock(d, {int(operation)})"


def posix(command, kind, first=0, length=0):
    return f"lock(d, {int(command)}, {int(kind)}, {first}, {length})"


TRY_EX = flock(fcntl.LOCK_EX | fcntl.LOCK_NB)
TRY_SH = flock(fcntl.LOCK_SH | fcntl.LOCK_NB)
EX = flock(fcntl.LOCK_EX)
SH = flock(fcntl.LOCK_SH)
UN = flock(fcntl.LOCK_UN)
SETLK, SETLKW, GETLK = fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_GETLK
READ, WRITE, NONE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


class Locks(LabTest):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=3, copies=1)
        cls.lab.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def on(self, peer):  # pylint: disable=arguments-differ
        return super().on(self.lab, peer, self.id().split(".")[-1])

    # -- a lock taken shows what the last holder wrote

    def count(self, how):
        path = f"{self.lab.mnt(1)}/count-{how}"
        with open(path, "wb") as file:
            file.write(bytes(8))
        each = 2
        running = [subprocess.Popen([sys.executable, "-c", COUNT,
                                     f"{self.lab.mnt(peer)}/count-{how}", how, str(ROUNDS)])
                   for peer in (1, 2, 3) for _ in range(each)]
        for process in running:
            self.assertEqual(process.wait(timeout=PATIENCE_SECONDS), 0)
        for peer in (1, 2, 3):
            with open(f"{self.lab.mnt(peer)}/count-{how}", "rb") as file:
                self.assertEqual(int.from_bytes(file.read(), "little"), 3 * each * ROUNDS)

    def test_a_counter_under_flock_loses_nothing(self):
        self.count("flock")

    def test_a_counter_under_posix_locks_loses_nothing(self):
        self.count("posix")

    def test_a_mapped_counter_under_locks_loses_nothing(self):
        self.count("mmap")

    def test_interrupted_waits_lose_no_lock_and_leave_none(self):
        start = seed()
        for how in ("flock", "posix"):
            path = "{}/impatient-" + how
            with open(path.format(self.lab.mnt(1)), "wb") as file:
                file.write(bytes(8))
            running = [subprocess.Popen([sys.executable, "-c", COUNT_IMPATIENTLY,
                                         path.format(self.lab.mnt(peer)), how, str(start + number),
                                         str(4 * ROUNDS)], stdout=subprocess.PIPE, text=True)
                       for number, peer in enumerate((1, 1, 2, 3))]
            counted = sum(int(process.communicate(timeout=PATIENCE_SECONDS)[0])
                          for process in running)
            with open(path.format(self.lab.mnt(2)), "r+b") as file:
                self.assertEqual(int.from_bytes(file.read(), "little"), counted, how)
                (fcntl.flock if how == "flock" else fcntl.lockf)(
                    file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_sqlite_works_on_two_mounts_at_once(self):
        import sqlite3
        path = "{}/rows.db"
        database = sqlite3.connect(path.format(self.lab.mnt(1)))
        database.execute("pragma journal_mode=delete")
        database.execute("create table lines (total integer unique, who text, number integer)")
        database.commit()
        rounds = max(ROUNDS // 3, 3)
        running = [subprocess.Popen([sys.executable, "-c", INSERT, path.format(self.lab.mnt(peer)),
                                     str(peer), str(rounds)]) for peer in (2, 3)]
        for process in running:
            self.assertEqual(process.wait(timeout=PATIENCE_SECONDS), 0)
        self.assertEqual(database.execute("select count(*), max(total) from lines").fetchone(),
                         (2 * rounds, 2 * rounds - 1))
        self.assertEqual(database.execute("pragma integrity_check").fetchone(), ("ok",))
        database.close()

    # -- flock

    def test_flock_shares_and_excludes_over_mounts(self):
        a, b, c = self.on(1), self.on(2), self.on(3)
        self.assertEqual(a.ask(SH), 0)
        self.assertEqual(b.ask(TRY_SH), 0)
        self.assertEqual(c.ask(TRY_EX), "EAGAIN")
        self.assertEqual(a.ask(UN), 0)
        self.assertEqual(b.ask(TRY_EX), 0)
        self.assertEqual(c.ask(TRY_SH), "EAGAIN")

    def test_flock_excludes_processes_of_one_mount(self):
        a, b = self.on(1), self.on(1)
        self.assertEqual(a.ask(EX), 0)
        self.assertEqual(b.ask(TRY_SH), "EAGAIN")
        a.kill()
        self.assertEqual(b.ask(SH), 0)

    def test_a_waiting_flock_is_granted_when_the_holder_lets_go(self):
        a, b, c = self.on(1), self.on(2), self.on(2)
        self.assertEqual(a.ask(EX), 0)
        b.begin(EX)
        self.assert_waits(b)  # and is in the queue
        c.begin(SH)
        self.assertEqual(a.ask(UN), 0)
        self.assertEqual(b.result(), 0)
        self.assertEqual(b.ask(SH), 0)
        self.assertEqual(c.result(), 0)

    def test_flock_goes_with_the_last_descriptor(self):
        a, b = self.on(1), self.on(2)
        self.assertEqual(a.ask(EX), 0)
        a.ask("globals().update(e=os.dup(d))")
        a.ask("os.close(d)")
        self.assertEqual(b.ask(TRY_EX), "EAGAIN")
        a.ask("os.close(e)")
        self.assertEqual(b.ask(EX), 0)

    def test_a_child_inherits_a_flock(self):
        a, b = self.on(1), self.on(2)
        self.assertEqual(a.ask(EX), 0)
        child = a.ask("fork_and_wait()")
        a.kill()
        try:
            self.assertEqual(b.ask(TRY_EX), "EAGAIN")
        finally:
            os.kill(child, signal.SIGKILL)
        self.assertEqual(b.ask(EX), 0)

    def test_a_lock_given_up_by_close_is_free_for_the_next_program(self):
        a = self.on(1)
        path = f"{self.lab.mnt(1)}/again-and-again"
        for _ in range(50):
            self.assertEqual(a.ask(f"globals().update(d=open({path!r}))"), None)
            self.assertEqual(a.ask(TRY_EX), 0)
            a.ask("os.close(d)")
        a.ask(f"globals().update(d=open({path!r}))")

    def test_a_directory_takes_locks_as_before(self):
        descriptor = os.open(self.lab.mnt(1), os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(descriptor)

    # -- fcntl

    def test_ranges_are_locked_one_by_one(self):
        a, b = self.on(1), self.on(2)
        self.assertEqual(a.ask(posix(SETLK, WRITE, 0, 10)), 0)
        self.assertEqual(b.ask(posix(SETLK, WRITE, 10, 10)), 0)
        self.assertEqual(b.ask(posix(SETLK, READ, 5, 10)), "EAGAIN")
        self.assertEqual(a.ask(posix(SETLK, NONE, 5, 5)), 0)
        self.assertEqual(b.ask(posix(SETLK, READ, 5, 10)), 0)
        self.assertEqual(a.ask(posix(SETLK, READ, 0, 15)), 0)
        self.assertEqual(a.ask(posix(SETLK, READ, 0, 0)), "EAGAIN")

    def test_getlk_tells_who_is_in_the_way(self):
        a, b, c = self.on(1), self.on(1), self.on(2)
        self.assertEqual(a.ask(posix(SETLK, WRITE, 100, 50)), 0)
        self.assertEqual(b.ask(posix(GETLK, READ, 0, 0)), (WRITE, 100, 50, a.process.pid))
        self.assertEqual(c.ask(posix(GETLK, READ, 0, 0)), (WRITE, 100, 50, 0))
        self.assertEqual(c.ask(posix(GETLK, WRITE, 0, 100))[0], NONE)
        self.assertEqual(a.ask(posix(GETLK, WRITE, 0, 0))[0], NONE)

    def test_a_circle_over_mounts_is_a_deadlock(self):
        a, b, c = self.on(1), self.on(2), self.on(3)
        for number, agent in enumerate((a, b, c)):
            self.assertEqual(agent.ask(posix(SETLK, WRITE, number, 1)), 0)
        a.begin(posix(SETLKW, WRITE, 1, 1))
        b.begin(posix(SETLKW, WRITE, 2, 1))
        self.assert_waits(a)
        self.assert_waits(b)
        self.assertEqual(c.ask(posix(SETLKW, WRITE, 0, 1)), "EDEADLK")
        self.assertEqual(c.ask(posix(SETLK, NONE)), 0)
        self.assertEqual(b.result(), 0)
        self.assertEqual(b.ask(posix(SETLK, NONE)), 0)
        self.assertEqual(a.result(), 0)

    def test_a_signal_ends_the_wait_and_leaves_no_lock(self):
        a, b, c = self.on(1), self.on(2), self.on(3)
        self.assertEqual(a.ask(posix(SETLK, WRITE)), 0)
        self.assertEqual(b.ask("alarm(0.1)"), 0)
        self.assertEqual(b.ask(posix(SETLKW, WRITE)), "EINTR")
        self.assertEqual(a.ask(posix(SETLK, NONE)), 0)
        self.assertEqual(c.ask(posix(SETLK, WRITE)), 0)

    def test_a_signal_ends_an_upgrade_and_keeps_what_was_there(self):
        a, b, c = self.on(1), self.on(2), self.on(3)
        self.assertEqual(a.ask(posix(SETLK, READ, 0, 10)), 0)
        self.assertEqual(b.ask(posix(SETLK, READ, 0, 10)), 0)
        self.assertEqual(b.ask("alarm(0.1)"), 0)
        self.assertEqual(b.ask(posix(SETLKW, WRITE, 0, 20)), "EINTR")
        self.assertEqual(a.ask(posix(SETLK, NONE)), 0)
        self.assertEqual(c.ask(posix(GETLK, WRITE))[:3], (READ, 0, 10))
        self.assertEqual(b.ask(posix(SETLK, WRITE, 0, 20)), 0)

    def test_a_killed_process_gives_its_locks_up_and_waits_no_longer(self):
        a, b, c = self.on(1), self.on(2), self.on(3)
        self.assertEqual(a.ask(posix(SETLK, WRITE)), 0)
        b.begin(posix(SETLKW, WRITE))
        self.assert_waits(b)
        c.begin(posix(SETLKW, WRITE))
        self.assert_waits(c)
        b.kill()
        a.kill()
        self.assertEqual(c.result(), 0)

    def test_closing_any_descriptor_gives_a_process_locks_up(self):
        a, b = self.on(1), self.on(2)
        a.ask("globals().update(e=os.dup(d))")
        self.assertEqual(a.ask(posix(SETLK, WRITE)), 0)
        a.ask("os.close(e)")
        self.assertEqual(b.ask(posix(SETLK, WRITE)), 0)

    def test_locks_of_open_file_descriptions_go_with_the_last_descriptor(self):
        a, b = self.on(1), self.on(2)
        ofd = fcntl.F_OFD_SETLK
        a.ask("globals().update(e=os.dup(d))")
        self.assertEqual(a.ask(posix(ofd, WRITE, 0, 10)), 0)
        a.ask("os.close(e)")
        self.assertEqual(b.ask(posix(ofd, READ, 5, 1)), "EAGAIN")
        self.assertEqual(b.ask(posix(fcntl.F_OFD_GETLK, READ, 5, 1))[:3], (WRITE, 0, 10))
        self.assertEqual(b.ask(posix(ofd, READ, 10, 1)), 0)
        b.begin(posix(fcntl.F_OFD_SETLKW, WRITE, 0, 0))
        self.assert_waits(b)
        a.ask("os.close(d)")
        self.assertEqual(b.result(), 0)

    def test_two_open_file_descriptions_of_a_process_exclude_each_other(self):
        a = self.on(1)
        path = f"{self.lab.mnt(1)}/{self.id().split('.')[-1]}"
        a.ask(f"globals().update(e=open({path!r}))")
        ofd = fcntl.F_OFD_SETLK
        self.assertEqual(a.ask(f"lock(d, {ofd}, {WRITE}, 0, 10)"), 0)
        self.assertEqual(a.ask(f"lock(e, {ofd}, {WRITE}, 5, 10)"), "EAGAIN")
        self.assertEqual(a.ask(f"lock(e, {ofd}, {WRITE}, 10, 10)"), 0)

    def test_locks_hold_on_a_file_without_a_name(self):
        a, b = self.on(1), self.on(1)
        os.unlink(f"{self.lab.mnt(2)}/{self.id().split('.')[-1]}")
        self.assertEqual(a.ask(EX), 0)
        self.assertEqual(b.ask(TRY_SH), "EAGAIN")


class Failures(LabTest):
    def test_a_counter_under_locks_loses_nothing_while_the_tracker_restarts(self):
        with Lab(peers=2, copies=1) as lab:
            path = "{}/count"
            with open(path.format(lab.mnt(1)), "wb") as file:
                file.write(bytes(8))
            rounds = 8 * ROUNDS
            running = [subprocess.Popen([sys.executable, "-c", COUNT, path.format(lab.mnt(peer)),
                                         "posix", str(rounds)]) for peer in (1, 2, 2)]

            def count():
                with open(path.format(lab.mnt(2)), "rb") as file:
                    return int.from_bytes(file.read(), "little")

            for part in (1, 2):
                wait_for(lambda: count() > part * rounds // 2, "the counter to move on")
                lab.kill("tracker")
                lab.restart("tracker")
            for process in running:
                self.assertEqual(process.wait(timeout=PATIENCE_SECONDS), 0)
            self.assertEqual(count(), 3 * rounds)

    def test_locks_survive_the_tracker_and_go_with_a_peer(self):
        with Lab(peers=2, copies=1) as lab:
            a, b, c = (self.on(lab, peer, "file") for peer in (1, 2, 2))
            self.assertEqual(a.ask(EX), 0)
            self.assertEqual(a.ask(posix(SETLK, WRITE, 0, 10)), 0)
            b.begin(EX)
            self.assert_waits(b)
            lab.kill("tracker")
            lab.restart("tracker")
            self.assertEqual(c.ask(TRY_SH), "EAGAIN")
            self.assertEqual(c.ask(posix(SETLK, READ, 5, 1)), "EAGAIN")
            self.assertEqual(c.ask(posix(SETLK, READ, 10, 1)), 0)
            self.assertFalse(b.is_done(), "the lock was not lost")
            self.assertEqual(a.ask(UN), 0)
            self.assertEqual(b.result(), 0)
            c.begin(posix(SETLKW, WRITE, 0, 1))
            self.assert_waits(c)
            lab.kill(1)
            self.assertEqual(c.result(), 0)
            a.kill()


if __name__ == "__main__":
    unittest.main(verbosity=2)
