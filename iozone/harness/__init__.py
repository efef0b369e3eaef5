# SPDX-License-Identifier: MIT
"""What the benchmark programs of this folder share. Pure, so without processes, files and clocks:
stats, results, iozone_output, fio_output, svg and report."""
