from reasonry.watermark.keys.ring import *  # noqa: F403
from reasonry.watermark.keys.ring import open_ring as open_ring
