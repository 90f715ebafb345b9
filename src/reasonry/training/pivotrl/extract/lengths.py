"""How many tokens a state has, as a model's chat template writes it, with the tools on offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasonry.core.messages import to_openai
from reasonry.core.models import ModelConfig
from reasonry.training.pivotrl.records import Candidate

if TYPE_CHECKING:
    from reasonry.training.pivotrl.states import Format


class PromptMeter:
    """Counts the tokens of states.

    Args:
        model: Hub id, local folder or packaged alias; only its tokenizer is loaded.
        options: Revision and trust.
        max_tok: Longest state.

    Raises:
        ReasonryError: As `core.models.load_tokenizer`.
    """

    def __init__(self, model: str, options: ModelConfig, *, max_tok: int) -> None:
        from reasonry.core.models import load_tokenizer
        from reasonry.training.pivotrl.states import choose_tool_format

        loaded = load_tokenizer(model, options, why="to count the tokens of states")
        self._tokenizer = loaded.tokenizer
        self._format: Format = choose_tool_format("auto", self._tokenizer)
        self._max_tok = max_tok

    def problem(self, candidate: Candidate) -> str:
        """Why a state cannot be used: ``too_long``, or ``refused_by_template``; empty when it can."""
        from reasonry.training.pivotrl.states import present, template_errors

        shown = present(candidate, self._format)
        if getattr(self._tokenizer, "chat_template", None):
            offered: dict[str, Any] = {"tools": list(shown.tools)} if shown.tools else {}
            turns = [to_openai(m, parsed=True) for m in shown.messages]
            try:
                text = str(
                    self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **offered)
                )
            except template_errors():
                return "refused_by_template"
            adds_special = False
        else:  # a base model: the turns as plain paragraphs, as the sampler writes them
            text, adds_special = "\n\n".join(m.content for m in shown.messages) + "\n", True
        if text.isascii() and len(text) + 2 <= self._max_tok:  # no token is shorter than a character
            return ""
        num_tok = len(self._tokenizer(text, add_special_tokens=adds_special)["input_ids"])
        return "too_long" if num_tok > self._max_tok else ""
