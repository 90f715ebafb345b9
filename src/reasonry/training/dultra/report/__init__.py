"""Figures of decoding with masked diffusion models, shared by the comparison of policies and by training."""

from reasonry.training.dultra.report.plan_map import plan_map
from reasonry.training.dultra.report.reveal import Strip, reveal_chart, wrapped
from reasonry.training.dultra.report.trade_off import TradeOff, trade_off_chart
from reasonry.training.dultra.report.training import progress_rows, training_report

__all__ = [
    "Strip",
    "TradeOff",
    "plan_map",
    "progress_rows",
    "reveal_chart",
    "trade_off_chart",
    "training_report",
    "wrapped",
]
