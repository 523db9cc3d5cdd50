"""The settings themselves: each field with its meaning, unit and default, and what can go wrong.

`--help`, the docs and `run.json` read the fields from here. Comes from nothing; goes on to `settings.load`.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta

from spiritsafe.errors import EnvironmentFault, UsageError

PREFIX: Final = "SPIRITSAFE_"

_OTHERS: Final = 0o077


class SettingError(UsageError):
    """A setting has a name that does not exist, or a value that it cannot have."""

    code = "settings.value"


class SettingsFileError(UsageError):
    """The settings file cannot be read, is no TOML, or is not safe to obey."""

    code = "settings.file"


class HomeFault(EnvironmentFault):
    """The home folder cannot be made, is another user's, or is open to other users."""

    code = "settings.home"


def _about(text: str, *, unit: str = "", default: str = "", guarded: bool = False) -> Meta:
    """What a setting means; a guarded one says what to run, what to call or whom to believe."""
    return Meta(description=text, extra={"unit": unit, "default": default, "guarded": guarded})


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0))


def default_home() -> Path:
    """`~/.spiritsafe` of whoever runs this."""
    try:
        return Path.home() / ".spiritsafe"
    except RuntimeError as error:
        raise HomeFault("this user has no home folder", hint="set SPIRITSAFE_HOME to a folder of yours") from error


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator chose. Made by `load_settings`; every field is described by `describe`."""

    home: Annotated[
        Path,
        _about("Folder for keys, vault and state; mode 0700, made when first needed.", default="~/.spiritsafe"),
    ] = msgspec.field(default_factory=default_home)
    engine: Annotated[
        Literal["duckdb", "spark"], _about("What runs the table steps: embedded DuckDB or Apache Spark.")
    ] = "duckdb"
    spark_master: Annotated[str, _about("Spark master URL; used only with engine = spark.")] = "local[*]"
    memory_limit_bytes: Annotated[
        int, Meta(ge=64 << 20), _about("Memory the engine may use, e.g. 3GiB.", unit="bytes", default="3GiB")
    ] = 3 << 30
    workers: Annotated[
        int,
        Meta(ge=1, le=1024),
        _about("Processes that read and sketch.", unit="processes", default="one for each CPU"),
    ] = msgspec.field(default_factory=_cpu_count)
    timezone: Annotated[
        str | None,
        _about(
            "IANA zone of times that name none; without it such times are refused.",
            default="refuse such times",
        ),
    ] = None
    temp_dir: Annotated[
        Path | None,
        _about("Folder for what does not fit in memory; it will hold log rows.", default="the system's"),
    ] = None
    seed: Annotated[
        int,
        Meta(ge=0, lt=1 << 53),
        _about("Start of every random choice: same seed, input and version, same result."),
    ] = 1
    actors: Annotated[
        Literal["account", "organization", "end_user"],
        _about("Whose groups are looked for: accounts, organisations with all their accounts, or accounts' end users."),
    ] = "account"
    looks: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        _about(
            "How many times this log is to be scanned as it grows: they share the false-discovery rate of one.",
            unit="scans",
        ),
    ] = 1
    pseudonymise: Annotated[bool, _about("Replace identities by keyed pseudonyms in what `scan` writes.")] = False
    vault_columns: Annotated[
        tuple[Literal[
            "account_id", "organization_id", "end_user_id", "api_key_id", "conversation_id",
            "payment_fingerprint", "value_fingerprint", "email_domain", "phone_prefix",
        ], ...],
        _about("Columns whose identities the vault keeps; what it does not keep has no way back."),
    ] = ("account_id", "organization_id", "end_user_id", "api_key_id")  # fmt: skip
    key_provider: Annotated[
        Literal["file", "environment", "command"],
        _about("Where keys come from: files in the home, SPIRITSAFE_KEY_* variables, or key_command."),
    ] = "file"
    key_command: Annotated[
        tuple[str, ...],
        _about(
            "Program that wraps and unwraps keys, for key_provider = command; run without a shell.",
            default="none",
            guarded=True,
        ),
    ] = ()
    key_epoch_days: Annotated[
        int,
        Meta(ge=1, le=3650),
        _about("Age at which `identity keys list` calls a key due for rotation.", unit="days"),
    ] = 90
    appeal_to: Annotated[
        str,
        Meta(max_length=500),
        _about("Where an account holder can appeal, e.g. an address; printed in every report.", default="none"),
    ] = ""
    ledger_origin: Annotated[
        str,
        Meta(max_length=200, pattern=r"^[^\s+]*$"),
        _about(
            "Name of this home's ledger, fixed when it is made: an address of yours without https://, "
            "e.g. provider.example/ledger.",
            default="a random name",
        ),
    ] = ""
    cases_url: Annotated[
        str,
        Meta(max_length=500, pattern=r"^(postgresql://([^:@/?]+@)?[^:@/?]*(:[0-9]+)?/[^/?]+([?].*)?)?$"),
        _about(
            "PostgreSQL database of the cases, e.g. postgresql://cases@db.example/cases. No password here: libpq "
            "reads PGPASSFILE or PGPASSWORD.",
            default="a file in the home",
        ),
    ] = ""
    two_persons: Annotated[
        tuple[Literal["in_review", "confirmed", "dismissed", "closed"], ...],
        _about("States into which two different persons must put a case."),
    ] = ("confirmed",)
    playbook_approvals: Annotated[
        int,
        Meta(ge=1, le=5),
        _about(
            "How many different persons must agree before a playbook touches accounts or calls another system.",
            unit="persons",
        ),
    ] = 2
    playbook_hosts: Annotated[
        tuple[str, ...],
        _about(
            "Hosts (or host:port) that playbooks may call over TLS.",
            default="none",
            guarded=True,
        ),
    ] = ()
    guard_account_header: Annotated[
        str,
        Meta(max_length=100, pattern=r"^[A-Za-z0-9-]*$"),
        _about(
            "Header in which your gateway tells the guard whose request it is. Only behind a gateway that sets it "
            "itself: it is believed.",
            default="none: the API key tells",
            guarded=True,
        ),
    ] = ""
    guard_fingerprint_header: Annotated[
        str,
        Meta(max_length=100, pattern=r"^[A-Za-z0-9-]*$"),
        _about("Header in which your TLS proxy writes the client's JA4. It is believed.", default="none", guarded=True),
    ] = ""
    guard_hops: Annotated[
        int,
        Meta(ge=0, le=20),
        _about(
            "Proxies of yours in front of the guard: so many entries from the right of X-Forwarded-For the caller's "
            "address stands. 0: the header is not believed.",
            unit="hops",
            guarded=True,
        ),
    ] = 0
    guard_keys: Annotated[
        Path | None,
        _about(
            "JSON file that says of the SHA-256 of an API key whose it is, and their plan.",
            default="none",
            guarded=True,
        ),
    ] = None
    guard_redis: Annotated[
        str,
        Meta(max_length=500, pattern=r"^((redis|rediss)://([^:@/?]+@)?[^@/?]+(/[0-9]*)?|unix:///[^?]*)?$"),
        _about(
            "Redis or Valkey over which several guards count as one, e.g. rediss://counts.example:6379/0. No password "
            "here: REDISCLI_AUTH is read. Needs the extra spiritsafe[fleet].",
            default="none: each guard counts for itself",
            guarded=True,
        ),
    ] = ""
    guard_fail: Annotated[
        Literal["open", "closed"],
        _about("What becomes of a request that could not be decided on: let through, or 503."),
    ] = "open"
    guard_without_account: Annotated[
        Literal["open", "closed"],
        _about("What becomes of a request of which nothing says whose it is: decided on without, or 401."),
    ] = "open"
    guard_body_limit_bytes: Annotated[
        int, Meta(ge=1 << 10, le=1 << 30), _about("Larger bodies are turned away (413).", unit="bytes", default="32MiB")
    ] = 32 << 20
    guard_body_seconds: Annotated[
        float, Meta(gt=0, le=3600), _about("Within this time a body must be whole (408).", unit="seconds")
    ] = 30.0
    appeal_days: Annotated[
        int,
        Meta(ge=1, le=365),
        _about("How long an appeal may wait before what was done is suspended until it is decided.", unit="days"),
    ] = 14
    resolve_hours: Annotated[
        float,
        Meta(gt=0, le=24 * 30),
        _about("How long a request to resolve an identity may be approved and used.", unit="hours"),
    ] = 24.0

    def public(self) -> dict[str, object]:
        """What may stand in `run.json`: all but the fields that name folders and programs of this machine."""
        hidden = {"home", "temp_dir", "key_command", "guard_keys"}
        return {k: v for k, v in msgspec.to_builtins(self, enc_hook=str).items() if k not in hidden}

    def open_home(self) -> Path:
        """The home, made with mode 0700 when it is not there; raises `HomeFault`."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeFault(
                f"cannot make the home {self.home}: {error.strerror}",
                hint="set SPIRITSAFE_HOME, or --home where there is one, to a folder that you may write",
            ) from error
        check_home(self.home)
        return self.home


