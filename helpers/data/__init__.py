"""The data sets: ``load(name) -> Dataset``."""

from helpers.data.datasets import DATASETS, DataError, Dataset, load

__all__ = ["DATASETS", "DataError", "Dataset", "load"]
