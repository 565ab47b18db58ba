"""Adversarial examples: attacks, defences and their evaluation, as the chapters in notebooks/ use them.

Imports run one way, from folder to folder; the README draws how data flow through them.
"""

import os
import sys

from helpers import quiet

# Keras reads its backend once, at its first import, and gradients.py is written for this one.
_keras = sys.modules.get("keras")
if _keras is not None and _keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras already runs on {_keras.backend.backend()}, and this project needs TensorFlow: import "
        "helpers before keras, or start Python with KERAS_BACKEND=tensorflow"
    )
os.environ["KERAS_BACKEND"] = "tensorflow"
# Otherwise TensorFlow decides by the processor: off without AVX-512, where it is faster, too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# TensorFlow's notes from C++ would otherwise stand between the lines of every chapter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
quiet.install()
