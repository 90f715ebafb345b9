"""Mathematical equivalence by math-verify, in a process of its own.

math-verify guards against formulas that never finish with an alarm signal, which works on a process's main thread
only, and not inside one long multiplication. Here a worker process always has a main thread, answers one question at a
time, may use a bounded amount of memory, and is killed and started anew when it does not answer in time.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
import weakref
from typing import IO, Any

from reasonry.core import optional
from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem

_WORKER = """
import json, logging, sys
logging.disable(logging.CRITICAL)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
except (ImportError, OSError, ValueError):
    pass
from math_verify import parse, verify
from math_verify.errors import TimeoutException
out = sys.stdout
sys.stdout = sys.stderr
out.write("ready\\n")
out.flush()

def read(text, timeout_s):
    try:
        return parse(text, parsing_timeout=timeout_s, raise_on_error=True)
    except Exception:  # not a formula
        return []

def equal(oracle, found, timeout_s):
    ran_out = None
    for one in oracle:
        for other in found:
            try:
                if verify([one], [other], timeout_seconds=timeout_s, raise_on_error=True):
                    return True
            except TimeoutException as e:
                ran_out = e
            except Exception:  # not comparable
                pass
    if ran_out is not None:
        raise ran_out
    return False

for line in sys.stdin:
    job = json.loads(line)
    try:
        found = read(job["text"], job["timeout_s"])
        oracle = read(job["oracle"], job["timeout_s"]) if "oracle" in job else []
        answer = str(found[0]) if found else None
        reply = {"answer": answer, "oracle": bool(oracle), "equal": equal(oracle, found, job["timeout_s"])}
    except TimeoutException:
        reply = {"error": "timed out"}
    except Exception as e:
        reply = {"error": type(e).__name__ + ": " + str(e)[:200]}
    out.write(json.dumps(reply) + "\\n")
    out.flush()
"""
# The worker parses text that a model wrote: it inherits no credentials, only what Python needs to start.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")
_START_S = 120.0
_AIR_S = 5.0
_MAX_CHARS = 8000
_MAX_ANSWER_CHARS = 1000


class MathVerifier:
    """Grades LaTeX and plain formulas. Safe to share between threads.

    Args:
        timeout_s: For parsing and for comparing, each; whole seconds.

    Raises:
        MissingDependencyError: math-verify is not installed.
    """

    name = "math"

    def __init__(self, *, timeout_s: int = 5) -> None:
        optional.need("math_verify", extra="eval", why="for the math verifier")
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._worker: _Worker | None = None

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        r"""The answer as a sympy expression's text; of a cut-off reply, the last ``\boxed{...}`` that was closed."""
        part = _read_part(text, cut_off=cut_off)
        return self._ask({"text": part}).get("answer") if part else None

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when the two formulas are equal; ungradable when either cannot be read or time runs out."""
        part = _read_part(text, cut_off=cut_off)
        reply = self._ask({"text": part, "oracle": _delimited(problem.answer)})
        if "error" in reply:
            return Outcome("ungradable", None, f"the grader failed ({reply['error']})")
        answer: str | None = reply["answer"]
        if not reply["oracle"]:
            return Outcome("ungradable", answer, f"the oracle answer {problem.answer!r} cannot be read")
        if answer is None:
            return Outcome("ungradable", None, "cut off before an answer" if cut_off else "no answer found")
        return Outcome("right", answer, "equivalent") if reply["equal"] else Outcome("wrong", answer, "not equivalent")

    def close(self) -> None:
        """End the worker; the next question starts another."""
        with self._lock:
            self._stop()

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            try:
                if self._worker is None or not self._worker.is_alive:
                    self._stop()
                    self._worker = _Worker()
                    weakref.finalize(self, self._worker.stop)
                # Two readings, comparisons of formula with formula and text with text, and some air.
                reply = self._worker.ask({**job, "timeout_s": self._timeout_s}, wait_s=4 * self._timeout_s + _AIR_S)
            except (TimeoutError, EOFError) as e:
                self._stop()
                return {"error": str(e)}
            except BaseException:
                # Interrupted between question and reply: a later question must not be given this one's reply.
                self._stop()
                raise
        if len(reply.get("answer") or "") > _MAX_ANSWER_CHARS:
            return {"error": f"an answer of more than {_MAX_ANSWER_CHARS} characters"}
        return reply

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()


class _Worker:
    """The process. A thread hands its lines over, so that waiting for one can end."""

    def __init__(self) -> None:
        env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER],  # -P: a math_verify.py in the current folder is not imported
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=env,
            # A Ctrl-C at the terminal asks reasonry to stop after this step; it must not kill the step's grader.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=_forward, args=(self._process.stdout, self._lines), daemon=True)
        self._reader.start()
        try:
            self._line(wait_s=_START_S)
        except BaseException:
            self.stop()
            raise

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: dict[str, Any], *, wait_s: float) -> dict[str, Any]:
        """Raises TimeoutError or EOFError; the worker is then of no use any more."""
        with contextlib.suppress(BrokenPipeError):  # it died: the line below says so
            self._stdin.write(json.dumps(job) + "\n")
            self._stdin.flush()
        return json.loads(self._line(wait_s=wait_s))

    def _line(self, *, wait_s: float) -> str:
        try:
            line = self._lines.get(timeout=wait_s)
        except queue.Empty:
            raise TimeoutError("timed out") from None
        if not line:
            raise EOFError("the worker died")
        return line

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._reader.join(timeout=_AIR_S)


def _forward(source: IO[str], target: queue.Queue[str]) -> None:
    with source:
        for line in source:
            target.put(line)
    target.put("")


def _delimited(oracle: str) -> str:
    """The oracle as math-verify reads whole formulas: between dollar signs, unless it is so already."""
    if oracle.count("$") >= 2 or re.search(r"\\boxed|\\\(|\\\[", oracle):
        return oracle
    return f"${oracle.replace('$', '').strip()}$"


def _read_part(text: str, *, cut_off: bool) -> str:
    part = _last_box(text) if cut_off else text[-_MAX_CHARS:]
    return part.encode("utf-8", "replace").decode()  # half a surrogate pair could not be written to a file


def _last_box(text: str) -> str:
    r"""The last closed ``\boxed{...}``, or an empty string."""
    for found in reversed(list(re.finditer(r"\\boxed\s*\{", text))[-32:]):
        depth = 1
        for at in range(found.end(), min(len(text), found.end() + _MAX_CHARS)):
            depth += (text[at] == "{") - (text[at] == "}")
            if depth == 0:
                return text[found.start() : at + 1]
    return ""
