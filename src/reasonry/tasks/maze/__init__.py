"""The Keys-Finding Maze: four rooms, doors of three colours, keys, one of which can be carried at a time.

    . . @ # . . r      @ start  * goal  # wall  . free  r g b keys  R G B doors (reasonry.tasks.maze.scene.draw)
    . b . # . . .
    . . . B . . .      plan left down pick down right right right right up right up pick ..
    # # # # R # #
    . . . G . . .      The question is the maze in words, the steps are the events of a nondeterministic A* search,
    . . . # g . .      the answer is the shortest plan that it finds. Any plan that keeps the rules and ends on the
    * . . # . . .      goal is right.

`layout` has the grid and its symmetries, `generate` draws mazes, `rules` says what is possible, `search` is A*, `words`
the text format and its parser, `check` the verdict on a plan, `metrics` 1-Feasible-k and 1-Optimal-k, `scene` and `svg`
the drawing, `verifier` and `named` the ways in by name (``maze-plan``, ``maze:small``).

| size | rooms | doors | question | steps, mean and most | actions, mean and most |
|---|---|---|---|---|---|
| tiny | 2 x 2 | 1, two passages | 32 words | 45, 70 | 11, 25 |
| small | 2 x 2 | 2, one passage | 40 words | 58, 187 | 12, 33 |
| paper | 3 x 3 | 3 | 60 words | 134, 1397 | 15, 52 |
| large | 4 x 4 | 3 | 72 words | 236, 2567 | 19, 71 |

These are of 10,000 mazes each; a step has seven words. ``paper`` is the published task as far as it is known (Su et
al., "Token Assorted: Mixing Latent and Text Tokens for Improved Language Model Reasoning", arXiv 2502.03275); the other
sizes are ours.
"""
