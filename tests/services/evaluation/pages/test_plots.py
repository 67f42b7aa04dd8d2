from typing import Any

import pytest

from rondo_services.evaluation.pages.plots import baseline_plots, breakdown_plots, metric_plots
from rondo_services.evaluation.pages.reading import Group, ReportFile, read


def report(**parts: Any) -> ReportFile:
    return read({"task": "translation", **parts})


def test_the_main_metric_comes_first_and_kinds_have_axes_of_their_own() -> None:
    plots = metric_plots(report(metrics={"chrf": 60, "bleu": 40, "repetition": 2.0, "num_words": 7, "other": 3}))
    assert [[row.name for row in plot.rows] for plot in plots] == [
        ["BLEU", "chrF"],
        ["Repetition"],
        ["other"],
        ["Words"],
    ]
    assert [bool(plot.ticks) for plot in plots] == [True, True, False, False]


def test_without_intervals_scores_are_on_the_whole_axis() -> None:
    (plot,) = metric_plots(report(metrics={"bleu": 40.0}))
    assert (plot.rows[0].at, plot.ticks[0].text, plot.ticks[-1].text) == (40.0, "0", "100")


def test_with_intervals_the_axis_is_as_long_as_they_are() -> None:
    (plot,) = metric_plots(report(metrics={"bleu": 45.0}, intervals={"bleu": [40, 50]}))
    (row,) = plot.rows
    assert (row.low, row.at, row.high) == (0, 50, 100)
    assert row.interval == "40.0–50.0"


def test_scores_that_are_all_alike_stay_on_their_axis() -> None:
    (plot,) = metric_plots(report(metrics={"bleu": 100.0}, intervals={"bleu": [100.0, 100.0]}))
    assert plot.ticks[-1].text == "100"
    (plot,) = breakdown_plots(report(metrics={"ece": 0.0}), [Group(name="a", metrics={"ece": 0.0})])
    assert plot.ticks[0].text == "0.0"


def test_ticks_have_the_signs_of_the_page() -> None:
    (plot,) = breakdown_plots(
        report(), [Group(name=name, metrics={"gain": value}) for name, value in (("a", -5), ("b", 5))]
    )
    assert plot.ticks[0].text == "−5"


@pytest.mark.parametrize("value", [None, float("inf"), float("nan")])
def test_what_is_no_finite_number_is_written_but_not_drawn(value: float | None) -> None:
    (plot,) = metric_plots(report(metrics={"word_perplexity": value}))
    assert plot.rows[0].at is None
    assert plot.rows[0].value in ("–", "∞")


def test_bars_begin_at_zero_and_only_shared_figures_have_some() -> None:
    own = report(metrics={"bleu": 40.0, "chrf": 60.0}, baselines={"copy": {"bleu": 20.0}, "none": {}})
    (plot,) = baseline_plots(own, "ours")
    ours, copy = plot.rows
    assert [row.name for row in plot.rows] == ["ours", "copy"]
    assert (ours.own, copy.own) == (True, False)
    assert ours.at == pytest.approx(2 * (copy.at or 0))


def test_a_breakdown_is_drawn_beside_the_figure_of_all() -> None:
    groups = [Group(name="a", num=2, metrics={"bleu": 30.0}), Group(name="b", metrics={"bleu": 50.0})]
    (plot,) = breakdown_plots(report(metrics={"bleu": 40.0}), groups)
    assert [(row.name, row.num, row.at) for row in plot.rows] == [("a", "2", 0.0), ("b", "", 100.0)]
    assert plot.reference == 50.0
