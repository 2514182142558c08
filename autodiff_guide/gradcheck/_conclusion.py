"""The exception by which any step ends a check early, with a verdict."""

from __future__ import annotations


class ConclusionError(Exception):
    """The check ends here: nothing that follows would mean anything."""

    def __init__(self, verdict: str, kinds: tuple[str, ...], sentence: str) -> None:
        super().__init__(sentence)
        self.verdict = verdict
        self.kinds = kinds
        self.sentence = sentence
