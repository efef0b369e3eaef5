# SPDX-License-Identifier: MIT
"""The results of run and compare as a page of Markdown. Pure."""

from . import svg
from .report import amount, in_order


def page(found):
    """found: what run, compare and names wrote as JSON, in any number and order."""
    lines = ["# Performance", "",
             "Written by `iozone/measure` from the runs named below; [how to repeat them]"
             "(../iozone/README.md). A ratio is a ratio of speeds, above 1 when shoal is faster: the "
             "median over runs that were made in turn (least to greatest)."]
    for result in found:
        lines += ["", *(_session(result) if "measures" in result else _names(result))]
    return "\n".join(lines) + "\n"


def _session(result):
    facts = result["facts"]
    lines = [f"## {result['title'].capitalize()}", "",
             f"{result['begun']}, `{result['command']}`, {result['seconds'] / 60:.0f} minutes.", "",
             "| condition | |", "| --- | --- |"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in facts.items()]
    for failure in result["failures"]:
        lines += ["", f"**Failed:** {failure['what']}"]
    for one in result["skipped"]:
        lines += ["", f"Left out: {one['what']} ({one['why']})"]
    parts = dict.fromkeys(measure["part"] for measure in result["measures"])
    for part in parts:
        measures = [measure for measure in result["measures"] if measure["part"] == part]
        systems = in_order({system for measure in measures for system in measure["systems"]})
        others = in_order({system for measure in measures for system in measure["ratios"]})
        lines += ["", f"### {part}", "", result["parts"].get(part, ""), ""]
        titles = ["median", *systems, *(f"shoal / {system}" for system in others)]
        lines += [_row(titles), _row(["---"] * len(titles))]
        lines += [_row([measure["label"], *_values(measure, systems), *_ratios(measure, others)])
                  for measure in measures]
    if result.get("swarm"):
        lines += ["", "### swarm", "", *_rows_table(result["swarm"].get("rows", []))]
    return lines


def _values(measure, systems):
    return [amount(measure["systems"][system]["median"], measure["unit"])
            if system in measure["systems"] else "–" for system in systems]


def _ratios(measure, others):
    return [f"**{svg.short(ratio['median'])}** ({svg.short(ratio['least'])} to "
            f"{svg.short(ratio['greatest'])})" if ratio else "–"
            for ratio in map(measure["ratios"].get, others)]


def _names(result):
    """What iozone/names writes: one row each, judged already."""
    return ["## Names", "", f"Commit {result['commit']}, kernel {result['kernel']}, mode "
            f"{result['fuse_mode']}.", "", *_rows_table(result["rows"])]


def _rows_table(rows):
    lines = [_row(["row", "figure", "medians"]), _row(["---"] * 3)]
    for row in rows:
        medians = ", ".join(f"{name} {svg.short(value)} {row.get('unit', '')}"
                            for name, value in row.get("medians", {}).items())
        lines.append(_row([row["row"], svg.short(row["figure"]), medians]))
    return lines


def _row(cells):
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")
