from reasonry.watermark.keys.unlocking import *  # noqa: F403
