"""Measurement behind the claim about the verifier that is the default: the audit of it on logs whose truth is known."""

from __future__ import annotations

import tempfile
from pathlib import Path

from reasonry.core import jsonl, seeds
from reasonry.core.claims import Measurement
from reasonry.core.stats import wilson


def worst_share(*, num_chats: int, seed: int) -> Measurement:
    """The least of self-accept, 1 - false-accept and paraphrase-accept of ``tool-call`` on the help desk's chats.

    The chats are extracted by the command's own function. Calls of all eight forms of an action, and words, are in
    them; the strict verifier and NVIDIA's rules are audited beside it.

    Args:
        num_chats: Conversations, of four turns each.
        seed: Of the chats and of the audit's draws.
    """
    from reasonry.tasks.desk import forms
    from reasonry.tasks.desk.configs import world_of
    from reasonry.tasks.desk.demos import draw_demonstrations, transcribe
    from reasonry.training.pivotrl.audit import audit_verifier
    from reasonry.training.pivotrl.config import ExtractConfig
    from reasonry.training.pivotrl.desk.chats import chat_rows
    from reasonry.training.pivotrl.extract.run import extract_candidates
    from reasonry.training.pivotrl.rows import CANDIDATES, read_candidates
    from reasonry.training.pivotrl.verifiers.factory import make_verifier

    world = world_of("plain")
    rng = seeds.stream(seed, "pivotrl", "audit claim")
    demos = draw_demonstrations(rng, num_chats, world=world)
    form = rng.integers(0, forms.NUM_FORMS, demos.form_BT.shape)
    demos = transcribe(world, demos.episodes, demos.code_BT, form)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jsonl.write(folder / "logs.jsonl", chat_rows(world, demos))
        settings = ExtractConfig(logs=(folder / "logs.jsonl",), domain="calls", out=folder)
        extract_candidates(settings, say=lambda line: None)
        candidates = list(read_candidates(folder / CANDIDATES))
    found = {name: audit_verifier(candidates, make_verifier(name), seed=seed) for name in _VERIFIERS}
    audit = found["tool-call"]
    shares = {
        "self-accept": (audit.self_accept.num_accepted, audit.self_accept.num),
        "1 - false-accept": (audit.false_accept.num - audit.false_accept.num_accepted, audit.false_accept.num),
        "1 - false-accept of the same tool": (
            audit.false_accept_same_tool.num - audit.false_accept_same_tool.num_accepted,
            audit.false_accept_same_tool.num,
        ),
        **{f"paraphrase {kind}": (s.num_accepted, s.num) for kind, s in audit.paraphrase_accept.items() if s.num},
    }
    name, (right, num) = min(shares.items(), key=lambda item: wilson(*item[1]).low)
    interval = wilson(right, num)

    def paraphrased(verifier: str) -> str:
        kinds = found[verifier].paraphrase_accept
        return ", ".join(f"{kind} {s.value:.2f}" for kind, s in kinds.items() if s.value is not None)

    detail = (
        f"{len(candidates)} turns of {num_chats} chats; the least is {name}, Wilson interval; paraphrases accepted by "
        + "; ".join(f"{verifier}: {paraphrased(verifier)}" for verifier in _VERIFIERS)
    )
    return Measurement(right / num, interval.low, interval.high, num, seed, detail)


_VERIFIERS = ("tool-call", "exact", "tool-call:nemo_gym")
