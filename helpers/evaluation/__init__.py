"""From answers to numbers: records, intervals and paired tests, sizes of perturbations."""

from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.perturbations import check_adversarial, distortion, similarity
from helpers.evaluation.record import Record, on_itself, one, plain, select
from helpers.evaluation.records import FOLDERS, Records, read_records, records_name, told
from helpers.evaluation.statistics import (
    Difference,
    independent_difference,
    mcnemar,
    paired_difference,
    wilson,
)

__all__ = [
    "FOLDERS",
    "ORIGINAL",
    "Difference",
    "ModelId",
    "Record",
    "Records",
    "check_adversarial",
    "distortion",
    "independent_difference",
    "mcnemar",
    "on_itself",
    "one",
    "paired_difference",
    "plain",
    "read_records",
    "records_name",
    "select",
    "similarity",
    "told",
    "wilson",
]
