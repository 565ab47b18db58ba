"""The report's two defences: bagging with noise, and adversarial retraining."""

from importlib import import_module
from typing import Any

# Loaded when asked for, since TensorFlow takes seconds.
PUBLIC = {"Ensemble": "bagging", "train_member": "bagging", "adversarial_retrain": "retraining"}


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
