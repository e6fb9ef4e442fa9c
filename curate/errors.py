"""The error tree. Every message says what, where, which values, and what to do next.

A bad *sample* is never an exception (it gets a `status`); these are for a run that cannot go on as asked.
"""

from __future__ import annotations

from collections.abc import Sequence


class CurateError(Exception):
    """Base of all errors that the command line prints without a traceback."""


class FaultsError(CurateError):
    """Several faults of one file or table, all listed at once."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.where, self.faults = where, tuple(faults)
        super().__init__(f"{where}: {_listed(faults)}")

    def __reduce__(self) -> tuple[type, tuple[str, tuple[str, ...]]]:
        return type(self), (self.where, self.faults)  # a worker's error crosses processes whole


class ConfigError(FaultsError):
    """The run file asks for something that cannot be."""


class ContractError(FaultsError):
    """A table does not hold to its contract in `schemas/`."""


class SourceError(CurateError):
    """An input (URL list, shard, benchmark) is missing, unreadable or not what was announced."""


class StaleError(CurateError):
    """A part on disk was made from something else than this run would make it from."""


class DigestError(CurateError):
    """A part's content is not what its footer says."""


class RunLockedError(CurateError):
    """Another process is working in the run directory."""


class PartsFailedError(CurateError):
    """Some parts of a stage failed; the others are done and kept. Names every failed part."""


def _listed(faults: Sequence[str]) -> str:
    """One fault on the same line, several as an indented list."""
    if len(faults) == 1:
        return faults[0]
    return f"{len(faults)} faults\n" + "\n".join(f"  - {fault}" for fault in faults)
