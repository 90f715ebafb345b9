"""Default prompts of the benchmark: book reports, stories and made-up news, the three kinds of MarkMyWords.

The kinds are those of Piet et al. (arXiv 2312.00273); the prompts are this package's own. They stand in turn, so that
the first 3 k of them hold k of each kind.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.messages import Message
from reasonry.core.sampling import Request
from reasonry.errors import ConfigError
from reasonry.watermark.generation.prompts import read_prompts

BOOKS = (
    "Frankenstein by Mary Shelley",
    "Treasure Island by Robert Louis Stevenson",
    "The Time Machine by H. G. Wells",
    "Alice's Adventures in Wonderland by Lewis Carroll",
    "Twenty Thousand Leagues Under the Seas by Jules Verne",
    "Great Expectations by Charles Dickens",
    "The Wind in the Willows by Kenneth Grahame",
    "Pride and Prejudice by Jane Austen",
    "The Adventures of Tom Sawyer by Mark Twain",
    "Dracula by Bram Stoker",
)
STORIES = (
    "a lighthouse keeper who receives letters from a ship that sank long ago",
    "two rival bakers in a mountain village who have to share one oven",
    "a girl who repairs clocks and finds one that runs backwards",
    "the last train of the night and the only passenger aboard",
    "a gardener who discovers that her roses answer questions",
    "an old astronomer who teaches a street musician the names of the stars",
    "a map that shows a different island every morning",
    "a city where it has rained for a hundred years and then stops",
    "a robot that is left behind to look after an empty library",
    "three brothers who inherit a ferry and cannot agree where it should go",
)
NEWS = (
    "a town that has elected a tortoise as its honorary mayor",
    "a bridge that was painted in the wrong colour overnight and delighted everyone",
    "scientists who claim to have taught bees to sort postage stamps",
    "a village choir that broke the record for the longest song",
    "a museum that found a second door behind its most famous painting",
    "a delivery drone that has been nesting with storks",
    "a school whose pupils built a working submarine out of milk cartons",
    "a football match that was decided by a visiting flock of sheep",
    "an island that announced it will move its clocks by seven minutes",
    "a bakery whose bread is said to predict the weather",
)


def default_prompts() -> list[Request]:
    """Thirty prompts, one request each."""
    requests: list[Request] = []
    for number, (book, story, news) in enumerate(zip(BOOKS, STORIES, NEWS, strict=True), 1):
        asked = {
            "book": f"Write a book report on {book}. Say what happens, who matters most, and what you made of it.",
            "story": f"Write a short story about {story}.",
            "news": f"Write an invented news article about {news}. Give it a headline, and quote people on the spot.",
        }
        requests += [Request(f"{kind}-{number:02d}", (Message("user", text),)) for kind, text in asked.items()]
    return requests


def requests_of(prompts: str, *, num_texts: int) -> list[Request]:
    """As many texts as asked for, spread over the prompts: one of each in their order, then a second of each, ...

    More texts leave the first ones as they are.

    Args:
        prompts: A JSONL file (or a prompt); empty for the default ones.
        num_texts: Texts in all, at least 1.

    Raises:
        DataError: The file has no prompts, or a row that is none.
        ConfigError: ``num_texts`` is below 1.
    """
    if num_texts < 1:
        raise ConfigError(f"num_texts = {num_texts}", place="num_texts", remedy="Ask for 1 or more.")
    asked: Sequence[Request] = read_prompts(prompts) if prompts else default_prompts()
    each, more = divmod(num_texts, len(asked))
    counted = [(request, each + (at < more)) for at, request in enumerate(asked)]
    return [Request(r.id, r.messages, range(num)) for r, num in counted if num]
