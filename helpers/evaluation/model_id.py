"""Which model a number is of: fields that records carry, and the one phrase that people read."""

from __future__ import annotations

from dataclasses import dataclass, fields

from helpers.attacks import ATTACKS

KINDS = ("original", "member", "ensemble")

# How an ensemble's members were joined, where it is not by the mean of their probabilities.
JOINED = {
    "majority": "majority vote",
    "logits": "mean logits",
    "log_probabilities": "mean loss",
}
CONTROL = "clean images only"
EXAMPLES = {"epoch": "", "batch": ", per batch", "never": ", on examples made once"}


@dataclass(frozen=True, kw_only=True)
class ModelId:
    """A model under test.

    Attributes
    ----------
    kind
        ``original`` (trained on the clean images, or the reader's own), ``member`` or ``ensemble``.
    retrained_on, regenerate
        The attack of its adversarial retraining, and when the examples were made: each ``epoch``, each
        ``batch``, or ``never`` again; empty if it was not retrained.
    member
        Number of a member, from 1.
    team
        Ensemble that it belongs to, or is; others than 1 share neither noise nor replicates nor weights
        with it.
    n_members, combine
        Of an ensemble: its size, and what of its members is averaged (``probabilities``, ``logits``,
        ``log_probabilities``) or ``majority`` for a vote.
    recipe
        How members were trained, where it is not the chapter's own way: ``sigma=0 resample=False``.
    training_seed
        Seed of its training where it is not that of the run; -1 where it is.
    """

    kind: str
    retrained_on: str = ""
    regenerate: str = ""
    member: int = 0
    team: int = 1
    n_members: int = 0
    combine: str = ""
    recipe: str = ""
    training_seed: int = -1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind = {self.kind!r}; there are {', '.join(KINDS)}")
        if bool(self.retrained_on) != bool(self.regenerate):
            raise ValueError("retrained_on and regenerate are given together, or neither is")
        if bool(self.member) != (self.kind == "member"):
            raise ValueError(f"member = {self.member} does not fit kind = {self.kind!r}")
        if bool(self.n_members) != (self.kind == "ensemble") or bool(self.combine) != bool(
            self.n_members
        ):
            raise ValueError("an ensemble, and nothing else, has n_members and combine")

    def __str__(self) -> str:
        """The phrase that people read."""
        if self.kind == "original":
            text = "" if self.retrained_on else "original model"
        elif self.kind == "member":
            text = f"member {self.member}"
        else:
            text = f"ensemble of {self.n_members}"
        if self.team != 1:
            text += " of another team" if self.kind == "member" else ", another team"
        if self.retrained_on:
            text += ", " if text else ""
            what = CONTROL if self.retrained_on == "none" else ATTACKS[self.retrained_on].label
            text += f"retrained on {what}{EXAMPLES[self.regenerate]}"
        text += f", {JOINED[self.combine]}" if self.combine in JOINED else ""
        text += f", {self.recipe}" if self.recipe else ""
        return text + (f", seed {self.training_seed}" if self.training_seed >= 0 else "")


ORIGINAL = ModelId(kind="original")
FIELDS = tuple(field.name for field in fields(ModelId))
