"""A chapter's parameters, read and validated: what does not exist or fit stops everything at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    create_model,
    model_validator,
)

from helpers.paths import project_path
from helpers.rules import RULES
from helpers.vocabulary import CHAPTERS, VOCABULARY, taken


class ParameterError(ValueError):
    """A parameter, a profile or a chapter name that does not exist or does not fit."""


class Parameters(BaseModel):
    """A chapter's validated parameters, as attributes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fit_together(self):
        known = type(self).model_fields
        for names, rule in RULES.items():
            asked = all(name in known for name in names)
            if asked and (problem := rule(*(getattr(self, name) for name in names))):
                raise ValueError(problem)
        return self

    @property
    def data_path(self) -> Path:
        return project_path(self.data_dir)

    @property
    def output_path(self) -> Path:
        return project_path(self.output_dir)

    @property
    def store_path(self) -> Path:
        return project_path(self.store_dir)


@cache
def _model(chapter: str) -> type[Parameters]:
    fields = {name: (VOCABULARY[name].kind, ...) for name in taken(chapter)}
    return create_model(chapter, __base__=Parameters, **fields)


def suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


TO_ALLOW = (
    "To run it all the same: --allow-expensive for a build, "
    "-p allow_expensive True for a notebook by itself"
)


def _refuse_expensive(chapter: str, parameters: Parameters, usual: Mapping[str, Any]) -> None:
    lines = []
    for name, value in parameters:
        entry, amount = VOCABULARY[name], len(value) if isinstance(value, list) else value
        if entry.dear is None or amount <= entry.dear:
            continue
        common = usual.get(name)
        common = len(common) if isinstance(common, list) else common
        if not common or common > entry.dear:
            common = 1
        shown = f"{name} with {amount} values" if isinstance(value, list) else f"{name} = {value}"
        lines.append(
            f"{shown} ({entry.meaning}): roughly {-(-amount // common):,} times the work of {common:,}; "
            f"up to {entry.dear:,} passes, more must be allowed"
        )
    if lines:
        raise ParameterError("\n  ".join([f"{chapter}: {lines[0]}", *lines[1:], TO_ALLOW]))


def validate(
    chapter: str, values: Mapping[str, Any], usual: Mapping[str, Any] | None = None
) -> Parameters:
    """Read the parameters of a chapter.

    Parameters
    ----------
    chapter
        Its name.
    values
        All of its parameters.
    usual
        What stood there before anybody changed it, for messages on what a change costs.

    Raises
    ------
    ParameterError
        If the chapter does not exist, or a parameter is unknown, missing, of the wrong type or out
        of range: one line for each, and for an unknown one the list of those that exist. Also if
        one makes far more work than any profile, and `allow_expensive` does not say that it may.
    """
    if chapter not in CHAPTERS:
        raise ParameterError(
            f"no chapter {chapter!r}{suggest(chapter, CHAPTERS)}; there are {', '.join(CHAPTERS)}"
        )
    known = taken(chapter)
    try:
        parameters = _model(chapter).model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]) or "parameters"
            if problem["type"] == "extra_forbidden":
                lines.append(
                    f"unknown parameter {name!r}{suggest(name, known)}; "
                    f"{chapter} has {', '.join(known)}"
                )
            elif problem["type"] == "missing":
                lines.append(f"parameter {name!r} is missing")
            else:
                given = "" if name == "parameters" else f" = {problem['input']!r}"
                reason = problem["msg"].removeprefix("Value error, ")
                about = f" ({VOCABULARY[name].meaning})" if name in known else ""
                lines.append(f"{name}{given}: {reason}{about}")
        raise ParameterError(f"{chapter}: " + "\n  ".join(lines)) from None
    if not getattr(parameters, "allow_expensive", True):
        _refuse_expensive(chapter, parameters, usual or {})
    return parameters
