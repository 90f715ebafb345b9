"""Config of ``reasonry probe superposition``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.models.config import ModelConfig

VERB = "probe superposition"
CONSTRUCTION = "construction"


class ProbeConfig(Config):
    """Look at what continuous thoughts about graphs hold: which vertices at once, and which edges they came from."""

    model: tyro.conf.Positional[str]
    """A run directory of train continuous-cot graphs, the folder of one of its methods or of its model; or
    construction, the explicit transformer, whose thoughts are exact."""
    method: str = ""
    """Which method of a run directory; continuous when not given."""
    graphs: Path | None = None
    """JSON file of graph questions (edges, root, target, neg_target), as published, instead of generated ones."""
    num_graphs: Annotated[int, Extends, Field(ge=2)] = 300
    """Graphs; more of them continue a run. Of a file the first ones, all if it has fewer."""
    hops: Annotated[int | None, Field(ge=1)] = None
    """Fewest edges on the shortest path of a generated graph; those of the training when not given."""
    max_hops: Annotated[int | None, Field(ge=1)] = None
    """The most of them, likewise; as ``hops`` when only that is given."""
    num_nodes: Annotated[int | None, Field(ge=4)] = None
    """Vertices to grow a graph with, likewise."""
    thoughts: Annotated[int | None, Field(ge=1)] = None
    """Thoughts about each graph; one for every edge of its shortest path when not given, as in training."""
    frontier: Literal["distance", "walks"] = "distance"
    """What the frontier of thought c is: vertices at distance c from the root, or at the end of a walk of c edges, as
    in the notebooks of arXiv 2505.12514."""
    attention: bool = True
    """Read attention, too."""
    copy_layer: Annotated[int | None, Field(ge=1)] = None
    """Layer, from 1, in which the last token of an edge looks at its vertices; the first when not given."""
    edge_layer: Annotated[int | None, Field(ge=1)] = None
    """Layer, from 1, in which a thought looks at edges; when not given the second, and the first where edges are packed
    into one position and have nothing to copy."""
    seed: int = 0
    """Of the graphs and of the resampling. Graphs are of the test split, which shares none with training whatever the
    seeds."""
    show: Annotated[int, Neutral, Field(ge=0)] = 3
    """Graphs that are drawn."""
    batch_size: Annotated[int, Neutral, Field(ge=1)] = 50
    """Graphs at once."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""
    model_options: ModelConfig = ModelConfig()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        sizes = {"hops": self.hops, "max_hops": self.max_hops, "num_nodes": self.num_nodes}
        given = [name for name, value in sizes.items() if value is not None]
        if self.graphs is not None and given:
            raise ValueError(f"{given[0]} is of generated graphs, and --graphs names a file")
        if self.model == CONSTRUCTION and (self.copy_layer is not None or self.edge_layer is not None):
            raise ValueError("the construction copies in its first layer and looks at edges in its second")
        if self.hops is not None and self.max_hops is not None and self.max_hops < self.hops:
            raise ValueError(f"max_hops = {self.max_hops} is below hops = {self.hops}")
        return self
