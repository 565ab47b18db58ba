"""What a chapter's notebook talks to: parameters, data, models, records, and what it shows.

    chapter = Chapter("04_ensembles", globals())   # after the parameters; refuses what does not fit
    p, data, experiment = chapter.p, chapter.data, chapter.experiment
    chapter.score(subject, images)                 # an accuracy, recorded
    chapter.figure(figure, "ladder", "What it shows.", about=records)
    chapter.table(frame, chapter.number(mnist="4", other="gains"), "What it lists.", about=records)
    chapter.done()                                 # last cell: sanity checks, records, pieces

A figure or table of the report has its number as its key (``"7"``); all others have a short word, and
numbers that count themselves. Captions and alt texts get their facts from the records in `about`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from helpers import bars
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record, select
from helpers.evaluation.records import Records, read_records
from helpers.figures import show, words
from helpers.files import write_atomically
from helpers.profiles import notebook_parameters

if TYPE_CHECKING:  # for all else TensorFlow, which takes seconds, waits until it is needed
    import pandas as pd
    from matplotlib.figure import Figure

    from helpers.data.dataset import Dataset
    from helpers.experiment.experiment import Experiment
    from helpers.experiment.scores import Scores
    from helpers.experiment.subjects import Images, Subject

KEY = re.compile(r"\d+|[a-z][a-z0-9_-]*")
OF_A_PIECE = ("made", "seconds", "processor_seconds", "cpu", "threads", "revision")


class Chapter:
    """One run of one chapter.

    Parameters
    ----------
    name
        The chapter's, such as ``04_ensembles``.
    namespace
        The notebook's ``globals()``, before anything but the parameters is defined.

    Attributes
    ----------
    p
        The validated parameters.

    Raises
    ------
    ParameterError
        If a parameter is unknown, missing, or does not fit.
    """

    def __init__(self, name: str, namespace: Mapping[str, Any]):
        self.name = name
        self.p = notebook_parameters(name, namespace)
        self._numbers: dict[tuple[str, str], str] = {}  # of figures and tables, by kind and key
        show.save_to(self.p.output_path)
        bars.install()

    # Data, models and numbers: made on first use, and only where there is one data set --------------

    @cached_property
    def experiment(self) -> Experiment:
        """Where models and images come from."""
        from helpers.experiment.experiment import Experiment

        if self._dataset is None:
            raise ValueError(f"{self.name} has no data set of its own, and so no experiment")
        return Experiment(self.p)

    @property
    def data(self) -> Dataset:
        """The data set that the chapter is run on."""
        return self.experiment.data

    @cached_property
    def records(self) -> Records:
        """The records of this run; which data and whose model it has stands there from the start."""
        parameters = self.p.model_dump(mode="json")
        if self._dataset is None:
            return Records(self.p.output_path, self.name, None, parameters)
        records = Records(self.p.output_path, self.name, self.data.name, parameters)
        records.data_set(self.data)
        if own := self.experiment.own:
            records.add("own_model", model=ORIGINAL, values=own.values)
            print(own.note)
        return records

    @cached_property
    def scores(self) -> Scores:
        """Where models, images and records come together."""
        from helpers.experiment.scores import Scores

        return Scores(self.experiment, self.records)

    def score(self, subject: Subject, images: Images, **about: Any) -> Record:
        """Record a model's accuracy on images; see :meth:`helpers.experiment.scores.Scores.score`."""
        return self.scores.score(subject, images, **about)

    @cached_property
    def found(self) -> list[Record]:
        """All records in the output folder, of all chapters, with what was measured image by image."""
        return read_records(self.p.output_path)

    @property
    def _dataset(self) -> str | None:
        return getattr(self.p, "dataset", None)

    # What is shown -----------------------------------------------------------------------------------

    def number(self, *, other: str, **by_role: str) -> str:
        """Choose the key for the report's data set that this one is, or stands in for.

        Parameters
        ----------
        by_role
            ``mnist="7", cifar10="9"``: the report's own numbers.
        other
            The key for every other data set.
        """
        return by_role.get(self.data.role, other)

    def figure(
        self,
        figure: Figure | None,
        key: str,
        sentence: str,
        *,
        about: Any = (),
        alt: str = "",
        kind: str = "svg",
        dataset: str | None = None,
    ) -> None:
        """Show a figure with its number, caption and alt text.

        Parameters
        ----------
        figure
            A matplotlib figure. None shows nothing and keeps the number: those that follow have the same
            on every data set.
        key
            The report's own number (``7``), or a short word for a figure that it does not have.
        sentence
            What is shown; facts are added from `about`: how many images, and epsilon. What has a number
            of the report also says which data and networks it is of.
        about
            The records drawn, in lists or mappings of any depth.
        alt
            What the picture says, in words; made from `about` where it is empty.
        kind
            ``svg`` for curves and diagrams, ``png`` for grids of images.
        dataset
            Name of the data set shown, where it is not the chapter's.

        Raises
        ------
        ValueError
            If the key is none, or there is neither an alt text nor a record to make it from.
        """
        place = self._place("figure", key, dataset)
        if figure is None:
            return
        caption = words.caption(sentence, about, self._label(key, place["dataset"]))
        alt = alt or words.alt_text(figure, about)
        show.show_figure(figure, **place, caption=caption, alt=alt, kind=kind)
        # What is drawn from no accuracies brings its numbers with it.
        show.save_data(getattr(figure, "data", words.rows(about)), **place)

    def table(
        self,
        frame: pd.DataFrame,
        key: str,
        sentence: str,
        *,
        about: Any = (),
        dataset: str | None = None,
        formats: Mapping[str, str | Callable[[Any], str]] | None = None,
    ) -> None:
        """Show a table with its number and caption; parameters as for :meth:`figure`.

        Parameters
        ----------
        frame, formats
            As for :func:`helpers.figures.show.show_table`; a frame without rows is not shown.
        """
        place = self._place("table", key, dataset)
        if frame.empty:
            return
        caption = words.caption(sentence, about, self._label(key, place["dataset"]))
        show.show_table(frame, **place, caption=caption, formats=formats)

    def explore(self, subject: Subject) -> None:
        """Show a dozen test images and the model's answers to them, for the page's explorer.

        Parameters
        ----------
        subject
            A model that this chapter has scored under FGSM, BIM or L-BFGS; those images are shown.
        """
        from helpers.figures import explorer

        data = explorer.explored(self.experiment, self.records.all, subject)
        if data["images"]:
            explorer.show_explored(data, self.name)
        else:
            print("The images are too large for the page to hold some of them.")

    def example(self, subject: Subject, clean: Images, attacked: Images) -> None:
        """Record one image that an attack turns, with the model's answers: the page opens with it.

        Of the images that the model has right and loses, it is that of whose two answers the model is
        surest.
        """
        shares = [
            softmax(self.experiment.logits(subject, made), axis=-1) for made in (clean, attacked)
        ]
        right, wrong = (share.argmax(-1) == clean.y for share in shares)
        turned = np.flatnonzero(right & ~wrong)
        if not len(turned):
            return
        sure = np.minimum(*(share.max(-1) for share in shares))
        row = int(turned[sure[turned].argmax()])
        values = {"label": self.data.class_names[int(clean.y[row])]}
        for when, share in zip(("before", "after"), shares, strict=True):
            values[when] = self.data.class_names[int(share[row].argmax())]
            values[f"confidence_{when}"] = float(share[row].max())
        self.records.add(
            "example", model=subject.id, attack=attacked.attack, made_on=attacked.made_on,
            parameters=attacked.parameters, values=values,
            arrays={"x": clean.x[row], "x_adv": attacked.x_adv[row]},
        )  # fmt: skip

    def _place(self, kind: str, key: str, dataset: str | None) -> dict[str, Any]:
        """Number a figure or table: the same key, and so a cell run again, has the same number.

        What has a number of the report counts too: a chapter's cells then have the same numbers on the
        data set that reproduces it as on the others.
        """
        if not isinstance(key, str) or not KEY.fullmatch(key):
            raise ValueError(
                f"key = {key!r}: expected the report's own number as text ('7') or a short word of "
                "small letters, digits, _ and - ('ladder')"
            )
        dataset = dataset or (self.data.name if self._dataset is not None else None)
        chapter = self.name[:2]
        number = self._numbers.setdefault((kind, key), f"{chapter}.{len(self._numbers) + 1}")
        if key.isdigit():
            return {"number": key, "dataset": dataset}
        return {"number": number, "name": f"{chapter}-{key}", "dataset": dataset}

    def _label(self, key: str, dataset: str | None) -> str:
        """Name the data for captions: what stands in for what, what is unverified.

        Only what has a number of the report could be taken for the report's own; elsewhere the number
        names the data, and that they are unverified is said in a word.
        """
        if not key.isdigit():
            told = select(self.records.all, quantity="data", dataset=dataset)
            return "unverified" if told and told[0].values["status"] == "unverified" else ""
        if dataset is not None and self._dataset is not None and dataset == self.data.name:
            # A narrow network is no network of the report, wherever it appears.
            width = getattr(self.p, "width", 1.0) if self.experiment.own is None else 1.0
            return self.data.label + (f"; networks of width {width:g}" if width != 1 else "")
        told = select(self.records.all, quantity="data", dataset=dataset)
        return told[0].values["label"] if told else dataset or ""

    # The end -----------------------------------------------------------------------------------------

    def done(self) -> None:
        """Check the evaluation if anything was attacked, write records and pieces, and say where.

        Checks that found nothing are told in a sentence; those that found something are shown.
        """
        if any(r.quantity == "accuracy" and r.attack != "none" for r in self.records.all):
            self._show_checks()
        if not self.records.all:
            print("Nothing was recorded here.")
            return
        said = self.records.write()
        used = self.experiment.store.used if self._dataset is not None else {}
        if used:
            write_pieces(self.records.table.with_suffix(".pieces.csv"), used)
            made = [card for card in used.values() if card["made"]]
            said += f"; {len(used)} pieces, {len(made)} of them made now"
        print(said)

    def _show_checks(self) -> None:
        from helpers.figures.verdict_tables import check_table

        checks = self.scores.check()
        compared, n = (
            sum(each) for each in zip(*((c.compared, len(c.warnings)) for c in checks), strict=True)
        )
        if n:
            sentence = f"Signs of a broken evaluation ({n} in {compared:,} cases)."
            self.table(check_table([c for c in checks if c.warnings]), "sanity", sentence)
        elif compared:
            print(f"Signs of a broken evaluation: none ({compared:,} compared).")


def write_pieces(table: Path, used: Mapping[str, Mapping[str, Any]]) -> None:
    """Write which pieces a run used, as a table: made or loaded, when made at which cost, and where.

    Parameters
    ----------
    table
        The file.
    used
        The pieces' cards by file name, as :class:`helpers.experiment.store.Store` keeps them.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", *OF_A_PIECE])
    for name, card in used.items():
        row = {"made": "made" if card["made"] else "loaded"}
        writer.writerow([name, *((card | row).get(column) for column in OF_A_PIECE)])
    write_atomically(table, buffer.getvalue())
