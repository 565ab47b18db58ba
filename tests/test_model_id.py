"""The phrase that people read of a model, and identities that do not fit together."""

from dataclasses import replace

import pytest

from helpers.evaluation.model_id import ORIGINAL, ModelId

MEMBER = ModelId(kind="member", member=2)
ENSEMBLE = ModelId(kind="ensemble", n_members=10, combine="probabilities")


@pytest.mark.parametrize(
    ("model", "phrase"),
    [
        (ORIGINAL, "original model"),
        (replace(ORIGINAL, retrained_on="bim", regenerate="epoch"), "retrained on BIM"),
        (replace(ORIGINAL, retrained_on="bim", regenerate="batch"), "retrained on BIM, per batch"),
        (
            replace(ORIGINAL, retrained_on="none", regenerate="epoch"),
            "retrained on clean images only",
        ),
        (
            replace(
                ORIGINAL, retrained_on="bim", regenerate="epoch", recipe="epsilon=0.2 alpha=0.1"
            ),
            "retrained on BIM, epsilon=0.2 alpha=0.1",
        ),
        (replace(ORIGINAL, training_seed=3), "original model, seed 3"),
        (MEMBER, "member 2"),
        (replace(MEMBER, team=2), "member 2 of another team"),
        (replace(MEMBER, recipe="sigma=0"), "member 2, sigma=0"),
        (
            replace(MEMBER, retrained_on="lbfgs", regenerate="never"),
            "member 2, retrained on L-BFGS, on examples made once",
        ),
        (ENSEMBLE, "ensemble of 10"),
        (replace(ENSEMBLE, team=2), "ensemble of 10, another team"),
        (replace(ENSEMBLE, combine="majority"), "ensemble of 10, majority vote"),
        (replace(ENSEMBLE, combine="log_probabilities"), "ensemble of 10, mean loss"),
    ],
)
def test_the_phrase(model, phrase):
    assert str(model) == phrase


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "committee"},
        {"kind": "member"},
        {"kind": "original", "member": 1},
        {"kind": "ensemble", "n_members": 3},
        {"kind": "ensemble", "combine": "logits"},
        {"kind": "original", "n_members": 3, "combine": "logits"},
        {"kind": "original", "retrained_on": "fgsm"},
        {"kind": "original", "regenerate": "epoch"},
    ],
)
def test_what_does_not_fit_together_is_refused(fields):
    with pytest.raises(ValueError, match=r"kind|member|ensemble|together"):
        ModelId(**fields)
