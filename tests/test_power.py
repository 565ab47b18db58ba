from helpers.findings.claims import read_claims
from helpers.findings.power import planned, powers

SIZES = {
    "n_test": 10_000,
    "lbfgs_n_test": 500,
    "outside_n_test": 500,
    "n_members": 10,
    "n_seeds": 3,
}
CHAPTERS = ("03_attacks", "04_ensembles", "05_retraining", "07_attacks_on_defences")


def rows(**changes):
    plan = dict.fromkeys(CHAPTERS, SIZES | changes)
    return {r["claim"]: r for r in powers({"mnist": plan})}


def test_every_primary_comparison_of_the_data_at_hand_has_a_power():
    about = {c.name for c in read_claims() if "mnist" in c.datasets}
    assert rows().keys() == about
    assert all(0 <= row["power"] <= 1 for row in rows().values())


def test_more_images_and_trainings_decide_more():
    few, many = rows(n_test=1000), rows(n_seeds=10)
    assert few["C8"]["decides"] > rows()["C8"]["decides"] > many["C8"]["decides"]
    assert rows(n_seeds=1)["C8"] | {"power": 0.0, "decides": None} == rows(n_seeds=1)["C8"]


def test_a_profile_says_what_it_plans():
    sizes = planned("standard")
    assert {"mnist", "cifar10", "tiny_imagenet"} == sizes.keys()
    assert sizes["mnist"]["04_ensembles"]["n_members"] == 10
    assert all(one["n_test"] > 0 for chapters in sizes.values() for one in chapters.values())
    assert {row["claim"] for row in powers(sizes)} == {claim.name for claim in read_claims()}
