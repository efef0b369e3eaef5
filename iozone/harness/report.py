# SPDX-License-Identifier: MIT
"""The result of a benchmark as one HTML page without anything from elsewhere. Pure."""

from . import stats, svg
from .results import OURS

SYSTEM_ORDER = ("shoal", "ext4", "sshfs", "glusterfs", "moosefs", "rclone", "aria2", "libtorrent")

STYLE = """
:root { color-scheme: light dark; --page:#fbfbfa; --ink:#1b1f24; --soft:#5d6570; --line:#dfe2e6;
  --card:#ffffff; --good:#17693a; --bad:#a4262c;
  --s0:#eef5fb; --s1:#d6e8f6; --s2:#b9d8ef; --s3:#94c2e5; --s4:#69a8d8; --s5:#438bc5; --s6:#276eab;
  --s7:#16538a; --s8:#0b3a66; --dark:#0f2233; --light:#ffffff;
  --d0:#b2472f; --d1:#cf7256; --d2:#e6a68f; --d3:#f3d6ca; --d4:#ecedee; --d5:#cfe3dd; --d6:#96c7b9;
  --d7:#529f8c; --d8:#1f7563;
  --c0:#1f6fb5; --c1:#7a828c; --c2:#c8661a; --c3:#2b8a6b; --c4:#8a4fb0; --c5:#b83a6f; --c6:#8c7400;
  --c7:#476a1c; }
@media (prefers-color-scheme: dark) { :root { --page:#14171b; --ink:#e6e9ec; --soft:#9aa4af;
  --line:#2f363e; --card:#1b2026; --good:#63c98d; --bad:#f08a84;
  --s0:#14283a; --s1:#17344e; --s2:#1a4366; --s3:#1f5583; --s4:#2a6ca4; --s5:#4288c2; --s6:#68a6d8;
  --s7:#97c5e9; --s8:#c9e2f6; --dark:#e6e9ec; --light:#0c1620;
  --d0:#e0755a; --d1:#b4573f; --d2:#813f2f; --d3:#543026; --d4:#343a41; --d5:#22443d; --d6:#246355;
  --d7:#2f8d78; --d8:#58bca4;
  --c0:#5aa6e6; --c1:#a3acb6; --c2:#eb9352; --c3:#58bc98; --c4:#b98be0; --c5:#e77aa6; --c6:#cdb43c;
  --c7:#95be62; } }
* { box-sizing: border-box }
body { margin:0 auto; max-width:1180px; padding:28px 24px 60px; background:var(--page);
  color:var(--ink); font:15px/1.5 system-ui,"DejaVu Sans",sans-serif }
h1 { font-size:26px; margin:0 0 4px } h2 { font-size:19px; margin:36px 0 8px }
h3 { font-size:15px; margin:18px 0 6px } p { margin:6px 0; max-width:80ch } .soft { color:var(--soft) }
.tiles { display:grid; grid-template-columns:repeat(auto-fill,minmax(205px,1fr)); gap:12px; margin:14px 0 }
.tile, .plot { background:var(--card); border:1px solid var(--line); border-radius:8px; padding:12px 14px }
.tile b { display:block; font-size:26px; line-height:1.2; font-variant-numeric:tabular-nums }
.tile span { color:var(--soft); font-size:13px; display:block }
.plots { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr)); gap:14px }
.plot { overflow-x:auto; margin:10px 0 } .plots .plot { margin:0 }
.plot h3 { margin:0 0 6px } .trio { display:flex; flex-wrap:wrap; gap:6px 22px; align-items:flex-start }
.trio figure { margin:0 } figcaption { color:var(--soft); font-size:12.5px; margin-bottom:2px }
svg { max-width:100%; height:auto; font:12px system-ui,"DejaVu Sans",sans-serif; display:block }
svg text { fill:var(--ink) } svg .axis { fill:var(--soft); font-size:11px }
svg .cell { font-size:10.5px; font-variant-numeric:tabular-nums } svg .value { font-weight:600 }
.grid { stroke:var(--line) } .one { stroke:var(--ink) } .frame { stroke:var(--soft); fill:none }
.whisker { stroke:var(--ink); stroke-width:1.4; opacity:.65 } .floor { fill:none; stroke:var(--line) }
.face { stroke:var(--card); stroke-width:.7 } .line { fill:none!important; stroke-width:2 }
table { border-collapse:collapse; font-size:13.5px; font-variant-numeric:tabular-nums; margin:6px 0 }
th, td { text-align:right; padding:4px 18px 4px 0; white-space:nowrap; border-bottom:1px solid var(--line);
  vertical-align:top } th:first-child, td:first-child { text-align:left } th { color:var(--soft);
  font-weight:600 } .facts td { text-align:left; white-space:normal } .wide { overflow-x:auto }
details { margin:8px 0 } summary { cursor:pointer; color:var(--soft) }
.key { display:inline-flex; align-items:center; gap:6px; margin-right:16px; font-size:13px }
.key i { width:14px; height:10px; border-radius:2px; display:inline-block }
.failed { border-left:4px solid var(--bad); padding:4px 12px; margin:10px 0 }
.note { border-left:4px solid var(--line); padding:4px 12px; margin:10px 0 }
pre { white-space:pre-wrap; margin:4px 0; font-size:12.5px }
"""


