"""Detection: from tokens and keys to evidence, one token at a time or whole corpora. No torch for a uniform anchor."""

from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.detection.result import Detection, Trace
from reasonry.watermark.detection.state import DetectorState

__all__ = ["Detection", "DetectorState", "Trace", "WatermarkDetector"]
