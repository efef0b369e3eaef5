# SPDX-License-Identifier: MIT
"""A swarm whose peers have slow links: each daemon in a network namespace of its own.

The namespaces hang on a bridge in one more namespace, so nothing of the machine's own network is
touched; all are named after this process and removed again. The files, mounts and sockets are the
machine's: only the network is apart.
"""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

from lab import BIN, SHOAL, wait_for

BURST_BYTES = 256 * 1024
QUEUE = "50ms"  # what a link holds back before it drops packets
PREFIX = "10.213.77"


def can_shape():
    return os.geteuid() == 0 and all(map(shutil.which, ("ip", "tc", "nsenter")))


def call(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


class ShapedLab:
    """mnt(1) is the mount point of peer 1, and so on; unshaped at first."""

    def __init__(self, peers, copies):
        self.peers = peers
        self.copies = copies
        self.dir = tempfile.mkdtemp(prefix="lab-")
        self.tag = f"shoal-{os.getpid()}-{time.monotonic_ns() % 100_000}"
        self.spaces = []
        self.daemons = {}

    def __enter__(self):
        try:
            self.add_space("hub")
            call("ip", "-n", self.space("hub"), "link", "add", "hub", "type", "bridge")
            call("ip", "-n", self.space("hub"), "link", "set", "hub", "up")
            for number in range(self.peers + 1):  # 0 is the tracker's
                self.add_link(number)
            self.start_tracker()
            for peer in range(1, self.peers + 1):
                self.start_peer(peer)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for how in (signal.SIGCONT, signal.SIGTERM):
            for daemon in self.daemons.values():
                if daemon.poll() is None:
                    daemon.send_signal(how)
        for daemon in self.daemons.values():
            try:
                daemon.wait(timeout=30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for peer in range(1, self.peers + 1):
            if os.path.ismount(self.mnt(peer)):
                subprocess.run(["umount", "-l", self.mnt(peer)], capture_output=True)
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- the network ----

    def space(self, number):
        return f"{self.tag}-{number}"

    def add_space(self, number):
        call("ip", "netns", "add", self.space(number))
        self.spaces.append(self.space(number))
        call("ip", "-n", self.space(number), "link", "set", "lo", "up")

    def add_link(self, number):
        self.add_space(number)
        hub, space = self.space("hub"), self.space(number)
        call("ip", "-n", space, "link", "add", "eth0", "type", "veth", "peer", "name",
             f"p{number}", "netns", hub)
        call("ip", "-n", space, "addr", "add", f"{PREFIX}.{number + 1}/24", "dev", "eth0")
        call("ip", "-n", space, "link", "set", "eth0", "up")
        call("ip", "-n", hub, "link", "set", f"p{number}", "master", "hub", "up")

    def shape(self, peer, bytes_per_second):
        """The peer's link, both ways."""
        for space, device in ((self.space(peer), "eth0"), (self.space("hub"), f"p{peer}")):
            call("tc", "-n", space, "qdisc", "replace", "dev", device, "root", "tbf", "rate",
                 f"{int(bytes_per_second * 8)}bit", "burst", BURST_BYTES, "latency", QUEUE)

    def unshape(self):
        for peer in range(1, self.peers + 1):
            for space, device in ((self.space(peer), "eth0"), (self.space("hub"), f"p{peer}")):
                subprocess.run(["tc", "-n", space, "qdisc", "del", "dev", device, "root"],
                               capture_output=True)

    # ---- the daemons ----

    def folder(self, number):
        return f"{self.dir}/peer{number}" if number else f"{self.dir}/tracker"

    def mnt(self, peer):
        return f"{self.dir}/mnt{peer}"

    def pid(self, peer):
        return self.daemons[peer].pid

    def inside(self, number, *words):
        return ["nsenter", f"--net=/run/netns/{self.space(number)}", *words]

    def start(self, number, *words):
        with open(f"{self.dir}/log{number}", "w") as log:
            self.daemons[number] = subprocess.Popen(self.inside(number, *words), stdout=log,
                                                    stderr=log)

    def is_there(self, number, path):
        if self.daemons[number].poll() is not None:
            with open(f"{self.dir}/log{number}") as log:
                raise RuntimeError(f"a daemon ended: {log.read()[-2000:]}")
        return os.path.exists(path)

    def start_tracker(self):
        trackerd, folder = os.path.join(BIN, "trackerd"), self.folder(0)
        call(trackerd, "init", "--dir", folder, "--name", "bench", "--listen", f"{PREFIX}.1:4050",
             "--copies", self.copies)
        self.start(0, trackerd, "--dir", folder)
        wait_for(lambda: self.is_there(0, f"{folder}/endpoint"), "the tracker")

    def start_peer(self, peer):
        peerd, folder = os.path.join(BIN, "peerd"), self.folder(peer)
        invitation = call(SHOAL, "invite", "-q", "--dir", self.folder(0))
        joined = subprocess.run(
            self.inside(peer, peerd, "join", "-", "--dir", folder, "--name", f"peer{peer}",
                        "--listen", f"{PREFIX}.{peer + 1}:0"),
            input=invitation, text=True, capture_output=True)
        if joined.returncode != 0:
            raise RuntimeError(f"joining: {joined.stderr}")
        os.mkdir(self.mnt(peer))
        self.start(peer, peerd, "--dir", folder, "--mount", self.mnt(peer))
        wait_for(lambda: self.is_there(peer, f"{folder}/ready") and os.path.ismount(self.mnt(peer)),
                 f"peer {peer} to be mounted")

    def scribble(self, peer, size):
        """Other bytes into the peer's blobs of that size, behind its back."""
        for path in glob.glob(f"{self.folder(peer)}/store/blobs/*/*"):
            if os.path.getsize(path) != size or "." in os.path.basename(path):
                continue
            with open(path, "r+b") as blob:
                for offset in range(0, size, 16 * 1024):
                    blob.seek(offset)
                    blob.write(b"not what it was")
