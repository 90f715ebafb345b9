"""Report and terminal table of ``reasonry watermark bench``."""

from reasonry.watermark.bench.report.build import build_report, remarks, table_of, title_of

__all__ = ["build_report", "remarks", "table_of", "title_of"]
