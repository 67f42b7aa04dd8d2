import io
from dataclasses import replace

from rich.console import Console

from rondo_services.evaluation.comparison import Comparison, Difference, System
from rondo_services.evaluation.comparison_views import markdown, table


def comparison() -> Comparison:
    differences = (
        Difference("accuracy", 80.0, 82.5, 2.5, (1.0, 4.0), 0.001, 0.00009, 0.012),
        Difference("ece", 2.0, 3.0, 1.0, (-0.25, 2.0), 0.2, 0.21),
        Difference("word_perplexity", 90.0, 110.0, 20.0, (10.0, 30.0), 0.01, 0.04),
        Difference("distinct1", 60.0, 50.0, -10.0),
        Difference("nll", None, None, None),
    )
    signatures = {"bleu": "nrefs:1|case:mixed"}
    systems = (System("new|run", differences),)
    return Comparison("sentiment", "old_run", 1234, 1000, 10_000, 12345, signatures, systems)


def test_long_names_can_be_told_apart() -> None:
    """As heads of columns they were cut, to the same few letters."""
    names = [f"translation-of-the-long-documents-{number}" for number in range(2)]
    system = System(names[1], comparison().systems[0].differences)
    lines = drawn(of=replace(comparison(), baseline=names[0], systems=(system,))).splitlines()
    assert all(name in lines[0] + lines[1] for name in names)
    assert any(line.split()[:2] == ["baseline", "system"] for line in lines)


def test_the_note_says_what_the_tests_are() -> None:
    for shown in (" ".join(drawn().split()), markdown(comparison())):
        assert "p (BS) is sacreBLEU's, in effect one-sided; green, red and bold are p (AR) below 0.05" in shown
        assert "Distinct-n is not tested" in shown
    assert "fewer than" not in markdown(comparison())
    assert "Of fewer than 10 texts the bootstrap says nothing." in markdown(replace(comparison(), num_texts=9))
    untested = replace(comparison(), systems=(System("new", comparison().systems[0].differences[:3]),))
    assert "Distinct-n" not in markdown(untested)


def drawn(of: Comparison | None = None, *, color: bool = False) -> str:
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=color, color_system="standard" if color else None).print(
        table(of or comparison())
    )
    return file.getvalue()


def test_the_table_has_all_that_is_known() -> None:
    lines = [" ".join(line.split()) for line in drawn().splitlines()]
    assert "new|run against old_run: sentiment, 1,234 texts" in lines[0]
    assert any("Accuracy 80.00 82.50 +2.50 [+1.00, +4.00] 0.0010 <0.0001 0.0120" in line for line in lines)
    assert any("60.0 50.0 −10.0 – – –" in line for line in lines)
    assert not any("nll" in line for line in lines)
    assert any("10,000 trials" in line for line in lines)
    assert "bleu: nrefs:1|case:mixed" in lines


def test_a_table_fits_a_terminal() -> None:
    assert max(map(len, drawn().splitlines())) <= 80


def test_what_is_significant_is_green_or_red() -> None:
    lines = drawn(color=True).splitlines()
    assert any("\x1b[32m+2.50" in line for line in lines)
    assert any("\x1b[31m+20.0" in line for line in lines)  # of perplexity less is better
    assert all("\x1b[3" not in line for line in lines if "+1.00 " in line or "−10.0" in line)


def test_markdown_is_a_table_in_which_nothing_breaks_out() -> None:
    lines = markdown(comparison()).splitlines()
    assert lines[0] == r"**new\|run against old\_run: sentiment, 1,234 texts**"
    assert lines[2] == "|  | baseline | system | difference [95 %] | p (BS) | p (AR) | McNemar |"
    assert lines[3] == "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert lines[4] == "| Accuracy | 80.00 | 82.50 | **+2.50 [+1.00, +4.00]** | 0.0010 | &lt;0.0001 | 0.0120 |"
    assert lines[5].startswith("| Calibration error | 2.00 | 3.00 | +1.00 [−0.25, +2.00] |")
    assert lines[-1] == "- bleu: `nrefs:1|case:mixed`"
