"""The attacks as classes of ART: ``generate(x, y)`` on a classifier, settings as ``attack_params``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from helpers.attacks.apgd import auto_pgd
from helpers.attacks.inputs import check_images
from helpers.attacks.lbfgs_attack import lbfgs
from helpers.attacks.steps import bim, fgsm, pgd
from helpers.interoperability.models import as_model, pixel_range
from helpers.models import gradients

# After the models, which import ART without its warnings.
from art.attacks import EvasionAttack  # isort: skip
from art.estimators import BaseEstimator  # isort: skip
from art.estimators.classification import ClassGradientsMixin, ClassifierMixin  # isort: skip

# Parameters of the functions that `OurAttack` gives, and one that is no value.
SET_HERE = ("targets", "targeted", "progress", "direction")


class OurAttack(EvasionAttack):
    """An attack of this library on a classifier of ART.

    Parameters
    ----------
    estimator
        As for :func:`as_model`.
    targeted
        Whether labels are to be reached, not left.
    verbose
        Show a progress bar.
    **settings
        Those of the function, under its names, which ``attack_params`` lists. `epsilon` and `alpha` are
        in units of the classifier's pixels; L-BFGS's constants are for pixels from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If a setting is unknown, is missing or does not fit, before anything is computed.
    """

    function: ClassVar[Callable]
    settings: ClassVar[dict[str, Any]]  # name to default
    _estimator_requirements = (BaseEstimator, ClassGradientsMixin, ClassifierMixin)

    def __init_subclass__(cls) -> None:
        found = inspect.signature(cls.function).parameters.values()
        cls.settings = {
            p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY and p.name not in SET_HERE
        }
        cls.attack_params = [*EvasionAttack.attack_params, "targeted", "verbose", *cls.settings]

    def __init__(
        self, estimator: Any, *, targeted: bool = False, verbose: bool = False, **settings: Any
    ):
        super().__init__(estimator=estimator)
        given = self.settings | settings
        for name, value in given.items():
            if name not in self.settings or value is inspect.Parameter.empty:
                problem = "is missing" if name in self.settings else "is unknown"
                names = ", ".join(self.attack_params)
                raise TypeError(f"{type(self).__name__}: {name} {problem}; there are {names}")
        self._model = as_model(estimator)
        self.set_params(targeted=targeted, verbose=verbose, **given)

    def _check_params(self) -> None:
        super()._check_params()
        for name in ("targeted", "verbose"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected True or False")
        # The function itself knows what fits: it is asked to attack no image.
        none = np.zeros((0, *self._model.input_shape[1:]), np.float32)
        self._run(none, np.zeros(0, np.int32))

    def generate(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Attack images.

        Parameters
        ----------
        x
            Images as the classifier takes them, within its ``clip_values``.
        y
            Their labels or, if targeted, the classes to reach: whole numbers (n,), or one-hot
            (n, classes). Without them the classifier's own answers are left, as in all of ART.

        Returns
        -------
        np.ndarray
            Adversarial images, float32 like `x`; where L-BFGS found none, the clean image.

        Raises
        ------
        ValueError
            If shapes or values do not fit, before anything is computed.
        """
        x = np.asarray(x, np.float32)
        low, high = pixel_range(self.estimator)
        if len(x) and not (x.min() >= low and x.max() <= high):
            raise ValueError(
                f"x goes from {x.min()} to {x.max()}, clip_values are {low} and {high}"
            )
        turned = self._model.get_layer("classifier").turned
        images = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if turned else x
        scaled = (images - np.float32(low)) / np.float32(high - low)
        check_images(self._model, scaled, np.zeros(len(x), np.int32))
        found = self._run(scaled, self._labels(scaled, y))
        there = np.clip(np.float32(low) + np.float32(high - low) * found, low, high)
        x_adv = np.where(found == scaled, images, there)  # what was not moved keeps its last digit
        return np.moveaxis(x_adv, -1, 1) if turned else x_adv

    def _labels(self, images: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        if y is None:
            if self.targeted:
                raise ValueError("y is missing: a targeted attack needs the classes to reach")
            return gradients.logits(self._model, images).argmax(-1).astype(np.int32)
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            return y.argmax(-1).astype(np.int32)
        return y.reshape(-1).astype(np.int32)

    def _run(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        low, high = pixel_range(self.estimator)
        settings = {name: getattr(self, name) for name in self.settings}
        for name in {"epsilon", "alpha"} & settings.keys():
            settings[name] = settings[name] / (high - low)
        settings |= self._aim(y)
        bar = type(self).__name__ if self.verbose else None
        made = type(self).function(self._model, x, y, progress=bar, **settings)
        return getattr(made, "x_adv", made)

    def _aim(self, y: np.ndarray) -> dict[str, Any]:
        return {"targeted": self.targeted}


class FGSM(OurAttack):
    """:func:`helpers.attacks.fgsm` on a classifier of ART."""

    function = staticmethod(fgsm)


class BIM(OurAttack):
    """:func:`helpers.attacks.bim` on a classifier of ART."""

    function = staticmethod(bim)


class PGD(OurAttack):
    """:func:`helpers.attacks.pgd` on a classifier of ART."""

    function = staticmethod(pgd)


class AutoPGD(OurAttack):
    """:func:`helpers.attacks.auto_pgd` on a classifier of ART; untargeted."""

    function = staticmethod(auto_pgd)

    def _check_params(self) -> None:
        if self.targeted:
            raise ValueError("targeted = True: AutoPGD is untargeted here")
        super()._check_params()

    def _aim(self, y: np.ndarray) -> dict[str, Any]:
        return {}


class LBFGS(OurAttack):
    """:func:`helpers.attacks.lbfgs` on a classifier of ART: in batches, with its search on c."""

    function = staticmethod(lbfgs)

    def _aim(self, y: np.ndarray) -> dict[str, Any]:
        return {"targets": y if self.targeted else None}
