"""Figures show what records hold, with intervals, and refuse what they cannot show."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from made_up_run import ENSEMBLE, RETRAINED, ensemble, scored
from matplotlib.colors import to_hex

from helpers import figures
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record
from helpers.evaluation.statistics import wilson
from helpers.figures.looks import ATTACK_LOOKS, MODEL_LOOKS

RNG = np.random.default_rng(0)
GREY = RNG.random((4, 8, 8, 1)).astype(np.float32)
COLOUR = RNG.random((4, 8, 8, 3)).astype(np.float32)


def series(*attacks):
    """Accuracies of ensembles of 3, 1 and 2 members, under epsilons of as many tenths."""
    return {
        attack: [
            scored(attack, 190 - 20 * k - place, ensemble(k), epsilon=k / 10) for k in (3, 1, 2)
        ]
        for place, attack in enumerate(attacks)
    }


def texts(figure):
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return [text for text in found if text]


def bars_of_errors(axes):
    """Ends of the intervals drawn, for each container."""
    drawn = []
    for container in axes.containers:
        if isinstance(container, matplotlib.container.ErrorbarContainer):
            segments = container.lines[2][0].get_segments()
            drawn.append(np.array([segment[:, 1] for segment in segments]))
    return drawn


def test_style_leaves_no_trace():
    before = dict(matplotlib.rcParams)
    figures.image_grid(GREY, columns=2)
    assert dict(matplotlib.rcParams) == before


def test_curves_draw_values_and_intervals_in_order_of_x():
    given = series("fgsm", "none")
    figure = figures.curves(given, x="n_members", xlabel="members", chance=0.1)
    axes = figure.axes[0]
    assert axes.get_ylim() == (0, 100)
    assert to_hex(axes.containers[0].lines[0].get_color()) == ATTACK_LOOKS["fgsm"].colour
    for container, ends, records in zip(
        axes.containers, bars_of_errors(axes), given.values(), strict=True
    ):
        records = sorted(records, key=lambda r: r.model.n_members)
        line = container.lines[0]
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert line.get_ydata() == pytest.approx([100 * r.values["accuracy"] for r in records])
        expected = [[100 * r.values["low"], 100 * r.values["high"]] for r in records]
        assert ends == pytest.approx(np.array(expected))
    assert len(axes.collections) >= 2  # the bands
    assert "guessing (10 %)" in texts(figure)


def test_members_figure_has_two_panels_and_one_legend():
    figure = figures.members_figure(
        series("none", "fgsm", "bim", "lbfgs"), series("none", "fgsm"), "on original", "on member 6"
    )
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("on original", "on member 6")
    assert (len(left.containers), len(right.containers)) == (4, 2)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["no attack", "FGSM", "BIM", "L-BFGS"]


def test_grouped_bars_show_values_and_intervals():
    groups = {
        ORIGINAL: [scored("none", 199), scored("lbfgs", 80), scored("fgsm", 0)],
        ensemble(10): [scored("none", 200), scored("fgsm", 120)],
    }
    figure = figures.grouped_bars(groups)
    axes = figure.axes[0]
    heights = [patch.get_height() for patch in axes.patches]
    assert heights == pytest.approx([99.5, 40, 0, 100, 60])
    records = [record for group in groups.values() for record in group]
    for ends, one in zip(bars_of_errors(axes), records, strict=True):
        assert ends[0] == pytest.approx([100 * one.values["low"], 100 * one.values["high"]])
    written = texts(figure)
    assert {"99.5", "40.0", "0.0", "original model", "ensemble of 10"} <= set(written)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["no attack", "FGSM", "L-BFGS"]


def boxes(figure, kind):
    figure.draw_without_rendering()
    return [part.get_window_extent() for part in kind if part.get_text()]


@pytest.mark.parametrize("n_groups", [2, 4, 5])
def test_bar_labels_do_not_overlap(n_groups):
    groups = {
        f"a model with a long name {k}": [scored(a, 200) for a in ("none", "fgsm", "bim", "lbfgs")]
        for k in range(n_groups)
    }
    figure = figures.grouped_bars(groups)
    axes = figure.axes[0]
    for kind in (axes.texts, axes.get_xticklabels()):
        found = sorted(boxes(figure, kind), key=lambda box: box.x0)
        assert all(one.x1 <= other.x0 for one, other in pairwise(found))


@pytest.mark.parametrize(("n_groups", "narrow"), [(1, False), (8, False), (3, True)])
def test_what_has_no_room_for_bars_stands_in_rows(n_groups, narrow):
    groups = {
        f"model {k}": [scored(a, 10 * k + 100) for a in ("none", "fgsm", "bim", "pgd")]
        for k in range(n_groups)
    }
    figure = figures.grouped_bars(groups)
    figure = figure.narrow() if narrow else figure
    (axes,) = figure.axes
    assert not axes.patches
    assert len(axes.containers) == 4 * n_groups
    names = [f"model {k}" for k in range(n_groups)] if n_groups > 1 else []
    values = [f"{50 + 5 * k:.1f}" for k in range(n_groups) for _ in range(4)]
    assert sorted(t.get_text() for t in axes.texts) == sorted(names + values)
    assert [t.get_text() for t in axes.get_yticklabels()][:3] == ["no attack", "FGSM", "BIM"]


@pytest.mark.parametrize("narrow", [False, True])
def test_the_reports_range_is_shown_above_what_it_compares_with(narrow):
    groups = {
        name: [scored("none", 190), scored("fgsm", n), scored("bim", 40)]
        for name, n in (("alone", 100), ("together", 150))
    }
    figure = figures.grouped_bars(groups, band=("together", "alone", 20, 30))
    figure = figure.narrow() if narrow else figure
    bands = [p for p in figure.axes[0].patches if p.get_alpha() == 0.5]
    ends = [(p.get_x(), p.get_width()) if narrow else (p.get_y(), p.get_height()) for p in bands]
    assert ends == [pytest.approx((70, 10)), pytest.approx((40, 10))]


def test_small_epsilons_have_room():
    sizes = [0.0, 0.01, 0.02, 0.05, 0.1, 0.5]
    figure = figures.curves(
        {"fgsm": [scored("fgsm", 100, epsilon=e) for e in sizes]}, x="epsilon", xlabel="ε"
    )
    axes = figure.axes[0]
    assert axes.transData.transform((0.125, 0))[0] - axes.transData.transform((0, 0))[
        0
    ] == pytest.approx(axes.bbox.width / 2, rel=0.1)
    assert [t.get_text() for t in axes.get_xticklabels()][-2:] == ["0.1", "0.5"]


def test_figures_without_accuracies_bring_their_numbers():
    history = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "best_epoch": [2]}
    frame = figures.learning_curves(history).data
    assert frame.to_dict("list") == {"epoch": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.75]}
    frame = figures.epochs_figure({"clean": [0.9], "fgsm": [0.2]}, first=0).data
    assert frame.to_dict("list") == {"epoch": [0], "clean": [0.9], "fgsm": [0.2]}
    frame = figures.confusion(np.array([[3, 1], [0, 4]]), ["a", "b"]).data
    assert frame.to_dict("list") == {"true class": ["a", "b"], "a": [3, 0], "b": [1, 4]}
    norms = {"l2": np.array([1.0, 2, 3, np.nan]), "linf": np.array([0.1, 0.1, 0.1, np.nan])}
    frame = figures.distortions({"fgsm": norms}).data
    assert frame["images"].tolist() == [3, 3]
    assert frame["50 % lie below"].tolist() == [2.0, 0.1]


def test_matrix_writes_each_cell():
    values = np.array([[0.9, np.nan], [0.25, 0.5]])
    figure = figures.heat_map(
        values, values - 0.1, values + 0.1, [ORIGINAL, RETRAINED], ["none", "pgd"]
    )
    written = texts(figure)
    assert {"90.0\n[80.0, 100.0]", "25.0\n[15.0, 35.0]", "–"} <= set(written)
    assert {"original model", "retrained on FGSM", "no attack", "PGD"} <= set(written)


def test_matrix_places_records_by_group_and_attack():
    groups = {
        ORIGINAL: [scored("bim", 20), scored("none", 190)],
        ENSEMBLE: [scored("bim", 30)],
    }
    figure = figures.matrix(groups)
    low, high = (100 * end for end in wilson(30, 200))
    cells = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert cells[1, 1] == f"15.0\n[{low:.1f}, {high:.1f}]"
    assert cells[0, 1] == "–"
    assert cells[0, 0].startswith("95.0")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["no attack", "BIM"]


def test_learning_curves_mark_the_best_epoch():
    history = {
        "loss": [1.0, 0.5],
        "accuracy": [0.5, 0.75],
        "val_loss": [0.9, 0.6],
        "val_accuracy": [0.6, 0.7],
        "best_epoch": [2],
        "seconds": [3.0],
    }
    figure = figures.learning_curves(history)
    loss, accuracy = figure.axes
    assert loss.lines[0].get_ydata().tolist() == [1.0, 0.5]
    assert accuracy.lines[1].get_ydata().tolist() == [60, 70]
    assert "best epoch (2)" in texts(figure)


def test_epochs_figure_may_begin_before_the_retraining():
    (axes,) = figures.epochs_figure({"clean": [0.9, 0.8], "best_epoch": [1]}, first=0).axes
    assert list(axes.lines[0].get_xdata()) == [0, 1]
    assert axes.get_xlim() == (-0.3, 1.3)


def test_epochs_figure_draws_intervals_it_is_given():
    history = {"clean": [0.9, 0.95], "fgsm": [0.1, 0.5], "loss": [1.0, 0.5]}
    figure = figures.epochs_figure(history | {"fgsm_low": [0.0, 0.4], "fgsm_high": [0.2, 0.6]})
    axes = figure.axes[0]
    assert [line.get_label() for line in axes.lines] == ["clean images", "FGSM"]
    (band,) = axes.collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(60)


def test_confusion_writes_counts_up_to_twenty_classes():
    counts = np.array([[7, 0], [2, 5]])
    assert {"7", "·", "2", "5", "ship"} <= set(texts(figures.confusion(counts, ["cat", "ship"])))
    many = figures.confusion(np.eye(200, dtype=int), [f"class {k}" for k in range(200)])
    assert not many.axes[0].texts


def test_distortions_draw_each_finite_image():
    sizes = {"l2": np.array([1.0, 2.0, np.nan]), "linf": np.array([0.1, 0.1, np.nan])}
    figure = figures.distortions({"fgsm": sizes, "lbfgs": sizes}, epsilon=0.1)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert [sorted(line.get_xdata()) for line in dots] == [[1.0, 2.0]] * 2
    assert "dotted: ε = 0.1" in texts(figure)


def test_distortions_mark_an_attack_without_images():
    sizes = {"l2": np.array([1.0]), "linf": np.array([0.1])}
    nothing = {"l2": np.array([]), "linf": np.array([])}
    assert texts(figures.distortions({"fgsm": sizes, "lbfgs": nothing})).count("no image") == 2


@pytest.mark.parametrize("images", [GREY, COLOUR])
def test_image_grid(images):
    figure = figures.image_grid(
        images[:3], ["a", "b", "mountain tent: 3 (97 %)"], columns=2, row_labels=["x", "y"]
    )
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(pictures) == 3
    np.testing.assert_array_equal(pictures[1].get_array(), images[1].squeeze())
    assert pictures[0].get_clim() == (0, 1)
    assert {"a", "b", "x", "y"} <= set(texts(figure))


def test_costs_are_drawn_where_they_are():
    costs = {
        "one": {"training_seconds": 10.0, "calls_per_image": 1},
        "three": {"training_seconds": 40.0, "calls_per_image": 4},
    }
    measured = {"one": scored("pgd", 20), "three": scored("pgd", 60, ENSEMBLE)}
    axes = figures.costs(costs, measured).axes[0]
    drawn = [container.lines[0] for container in axes.containers]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn] == [(10, 10), (40, 30)]
    assert drawn[1].get_markersize() > drawn[0].get_markersize()
    assert to_hex(drawn[1].get_color()) == MODEL_LOOKS["ensemble", ""].colour
    with pytest.raises(ValueError, match="the same models"):
        figures.costs(costs, {"one": scored("pgd", 20)})


def test_levels_are_lines_across_the_curves():
    line = [scored("fgsm", k, epsilon=e) for e, k in ((0.0, 180), (0.1, 90))]
    figure = figures.curves({"fgsm": line}, x="epsilon", xlabel="ε", levels={"reported": 0.75})
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["FGSM", "reported (75 %)"]
    assert any(list(c.get_ydata()) == [75, 75] for c in figure.axes[0].lines)


def test_gallery_shows_three_rows_with_one_factor():
    x = np.full((3, 4, 4, 3), 0.5, np.float32)
    x_adv = x.copy()
    x_adv[1, 0, 0] = 0.75
    figure = figures.gallery(x, x_adv, ["a (90 %)"] * 3, ["b (51 %)"] * 3)
    assert len(figure.axes) == 9
    top, middle, bottom = (figure.axes[k : k + 3] for k in (0, 3, 6))
    assert [axes.get_title() for axes in top] == ["a (90\N{NO-BREAK SPACE}%)"] * 3
    assert [axes.get_title() for axes in bottom] == ["b (51\N{NO-BREAK SPACE}%)"] * 3
    assert middle[0].get_ylabel() == "change × 2"
    shown = middle[1].images[0].get_array()
    assert shown[0, 0, 0] == pytest.approx(1.0, abs=1e-6)
    assert shown[3, 3, 0] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="same number"):
        figures.gallery(x, x_adv, ["a"], ["b"] * 3)


def test_before_and_after_magnifies_around_grey():
    original = np.full((4, 4, 1), 0.5)
    changed = original.copy()
    changed[0, 0], changed[1, 1] = 0.6, 0.45
    figure = figures.before_and_after(("original", original), [("FGSM: 3 (97 %)", changed)])
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(pictures) == 3
    shown = pictures[-1]
    assert shown[0, 0] == pytest.approx(1.0)
    assert shown[1, 1] == pytest.approx(0.25)
    assert shown[3, 3] == pytest.approx(0.5)
    assert "change × 5" in texts(figure)
    same = figures.before_and_after(("o", original), [("f", original)])
    assert "no change" in texts(same)


@pytest.mark.parametrize("largest", [0.1, 8 / 255, 0.3, 0.9, 1e-3, 1.0])
def test_magnification_fills_the_range_but_never_leaves_it(largest):
    factor = figures.magnification(np.array([0.0, -largest]))
    assert 0.45 <= factor * largest <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.image_grid(GREY[:0], [], columns=2), "n at least 1"),
        (lambda: figures.image_grid(GREY[..., 0], columns=2), "expected"),
        (lambda: figures.image_grid(GREY + 1, columns=2), "outside"),
        (lambda: figures.image_grid(GREY * np.nan, columns=2), "NaN"),
        (lambda: figures.image_grid(GREY, ["a"], columns=2), "4 images, but 1 titles"),
        (lambda: figures.image_grid(GREY, columns=0), "columns = 0"),
        (lambda: figures.image_grid(GREY, columns=2, row_labels=["a"]), "2 rows"),
        (lambda: figures.before_and_after(("o", GREY[0]), []), "no adversarial image"),
        (lambda: figures.curves({}, x="epsilon", xlabel="ε"), "no series"),
        (lambda: figures.curves({"fgsm": []}, x="epsilon", xlabel="ε"), "no records"),
        (
            lambda: figures.curves(series("fgsm"), x="sigma", xlabel="σ"),
            "no 'sigma'; its parameters are epsilon",
        ),
        (lambda: figures.members_figure({}, {}, "a", "b"), "no series"),
        (lambda: figures.grouped_bars({}), "no groups"),
        (lambda: figures.grouped_bars({"a": []}), "no records"),
        (
            lambda: figures.grouped_bars({"a": [scored("fgsm", 1), scored("fgsm", 2)]}),
            "several records",
        ),
        (
            lambda: figures.grouped_bars({"a": [Record("04", "d", "count", values={"n": 3})]}),
            "no accuracy with its interval; it holds n",
        ),
        (lambda: figures.heat_map([[]], [[]], [[]], [], []), "do not all have one cell"),
        (lambda: figures.heat_map([[1]], [[1]], [[1, 2]], ["a"], ["b"]), "do not all have one"),
        (lambda: figures.learning_curves({}), "no 'loss'"),
        (lambda: figures.epochs_figure({"loss": [1]}), "it has loss"),
        (lambda: figures.confusion(np.eye(3), ["a", "b"]), "each pair of 2 classes"),
        (lambda: figures.matrix({}), "no groups"),
        (lambda: figures.distortions({}), "no perturbations"),
        (
            lambda: figures.distortions({"bim": {"l2": [np.nan], "linf": [np.nan]}}),
            "no attack has an image of finite size",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