def _colours():
    rules = []
    for number in range(svg.STEPS):
        for scale in "sd":
            rules.append(f".{scale}{number}{{fill:var(--{scale}{number})}}")
        rules.append(f"svg .on-s{number}{{fill:var(--{'dark' if number < 5 else 'light'})}}")
        rules.append(f"svg .on-d{number}{{fill:var(--{'light' if number in (0, 8) else 'dark'})}}")
    for number in range(len(SYSTEM_ORDER)):
        rules.append(f".c{number}{{fill:var(--c{number});stroke:none}}"
                     f".line.c{number}{{stroke:var(--c{number})}}"
                     f"i.c{number}{{background:var(--c{number})}}")
    return "".join(rules)


def colour(system):
    return f"c{SYSTEM_ORDER.index(system)}" if system in SYSTEM_ORDER else "c7"


def in_order(systems):
    known = [system for system in SYSTEM_ORDER if system in systems]
    return known + sorted(set(systems) - set(known))


def amount(value, unit):
    """A measured value with its unit."""
    if unit == "s":
        return svg.seconds(value)
    if unit == "MiB/s" and value >= 1000:
        return f"{svg.short(value / 1024)} GiB/s"
    return f"{svg.short(value)}{'' if unit.startswith('/') else ' '}{unit}"


def page(result):
    """The whole page of what run and compare write as JSON."""
    sections = [_head(result), _summary(result), _troubles(result)]
    parts = {entry["part"]: None
             for kind in ("measures", "surfaces", "curves") for entry in result[kind]}
    for part in parts:
        sections.append(_part(part, result))
    sections += [_swarm(result.get("swarm")), _method(result)]
    return ("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            f"<title>{svg.escape(result['title'])}</title><style>{STYLE}{_colours()}</style></head>"
            f"<body>{''.join(sections)}</body></html>\n")


def _head(result):
    facts = result["facts"]
    lines = "".join(f"<tr><td class=\"soft\">{svg.escape(name)}</td><td>{svg.escape(value)}</td></tr>"
                    for name, value in facts.items())
    where = " · ".join(f"{words}{facts[name]}" for name, words in (
        ("processor", ""), ("cores", "cores: "), ("kernel", "Linux "), ("FUSE mode", "FUSE mode: "),
        ("libfuse", "libfuse ")) if name in facts)
    runs = "1 run" if result["runs"] == 1 else f"{result['runs']} runs"
    return (f"<h1>{svg.escape(result['title'])}</h1><p class=\"soft\">{svg.escape(result['begun'])}, "
            f"{result['seconds'] / 60:.0f} min, {runs} of each, in turn; "
            f"commit {svg.escape(facts.get('commit', 'unknown'))}<br>"
            f"{svg.escape(where)}</p>"
            f"<details><summary>Machine and conditions</summary><table class=\"facts\">{lines}</table>"
            "</details>")


def _baselines(result):
    return in_order({system for measure in result["measures"] for system in measure["ratios"]})