def check_home(home: Path) -> None:
    """Refuse a home that another user owns or may enter; raises `HomeFault`."""
    try:
        found = home.stat()
    except OSError as error:
        raise HomeFault(f"cannot look at the home {home}: {error.strerror}", hint="set SPIRITSAFE_HOME") from error
    if not stat.S_ISDIR(found.st_mode):
        raise HomeFault(f"the home {home} is not a folder", hint="set SPIRITSAFE_HOME to another place")
    if found.st_uid != os.geteuid():
        raise HomeFault(
            f"the home {home} belongs to another user (uid {found.st_uid})",
            hint="run as that user, or set SPIRITSAFE_HOME to a folder of yours",
        )
    if found.st_mode & _OTHERS:
        raise HomeFault(
            f"the home {home} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"it holds keys: `chmod 700 {home}`, or set SPIRITSAFE_HOME to a folder of its own",
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """One field as the docs and `--help` tell it."""

    name: str
    variable: str
    kind: str
    default: str
    unit: str
    text: str
    guarded: bool
    """Not read from a `spiritsafe.toml` in the current folder, which may have come with somebody else's project."""


def describe() -> tuple[Setting, ...]:
    """Every setting, in the order of `Settings`."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(_describe(field, hints[field.name]) for field in msgspec.structs.fields(Settings))


def _describe(field: msgspec.structs.FieldInfo, hint: Any) -> Setting:
    about = next(m for m in reversed(hint.__metadata__) if m.description)
    default = about.extra["default"] or _shown(field.default)
    guarded = about.extra["guarded"]
    return Setting(
        field.name,
        PREFIX + field.name.upper(),
        _kind(hint.__origin__),
        default,
        about.extra["unit"],
        about.description + (" Not read from a spiritsafe.toml in the current folder." if guarded else ""),
        guarded,
    )


def help_of(name: str) -> str:
    """What `--help` says of the option for this setting."""
    found = next(setting for setting in describe() if setting.name == name)
    return f"{found.text} [default: {found.default}]"


def settings_table() -> str:
    """The table in docs/reference/settings.md; a test holds that the page has it."""
    head = ["| setting | environment | kind | default | unit | what it means |", "| --- " * 6 + "|"]
    rows = [f"| `{s.name}` | `{s.variable}` | {s.kind} | {s.default} | {s.unit} | {s.text} |" for s in describe()]
    return "\n".join([*head, *rows])


def _kind(kind: Any) -> str:
    if kind in {int, float, str, bool, Path}:
        return {int: "integer", float: "number", str: "text", bool: "true or false", Path: "folder"}[kind]
    arguments = [a for a in getattr(kind, "__args__", ()) if a not in {type(None), ...}]
    if getattr(kind, "__origin__", None) is Literal:
        return "one of " + ", ".join(f"`{a}`" for a in arguments)
    inner = _kind(arguments[0])
    return f"list of: {inner.removeprefix('one of ')}" if getattr(kind, "__origin__", None) is tuple else inner


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
