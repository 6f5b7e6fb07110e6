"""Figures -> JSON, and JSON -> BENCHMARKS.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contest import Row
from figures import Ratio, Spread, speedup
from interleave import Measured

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; all figures, round by round: [results.json](tests/benchmarks/results.json).

Every contestant is a process of its own with one thread; all share one core and take turns, round after round, in
changing order. What counts is CPU time, as median and quartiles over the rounds. Before anything is timed the answers
of all are compared with a reference: they compute the same thing from the same weights, or there is no table. `GFLOP/s`
is what the library's own matrix product reaches at a size of this work, measured in the same rounds; `products` is the
time that a contestant's matrix products take at that rate alone.
"""


def entry(row: Row, measured: Measured, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON keeps of one row."""
    contestants = []
    for contestant in row.contestants:
        name = contestant.name
        contestants.append(
            {
                "name": name,
                "label": contestant.label,
                "environment": contestant.environment,
                "arithmetic": contestant.arithmetic,
                "operations": dict(row.operations if contestant.operations is None else contestant.operations),
                "reference": contestant.reference,
                "unavailable": measured.unavailable.get(name),
                "facts": measured.facts.get(name, {}),
                "agreement": {case: vars(found) for case, found in measured.agreements.get(name, {}).items()},
                "cpu_ms": measured.cpu_ms.get(name, {}),
                "gflops": measured.gflops.get(name, {}),
            }
        )
    return {
        "title": row.title,
        "about": row.about,
        "unit": row.unit,
        "cases": dict(row.cases),
        "conditions": dict(conditions),
        "contestants": contestants,
        "bars": [vars(bar) for bar in row.bars],
        "notes": list(row.notes),
    }


def markdown(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return BENCHMARKS.md of the rows in `entries`."""
    return "\n".join([INTRODUCTION, *(_section(values) for values in entries.values())])


def verdicts(values: Mapping[str, Any]) -> list[str]:
    """Return one line per bar: met, not met, or not measured."""
    contestants = {contestant["name"]: contestant for contestant in values["contestants"]}
    lines = []
    for bar in values["bars"]:
        ours, peer, case = contestants[bar["ours"]], contestants[bar["peer"]], bar["case"]
        what = f"{ours['label']} against {peer['label']}, {values['cases'][case]}"
        missing = next((side for side in (ours, peer) if side["unavailable"]), None)
        if missing:
            lines.append(f"not measured: {what}: {missing['label']}: {missing['unavailable']}")
            continue
        ratio = speedup(ours["cpu_ms"][case], peer["cpu_ms"][case])
        met = "met" if ratio.of_medians >= bar["factor"] else "**not met**"
        lines.append(f"{met}: {what}: {_ratio(ratio)} as fast, asked for {bar['factor']:g}x")
    return lines


def products(values: Mapping[str, Any]) -> list[str]:
    """Return one line per library and number format: its rate, and for how much of the time it accounts."""
    lines = []
    for contestant in values["contestants"]:
        rates = contestant["gflops"].get(contestant["arithmetic"])
        shares = {case: _products_ms(contestant, case) for case in contestant["cpu_ms"]}
        if not rates or None in shares.values() or not shares:
            continue
        parts = ", ".join(
            f"{share / statistics.median(contestant['cpu_ms'][case]):.0%} of its time ({values['cases'][case]})"
            for case, share in shares.items()
        )
        rate = statistics.median(rates)
        lines.append(
            f"{contestant['label']}: {contestant['arithmetic']} products at {rate:.0f} GFLOP/s account for {parts}"
        )
    return lines


def _section(values: Mapping[str, Any]) -> str:
    conditions = values["conditions"]
    lines = [f"## {values['title']}", "", values["about"], "", *_table(values), ""]
    judged = verdicts(values)
    if judged:
        lines += ["Bars (medians, the rounds' own ratios in brackets):", "", *(f"- {line}" for line in judged), ""]
    limits = products(values)
    if limits:
        lines += ["Whom the matrix product limits:", "", *(f"- {line}" for line in limits), ""]
    lines += [f"- {note}" for note in [*values["notes"], *_settings(values)]]
    versions: dict[str, str] = {}
    for contestant in values["contestants"]:
        for package, version in contestant["facts"].get("versions", {}).items():
            known = versions.setdefault(package, version)
            if known != version:
                versions[f"{package} ({contestant['label']})"] = version
    lines += [
        "",
        f"{conditions['date']}, {conditions['cpu']}, {conditions['cores']} cores (one used), {conditions['system']}, "
        f"load {conditions['load_before']:.2f} before and {conditions['load_after']:.2f} after (of which 1 ours); "
        f"{conditions['rounds']} rounds. Python {conditions['python']}; "
        + ", ".join(f"{package} {version}" for package, version in sorted(versions.items()))
        + f". Command: `{conditions['command']}`",
        "",
    ]
    return "\n".join(lines)


def _table(values: Mapping[str, Any]) -> list[str]:
    cases = values["cases"]
    head = ["contestant", "MB", *(f"CPU ms, {words}" for words in cases.values())]
    head += ["GFLOP/s", *(f"products, {words}" for words in cases.values()), "largest difference", "cosine"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for contestant in values["contestants"]:
        if contestant["unavailable"]:
            lines.append(f"| {contestant['label']} | {contestant['unavailable']} |" + " |" * (len(head) - 2))
            continue
        size = contestant["facts"].get("size_bytes")
        rates = contestant["gflops"].get(contestant["arithmetic"])
        agreements = contestant["agreement"].values()
        cells = [contestant["label"], f"{size / 1e6:.1f}" if size else ""]
        cells += [_spread(Spread.of(contestant["cpu_ms"][case])) for case in cases]
        cells.append(f"{statistics.median(rates):.0f} {contestant['arithmetic']}" if rates else "")
        for case in cases:
            floor = _products_ms(contestant, case)
            cells.append("" if floor is None else f"{floor:.2f}")
        cells.append(f"{max(found['max_difference'] for found in agreements):.1e}")
        cells.append(f"{min(found['cosine'] for found in agreements):.5f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _settings(values: Mapping[str, Any]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for contestant in values["contestants"]:
        if "settings" in contestant["facts"]:
            groups.setdefault(contestant["facts"]["settings"], []).append(contestant["label"])
    return [f"{', '.join(labels)}: {settings}" for settings, labels in groups.items()]


def _products_ms(contestant: Mapping[str, Any], case: str) -> float | None:
    operations = contestant["operations"]
    rates = contestant["gflops"].get(contestant["arithmetic"])
    return operations[case] / 1e6 / statistics.median(rates) if rates and case in operations else None


def _spread(spread: Spread) -> str:
    return f"{_figure(spread.median)} ({_figure(spread.low)}–{_figure(spread.high)})"


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _ratio(ratio: Ratio) -> str:
    return (
        f"{ratio.of_medians:.2f}x ({ratio.per_round.median:.2f}, {ratio.per_round.low:.2f}–{ratio.per_round.high:.2f})"
    )


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the contestants."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        info: dict[str, str] = {}
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            info.setdefault(name.strip(), value.strip())
        wanted = [
            flag
            for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
            if flag in info.get("flags", "").split()
        ]
        model = f"family {info.get('cpu family')}, model {info.get('model')}"
        cpu = f"{info.get('model name', cpu)} ({model}; {', '.join(wanted)})"
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
