"""What CONTRIBUTING.md and the README's documents say must be true: files exist, examples work."""

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from small_models import images, linear_model

from helpers import attacks
from helpers.attacks import Attack
from helpers.figures.looks import attack_look
from helpers.paths import PROJECT

TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def test_what_it_names_exists():
    named = re.findall(r"`([\w.]+/[\w./]*)`", TEXT)
    assert len(named) > 8
    assert [name for name in named if not (PROJECT / name).exists()] == []


def test_its_attack_is_a_whole_attack(monkeypatch):
    function, row = CODE
    module = ModuleType("helpers.attacks.brighten")
    exec(function, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    attack = eval(row, {"Attack": Attack, "_one_step": attacks._one_step})
    monkeypatch.setitem(attacks.ATTACKS, attack.name, attack)
    model, x, y = linear_model(), images(), np.zeros(12, np.int32)
    settings = attack.settings(SimpleNamespace(), 0.1)
    made = attacks.named("brighten").craft(model, x, y, **settings)
    np.testing.assert_allclose(made.x_adv, x + np.float32(0.1), atol=1e-6)
    assert made.success.all()
    with pytest.raises(ValueError, match="epsilon = -1"):
        attack.craft(model, x, y, epsilon=-1)
    assert attack_look("brighten").label == "brightening"


@pytest.mark.parametrize(
    "name", ["README.md", "docs/using.md", "docs/cluster.md", "CONTRIBUTING.md"]
)
def test_links_to_files_lead_somewhere(name):
    place = PROJECT / name
    links = re.findall(
        r"\]\((?!https?:|#)([^)#]+)|src=\"([^\"]+)", place.read_text(encoding="utf-8")
    )
    assert [link for link in map("".join, links) if not (place.parent / link).exists()] == []


def test_the_readme_is_short():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120


def test_the_librarys_use_in_a_script_is_as_described(tmp_path, monkeypatch):
    text = (PROJECT / "docs" / "using.md").read_text(encoding="utf-8")
    code, with_art = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    linear_model().save("classifier.keras")
    x, y = images(), np.zeros(12, np.int32)
    script = {"x": x, "y": y}
    exec(code, script)
    assert 0 < np.abs(script["x_adv"] - x).max() <= 0.1 + 1e-6
    assert script["found"].success.any()
    by_bim = script["x_adv"]
    exec(with_art, script)
    np.testing.assert_array_equal(script["x_adv"], by_bim)
