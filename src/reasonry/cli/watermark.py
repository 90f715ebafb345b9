"""``reasonry watermark key|generate|detect|calibrate|bench``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry import registry
from reasonry.cli.output import Output
from reasonry.errors import EXIT_OK, ConfigError, nearest

ACTIONS = {
    "key": ("reasonry.cli.watermark_key:main", "make, list, import and retire keys"),
    "generate": ("reasonry.cli.watermark_generate:main", "generate text that carries your mark, with unchanged law"),
    "detect": ("reasonry.cli.watermark_detect:main", "look for the mark of your keys in texts or in a stream"),
    "calibrate": ("reasonry.cli.watermark_calibrate:main", "the realised rate of false alarms on your human text"),
    "bench": ("reasonry.cli.watermark_bench:main", "watermarks side by side: size, quality, what they survive"),
}


def main(args: Sequence[str], as_json: bool) -> int:
    """Dispatch to the action."""
    if not args or args[0] in ("-h", "--help"):
        width = max(map(len, ACTIONS)) + 2
        rows = [f"  {name:<{width}}{line}" for name, (_, line) in ACTIONS.items()]
        print("\n".join([f"usage: reasonry watermark {'|'.join(ACTIONS)} ...", "", *rows]))
        return EXIT_OK
    if args[0] not in ACTIONS:
        hint = nearest(args[0], ACTIONS) or f"Actions: {', '.join(ACTIONS)}."
        raise ConfigError(f"unknown action {args[0]!r}", place="watermark", remedy=hint)
    return registry.resolve(ACTIONS[args[0]][0])(args[1:], Output(as_json=as_json))
