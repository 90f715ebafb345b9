"""The report of a run that generated marked text: the texts, and whether the mark is found in them."""

from __future__ import annotations

from reasonry.core.report import Report
from reasonry.watermark.detection import report as detections
from reasonry.watermark.detection.report import Corpus, called
from reasonry.watermark.generation.run import Checked, Generated


def summary_lines(generated: Generated, checked: Checked) -> list[str]:
    """What the terminal shows."""
    corpus = _corpus(generated, checked, command="")
    num = len(checked.examined.names)
    lines = [f"{num} texts in {generated.signed}, key {generated.key_id}, profile {generated.profile.profile_id}"]
    lines += detections.summary_lines(corpus)
    lines.append(_agreement(checked))
    return lines


def build_report(generated: Generated, checked: Checked, *, command: str) -> Report:
    """The report: detection of the texts as a reader of them would do it."""
    return detections.build_report(_corpus(generated, checked, command=command))


def _agreement(checked: Checked) -> str:
    return (
        f"{checked.num_same_ids} of {len(checked.examined.names)} texts give the generated token ids when tokenised "
        "again; detection read the text"
    )


def _corpus(generated: Generated, checked: Checked, *, command: str) -> Corpus:
    profile = generated.profile
    symbols = f"{profile.num_bins} symbols" if profile.num_bins else "every token a symbol"
    corpus = Corpus(
        "Text with a mark",
        f"{generated.model}, {profile.anchor.kind} anchor, {symbols}, context of {profile.context_tok} tokens",
        checked.examined.names,
        checked.examined.detections,
        None,
        checked.examined.shown,
        [_agreement(checked)],
        command,
    )
    missed = len(checked.examined.names) - sum(called(corpus))
    if missed:
        corpus.remarks.append(
            f"{missed} texts are not recognised by themselves: too short or too predictable. A model anchor, a higher "
            "temperature or longer texts carry more evidence; the error probability is the same either way."
        )
    return corpus
