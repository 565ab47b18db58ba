"""Records made by hand, for tests of what reads them."""

from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import Record
from helpers.evaluation.statistics import accuracy_values

ENSEMBLE = ModelId(kind="ensemble", n_members=3, combine="probabilities")
MEMBER = ModelId(kind="member", member=1)
RETRAINED = ModelId(kind="original", retrained_on="fgsm", regenerate="epoch")
RETRAINED_MEMBER = ModelId(kind="member", member=2, retrained_on="fgsm", regenerate="epoch")
RETRAINED_ENSEMBLE = ModelId(
    kind="ensemble", n_members=2, combine="probabilities", retrained_on="bim", regenerate="epoch"
)


def ensemble_of(n):
    return ModelId(kind="ensemble", n_members=n, combine="probabilities")


def accuracy(attack, n_correct, model=ORIGINAL, *, n=200, made_on=None, correct=None, **parameters):
    """An accuracy; `correct` gives its answers image by image."""
    arrays = {}
    if correct is not None:
        arrays, n, n_correct = {"correct": correct}, len(correct), int(correct.sum())
    values = accuracy_values(n_correct, n)
    return Record(
        "04_ensembles", "digits", "accuracy", model, attack, made_on, parameters, 0, values, arrays
    )  # fmt: skip
