"""``reasonry VERB ...``. The top-level help imports neither pydantic nor tyro."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from reasonry import __version__, errors, registry


def help_text() -> str:
    """The page of ``reasonry --help``, from the registry."""
    width = max(len(f"{v.name} {v.usage}") for v in registry.VERBS) + 2
    rows = [f"  {f'{v.name} {v.usage}':<{width}}{v.job}" for v in registry.VERBS]
    return "\n".join(
        [
            "usage: reasonry VERB [@config.toml ...] [arguments] [--flag value ...] [--json]",
            "",
            "Post-train, study, scale, evaluate and sign language models.",
            "",
            *rows,
            "",
            "reasonry VERB --help shows a verb's flags. Flags are config keys: --sampling.temperature 0.5.",
            "Running the same command again continues its run directory.",
            "--json prints one JSON object on stdout; everything for people goes to stderr.",
            "Exit codes: 0 ok, 1 a check or claim failed, 2 usage or config, 3 data, 4 unsafe artifact,",
            "            5 resource or endpoint, 10 watermark detected, 130 interrupted with state saved.",
        ]
    )


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code."""
    # OpenMP threads that wait by spinning slow sampling many times over once anything else runs on the machine; a short
    # spin keeps most of the speed of an idle one. Read when the runtime is loaded, so before torch is.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    args = list(argv)
    verbs = {v.name: v for v in registry.VERBS}
    try:
        if not args or args[0] in ("-h", "--help", "help"):
            print(help_text())
            return errors.EXIT_OK
        if args[0] in ("-V", "--version"):
            print(f"reasonry {__version__}")
            return errors.EXIT_OK
        if args[0] not in verbs:
            hint = errors.nearest(args[0], verbs) or f"Verbs: {', '.join(verbs)}."
            raise errors.ConfigError(f"unknown verb {args[0]!r}", remedy=hint)
        as_json = "--json" in args
        rest = [a for a in args[1:] if a != "--json"]
        return registry.resolve(verbs[args[0]].target)(rest, as_json)
    except errors.ReasonryError as e:
        from reasonry.core.text import strip_controls

        # An endpoint's or a file's words may be in it.
        print(f"error: {strip_controls(str(e))}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return errors.EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.EXIT_OK


def entry() -> None:
    """Console script."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
