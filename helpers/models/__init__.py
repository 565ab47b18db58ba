"""Networks, their training and their gradients; :func:`build` and :func:`train` are the public ones."""

from importlib import import_module
from typing import Any

# Loaded when asked for, since TensorFlow takes seconds.
PUBLIC = {"build": "networks", "train": "training"}


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
