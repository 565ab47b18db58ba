"""A reader's own model and images in an experiment."""

import keras
import numpy as np
import papermill
import pytest

from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import one
from helpers.evaluation.records import read_records
from helpers.experiment.experiment import Experiment
from helpers.experiment.setting_up import load
from helpers.paths import NOTEBOOKS
from helpers.profiles import notebook_defaults, notebook_parameters

SHAPE = (12, 12, 1)
CLASSES = 3
SMALL = {
    "n_test": 0, "epsilon": 0.2, "alpha": 0.1, "steps": 2, "epsilon_grid": [0.0, 0.2],
    "lbfgs_n_test": 4, "lbfgs_c_steps": 1, "lbfgs_iterations": 3, "target_class": 2,
}  # fmt: skip


def images(n, seed=0):
    """Make images with one bright row each, which says the class."""
    generator = np.random.default_rng(seed)
    y = np.arange(n, dtype=np.int32) % CLASSES
    x = generator.uniform(0, 0.5, (n, *SHAPE)).astype(np.float32)
    x[np.arange(n), 3 * y] += 0.3
    return x, y


def classifier(weight):
    """Look for the bright row; ends in a softmax, and has an output more than there are classes."""
    kernel = np.zeros((*SHAPE[:2], 4), np.float32)
    for k in range(CLASSES):
        kernel[3 * k, :, k] = weight
    dense = keras.layers.Dense(4, activation="softmax")
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), dense])
    model.set_weights([kernel.reshape(-1, 4), np.zeros(4, np.float32)])
    return model


@pytest.fixture
def own(tmp_path):
    """Write a file of images, and a classifier that knows them."""
    x, y = images(60, seed=1)
    x_test, y_test = images(36, seed=2)
    np.savez(tmp_path / "rows.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    classifier(1.0).save(tmp_path / "mine.keras")
    return {
        "dataset": str(tmp_path / "rows.npz"), "model": str(tmp_path / "mine.keras"),
        "store_dir": str(tmp_path / "store"), "output_dir": str(tmp_path / "out"), **SMALL,
    }  # fmt: skip


def parameters(values, chapter="03_attacks", **changes):
    """Validate these values as if a reader had written them into the chapter's parameters cell."""
    cell = notebook_defaults(chapter)
    given = {name: value for name, value in (values | changes).items() if name in cell}
    return notebook_parameters(chapter, cell | given)


def test_the_readers_model_stands_in_the_place_of_the_original(own):
    first = Experiment(parameters(own))
    original, images = first.original(), first.attacked("fgsm", first.original())
    assert original.id == ORIGINAL
    assert not original.pieces
    assert len(first.data.y_train) == 0
    assert first.data.class_names == ("0", "1", "2", "3")  # the model has an output more
    clean = first.logits(original, first.clean()).argmax(-1) == images.y
    assert clean.all()
    assert (first.logits(original, images).argmax(-1) == images.y).mean() < 0.5


def test_another_model_is_another_piece_of_the_store(own, tmp_path):
    for weight, n_made in ((None, 1), (2.0, 2), (None, 2)):
        if weight:
            classifier(weight).save(own["model"])
        found = Experiment(parameters(own))
        assert found.attacked("fgsm", found.original()).x_adv.shape == (36, *SHAPE)
        assert len(list((tmp_path / "store").glob("own_rows_*-fgsm-*.npz"))) == n_made


def test_a_model_at_chance_is_refused_with_the_usual_causes(own):
    classifier(0.0).save(own["model"])
    with pytest.raises(ValueError, match=r"mine.keras is right on 12 of 36 .*Rescaling\(255\)"):
        load(parameters(own))


def test_a_target_that_does_not_exist_is_refused_before_anything_runs(own):
    with pytest.raises(ValueError, match=r"target_class = 4: own_rows_\w+ has the classes 0 to 3"):
        load(parameters(own, target_class=4))


def test_own_images_train_the_network_asked_for(own, tmp_path):
    x, y = images(24)
    wide = np.pad(x, [(0, 0), (0, 8), (0, 8), (0, 0)])
    np.savez(tmp_path / "wide.npz", x_train=wide, y_train=y, x_test=wide, y_test=y)
    values = {name: own[name] for name in ("store_dir", "output_dir")}
    values |= {"dataset": str(tmp_path / "wide.npz"), "n_test": 0, "n_train": 0, "target_class": 0}
    for chapter in ("02_models", "03_attacks", "04_ensembles", "05_retraining"):
        with pytest.raises(ValueError, match="parameter architecture"):
            Experiment(parameters(values, chapter))
    first = Experiment(parameters(values, "02_models", architecture="table_3", epochs=1))
    assert first.original().model.name == "table_3"
    assert first.original().model.input_shape == (None, 20, 20, 1)


@pytest.mark.slow
def test_the_chapter_runs_on_the_readers_model_and_images(own, tmp_path):
    papermill.execute_notebook(
        NOTEBOOKS / "03_attacks.ipynb", tmp_path / "out.ipynb", parameters=own, progress_bar=False
    )
    found = read_records(tmp_path / "out")
    (name,) = {record.dataset for record in found}
    assert name.startswith("own_rows_")
    told = one(found, quantity="own_model").values
    assert told["softmax_removed"]
    assert told["outputs"] == 4
    clean = one(found, quantity="accuracy", attack="none")
    assert (clean.values["n"], clean.values["accuracy"]) == (36, 1.0)
    assert list((tmp_path / "out" / "figures").glob(f"*-{name}.svg"))
