"""Between this library and adversarial-robustness-toolbox (ART), in both directions.

The attacks as ART's users call them, on any of its classifiers that has gradients:

    attack = LBFGS(classifier, targeted=True)
    x_adv = attack.generate(x, targets)

And such a classifier, of PyTorch for example, as a model that everything here takes:

    model = as_model(classifier)
    x_adv = bim(model, x, y, epsilon=0.1, alpha=0.02, steps=10)
"""

from helpers.interoperability.attacks import BIM, FGSM, LBFGS, PGD, AutoPGD, OurAttack
from helpers.interoperability.models import as_model

__all__ = ["BIM", "FGSM", "LBFGS", "PGD", "AutoPGD", "OurAttack", "as_model"]
