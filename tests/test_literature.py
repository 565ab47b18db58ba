from made_up_run import ORIGINAL, accuracy, retrained

from helpers.figures.verdict_tables import literature_table
from helpers.findings.evidence import Evidence
from helpers.findings.literature import nearest, read_literature


def test_each_entry_says_what_it_is_and_asks_what_records_may_hold():
    for entry in read_literature():
        assert entry["source"]
        assert entry["setting"]
        assert 0 <= entry["accuracy"] <= 100
        assert nearest(entry, Evidence([]).records) is None


def test_the_nearest_size_of_the_attack_is_taken_and_stand_ins_are_not():
    entry = {
        "ours": {"dataset": "mnist", "of": {"kind": "original"}, "under": "fgsm", "epsilon": 0.25}
    }
    place = ("03_attacks", "mnist", ORIGINAL, "fgsm")
    rows = [
        accuracy(*place, 0.5, made_on=ORIGINAL, epsilon=e, sweep="epsilon") for e in (0.1, 0.2, 0.5)
    ]
    assert nearest(entry, rows) == rows[1]
    digits = [accuracy("03_attacks", "digits", *place[2:], 0.5, made_on=ORIGINAL, epsilon=0.25)]
    assert nearest(entry, digits) is None


def test_the_table_sets_both_side_by_side():
    model = retrained("fgsm", "batch")
    row = accuracy("05_retraining", "mnist", model, "fgsm", 0.886, made_on=model, epsilon=0.2)
    frame = literature_table(read_literature(), [row])
    ours = frame[frame["Ours (%)"].notna()]
    assert list(ours["Theirs (%)"]) == ["82.1"]
    assert ours["Ours (%)"].item().startswith("88.6 [")
    assert "ε = 0.2" in ours["Our setting"].item()
