"""An experiment whose trainings take a second: few small images, one epoch."""

import numpy as np
from pydantic import create_model

from helpers.experiment.experiment import Experiment
from helpers.parameters import Parameters

VALUES = {
    "dataset": "", "architecture": "table_2", "width": 1.0, "n_train": 100, "n_test": 30, "seed": 0,
    "epochs": 1, "batch_size": 64, "learning_rate": 0.001, "patience": 3, "validation_fraction": 0.1,
    "augment": False, "decay": False,
    "epsilon": 0.2, "alpha": 0.05, "steps": 3, "restarts": 1, "lbfgs_n_test": 4, "lbfgs_c_steps": 2,
    "lbfgs_iterations": 3, "lbfgs_n_train": 4, "lbfgs_train_c": 0.1, "outside_n_test": 4,
    "outside_iterations": 10, "n_members": 2, "sigma": 0.1, "noise": "once", "retrain_epochs": 1,
    "retrain_steps": 2, "strong_n_test": 30, "strong_steps": 2, "strong_restarts": 1,
    "data_dir": "data", "output_dir": "build", "store_dir": "",
}  # fmt: skip
# Parameters as a chapter has them, without depending on which chapter takes which.
Small = create_model("Small", __base__=Parameters, **{n: (type(v), v) for n, v in VALUES.items()})


def experiment(folder, **changes) -> Experiment:
    """Set up an experiment on three classes of 12 x 12 pixels, in a folder of the test's."""
    data = folder / "bars.npz"
    if not data.exists():
        generator = np.random.default_rng(0)
        y = np.arange(180, dtype=np.int32) % 3
        x = generator.integers(0, 120, (180, 12, 12, 1), dtype=np.uint8)
        x[np.arange(180), 4 * y] += 100
        np.savez(data, x_train=x[:130], y_train=y[:130], x_test=x[130:], y_test=y[130:])
    places = {"dataset": str(data), "store_dir": str(folder / "store")}
    return Experiment(Small(**(places | changes)))
