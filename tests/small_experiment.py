"""An experiment whose trainings take a second: few digits, one epoch."""

from pydantic import create_model

from helpers.experiment.experiment import Experiment
from helpers.parameters import Parameters

VALUES = {
    "dataset": "digits", "architecture": "", "n_train": 200, "n_test": 30, "seed": 0, "epochs": 1,
    "batch_size": 64, "learning_rate": 0.001, "patience": 3, "validation_fraction": 0.1,
    "epsilon": 0.2, "alpha": 0.05, "steps": 3, "restarts": 1, "lbfgs_n_test": 4, "lbfgs_c_steps": 2,
    "lbfgs_iterations": 3, "lbfgs_n_train": 4, "lbfgs_train_c": 0.1, "outside_n_test": 4,
    "outside_iterations": 10, "n_members": 2, "sigma": 0.1, "noise": "once", "retrain_epochs": 1,
    "retrain_steps": 2, "data_dir": "data", "output_dir": "build", "store_dir": "",
}  # fmt: skip
# Parameters as a chapter has them, without depending on which chapter takes which.
Small = create_model("Small", __base__=Parameters, **{n: (type(v), v) for n, v in VALUES.items()})


def experiment(folder, **changes) -> Experiment:
    return Experiment(Small(**({"store_dir": str(folder / "store")} | changes)))
