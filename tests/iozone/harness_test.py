#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the pure parts of iozone/harness: parsers, statistics, estimates, plots, the page."""

import html.parser
import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "iozone"))
from harness import bencode, fio_output, iozone_output, markdown, progress, report  # noqa: E402
from harness import results, stats, svg  # noqa: E402
from harness.results import Figure, Sample  # noqa: E402

AUTOMATIC = """\
\tCommand line used: iozone -a -+u -n 4k -g 8k -b FILE.xls
               4       4   104985   210225  4000000
iozone test complete.
Excel output is below:

"Writer report"
        "4"  "8"
"4"   104985\x20
"8"   284828  174032\x20
"65536"   0  618895\x20

"Re-Reader report"
        "4"  "8"
"4"   1905268\x20

"Writer CPU utilization report (Zero values should be ignored)"
        "4"  "8"
"4"     1.46
"8"    38.15   3.19
"""
THROUGHPUT = """\
\tChildren see throughput for  2 initial writers \t= 1607865.50 kB/sec
\tParent sees throughput for  2 initial writers \t=   35349.75 kB/sec
\tChildren see throughput for 2 re-readers \t= 3545976.25 kB/sec
\tChildren see throughput for 2 random readers \t= 3454704.50 kB/sec
iozone test complete.
"""
FIO = """fio: a remark before the JSON
{"jobs": [
 {"jobname": "prepare", "error": 0, "write": {"total_ios": 9, "bw_bytes": 1, "iops": 1.0}},
 {"jobname": "mixed", "error": 0,
  "read": {"total_ios": 5, "bw_bytes": 4096, "iops": 1.5,
           "clat_ns": {"percentile": {"99.000000": 3000, "50.000000": 1000}}},
  "write": {"total_ios": 0, "bw_bytes": 0, "iops": 0.0}}]}
"""


class Iozone(unittest.TestCase):
    def test_reads_the_reports_of_an_automatic_run(self):
        speeds, processor = iozone_output.parse_reports(AUTOMATIC)
        self.assertEqual(speeds, {
            "write": {(4, 4): 104985, (8, 4): 284828, (8, 8): 174032, (65536, 8): 618895},
            "reread": {(4, 4): 1905268}})
        self.assertEqual(processor, {"write": {(4, 4): 1.46, (8, 4): 38.15, (8, 8): 3.19}})

    def test_refuses_what_did_not_reach_its_end_or_has_no_reports(self):
        for text in (AUTOMATIC.replace("complete", "was killed"), "iozone test complete.", ""):
            with self.assertRaises(ValueError):
                iozone_output.parse_reports(text)

    def test_reads_the_sum_over_all_processes(self):
        self.assertEqual(iozone_output.parse_throughput(THROUGHPUT), {
            "write": 1607865.5, "reread": 3545976.25, "random read": 3454704.5})
        with self.assertRaises(ValueError):
            iozone_output.parse_throughput(THROUGHPUT.replace("complete", ""))

    def test_knows_a_worksheet_by_its_first_record(self):
        self.assertTrue(iozone_output.is_worksheet(b"\x09\x00\x04\x00"))
        for head in (b"", b"\x09", b"text", b"\x0a\x00\x00\x00"):
            self.assertFalse(iozone_output.is_worksheet(head))


class Fio(unittest.TestCase):
    def test_reads_each_direction_that_did_something(self):
        self.assertEqual(fio_output.parse(FIO), [
            {"job": "mixed", "direction": "read", "bytes_per_second": 4096.0, "iops": 1.5,
             "percentiles": [(50.0, 1e-6), (99.0, 3e-6)]}])

    def test_refuses_failed_jobs_and_other_text(self):
        for text in (FIO.replace('"mixed", "error": 0', '"mixed", "error": 84'), "", "{", "{}",
                     '{"jobs": []}'):
            with self.assertRaises(ValueError, msg=text):
                fio_output.parse(text)


class Statistics(unittest.TestCase):
    def test_quantiles_lie_between_neighbours(self):
        self.assertEqual([stats.quantile([4, 1, 3, 2], share) for share in (0, 0.5, 1)], [1, 2.5, 4])
        self.assertEqual(stats.quantile([7], 0.25), 7)

    def test_ratios_pair_runs_and_are_speeds(self):
        self.assertEqual(stats.speed_ratios([10, 30], [20, 10], False), [0.5, 3])
        self.assertEqual(stats.speed_ratios([10, 30], [20, 90], True), [2, 3])
        for ours, theirs in (([1], [1, 2]), ([0], [1])):
            with self.assertRaises(ValueError):
                stats.speed_ratios(ours, theirs, False)

    def test_the_mean_of_ratios_is_geometric(self):
        self.assertAlmostEqual(stats.geometric_mean([2, 0.5]), 1)
        self.assertIsNone(stats.geometric_mean([]))


class Estimates(unittest.TestCase):
    def test_what_was_measured_counts_and_the_rest_keeps_the_pace(self):
        estimate = progress.Estimate([("a", 10), ("b", 10), ("a", 10), ("b", 10)])
        self.assertEqual(estimate.seconds_left(), 40)
        estimate.done(30)
        self.assertEqual(estimate.seconds_left(), 30 + 30 + 30)
        estimate.done(10)
        self.assertEqual(estimate.seconds_left(), 30 + 10)
        self.assertEqual(estimate.seconds_of(["a", "b"]), 30 + 10)


