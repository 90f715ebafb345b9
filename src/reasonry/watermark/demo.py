"""The embedded default of the watermark: a packaged model signs a few texts, and they are recognised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reasonry.core import jsonl
from reasonry.core.demo import Part
from reasonry.core.sampling.config import SamplingConfig
from reasonry.watermark.config import GenerateConfig
from reasonry.watermark.generation.report import build_report, summary_lines
from reasonry.watermark.generation.run import check, generate, results_json
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.ring import KeyRing

PROMPTS = (
    "Tell a short story about a lighthouse keeper who finds a letter.",
    "Describe a market in the early morning.",
    "Write the opening of a mystery set on a night train.",
    "Explain to a child why the sea is salty.",
    "Write a diary entry of the first winter in a new town.",
    "Describe your favourite walk, and what you see on the way.",
)


def sign(folder: Path, *, seed: int, say: Callable[[str], None]) -> Part:
    """Sign texts and look for the mark in them.

    The key is a number that anyone can guess, made for this demo: nothing secret lies in its run directory.
    """
    prompts = folder.with_name("watermark-prompts.jsonl")
    jsonl.write(prompts, [{"id": f"text {i}", "prompt": text} for i, text in enumerate(PROMPTS, 1)])
    config = GenerateConfig(
        prompts=str(prompts),
        run=folder,
        seed=seed,
        batch_size=len(PROMPTS),
        sampling=SamplingConfig(temperature=1.0, max_new_tokens=160),
    )
    ring = KeyRing()
    ring.add(SecretKey.from_integer(20260217), "for the demo; not secret")
    commands: list[str] = []
    generated = generate(config, ring=ring, say=say, open_run=lambda run, _: commands.append(run.command))
    checked = check(config, generated, ring=ring)
    report = build_report(generated, checked, command=commands[0])
    return Part(report, summary_lines(generated, checked), results_json(generated, checked))
