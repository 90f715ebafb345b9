"""``python -m reasonry``."""

from reasonry.cli.main import entry

entry()
