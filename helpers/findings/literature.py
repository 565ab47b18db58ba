"""What others measured (data/literature.yaml), and the nearest setting here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from helpers.evaluation.record import Record
from helpers.findings.evidence import Evidence
from helpers.paths import PROJECT


@cache
def read_literature() -> tuple[dict[str, Any], ...]:
    """Read the entries: source, setting, accuracy in percent, and `ours`, which asks for the nearest."""
    return tuple(yaml.safe_load((PROJECT / "data" / "literature.yaml").read_text(encoding="utf-8")))


def nearest(entry: Mapping[str, Any], records: Sequence[Record]) -> Record | None:
    """Find our accuracy at the same setting, or at the nearest ε; None where there is none.

    Stand-ins do not count: others measured on the real data.
    """
    about, evidence = dict(entry["ours"]), Evidence(records).without_own_models()
    dataset, epsilon = about.pop("dataset"), about.pop("epsilon", None)
    ways = ({}, {"sweep": "epsilon"}) if epsilon else ({},)
    found = [r for way in ways for r in evidence.accuracies(dataset, **about, **way)]

    def apart(record: Record) -> tuple[float, int]:
        size = record.parameters.get("epsilon")
        return abs((size or 0) - (epsilon or 0)), -record.values["n"]

    return min(found, key=apart, default=None)
