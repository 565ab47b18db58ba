"""Fair comparisons: the same images, the same size of the attack, the same tries."""

from dataclasses import replace

import numpy as np
from made_up_run import ORIGINAL, clean, ensemble, member, retrained, scored

from helpers.findings.contrasts import contrast
from helpers.findings.gathering import Gathered

RULES = {"idle": 0.9, "total": 0.1}
WHOLE, ALONE = {"kind": "ensemble", "n_members": 10}, {"kind": "original"}


def right(share, seed, n=2000):
    return np.random.default_rng(seed).random(n) < share


def answered(model, attack, correct, made_on=ORIGINAL, **about):
    place = ("04_ensembles", "mnist")
    return scored(attack, model=model, correct=correct, made_on=made_on, place=place, **about)


def compared(records, *sides, **more):
    return contrast(Gathered(clean() + records), "mnist", sides, rules=RULES, **more)


def test_an_attack_on_known_images_is_compared_on_these():
    """L-BFGS draws its images by the run's seed; unpaired, 200 beside 2,000 decided nothing."""
    rows = np.sort(np.random.default_rng([0, 7]).permutation(2000)[:200])
    a, b = right(0.7, 1), right(0.5, 2)
    records = [
        answered(ORIGINAL, "none", right(0.95, 3)),
        answered(ensemble(10), "lbfgs", a[rows]),
        answered(ensemble(10), "bim", b, epsilon=0.1),
    ]
    sides = [
        (sign, {"of": WHOLE, "under": attack, "made_on": ALONE})
        for sign, attack in ((1, "lbfgs"), (-1, "bim"))
    ]
    found = compared(records, *sides)
    np.testing.assert_array_equal(found.matrix[0], a[rows].astype(float) - b[rows])


def test_only_attacks_that_both_met_count_on_the_images_that_both_saw():
    model, team = retrained("fgsm"), ensemble(10)
    a, b = ([right(share, seed + k) for k in range(3)] for share, seed in ((0.8, 10), (0.6, 20)))
    records = [
        answered(model, "bim", a[0], model, epsilon=0.1),
        answered(model, "square", a[1][:300], model, epsilon=0.1),
        answered(team, "bim", b[0], team, epsilon=0.1),
        answered(team, "square", b[1], team, epsilon=0.1),
        answered(team, "pgd", np.zeros(2000, bool), team, epsilon=0.1),
    ]
    attacks = ["bim", "pgd", "square"]
    of = {"kind": "original", "retrained_on": "fgsm", "regenerate": "epoch"}
    found = compared(
        records, (1, {"of": of, "under": attacks}), (-1, {"of": WHOLE, "under": attacks})
    )
    assert found.attacks == ("bim", "square")
    worst = [(x[0] & x[1])[:300].astype(float) for x in (a, b)]
    np.testing.assert_array_equal(found.matrix[0], worst[0] - worst[1])


def test_idle_and_total_sizes_do_not_count_and_others_do_alike():
    shares = {0.01: (0.94, 0.93), 0.1: (0.6, 0.4), 0.2: (0.3, 0.2), 0.5: (0.0, 0.01)}
    records = [
        answered(model, "bim", right(shares[e][k], 10 * k), epsilon=e, sweep="epsilon")
        for e in shares
        for k, model in enumerate((ensemble(10), ORIGINAL))
    ]
    found = compared(
        records,
        *[(s, {"of": of, "under": "bim", "made_on": ALONE}) for s, of in ((1, WHOLE), (-1, ALONE))],
    )
    assert list(found.at) == [0.1, 0.2]
    np.testing.assert_allclose(found.matrix, (found.at[0.1] + found.at[0.2]) / 2)


