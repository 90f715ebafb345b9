"""What a decoding is worth: right, fast, and likely under a teacher.

    R = sum_k weight_k r_k

Speed, of the numbers n_t of tokens that the steps of a decoding revealed (dUltra, arXiv 2512.21446):

    sum             - (steps with n_t > 0) / 50
    sqrt            - sum sqrt(n_t)
    sqrt_sum        - sum sqrt(n_t) / sum n_t           does not depend on the answer's length
    multiplicative  r_right (1 - steps / L)^alpha       correctness first; the form of arXiv 2512.09106, reconstructed

At the release's weight of .1 a step costs .002 beside 2 for a right answer: it decides between answers that are alike.

A teacher gives the mean log-probability per token of the text, tokenised anew by the teacher, whatever the student's
tokens were: sum logp / max(number, 1). An empty text would score 0, the highest there is; so the token that ends a
turn is scored too, as it is in the release, where the teacher's template adds it.

Functions on arrays come first. Classes below them have the signature of TRL's reward functions,
``f(prompts, completions, **columns)``, and read the column ``sampling_traj``: for each decoding the list of its steps,
each the list of positions it revealed.

Shapes: B decodings, S steps, L answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from reasonry.core.task import Problem
    from reasonry.core.verify.base import Verifier
    from reasonry.tasks.token_tasks.base import Checked

Floats = NDArray[np.float64]
Messages = Sequence[Mapping[str, Any]]

Speed = Literal["sum", "sqrt", "sqrt_sum"]
SPEEDS: tuple[Speed, ...] = ("sum", "sqrt", "sqrt_sum")
SPEED_SCALE = 50.0

# ---------------------------------------------------------------- speed


def step_sizes(revealed_at_BL: Tensor) -> NDArray[np.int64]:
    """Tokens that each step revealed, shape (B, S), from the steps at which positions were; negative ones are none."""
    at = np.asarray(revealed_at_BL.cpu().numpy(), dtype=np.int64)
    num_steps = int(at.max(initial=-1)) + 1
    sizes = np.zeros((len(at), num_steps), np.int64)
    row, column = np.nonzero(at >= 0)
    np.add.at(sizes, (row, at[row, column]), 1)
    return sizes


def speed_reward(size_BS: ArrayLike, kind: Speed = "sum", *, scale: float = SPEED_SCALE) -> Floats:
    """How fast decodings were, shape (B,); higher is faster. Steps that revealed nothing count nothing.

    Args:
        size_BS: Tokens revealed by each step, 0 after a decoding's last.
        kind: Which formula, see the module.
        scale: What ``sum`` is divided by.

    Raises:
        ConfigError: An unknown kind, or a scale that is not positive.
    """
    if kind not in SPEEDS or not scale > 0:
        remedy = nearest(kind, SPEEDS) or f"Kinds: {', '.join(SPEEDS)}, with a positive scale."
        raise ConfigError(f"kind={kind!r}, scale={scale} is no reward for speed", remedy=remedy)
    size = np.asarray(size_BS, dtype=np.float64)
    if kind == "sum":
        return -(size > 0).sum(-1) / scale
    root = -np.sqrt(size).sum(-1)
    return root if kind == "sqrt" else root / np.maximum(size.sum(-1), 1)


def multiplicative_reward(right_B: ArrayLike, size_BS: ArrayLike, *, answer_len: int, alpha: float = 1.0) -> Floats:
    """Correctness, discounted for steps, shape (B,): r (1 - steps / L)^alpha.

    One token per step earns nothing even when right, with any ``alpha`` above 0.

    Args:
        right_B: Reward of correctness.
        size_BS: Tokens revealed by each step.
        answer_len: L.
        alpha: 0 ignores speed.

    Raises:
        ConfigError: A negative ``alpha``, or no answer.
    """
    if not alpha >= 0 or answer_len < 1:
        raise ConfigError(f"alpha={alpha}, answer_len={answer_len}", remedy="Use alpha >= 0 and at least one token.")
    num_steps = (np.asarray(size_BS) > 0).sum(-1)
    return np.asarray(right_B, np.float64) * np.maximum(1 - num_steps / answer_len, 0.0) ** alpha


def warmed_up(weight: float, *, update: int, over: int) -> float:
    """A weight that grows linearly from 0 over the first ``over`` updates; at once when 0."""
    return weight if over <= 0 else weight * min(1.0, update / over)


# ---------------------------------------------------------------- right


def checked_reward(checked: Checked, *, right: float = 1.0, share: float = 0.0) -> Floats:
    """Reward of a task's check, shape (B,): ``right`` for whole answers, and ``share`` times the share that is right.

    A reward for parts helps while whole answers are rare: with 0 and 1 alone, groups of small models are alike.
    """
    return right * checked.is_right_B.astype(np.float64) + share * checked.share_right_B


def verified_reward(
    verifier: Verifier, texts: Sequence[str], problems: Sequence[Problem], *, right: float = 2.0
) -> Floats:
    """``right`` where a text answers its problem, 0 where it does not or has no readable answer; shape (B,)."""
    marks = [verifier.grade(text, problem).is_right for text, problem in zip(texts, problems, strict=True)]
    return right * np.asarray(marks, np.float64)


# ---------------------------------------------------------------- together


class Rewards(NamedTuple):
    """Rewards of decodings.

    Attributes:
        total_B: Weighted sum.
        mean: Of each part over decodings, before weighting, for the log.
    """

    total_B: Floats
    mean: dict[str, float]


def add_rewards(parts: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> Rewards:
    """The weighted sum of rewards.

    Args:
        parts: Each of shape (B,).
        weights: One for each part; a part with weight 0 is only measured.

    Raises:
        ConfigError: A part without a weight, or a weight without a part.
    """
    if odd := sorted(set(parts) ^ set(weights)):
        raise ConfigError(f"rewards and weights differ in {', '.join(odd)}", remedy="Give every reward one weight.")
    arrays = {name: np.asarray(part, np.float64) for name, part in parts.items()}
    weighted = [weights[name] * part for name, part in arrays.items() if weights[name]]
    total = np.sum(weighted, axis=0) if weighted else np.zeros(next((len(a) for a in arrays.values()), 0))
    return Rewards(np.asarray(total, np.float64), {name: float(part.mean()) for name, part in arrays.items()})


# ---------------------------------------------------------------- a teacher


class Encoded(NamedTuple):
    """A text in the teacher's tokens.

    Attributes:
        prompt_ids: What is read first; at least one token.
        completion_ids: What is scored.
    """

    prompt_ids: Sequence[int]
    completion_ids: Sequence[int]


def mean_logp(model: nn.Module, texts: Sequence[Encoded], *, max_tok: int | None = None, batch: int = 16) -> Floats:
    """Mean log-probability per token under a causal language model, nats, shape (B,); 0 for empty texts.

    Args:
        model: Any causal model that maps token ids to logits, as they are or as an attribute ``logits``.
        texts: Tokens.
        max_tok: Score the first this many tokens of each, so that rambling costs no memory.
        batch: Texts that are read together; changes no result beyond rounding.

    Raises:
        DataError: A text without a token before it.
    """
    import torch

    if any(not text.prompt_ids for text in texts):
        raise DataError("a teacher needs a token before what it scores", remedy="Begin prompts with a start token.")
    device = next(model.parameters()).device
    scores = np.zeros(len(texts))
    full = [i for i, text in enumerate(texts) if text.completion_ids]
    for first in range(0, len(full), batch):
        rows = full[first : first + batch]
        done = [list(texts[i].completion_ids)[:max_tok] for i in rows]
        whole = [list(texts[i].prompt_ids) + tokens for i, tokens in zip(rows, done, strict=True)]
        longest = max(map(len, whole))
        # Padded on the right: a causal model does not see what comes later, so that it needs no mask.
        tokens_BT = torch.tensor([ids + [0] * (longest - len(ids)) for ids in whole], device=device)
        with torch.inference_mode():
            said = model(tokens_BT)
            logits_BTV: Tensor = getattr(said, "logits", said)
            for row, (i, tokens, ids) in enumerate(zip(rows, done, whole, strict=True)):
                at = logits_BTV[row, len(ids) - len(tokens) - 1 : len(ids) - 1].float()
                goal = torch.tensor(tokens, device=device)[:, None]
                logp = at.gather(1, goal)[:, 0] - at.logsumexp(1)
                scores[i] = float(logp.double().sum()) / max(len(tokens), 1)
    return scores


def reverse_kl_reward(teacher_B: ArrayLike, student_logp_B: ArrayLike, num_tok_B: ArrayLike) -> Floats:
    """A teacher's mean log-probability less the student's own, nats per token, shape (B,).

    The student's is its trajectory's, over its own tokens: with two tokenizers the means are only roughly comparable.
    Off in the release by default.
    """
    own = np.asarray(student_logp_B, np.float64) / np.maximum(np.asarray(num_tok_B), 1)
    return np.asarray(teacher_B, np.float64) - own


def chat_encoder(
    tokenizer: PreTrainedTokenizerBase, *, with_end: bool = True
) -> Callable[[str | Messages, str], Encoded]:
    """Puts a prompt before the teacher as its own chat template does, and a completion as its reply.

    Args:
        tokenizer: The teacher's; without a chat template prompts are read as they are.
        with_end: Score the token that ends a turn, so that stopping is judged too and no text is empty.

    Raises:
        ConfigError: ``with_end``, and the tokenizer knows no such token.
    """
    end = tokenizer.eos_token_id
    if with_end and not isinstance(end, int):
        raise ConfigError("the teacher's tokenizer has no end token", remedy="Set with_end=False.")

    def encode(prompt: str | Messages, completion: str) -> Encoded:
        ids = tokenizer(completion, add_special_tokens=False)["input_ids"]
        scored = [*ids, *([end] if with_end else [])]  # pyright: ignore[reportGeneralTypeIssues]
        if tokenizer.chat_template:
            turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [dict(m) for m in prompt]
            text = str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
            return Encoded(tokenizer(text, add_special_tokens=False)["input_ids"], scored)  # pyright: ignore[reportArgumentType]
        text = prompt if isinstance(prompt, str) else "\n\n".join(str(m["content"]) for m in prompt)
        start = list(tokenizer(text)["input_ids"])  # pyright: ignore[reportArgumentType]
        if not start and isinstance(tokenizer.bos_token_id, int):
            start = [tokenizer.bos_token_id]
        return Encoded(start, scored)

    return encode


# ---------------------------------------------------------------- TRL's signature


class SpeedReward:
    """`speed_reward` of the column ``sampling_traj``.

    Args:
        kind: Which formula.
        scale: What ``sum`` is divided by.
    """

    def __init__(self, kind: Speed = "sum", *, scale: float = SPEED_SCALE) -> None:
        speed_reward([[0]], kind, scale=scale)  # refuses what is unknown
        self.kind: Speed = kind
        self.scale, self.__name__ = scale, f"speed_{kind}"

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        *,
        sampling_traj: Sequence[Sequence[Sequence[int]]],
        **columns: Any,
    ) -> list[float]:
        """One reward for each decoding."""
        sizes = [[len(step) for step in steps] or [0] for steps in sampling_traj]
        return [float(speed_reward([row], self.kind, scale=self.scale)[0]) for row in sizes]


class TeacherReward:
    """`mean_logp` of each completion under a teacher.

    Args:
        model: The teacher, in ``eval`` mode.
        encode: A prompt and a completion in its tokens; `chat_encoder` makes one.
        max_tok: Most tokens scored.
        batch: Texts that are read together.
    """

    def __init__(
        self,
        model: nn.Module,
        encode: Callable[[Any, str], Encoded],
        *,
        max_tok: int | None = None,
        batch: int = 16,
    ) -> None:
        self.model, self.encode, self.max_tok, self.batch = model, encode, max_tok, batch
        self.__name__ = "teacher"

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """One reward for each completion: a string, or messages of which the last is read."""
        said = [c if isinstance(c, str) else str(c[-1]["content"]) for c in completions]
        texts = [self.encode(prompt, text) for prompt, text in zip(prompts, said, strict=True)]
        return mean_logp(self.model, texts, max_tok=self.max_tok, batch=self.batch).tolist()
