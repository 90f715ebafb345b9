"""Mazes with searches, plans and texts per second, and plans checked per second, against networkx.

Run ``python benchmarks/maze.py [--json]``. Everything is on one core, in CPU seconds. A text is what training reads:
the maze of its split, the trace of the nondeterministic A*, the plan, all in words. The other side takes the same mazes
as given and finds the length of a shortest plan only, with ``networkx.shortest_path_length`` on the graph of all states
that the rules allow.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import networkx as nx

from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.tasks.maze.check import check_plan
from reasonry.tasks.maze.layout import SIZES, Maze
from reasonry.tasks.maze.named import mazes, solved
from reasonry.tasks.maze.rules import ACTIONS, State, act, start_state
from reasonry.tasks.maze.words import WORDS
from reasonry.tasks.reasoning_text import make_texts
from reasonry.tasks.reasoning_tokens import PieceMaker

NUM_TEXTS = 1_000
NUM_PEER = 60
NUM_REPEATS = 3


def best_cpu_s(call: Callable[[], object], repeats: int = NUM_REPEATS) -> float:
    times_s = []
    for _ in range(repeats):
        start_s = time.process_time()
        call()
        times_s.append(time.process_time() - start_s)
    return min(times_s)


def with_networkx(maze: Maze) -> int:
    graph, todo = nx.DiGraph(), [start_state(maze)]
    graph.add_node(todo[0])
    while todo:
        state = todo.pop()
        for action in ACTIONS:
            then = act(maze, state, action)
            if isinstance(then, State):
                if then not in graph:
                    todo.append(then)
                graph.add_edge(state, then)
    goals = [state for state in graph if state.at == maze.goal]
    graph.add_edges_from((state, "goal") for state in goals)
    return nx.shortest_path_length(graph, start_state(maze), "goal") - 1


def measure(size: str, seed: int) -> dict[str, float]:
    name = f"maze:{size}"
    text_s = best_cpu_s(lambda: make_texts(name, num=NUM_TEXTS, seed=seed)) / NUM_TEXTS
    found = make_texts(name, num=NUM_TEXTS, seed=seed)
    drawn = mazes(size, num=NUM_TEXTS, seed=seed, split="train")
    some = drawn[:NUM_PEER]
    search_s = best_cpu_s(lambda: [solved(maze, seed) for maze in drawn]) / NUM_TEXTS
    some_s = best_cpu_s(lambda: [solved(maze, seed) for maze in some]) / NUM_PEER
    peer_s = best_cpu_s(lambda: [with_networkx(maze) for maze in some], 1) / NUM_PEER
    assert [with_networkx(maze) for maze in some[:5]] == [len(solved(maze, seed).search.plan) for maze in some[:5]]
    check_s = best_cpu_s(lambda: [check_plan(text.question, text.answer) for text in found]) / NUM_TEXTS
    maker = PieceMaker(word_level_tokenizer(WORDS))
    pieces_s = best_cpu_s(lambda: maker.make(found[:200])) / 200
    return {
        "texts_per_s": 1 / text_s,
        "search_us": 1e6 * search_s,
        "checks_per_s": 1 / check_s,
        "tokenized_per_s": 1 / pieces_s,
        "words_of_steps": sum(7 * len(text.steps) for text in found) / NUM_TEXTS,
        "networkx_us": 1e6 * peer_s,
        "ratio": peer_s / some_s,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of mazes.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    result = {size: measure(size, args.seed) for size in SIZES}
    if args.json:
        print(json.dumps({"num_texts": NUM_TEXTS, "sizes": result}))
        return 0
    print(f"{NUM_TEXTS:,} mazes of each size, one core")
    for size, row in result.items():
        print(
            f"{size:6} {row['texts_per_s']:7,.0f} texts/s ({row['words_of_steps']:,.0f} words of steps), "
            f"{row['checks_per_s']:7,.0f} plans checked/s, {row['tokenized_per_s']:6,.0f} tokenized/s; "
            f"a search {row['search_us']:,.0f} us, networkx {row['networkx_us']:,.0f} us: {row['ratio']:.0f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
