"""The slider for ε, moved as a reader does."""

import numpy as np
import pytest
from PIL import Image
from small_models import images, trained

from helpers.attacks import bim, fgsm
from helpers.figures import slider as module
from helpers.figures.images import before_and_after
from helpers.figures.show import render
from helpers.figures.slider import read_image, slider
from helpers.models import gradients


@pytest.fixture
def moved(monkeypatch):
    """The slider, its controls, and what was drawn last."""
    drawn = []

    def noting(before, after):
        drawn.append((before, *after))
        return before_and_after(before, after)

    monkeypatch.setattr(module, "before_and_after", noting)
    model, x, _ = trained()
    controls, picture = slider(model, x[0], class_names=["a", "b", "c"]).children
    return model, x[:1], controls.children, picture, drawn


def test_it_draws_what_the_attacks_make_and_what_the_model_answers(moved):
    model, x, (attack, epsilon), picture, drawn = moved
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    first, name = picture.value, "abc"[y[0]]
    (before, shown), (after, same) = drawn[-1]
    assert before.startswith(f"before: {name} (")
    assert after == before.replace("before", "FGSM")
    np.testing.assert_array_equal(shown, x[0])
    np.testing.assert_array_equal(same, x[0])
    epsilon.value = 0.3
    title, made = drawn[-1][1]
    np.testing.assert_array_equal(made, fgsm(model, x, y, epsilon=0.3)[0])
    assert title.startswith("FGSM: ")
    assert not title.startswith(f"FGSM: {name}")  # the attack turns it
    attack.value = "bim"
    title, made = drawn[-1][1]
    np.testing.assert_array_equal(made, bim(model, x, y, epsilon=0.3, alpha=0.06, steps=10)[0])
    assert title.startswith("BIM: ")
    assert len(drawn) == 3
    assert picture.value == render(before_and_after(drawn[-1][0], [drawn[-1][1]]), "png") != first


@pytest.mark.parametrize(("channels", "mode"), [(1, "RGB"), (3, "RGBA"), (3, "L"), (1, "L")])
def test_pictures_of_any_kind_are_scaled(tmp_path, channels, mode):
    Image.new(mode, (40, 30), "white").save(tmp_path / "white.png")
    found = read_image(tmp_path / "white.png", (8, 6, channels))
    np.testing.assert_array_equal(found, np.ones((8, 6, channels), np.float32))
    assert found.dtype == np.float32


def test_what_does_not_fit_is_refused(tmp_path):
    model, x, _ = trained()
    (tmp_path / "text.png").write_text("no picture")
    for name in ("text.png", "absent.png"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as a picture"):
            slider(model, tmp_path / name)
    with pytest.raises(ValueError, match="x holds images of shape"):
        slider(model, images()[0])
    with pytest.raises(ValueError, match="largest = 0"):
        slider(model, x[0], largest=0)
