"""The report of ``reasonry solve``: what more samples buy, when to stop, every vote, every sample, and the cost."""

from reasonry.test_time.report.build import build_report
from reasonry.test_time.report.lines import summary_lines

__all__ = ["build_report", "summary_lines"]
