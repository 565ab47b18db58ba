"""Adversarial examples: attacks, defences and their evaluation, as the chapters in notebooks/ use them.

Data flows downwards: files, settings, synthetic, downloads, readers, own_data, datasets, gradients,
models, store, attacks, outside_attacks, solver, lbfgs, ensembles, retraining, diversity, evaluation,
validity, own_model, experiments, ladder, reported, figures, verdicts, claims, headlines, tables,
display, report. A module imports only from those named before it.
"""

import os

# Keras reads its backend once, at its first import, and gradients.py is written for this one.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow's start-up notes from C++ would otherwise open every chapter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