def _summary(result):
    """Tiles of the headline figures over each system, then all ratios over the disk or the others."""
    tiles = []
    for measure in result["measures"]:
        if not measure["headline"]:
            continue
        for system in in_order(measure["ratios"])[:1]:
            ratio = measure["ratios"][system]["median"]
            ours = measure["systems"][OURS]["median"]
            tiles.append(f"<div class=\"tile\"><span>{svg.escape(measure['part'])}</span>"
                         f"<b>{svg.short(ratio)} ×</b>{svg.escape(measure['label'])}"
                         f"<span>{amount(ours, measure['unit'])}; {system} "
                         f"{amount(measure['systems'][system]['median'], measure['unit'])}</span></div>")
    headlines = [measure for measure in result["measures"] if measure["headline"]]
    bars = [_bars(headlines, system, True) for system in _baselines(result)]
    return (f"<h2>Summary</h2><p>How many times as fast shoal is as the other system: the median of the "
            "ratios of runs that were made in turn. The thin line goes from the least to the greatest "
            "of them.</p>"
            f"<div class=\"tiles\">{''.join(tiles)}</div>{''.join(bars)}")


def _bars(measures, system, with_part=False):
    """Ratio bars over one system; nothing when there are no ratios."""
    rows = []
    for measure in measures:
        ratio = measure["ratios"].get(system)
        if ratio:
            note = amount(measure["systems"][OURS]["median"], measure["unit"])
            words = f"{measure['part']}: " if with_part and not measure["label"].startswith(
                measure["part"]) else ""
            rows.append((words + measure["label"], ratio["median"], ratio["least"],
                         ratio["greatest"], note, colour(system) if system != "ext4" else "c0"))
    if not rows:
        return ""
    return (f"<div class=\"plot\"><h3>Speed of shoal over {svg.escape(system)}</h3>"
            + svg.ratio_bars(rows, f"Speed of shoal over {system}") + "</div>")


def _troubles(result):
    texts = [f"<div class=\"failed\"><b>Failed:</b> {svg.escape(failure['what'])}"
             f"<pre>{svg.escape(failure['error'])}</pre></div>" for failure in result["failures"]]
    texts += [f"<div class=\"note\"><b>Left out:</b> {svg.escape(one['what'])}: "
              f"{svg.escape(one['why'])}</div>" for one in result["skipped"]]
    return "".join(texts)


def _part(part, result):
    chosen = {kind: [entry for entry in result[kind] if entry["part"] == part]
              for kind in ("measures", "surfaces", "curves")}
    about = result["parts"].get(part, "")
    return (f"<h2>{svg.escape(part)}</h2><p class=\"soft\">{svg.escape(about)}</p>"
            + _part_bars(chosen["measures"]) + _table(chosen["measures"])
            + _curves(chosen["curves"]) + _surfaces(chosen["surfaces"]))


def _part_bars(measures):
    """Bars where they show more than the table: many figures over one other system."""
    others = {system for measure in measures for system in measure["ratios"]}
    return _bars(measures, *others) if len(others) == 1 and len(measures) > 2 else ""


def _swarm(swarm):
    """The rows of iozone/swarm, as it judges them itself."""
    if not swarm:
        return ""
    lines = []
    for row in swarm.get("rows", []):
        medians = ", ".join(f"{name} {svg.short(value)} {row.get('unit', '')}"
                            for name, value in row.get("medians", {}).items())
        lines.append(f"<tr><td>{svg.escape(row['row'])}</td><td>{svg.short(row['figure'])}</td>"
                     f"<td>{svg.escape(medians)}</td></tr>")
    return ("<h2>swarm</h2><p class=\"soft\">Rows of iozone/swarm: what moves between peers, in "
            "swarms of its own. The figure is a ratio or an amount, as the row says.</p>"
            f"<div class=\"wide\"><table><tr><th>row</th><th>figure</th><th>medians</th></tr>{''.join(lines)}</table></div>")


def _keys(systems):
    keys = (f"<span class=\"key\"><i class=\"{colour(system)}\"></i>{svg.escape(system)}</span>"
            for system in systems)
    return f"<p>{''.join(keys)}</p>"


def _curves(curves):
    if not curves:
        return ""
    plots = []
    for curve in curves:
        series = [(system, colour(system), curve["systems"][system])
                  for system in in_order(curve["systems"])]
        plot = svg.percentile_curves(series, f"Latency of {curve['label']} by percentile")
        plots.append(f"<div class=\"plot\"><h3>Latency: {svg.escape(curve['label'])}</h3>{plot}</div>")
    systems = in_order({system for curve in curves for system in curve["systems"]})
    return f"{_keys(systems)}<div class=\"plots\">{''.join(plots)}</div>"