class Results(unittest.TestCase):
    def test_takes_ratios_of_runs_made_in_turn_and_skips_failed_ones(self):
        def sample(value):
            return Sample({"read": Figure(value, "MiB/s")})
        combined = results.combine("part", {"ext4": [sample(10), sample(10), sample(40)],
                                            "shoal": [sample(5), None, sample(40)]})
        [measure] = combined["measures"]
        self.assertEqual(measure["ratios"]["ext4"]["runs"], [0.5, 1.0])
        self.assertEqual(measure["systems"]["shoal"]["runs"], [5, 40])

    def test_nothing_but_failures_gives_nothing(self):
        self.assertEqual(results.combine("part", {"ext4": [None], "shoal": [None]}),
                         {"measures": [], "surfaces": [], "curves": []})

    def test_surfaces_and_curves_are_medians(self):
        samples = [Sample({}, {"read": {(4, 4): speed}}, {"read": [(50.0, speed)]})
                   for speed in (1, 9, 2)]
        combined = results.combine("part", {"shoal": samples})
        self.assertEqual(combined["surfaces"][0]["systems"], {"shoal": [[4, 4, 2]]})
        self.assertEqual(combined["curves"][0]["systems"], {"shoal": [[50.0, 2]]})


class Plots(unittest.TestCase):
    CELLS = {(size, record): size * 100.0 + record for size in (64, 128, 256)
             for record in (4, 8, 16)}

    def test_every_plot_is_well_formed(self):
        row = ("a < b & c", 0.5, 0.25, 2.0, "5 MiB/s", "c0")
        for plot in (svg.speed_map(self.CELLS, "speed", 1, 1e6), svg.ratio_map(self.CELLS, "\"quoted\""),
                     svg.surface(self.CELLS, "surface", 1, 1e6), svg.ratio_bars([row], "bars"),
                     svg.surface({(4, 4): 1.0}, "one cell", 1, 1), svg.ratio_bars([], "none"),
                     svg.percentile_curves([("ext4", "c1", [(50, 1e-6), (99.9, 1e-3), (100, 2)])], "curve"),
                     svg.percentile_curves([], "nothing")):
            xml.etree.ElementTree.fromstring(plot)

    def test_ratios_are_symmetric_around_one(self):
        self.assertEqual([svg.ratio_step(ratio) for ratio in (1e-9, 0.25, 0.5, 1, 2, 4, 1e9)],
                         [0, 0, 2, 4, 6, 8, 8])

    def test_speeds_fill_the_scale(self):
        self.assertEqual([svg.step_of(value, 1, 512) for value in (1, 2.1, 300, 512, 9999, 0.1)],
                         [0, 1, 8, 8, 8, 0])
        self.assertEqual(svg.step_of(5, 5, 5), 4)

    def test_numbers_are_short(self):
        for value, text in ((None, "–"), (0, "0"), (0.00123, "0.0012"), (0.5, "0.5"), (12.34, "12.3"),
                            (123.4, "123"), (1234, "1.23k"), (999999, "1M"), (2.5e9, "2.5G")):
            self.assertEqual(svg.short(value), text)
        self.assertEqual([svg.seconds(value) for value in (2e-9, 1.5e-6, 0.001, 2)],
                         ["2 ns", "1.5 µs", "1 ms", "2 s"])
        self.assertEqual([svg.kibibytes(count) for count in (4, 1024, 1536)], ["4K", "1M", "1536K"])


class Balanced(html.parser.HTMLParser):
    """Fails on a tag that does not match; void elements are those that the page uses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):  # they have no end
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> after {self.open[-3:]}"


class Torrents(unittest.TestCase):
    def test_keys_are_sorted_and_lengths_count_bytes(self):
        self.assertEqual(bencode.encode({"b": [1, "ä"], "a": -2}), b"d1:ai-2e1:bli1e2:\xc3\xa4ee")

    def test_a_torrent_has_a_hash_for_each_piece(self):
        torrent = bencode.torrent("file", bytes(40), "http://t.test/", piece=32)
        self.assertIn(b"6:lengthi40e4:name4:file12:piece lengthi32e6:pieces40:", torrent)

    def test_peers_are_six_bytes_each(self):
        self.assertEqual(bencode.peers([258], 5), b"d8:intervali5e5:peers6:\x7f\x00\x00\x01\x01\x02e")


class Page(unittest.TestCase):
    def result(self):
        sample = Sample({"read <fast>": Figure(5.0, "MiB/s", headline=True)},
                        {"read": Plots.CELLS}, {"read": [(50.0, 1e-6), (99.0, 1e-3)]})
        return {"title": "a & b", "begun": "now", "seconds": 61.0, "runs": 1, "command": "run <x>",
                "facts": {"kernel": "6.1"}, "parts": {"part": "about it"},
                **results.combine("part", {"shoal": [sample], "ext4": [sample]}),
                "failures": [{"what": "a", "error": "<b>"}], "skipped": [{"what": "c", "why": "&"}],
                "swarm": {"rows": [{"row": "cold | read", "figure": 0.5, "unit": "MB/s",
                                    "medians": {"raw": 2.0}}]}}

    def test_markdown_has_every_figure_and_keeps_its_tables(self):
        text = markdown.page([self.result(), {"commit": "c", "kernel": "k", "fuse_mode": "m",
                                              "rows": self.result()["swarm"]["rows"]}])
        self.assertIn("| read <fast> | 5 MiB/s | 5 MiB/s | **1** (1 to 1) |", text)
        self.assertEqual(text.count("| cold \\| read | 0.5 | raw 2 MB/s |"), 2)

    def test_is_well_formed_and_asks_for_nothing_from_elsewhere(self):
        page = Balanced()
        text = report.page(self.result())
        page.feed(text)
        page.close()
        self.assertEqual((page.open, page.addresses), ([], []))
        for bad in ("<fast>", "run <x>", "url(", "@import"):
            self.assertNotIn(bad, text)
        self.assertIn("a &amp; b", text)


if __name__ == "__main__":
    unittest.main()
