#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One libtorrent client: torrent_peer.py FOLDER TORRENT seed|fetch, until it is killed.

Creates FOLDER/done when the whole file is there and checked.
"""

import os
import sys
import time

import libtorrent


def main(folder, torrent, role):
    session = libtorrent.session({
        "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, "allow_multiple_connections_per_ip": True,
        "enable_incoming_utp": False, "enable_outgoing_utp": False, "rate_limit_ip_overhead": False,
        "in_enc_policy": 2, "out_enc_policy": 2})
    wanted = libtorrent.add_torrent_params()
    wanted.ti = libtorrent.torrent_info(torrent)
    wanted.save_path = folder
    if role == "seed":
        wanted.flags |= libtorrent.torrent_flags.seed_mode
    handle = session.add_torrent(wanted)
    while not handle.status().is_seeding:
        time.sleep(0.005)  # between two polls of a condition
    handle.flush_cache()
    with open(os.path.join(folder, "done"), "w"):
        pass
    while True:
        time.sleep(60)  # serves the others until it is killed


if __name__ == "__main__":
    main(*sys.argv[1:])
