"""Human text that every Python brings along: the language reference's topics, and the docstrings of its library.

What a module says is one document. Texts are those of the running Python; another version has others.
"""

from __future__ import annotations

import ast
import io
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from reasonry.errors import DataError
from reasonry.watermark.detection.read import Document

NAME = "Python's documentation"
_NOT_PROSE = ("site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data", "turtledemo")
_LEAST_CHARS = 80  # shorter docstrings are signatures rather than prose


def python_docs() -> Iterator[Document]:
    """The topics in the order of their names, then the modules in the order of their paths.

    Raises:
        DataError: This Python came without both.
    """
    num = 0
    for name, text in (*_topics(), *_docstrings()):
        num += 1
        yield Document(name, name, text=io.StringIO(text, newline=""))
    if not num:
        remedy = "Name a corpus of your own: a text file, a folder of them, or JSONL."
        raise DataError("this Python came without its documentation", remedy=remedy)


def _topics() -> Iterator[tuple[str, str]]:
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions ship Python without it
        return
    for name in sorted(topics):
        yield f"topic {name}", topics[name]


def _docstrings() -> Iterator[tuple[str, str]]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if set(inside.parts) & set(_NOT_PROSE):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old escapes in the library's own sources
                tree = ast.parse(path.read_text("utf-8"))
        except (OSError, SyntaxError, ValueError):  # a template or a file in another encoding: not prose we can use
            continue
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        said = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
        if text := "\n\n".join(doc for doc in said if len(doc) >= _LEAST_CHARS):
            yield inside.as_posix(), text
