"""Differences over trainings and images, their tests, and their power."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from helpers.evaluation.effects import both_ways, crossed, holm, power, sample


def drawn(generator, *, truth=0.1, n_trainings=3, n_images=400, spread=0.03):
    """Differences of two models that are right on images by chance, apart by `truth` on average."""
    of_training = truth + spread * generator.standard_normal(n_trainings)
    u = generator.random(n_images)
    b = u < 0.6
    return np.array([(u < 0.6 + shift).astype(float) - b for shift in of_training])


def test_where_only_trainings_differ_the_interval_is_students():
    means = np.array([0.1, 0.2, 0.4])
    found = crossed(np.repeat(means[:, None], 100_000, axis=1))
    low, high = ttest_1samp(means, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.01)
    assert found.beyond(0) == pytest.approx(
        ttest_1samp(means, 0, alternative="greater").pvalue, rel=0.01
    )


def test_what_was_expected_of_the_spread_counts_like_ten_degrees_more():
    """Smyth 2004, equation 3 of its moderated variance; images do not matter here."""
    means = np.array([0.1, 0.11, 0.12])
    found = crossed(np.repeat(means[:, None], 10**6, axis=1), spread=0.02)
    variance = (2 * means.var(ddof=1) + 10 * 0.02**2) / 12
    assert found.errors[0] == pytest.approx(((variance / 3) ** 0.5, 12), rel=0.01)


def test_trainings_that_differ_by_more_than_expected_count_alone():
    d = np.repeat(np.array([0.0, 0.2, 0.4])[:, None], 1000, axis=1)
    assert crossed(d, spread=0.02).reach == crossed(d).reach
    assert crossed(d, spread=0.2).reach < crossed(d).reach


def test_the_moderated_interval_covers_too_even_if_less_was_expected():
    for expected in (0.03, 0.02, 0.05):
        generator, inside = np.random.default_rng(7), []
        for _ in range(300):
            found = crossed(drawn(generator, n_trainings=3), expected)
            inside.append(found.low <= 0.1 <= found.high)
        assert np.mean(inside) > (0.9 if expected < 0.03 else 0.94)


def test_the_interval_covers_what_a_rerun_would_find():
    """Over trainings and images together; over images alone it would miss every third time."""
    generator = np.random.default_rng(2)
    inside, naive = [], []
    for _ in range(400):
        d = drawn(generator, n_trainings=3)
        found, alone = crossed(d), crossed(d[:1])
        inside.append(found.low <= 0.1 <= found.high)
        naive.append(alone.low <= 0.1 <= alone.high)
    assert np.mean(inside) > 0.94
    assert np.mean(naive) < 0.9


def test_the_error_agrees_with_a_bootstrap_of_trainings_and_images():
    generator = np.random.default_rng(3)
    d = drawn(generator, n_trainings=20, n_images=300)
    means = [
        d[generator.integers(0, 20, 20)][:, generator.integers(0, 300, 300)].mean()
        for _ in range(2000)
    ]
    assert crossed(d).errors[0][0] == pytest.approx(np.std(means), rel=0.15)


@pytest.mark.parametrize(
    ("value", "least", "most", "inside"),
    [
        (0.3, 0.1, None, True),
        (0.0, 0.1, None, False),
        (0.0, -0.1, 0.1, True),
        (0.3, -0.1, 0.1, False),
    ],
)
def test_inside_and_outside_are_both_shown_never_by_a_test_that_did_not_reject(
    value, least, most, inside
):
    d = np.where(np.arange(1000) < abs(value) * 1000, np.sign(value), 0.0)
    chances = both_ways(crossed(d), least, most)
    assert min(chances) < 0.001
    assert (chances[0] < chances[1]) == inside


def test_at_the_border_nothing_is_decided_and_few_images_show_no_equality():
    d = np.where(np.arange(1000) < 100, 1.0, 0.0)
    assert min(both_ways(crossed(d), 0.1, None)) > 0.4
    few = np.zeros(20)
    assert min(both_ways(crossed(few), -0.05, 0.05)) > 0.05


def test_a_decision_is_as_rare_by_chance_as_its_level():
    generator = np.random.default_rng(4)
    decided = [
        min(both_ways(crossed(drawn(generator, truth=0.1)), 0.1, None)) <= 0.05 for _ in range(300)
    ]
    assert np.mean(decided) < 0.08


def test_means_of_other_images_are_compared_by_welch():
    generator = np.random.default_rng(5)
    a, b = generator.normal(1, 1, 50), generator.normal(0, 3, 80)
    found = sample(a) - sample(b)
    error, df = found.errors[0]
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert error == pytest.approx(np.hypot(a.std(ddof=1) / 50**0.5, b.std(ddof=1) / 80**0.5))
    assert 80 < df < 128
    with pytest.raises(ValueError, match="two images"):
        sample(a[:1])
    with pytest.raises(ValueError, match="at least one image"):
        crossed(np.zeros((1, 0)))


def test_holm_is_the_step_down_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_power_is_that_of_the_normal_test_where_trainings_do_not_differ():
    about = {"n_images": 1000, "discordant": 0.2, "n_trainings": 1, "spread": 0}
    error = (0.2 / 1000) ** 0.5
    expected = norm.sf(norm.ppf(0.975) - 0.03 / error)
    assert power(0.03, **about) == pytest.approx(expected, abs=1e-4)
    assert power(0.03, **about, equivalence=True) == pytest.approx(2 * expected - 1, abs=1e-4)
    assert power(0.03, **about, level=0.05 / 30) < power(0.03, **about)
    assert power(0.03, **about | {"n_trainings": 3, "spread": 0.02}) < 0.8


def test_power_is_how_often_made_up_runs_are_decided():
    generator = np.random.default_rng(6)
    decided = []
    for _ in range(300):
        d = drawn(generator, truth=0.1, n_trainings=5, spread=0.03)
        chances = both_ways(crossed(d, spread=0.03), 0.05, None)
        decided.append(chances[0] <= 0.05)
    planned = power(0.05, n_images=400, n_trainings=5, discordant=0.1, spread=0.03)
    assert np.mean(decided) == pytest.approx(planned, abs=0.1)


def test_one_training_counts_with_what_was_expected_of_others():
    d = np.where(np.arange(1000) < 100, 1.0, 0.0)
    expected = (crossed(d).errors[0][0] ** 2 + 0.03**2) ** 0.5
    assert crossed(d, 0.03).errors[0][0] == pytest.approx(expected)
    assert crossed(d, 0.03).reach > crossed(d).reach


def test_one_training_more_falls_inside_its_interval():
    """What a rerun on another machine finds: another training, of which this one image set tells."""
    generator, inside = np.random.default_rng(8), []
    for _ in range(300):
        several = drawn(generator, n_trainings=6, spread=0.04)
        found = crossed(several[:5], more=1)
        inside.append(found.low <= several[5].mean() <= found.high)
    assert np.mean(inside) > 0.94