def cell_ratios(ours, theirs):
    """{place: ratio} of the cells that both surfaces have."""
    other = {(size, record): speed for size, record, speed in theirs}
    return {(size, record): speed / other[size, record] for size, record, speed in ours
            if (size, record) in other}


def _surfaces(surfaces):
    plots = []
    for entry in surfaces:
        speeds = [speed for cells in entry["systems"].values() for *_, speed in cells]
        if not speeds:
            continue
        low, high = min(speeds), max(speeds)
        figures = []
        for system in in_order(entry["systems"]):
            cells = {(size, record): speed for size, record, speed in entry["systems"][system]}
            if cells:
                figures.append((f"{system}, MiB/s", svg.speed_map(
                    cells, f"{entry['operation']} on {system}", low, high)))
        ours = entry["systems"].get(OURS, [])
        for system in in_order(entry["systems"]):
            ratios = cell_ratios(ours, entry["systems"][system])
            if system != OURS and ratios:
                mean = svg.short(stats.geometric_mean(ratios.values()))
                figures.append((f"{OURS} / {system}, geometric mean {mean}",
                                svg.ratio_map(ratios, f"{entry['operation']}: {OURS} / {system}")))
        cells = {(size, record): speed for size, record, speed in ours}
        if len({size for size, _ in cells}) > 2:
            figures.append((f"{OURS}, the same as a surface", svg.surface(
                cells, f"{entry['operation']} on {OURS} as a surface", low, high)))
        body = "".join(f"<figure><figcaption>{svg.escape(words)}</figcaption>{plot}</figure>"
                       for words, plot in figures)
        plots.append(f"<div class=\"plot\"><h3>{svg.escape(entry['operation'])}</h3>"
                     f"<div class=\"trio\">{body}</div></div>")
    if not plots:
        return ""
    return ("<p class=\"soft\">Rows are file sizes, columns record sizes. Darker (in dark mode: "
            "brighter) blue is faster; both systems of an operation share one logarithmic scale. "
            "Ratios: red is slower than the other system, green faster.</p>" + "".join(plots))


def _table(measures):
    """A line for each figure; with one other system the ratios have columns, else lines, of their own."""
    if not measures:
        return ""
    systems = in_order({system for measure in measures for system in measure["systems"]})
    others = in_order({system for measure in measures for system in measure["ratios"]})
    titles = [*systems, *(f"shoal / {system}" for system in others if len(others) == 1)]
    head = "".join(f"<th>{svg.escape(title)}</th>" for title in titles)
    lines = []
    for measure in measures:
        cells = []
        for system in systems:
            figures, ratio = measure["systems"].get(system), measure["ratios"].get(system)
            cell = amount(figures["median"], measure["unit"]) if figures else "–"
            cells.append(svg.escape(cell) + (_ratio(ratio, "<br>shoal ", "<br>") if len(others) > 1 else ""))
        if len(others) == 1:
            cells.append(_ratio(measure["ratios"].get(others[0])) or "–")
        lines.append(f"<tr><td>{svg.escape(measure['label'])}</td>"
                     + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<div class=\"wide\"><table><tr><th>median</th>{head}</tr>{''.join(lines)}</table></div>"


def _ratio(ratio, before="", between=" "):
    """A ratio and, where there are several, the least and the greatest, as HTML; nothing for none."""
    if not ratio:
        return ""
    text = f"{before}<b>{svg.short(ratio['median'])} ×</b>"
    if len(ratio["runs"]) == 1:
        return text
    return (f"{text}{between}<span class=\"soft\">({svg.short(ratio['least'])} to "
            f"{svg.short(ratio['greatest'])})</span>")


def _method(result):
    return ("<h2>How it was measured</h2><p>Systems take turns (A/B/A/B) on the same disk; before each "
            "run what went before is synced and the daemons are idle. A ratio is a ratio of speeds, "
            "above 1 when shoal is faster. Raw output and every single run are beside this page.</p>"
            f"<pre>{svg.escape(result['command'])}</pre>")
