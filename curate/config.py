"""Settings: frozen, small, checked all at once, with "did you mean" for unknown keys."""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from typing import Any, ClassVar, TypeVar, get_args

import fsspec
from pydantic import BaseModel, ConfigDict, ValidationError

from curate.errors import ConfigError

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of every group of settings. Fields named in `how_not_what` change speed but never the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    how_not_what: ClassVar[frozenset[str]] = frozenset()

    def recipe(self) -> dict[str, Any]:
        """The settings that decide what the rows will be, as JSON values; what a part's recipe is made from."""
        return self.model_dump(mode="json", exclude=set(self.how_not_what))


def parse(kind: type[S], values: dict[str, Any], where: str) -> S:
    """Check `values` against `kind`; raise ConfigError naming every fault with its path in the file."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(where, [_fault(kind, dict(e)) for e in error.errors()]) from None


def read_toml(url: str) -> dict[str, Any]:
    """Read a TOML file from a local path or an fsspec URL."""
    try:
        with fsspec.open(url, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(url, ["no such file"]) from None
    except OSError as error:
        raise ConfigError(url, [f"cannot be read: {error.strerror or error}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(url, [f"not TOML: {error}"]) from None


def _fault(kind: type[BaseModel], error: dict[str, Any]) -> str:
    path = [str(step) for step in error["loc"]]
    place = ".".join(path) or "the file"
    if error["type"] == "extra_forbidden":
        return f"unknown key `{place}`{_did_you_mean(path[-1], _fields_at(kind, path[:-1]))}"
    message = error["msg"].removeprefix("Value error, ")
    shown = error["type"] != "missing" and not isinstance(error["input"], dict)
    given = f" (given: {reprlib.repr(error['input'])})" if shown else ""
    return f"`{place}`: {message[:1].lower()}{message[1:]}{given}"


def _fields_at(kind: Any, path: list[str]) -> list[str]:
    """Names of the fields that may stand under `path`."""
    for step in path:
        field = _model(kind).get(step)
        kind = field.annotation if field is not None else get_args(kind)[-1]  # of `dict[str, X]`, X
    return list(_model(kind))


def _model(kind: Any) -> dict[str, Any]:
    """The fields of a model, or of the model in `X | None`."""
    for choice in (kind, *get_args(kind)):
        if hasattr(choice, "model_fields"):
            return dict(choice.model_fields)
    return {}


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; known: {', '.join(known)}"
