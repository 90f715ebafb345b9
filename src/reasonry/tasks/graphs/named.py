"""Graph questions by the names that users give them: as worked examples (``prosqa:3``) and as a task."""

from __future__ import annotations

from reasonry.core import seeds
from reasonry.core.task import Task
from reasonry.tasks.graphs.names import make_names
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.tasks.graphs.text import to_text
from reasonry.tasks.reasoning_text import ReasoningText, Split, needed, parse_range
from reasonry.tasks.text_task import text_task

NAME = "prosqa"
NUM_EXAMPLES = 4
DEFAULT_HOPS = (3, 4)
INSTRUCTION = "Follow the statements step by step. End with the answer as one sentence, like: Tom is a wumpus."
VERIFIER = r"regex:[A-Z][a-z]+ is an? [a-z]+"

# Vertices with which 2 % of attempts or more hold a balanced question of so many hops.
_NUM_NODES = {1: 10, 2: 12, 3: 14, 4: 28, 5: 56, 6: 90}
MAX_HOPS = max(_NUM_NODES)
_NUM_NOUNS = 96


def config_for(argument: str) -> GraphConfig:
    """``""`` (3 to 4 hops), ``3`` or ``2-3`` as a config with a fitting number of vertices.

    Raises:
        ConfigError: It is no range from 1 to `MAX_HOPS`.
    """
    low, high = parse_range(argument, default=DEFAULT_HOPS, most=MAX_HOPS, usage=f"{NAME}:{argument}")
    return GraphConfig(num_nodes=_NUM_NODES[high], min_hops=low, max_hops=high)


def texts(argument: str, *, num: int | None, seed: int, split: Split) -> list[ReasoningText]:
    """``num`` different questions in words; raises as `config_for` and `prosqa_graphs`."""
    graphs = prosqa_graphs(config_for(argument), num=needed(num, NAME), seed=seed, split=split)
    rng = seeds.stream(seed, NAME, "texts", split)
    names = make_names(num_nouns=_NUM_NOUNS)
    return [to_text(graph, rng, names=names) for graph in graphs]


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``prosqa`` or ``prosqa:3`` as a task: questions of the test split, solved ones of the training split.

    Raises:
        ConfigError: The argument is no range of hops.
    """
    return text_task(
        NAME,
        argument,
        lambda many, split: texts(argument, num=many, seed=seed, split=split),
        num=num,
        seed=seed,
        verifier=VERIFIER,
        instruction=INSTRUCTION,
        num_examples=NUM_EXAMPLES,
        source=f"{__name__} seed={seed} hops={argument or '3-4'}",
    )
