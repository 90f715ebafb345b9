"""Samples of the states of a profile, with their verdicts, as rows of ``samples.jsonl``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reasonry.core.messages import to_openai
from reasonry.core.rows import Row
from reasonry.core.sampling import Completion, Request, Sampler
from reasonry.errors import ConfigError, DataError, EndpointError
from reasonry.training.pivotrl.candidate_file import CandidateFile
from reasonry.training.pivotrl.config import ProfileConfig
from reasonry.training.pivotrl.policy_hash import innermost, tokenizer_of
from reasonry.training.pivotrl.profile_plan import Cell, chunks
from reasonry.training.pivotrl.reading import Reader
from reasonry.training.pivotrl.records import Action, Candidate, Verdict, Verifier
from reasonry.training.pivotrl.sample_rows import LEFT_OUT, Kept, Key, left_out_row, sample_row
from reasonry.training.pivotrl.states import Format, Presented, ends_in_reasoning, present, template_errors
from reasonry.training.pivotrl.verifying import verdicts

_STATES_AT_ONCE = 256
_PATIENCE = 64  # samples that an endpoint may refuse before it has answered one


class _State(NamedTuple):
    candidate: Candidate
    in_reasoning: bool


class _Sample(NamedTuple):
    completion: Completion
    candidate: Candidate
    action: Action


class Sampling:
    """Draws what is missing.

    Args:
        config: Of the profile.
        file: The candidates.
        sampler: Draws; made when the first sample is wanted.
        verifier: Judges.
        tool_format: Says how tools get into the prompt, once the sampler is made.
    """

    def __init__(
        self,
        config: ProfileConfig,
        file: CandidateFile,
        sampler: Sampler,
        verifier: Verifier,
        *,
        tool_format: Callable[[], Format],
    ) -> None:
        self._config, self._file, self._sampler, self._verifier = config, file, sampler, verifier
        self._find_tool_format = tool_format

    def rows(self, plan: Sequence[Sequence[Cell]], *, done: Mapping[Key, Kept], num_at_once: int = 1) -> Iterator[Row]:
        """The rows that are not ``done``, in the order of the plan.

        Nothing is handed out before a first sample is there: a model that refuses every state leaves no trace.

        Raises:
            DataError: No state can be sampled.
            EndpointError: The endpoint refuses every state; or it failed.
        """
        is_endpoint = getattr(innermost(self._sampler), "endpoint", None) is not None  # makes the sampler
        has_any = any(not sample.is_left_out for sample in done.values())
        held: list[Row] = []
        num_refused = 0
        for cells in plan:
            for chunk in chunks(cells, _STATES_AT_ONCE):
                keys = {(head.id, i) for head, indices in chunk for i in indices}
                if not (keys - done.keys()):
                    continue
                for row in self._chunk(chunk, keys & done.keys(), num_at_once):
                    has_any = has_any or row["category"] != LEFT_OUT
                    if has_any:
                        yield from held
                        held.clear()
                        yield row
                        continue
                    held.append(row)
                    num_refused += is_endpoint
                    if num_refused >= _PATIENCE:
                        raise EndpointError(
                            f"the endpoint refuses every state: {held[-1]['detail']['reason']}",
                            place=self._config.endpoint.base_url,
                            remedy="Where it refuses tools, try --tool-format hermes, in another --run.",
                        )
        if held:
            raise DataError(
                f"none of {len({row['id'] for row in held})} states can be sampled: {held[-1]['detail']['reason']}",
                place=str(self._file.path),
                remedy="Give a larger --max-prompt-tok, or a model with a longer context.",
            )

    def _chunk(self, chunk: Sequence[Cell], done: set[Key], num_at_once: int) -> Iterator[Row]:
        tokenizer = tokenizer_of(self._sampler)
        reader = Reader(tokenizer, stop=self._config.sampling.stop)
        states: dict[str, _State] = {}
        requests: list[Request] = []
        for head, indices in chunk:
            candidate = self._file.load(head)
            shown = present(candidate, self._find_tool_format())
            prompt, problem = self._written(shown, tokenizer)
            if problem:
                yield from (left_out_row(head.id, i, problem) for i in indices if (head.id, i) not in done)
                continue
            states[head.id] = _State(candidate, ends_in_reasoning(prompt))
            requests.append(Request(head.id, shown.messages, indices, tools=shown.tools, may_fail=True))

        def read(completion: Completion) -> _Sample:
            candidate, in_reasoning = states[completion.id]
            action = reader.read(completion, tools=candidate.tools, in_reasoning=in_reasoning)
            return _Sample(completion, candidate, action)

        def verify(sample: _Sample) -> Verdict:
            if sample.completion.finish == "error":
                return Verdict(None, LEFT_OUT)
            return self._verifier.verify(sample.candidate, sample.action)

        samples = map(read, self._sampler.sample(requests, skip=done))
        for (completion, _, action), verdict in verdicts(samples, verify, num_at_once=num_at_once):
            if completion.finish == "error":
                yield left_out_row(completion.id, completion.index, completion.reason or "the sampler failed")
            else:
                yield sample_row(completion, action, verdict)

    def _written(self, shown: Presented, tokenizer: Any | None) -> tuple[str, str]:
        """The prompt, where a tokenizer can tell it, and why the state cannot be sampled."""
        if tokenizer is None:
            return "", ""
        offered: dict[str, Any] = {"tools": list(shown.tools)} if shown.tools else {}
        turns = [to_openai(m, parsed=True) for m in shown.messages]
        try:
            prompt = str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **offered))
        except template_errors() as e:
            return "", f"the chat template refuses it: {e}"
        most = self._config.max_prompt_tok
        if most and len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) > most:
            return prompt, f"longer than max_prompt_tok = {most}"
        return prompt, ""


def check_template(config: ProfileConfig, tokenizer: Any | None) -> None:
    """Refuse what cannot be sampled with this tokenizer; None for a sampler that has none.

    Raises:
        ConfigError: There is no chat template; or lengths are to be counted without a tokenizer.
    """
    if tokenizer is None:
        if config.max_prompt_tok:
            raise ConfigError(
                "the tokens of a state cannot be counted without the model's tokenizer",
                place="max_prompt_tok",
                remedy="Leave long states out when extracting: pivots extract --max-prompt-tok N --model MODEL.",
            )
        return
    if not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            f"the model {config.model!r} has no chat template, and a state is a conversation; no tool format helps it",
            place="model",
            remedy="Profile the instruction-tuned model that training starts from, or put the chat template that "
            "training will use into its folder (chat_template.jinja).",
        )
