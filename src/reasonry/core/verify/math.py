"""Mathematical equivalence by math-verify, in a process of its own.

math-verify guards against formulas that never finish with an alarm signal, which works on a process's main thread
only. Here it always has one: a worker process answers one question at a time, and is killed and started anew when it
does not answer in time.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from typing import IO, Any

from reasonry.core import optional
from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem

_WORKER = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from math_verify import parse, verify
out = sys.stdout
sys.stdout = sys.stderr
for line in sys.stdin:
    job = json.loads(line)
    try:
        found = parse(job["text"], parsing_timeout=job["timeout_s"])
        oracle = parse(job["oracle"], parsing_timeout=job["timeout_s"]) if "oracle" in job else []
        reply = {
            "answer": str(found[0]) if found else None,
            "oracle": bool(oracle),
            "equal": bool(found and oracle and verify(oracle, found, timeout_seconds=job["timeout_s"])),
        }
    except Exception as e:
        reply = {"error": type(e).__name__ + ": " + str(e)[:200]}
    out.write(json.dumps(reply) + "\\n")
    out.flush()
"""


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
        self._worker: subprocess.Popen[str] | None = None
        self._replies: queue.Queue[str] = queue.Queue()

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """The answer as a sympy expression's text."""
        return self._ask({"text": text[-8000:]}).get("answer")

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """Right when the two formulas are equal; ungradable when either cannot be read or time runs out."""
        oracle = problem.answer if "$" in problem.answer or "\\" in problem.answer else f"${problem.answer}$"
        reply = self._ask({"text": text[-8000:], "oracle": oracle})
        if "error" in reply:
            return Outcome("ungradable", None, f"the grader failed ({reply['error']})")
        if not reply["oracle"]:
            return Outcome("ungradable", reply["answer"], f"the oracle answer {problem.answer!r} cannot be read")
        if reply["answer"] is None:
            return Outcome("ungradable", None, "cut off before an answer" if cut_off else "no answer found")
        return Outcome("right" if reply["equal"] else "wrong", reply["answer"], "equivalent" if reply["equal"] else "")

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._stop()

    # ------------------------------------------------------------

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            worker = self._running()
            assert worker.stdin is not None
            try:
                worker.stdin.write(json.dumps({**job, "timeout_s": self._timeout_s}) + "\n")
                worker.stdin.flush()
                # Three guarded steps, the worker's start, and some air.
                line = self._replies.get(timeout=3 * self._timeout_s + 30)
            except queue.Empty:
                self._stop()
                return {"error": "timed out"}
            except OSError:
                line = ""
            if not line:
                self._stop()
                return {"error": "the worker died"}
            return json.loads(line)

    def _running(self) -> subprocess.Popen[str]:
        if self._worker is None or self._worker.poll() is not None:
            # The worker inherits no credentials: it parses text that a model wrote.
            keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT")}
            self._worker = subprocess.Popen(
                [sys.executable, "-c", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=keep,
            )
            self._replies = queue.Queue()
            assert self._worker.stdout is not None
            threading.Thread(target=_forward, args=(self._worker.stdout, self._replies), daemon=True).start()
        return self._worker

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            self._worker = None

    def __del__(self) -> None:
        self._stop()


def _forward(source: IO[str], target: queue.Queue[str]) -> None:
    for line in source:
        target.put(line)
    target.put("")
