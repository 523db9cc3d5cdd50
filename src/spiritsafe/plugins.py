"""Who else offers a source or a tactic, and does it fit?

A `Door` is one kind of plugin: an entry-point group, the Protocol that its plugins fulfil, and the version
of that Protocol. The room that uses the plugins declares the door, beside its Protocol; built-ins are
registered in pyproject.toml and come through the same door. Nothing is imported before it is asked for, and
a plugin that cannot be used is always named: `load` raises, `load_all` reports each one to its caller.

Comes from the installed distributions' metadata; goes on to the room that owns the door.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from spiritsafe.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class PluginFault(EnvironmentFault):
    """A plugin is installed but raised an error while it was loaded."""

    code = "plugins.broken"


class PluginVersionFault(PluginFault):
    """A plugin was written for a version of our Protocol that we do not speak, or states none."""

    code = "plugins.version"


class PluginShapeFault(PluginFault):
    """A plugin lacks something that its Protocol asks for, or takes other parameters."""

    code = "plugins.shape"


class PluginDuplicateFault(PluginFault):
    """Two distributions offer different plugins under one name."""

    code = "plugins.duplicate"


class PluginMissingError(UsageError):
    """A plugin was asked for by a name that nothing installed offers."""

    code = "plugins.missing"


@dataclass(frozen=True, slots=True)
class Door(Generic[T]):
    """One kind of plugin and the terms on which it is let in.

    A plugin is any object (module, instance or class) that has every member of `protocol` and an attribute
    `api_version`: an int from `oldest_api_version` to `api_version`.

    Examples
    --------
    >>> from typing import Protocol
    >>> class Tactic(Protocol):
    ...     def score(self, text: str) -> float: ...
    >>> tactics = Door("example.tactics", Tactic, api_version=1)
    >>> tactics.names()
    ()
    """

    group: str
    protocol: type[T] = field(repr=False)
    api_version: int
    oldest_api_version: int = 1

    def names(self) -> tuple[str, ...]:
        """The names on offer, sorted. Imports no plugin."""
        return tuple(sorted(self._offers()))

    def load(self, name: str) -> T:
        """The plugin called `name`.

        Raises
        ------
        PluginMissingError
            Nothing installed offers that name; the hint lists the names there are.
        PluginFault
            It is there and cannot be used: broken, duplicate, of another version or of another shape.
        """
        offers = self._offers().get(name)
        if not offers:
            raise PluginMissingError(
                f"no plugin {name!r} in {self.group}",
                hint=f"choose one of: {', '.join(self.names()) or 'none'}; or install what offers it",
            )
        if len(offers) > 1:
            raise PluginDuplicateFault(
                f"{name!r} in {self.group} is offered by {' and by '.join(map(_where, offers))}",
                hint="uninstall one of them, or ask its author to rename it",
            )
        return self._admit(offers[0])

    def load_all(self, *, report: Callable[[PluginFault], None]) -> dict[str, T]:
        """Every plugin that can be used, by name; `report` is told of every one that cannot.

        There is no default for `report`: a caller decides to warn, to raise or to list, but never by accident
        to say nothing.
        """
        loaded: dict[str, T] = {}
        for name in self.names():
            try:
                loaded[name] = self.load(name)
            except PluginFault as fault:
                report(fault)
        return loaded

    def _offers(self) -> dict[str, list[EntryPoint]]:
        from importlib.metadata import entry_points  # 20 ms that `--help` need not pay

        found: defaultdict[str, list[EntryPoint]] = defaultdict(list)
        for entry in entry_points(group=self.group):
            # An editable install beside a stale one lists the same object twice: that is one offer.
            if all(entry.value != other.value for other in found[entry.name]):
                found[entry.name].append(entry)
        return dict(found)

    def _admit(self, entry: EntryPoint) -> T:
        try:
            plugin: Any = entry.load()
        except Exception as error:  # a stranger's module may raise anything; it must be named, whatever it is
            raise PluginFault(
                f"plugin {_where(entry)} failed to load: {type(error).__name__}: {error}",
                hint="update or uninstall it; the cause is in the traceback (python -X dev)",
            ) from error
        self._check_version(entry, plugin)
        faults = _shape_faults(plugin, self.protocol)
        if faults:
            raise PluginShapeFault(
                f"plugin {_where(entry)} is no {self.protocol.__name__}: {'; '.join(faults)}",
                hint=f"fulfil {self.protocol.__module__}.{self.protocol.__qualname__}, or uninstall it",
            )
        admitted: T = plugin
        return admitted

    def _check_version(self, entry: EntryPoint, plugin: object) -> None:
        stated = getattr(plugin, "api_version", None)
        wanted = f"{self.oldest_api_version} to {self.api_version}"
        if type(stated) is not int:
            raise PluginVersionFault(
                f"plugin {_where(entry)} states no api_version (found {stated!r}); wanted {wanted}",
                hint="give it an int attribute `api_version`: the Protocol's version it was written for",
            )
        if not self.oldest_api_version <= stated <= self.api_version:
            newer = stated > self.api_version
            raise PluginVersionFault(
                f"plugin {_where(entry)} has api_version {stated}; wanted {wanted}",
                hint="update spiritsafe" if newer else "update the plugin, or ask its author to",
            )


def _where(entry: EntryPoint) -> str:
    owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unnamed distribution"
    return f"{entry.name!r} ({entry.value}, from {owner})"


def _shape_faults(plugin: object, protocol: type) -> list[str]:
    """What `plugin` lacks of `protocol`, in words. `api_version` is judged before and apart."""
    faults = []
    for name in sorted(_members(protocol) - {"api_version"}):
        if not hasattr(plugin, name):
            faults.append(f"`{name}` is missing")
            continue
        declared = getattr(protocol, name, None)
        if not inspect.isfunction(declared):
            continue
        offered = getattr(plugin, name)
        if not callable(offered):
            faults.append(f"`{name}` must be callable")
        elif difference := _call_fault(declared, offered):
            faults.append(f"`{name}` {difference}")
    return faults


def _members(protocol: type) -> set[str]:
    names: set[str] = set()
    for base in protocol.__mro__:
        if base is not object and base is not Generic and base.__name__ != "Protocol":
            names |= set(vars(base)) | set(vars(base).get("__annotations__", {}))
    return {name for name in names if not name.startswith("_")}


def _call_fault(declared: Callable[..., object], offered: Callable[..., object]) -> str:
    """Can `offered` be called in the way that `declared` promises? "" or what is wrong.

    A class offered as the plugin keeps its `self`, which then counts as a parameter too many: right so, as
    nobody made an instance.
    """
    try:
        taken = inspect.signature(offered)
    except (TypeError, ValueError):  # a builtin without a signature: only a call can tell
        return ""
    promised = list(inspect.signature(declared).parameters.values())[1:]  # without self
    positional = [object() for p in promised if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = {p.name: object() for p in promised if p.kind is p.KEYWORD_ONLY}
    try:
        taken.bind(*positional, **keywords)
    except TypeError as error:
        return f"takes {taken}, but is called with ({', '.join(map(str, promised))}): {error}"
    return ""
