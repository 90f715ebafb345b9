"""transformers without its progress bars and advice."""

from __future__ import annotations


class quiet_transformers:
    """Context in which transformers shows neither progress bars nor advice."""

    def __enter__(self) -> None:
        """Silence."""
        from transformers.utils import logging

        self._verbosity = logging.get_verbosity()
        self._bars = logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        """Restore."""
        from transformers.utils import logging

        logging.set_verbosity(self._verbosity)
        if self._bars:
            logging.enable_progress_bar()
