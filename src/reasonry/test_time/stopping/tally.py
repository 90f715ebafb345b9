"""Vote counts with their leader and runner-up, kept up to date in constant time per vote."""

# pyright: strict
from __future__ import annotations


class Tally:
    """Counts of answers seen so far.

    Attributes:
        counts: Votes of each answer, in order of first appearance.
        num_votes: All votes together.
        best: Votes of the leader; 0 before the first vote.
        second: Votes of the runner-up; equal to ``best`` in a tie, 0 while there is none.
        leader: The answer with the most votes; in a tie the one that had them first.
        runner_up: The answer with the most votes among the others, ties likewise.
    """

    __slots__ = ("best", "counts", "leader", "num_votes", "runner_up", "second")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.num_votes = 0
        self.best = 0
        self.second = 0
        self.leader: str | None = None
        self.runner_up: str | None = None

    def add(self, answer: str) -> bool:
        """Count one vote. True when the answer now has more votes than any answer had before.

        Only then has the evidence for a leader grown: a vote for another answer leaves the leader's count as it is
        and can only help a rival. And then the leader is the only one with so many votes.
        """
        count = self.counts.get(answer, 0) + 1
        self.counts[answer] = count
        self.num_votes += 1
        if count > self.best:
            if answer != self.leader:
                self.second, self.runner_up = self.best, self.leader
                self.leader = answer
            self.best = count
            return True
        if count > self.second:
            self.second, self.runner_up = count, answer
        return False