def test_an_attack_without_a_bound_makes_no_idle_size_count():
    """The original model has none right under L-BFGS: that says nothing of BIM at this ε."""
    records = [
        answered(ORIGINAL, "lbfgs", right(0.0, 1)),
        answered(ensemble(10), "lbfgs", right(0.9, 2)),
    ]
    for epsilon, share in ((0.01, 0.94), (0.1, 0.5)):
        for k, model in enumerate((ORIGINAL, ensemble(10))):
            records.append(
                answered(model, "bim", right(share, k + 3), epsilon=epsilon, sweep="epsilon")
            )
    asked = [(1, WHOLE, "lbfgs"), (-1, ALONE, "lbfgs"), (-1, WHOLE, "bim"), (1, ALONE, "bim")]
    sides = [(s, {"of": of, "under": attack, "made_on": ALONE}) for s, of, attack in asked]
    assert list(compared(records, *sides).at) == [0.1]


def test_all_members_count_and_one_that_is_compared_stands_beside_each():
    records = [answered(ensemble(10), "bim", right(0.6, 1), epsilon=0.1)]
    records += [answered(member(k), "bim", right(0.5, k), epsilon=0.1) for k in (2, 3, 4)]
    sides = [(1, {"of": WHOLE, "under": "bim", "made_on": ALONE})]
    sides += [(-1, {"of": {"kind": "member"}, "under": "bim", "made_on": ALONE})]
    assert compared(records, *sides, members=True).matrix.shape == (3, 2000)
    assert compared(records, *sides).matrix.shape == (1, 2000)


def test_an_ensemble_trained_once_stands_beside_each_training_of_the_other_side():
    records = [answered(ensemble(10), "none", right(0.97, 1)), *clean(share=0.95)]
    for seed in (1, 2):
        again = answered(ORIGINAL, "none", right(0.95, seed + 5))
        id = replace(ORIGINAL, training_seed=seed)
        records.append(replace(again, quantity="repeat", model=id))
    found = contrast(
        Gathered(records), "mnist", [(1, {"of": WHOLE}), (-1, {"of": ALONE})], rules=RULES
    )
    assert found.matrix.shape == (3, 2000)
    few = [replace(r, model=ensemble(2)) if r.model.kind == "ensemble" else r for r in records]
    two = {"kind": "ensemble", "n_members": 2}
    assert (
        len(
            contrast(
                Gathered(few), "mnist", [(1, {"of": two}), (-1, {"of": ALONE})], rules=RULES
            ).matrix
        )
        == 1
    )


def test_a_chapter_with_fewer_images_is_paired_with_one_that_begins_with_them():
    first, whole, part = right(0.95, 1, 4000), right(0.6, 2, 4000), right(0.5, 3)
    records = [
        answered(ORIGINAL, "none", first),
        answered(ensemble(10), "bim", whole, epsilon=0.1),
        replace(answered(ORIGINAL, "none", first[:2000]), chapter="07_attacks_on_defences"),
        replace(answered(ORIGINAL, "bim", part, epsilon=0.1), chapter="07_attacks_on_defences"),
    ]
    sides = [
        (s, {"of": of, "under": "bim", "made_on": ALONE}) for s, of in ((1, WHOLE), (-1, ALONE))
    ]
    found = contrast(Gathered(records), "mnist", sides, rules=RULES)
    np.testing.assert_array_equal(found.matrix[0], whole[:2000].astype(float) - part)
    other = replace(answered(ORIGINAL, "none", right(0.95, 9)), chapter="07_attacks_on_defences")
    assert (
        contrast(Gathered([*records[:2], other, records[3]]), "mnist", sides, rules=RULES) is None
    )


def test_an_ensembles_rungs_are_attacks_on_itself_and_the_strongest_counts():
    team, records = ensemble(10), []
    for rung, combine, share in (("probability", "probabilities", 0.6), ("logits", "logits", 0.4)):
        source = replace(team, combine=combine)
        about = {"rung": f"itself, mean {rung}", "epsilon": 0.1, "sweep": "epsilon"}
        records.append(answered(team, "bim", right(share, len(rung)), source, **about))
    records.append(answered(ORIGINAL, "bim", right(0.3, 5), epsilon=0.1))
    sides = [(1, {"of": WHOLE, "under": "bim"}), (-1, {"of": ALONE, "under": "bim"})]
    found = compared(records, *sides)
    assert 0.05 < found.matrix.mean() < 0.15
