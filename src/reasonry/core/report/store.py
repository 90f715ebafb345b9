"""``report.json`` and ``report.html`` in a run directory. The JSON is the truth; the page is made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.report.encode import checked
from reasonry.core.report.html import render_html
from reasonry.core.report.model import Report
from reasonry.errors import DataError

JSON_NAME = "report.json"
HTML_NAME = "report.html"


class ReportPaths(NamedTuple):
    """Where a report was written."""

    html: Path
    json: Path


def write_report(folder: Path, report: Report) -> ReportPaths:
    """Write ``report.json``, then ``report.html``, each atomically.

    Equal reports give equal bytes. The page is rendered before anything is written, so a missing package
    leaves the folder as it was.

    Raises:
        MissingDependencyError: The report has charts and the ``report`` extra is not installed.
        DataError: A chart refers to data outside the report.
        ResourceError: The folder cannot be written.
    """
    value = report.to_json()
    page = render_html(value)
    paths = ReportPaths(html=folder / HTML_NAME, json=folder / JSON_NAME)
    atomic.write_json(paths.json, value)
    atomic.write_text(paths.html, page)
    return paths


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a report, checked; ``path`` is the file or the folder that holds it.

    Raises:
        DataError: There is none, it is not JSON, or it is not a report.
    """
    file = path / JSON_NAME if path.is_dir() else path
    try:
        value = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(
            "no report here", place=str(file), remedy="Name a run directory whose run has finished."
        ) from None
    except (OSError, ValueError, RecursionError) as e:
        raise DataError(f"cannot read the report: {e}", place=str(file), remedy="Run its command again.") from e
    return checked(value, place=str(file))
