"""Who did it, without saying who: the same pseudonym for the same identity, under one key.

A pseudonym is `p1_` (the key's epoch) and 32 hexadecimal digits: 96 bits of HMAC-SHA-256 over the value under a
key of its column, and 32 bits by which we know our own pseudonyms again and never hash one twice. Columns
that name the same thing share a key, so that tables still join. Addresses keep their neighbourhoods
(`events.addresses`). Text is not touched here: it never leaves the sketcher.
Comes from `events.sources`; goes on to everything that is filed or shared, and to `events.vault`, the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import pyarrow as pa

from spiritsafe.errors import InputError
from spiritsafe.events.addresses import CryptoPan, packed, unpacked
from spiritsafe.events.model import ACCOUNT_EVENTS, ACCOUNTS, ATTESTATIONS, REQUESTS
from spiritsafe.events.pseudonyms import (
    Domain,
    Naming,
    Pseudonym,
    PseudonymError,
    domain_of,
    looks_made,
    naming_of,
    parse_pseudonym,
)
from spiritsafe.keys import derive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spiritsafe.keys import Key, KeyProvider
    from spiritsafe.settings import Settings

PERSONAL: Final = frozenset(
    column.name
    for table in (REQUESTS, ACCOUNTS, ACCOUNT_EVENTS, ATTESTATIONS)
    for column in table.columns
    if column.personal
)
"""Columns that hold an identity, over all contract tables."""

# What an account event's value is depends on the event; it must join with the column that holds the same thing.
_VALUE_DOMAINS: Final = {"payment_added": "payment_fingerprint", "key_created": "api_key_id"}
# Issued by the provider, so that no customer can choose a value that looks like a pseudonym.
ISSUED: Final = ("account_id", "subject")
_ADDRESS: Final = "client_ip"


class ForeignPseudonymsError(InputError):
    """The input is pseudonymous already, under another key than yours or than the rest of it.

    Hashing again would cut it off from everything, and pseudonyms of two keys join with nothing.
    """

    code = "events.identity.foreign"


class PseudonymKeyError(InputError):
    """Names must become pseudonyms of the key that the log was pseudonymised with, and that key is not here."""

    code = "events.identity.key"


class Recorder(Protocol):
    """Keeps the way back from pseudonyms; `events.vault.Vault` is one."""

    def record(self, column: str, pseudonyms: Sequence[str], originals: Sequence[str]) -> int:
        """Keep pairs; answers how many were new. Must be safe to call again with the same pairs."""
        ...


@dataclass(slots=True)
class Counts:
    """What was met on the way. In rows.

    `opaque_addresses`: no address at all, so hashed as a whole. `passed`: pseudonyms of ours, left as they
    were. `foreign`: look like pseudonyms but are not ours, so hashed like anything else.
    """

    opaque_addresses: int = 0
    passed: int = 0
    foreign: int = 0


class Pseudonymiser:
    """Replaces identities by keyed pseudonyms. Same key, same value, same domain: same pseudonym.

    Picklable; a worker may have its own copy. Remembers recent values, so that repeats cost a look-up.

    Parameters
    ----------
    key
        The secret of a `pseudonym` key, at least 16 bytes.
    key_id
        Its public name; stands in the metadata of what is written.
    epoch
        Its epoch; stands in every pseudonym.
    recorder
        Is given every new pair before its pseudonym leaves `batch`; None keeps no way back.
    recorded
        Columns whose pairs the recorder gets (and those of the same domain).
    allow_foreign
        Pass input that is pseudonymous under another key as it is, instead of refusing it.

    Examples
    --------
    >>> hide = Pseudonymiser(bytes(32), "k0")
    >>> hide.value("account_id", "acme") == hide.value("organization_id", "acme") != hide.value("api_key_id", "acme")
    True
    >>> one, other = hide.value("client_ip", "192.0.2.1"), hide.value("client_ip", "192.0.2.99")
    >>> one.rpartition(".")[0] == other.rpartition(".")[0]
    True
    """

    def __init__(
        self,
        key: bytes,
        key_id: str,
        *,
        epoch: int = 1,
        recorder: Recorder | None = None,
        recorded: Iterable[str] = (),
        allow_foreign: bool = False,
    ) -> None:
        if len(key) < 16:
            raise ValueError("a pseudonym key has at least 16 bytes")
        self._key = key
        self.key_id = key_id
        self.epoch = epoch
        self._recorder = recorder
        self._recorded = frozenset(domain_of(column) for column in recorded)
        self._allow_foreign = allow_foreign
        self.counts = Counts()
        self._begin()

    def _begin(self) -> None:
        self._mark = f"p{self.epoch}_"
        self._domains: dict[str, Domain] = {}
        self._pans = {size: CryptoPan(derive(self._key, f"pseudonym|{_ADDRESS}|{size}")) for size in (4, 16)}

    def __getstate__(self) -> dict[str, object]:
        kept = {"_key", "key_id", "epoch", "_recorder", "_recorded", "_allow_foreign", "counts"}
        return {name: value for name, value in self.__dict__.items() if name in kept}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        self.__dict__.update(state)
        self._begin()

    def __repr__(self) -> str:
        return f"Pseudonymiser(key_id={self.key_id!r}, epoch={self.epoch})"

    @property
    def naming(self) -> Naming:
        """How tables name people that went through this."""
        return Naming(True, self.key_id, self.epoch)

    def metadata(self) -> dict[str, str]:
        """What a file written with this key says of itself."""
        return self.naming.metadata()

    def value(self, column: str, text: str) -> str:
        """The pseudonym of one value of a column."""
        return self._all(column, [text], ours=False)[0]

    def column(self, name: str, values: pa.Array) -> pa.Array:
        """The pseudonyms of a column, of any name. Shape (n,), strings; null stays null."""
        return self._mapped(name, values, ours=False)

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with every personal column replaced and its metadata marked. Other columns are untouched.

        Columns that the contract does not know are carried as they are: whoever writes a file leaves out
        those that it does not mean to share.

        Raises
        ------
        ForeignPseudonymsError
            The batch is pseudonymous under another key (its metadata says so, or every account in it looks
            so), and `allow_foreign` is off.
        """
        standing = self._standing(batch)
        if standing == "foreign":
            return batch
        names = batch.schema.names
        arrays = list(batch.columns)
        for at, name in enumerate(names):
            if name == "value_fingerprint" and "kind" in names:
                arrays[at] = self._values_by_kind(arrays[at], batch.column("kind"))
            elif name in PERSONAL:
                arrays[at] = self._mapped(name, arrays[at], ours=standing == "ours")
        fields = [
            pa.field(old.name, array.type, old.nullable, old.metadata)
            for old, array in zip(batch.schema, arrays, strict=True)
        ]
        marks = {key.encode(): value.encode() for key, value in self.metadata().items()}
        schema = pa.schema(fields, metadata={**(batch.schema.metadata or {}), **marks})
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def reveal_address(self, pseudonym: Pseudonym) -> str:
        """The address behind a stand-in of this key. For the vault, after two persons agreed."""
        if pseudonym.address is None or pseudonym.epoch != self.epoch:
            raise PseudonymError(
                f"{pseudonym.text} is no address of epoch {self.epoch}", hint="use the key of its epoch"
            )
        return unpacked(self._pans[len(pseudonym.address)].reveal(pseudonym.address))

    def is_ours(self, column: str, text: str) -> bool:
        """Whether `text` is a pseudonym that this key made for this column's domain. Addresses cannot be told."""
        return self._domain(domain_of(column)).made(text)

    def _standing(self, batch: pa.RecordBatch) -> str:
        """`raw`, `ours` or `foreign`; refuses foreign input unless it is allowed."""
        claimed = naming_of(batch.schema.metadata)
        if claimed.key_id:
            return "ours" if claimed.key_id == self.key_id else self._foreign(f"the key {claimed.key_id!r}")
        for name in ISSUED:
            if name not in batch.schema.names:
                continue
            texts = _uniques(batch.column(name))
            looking = [text for text in texts if text.startswith("p") and looks_made(text)]
            if any(self.is_ours(name, text) for text in looking):
                return "ours"
            if looking and len(looking) == len(texts):
                return self._foreign(f"an unknown key of epoch {parse_pseudonym(looking[0]).epoch}")
        return "raw"

    def _foreign(self, under: str) -> str:
        if self._allow_foreign:
            return "foreign"
        raise ForeignPseudonymsError(
            f"the input is pseudonymous already, under {under}; the key here is {self.key_id!r}",
            hint="use that key, or start from the raw log; to keep these pseudonyms as they are, allow foreign ones",
        )

    def _values_by_kind(self, values: pa.Array, kinds: pa.Array) -> pa.Array:
        """Each value under the domain of what its event's kind says it is."""
        import pyarrow.compute as pc

        values, nothing = pc.cast(values, pa.string()), pa.scalar(None, pa.string())
        other = pc.cast(kinds, pa.string())
        result = pa.nulls(len(values), pa.string())
        for kind, column in _VALUE_DOMAINS.items():
            chosen = pc.fill_null(pc.equal(other, kind), fill_value=False)
            if pc.any(chosen).as_py():
                hidden = self._mapped(column, pc.if_else(chosen, values, nothing), ours=False)
                result = pc.if_else(chosen, hidden, result)
                values = pc.if_else(chosen, nothing, values)
        return pc.coalesce(result, self._mapped("value_fingerprint", values, ours=False))

    def _mapped(self, column: str, values: pa.Array, *, ours: bool) -> pa.Array:
        """Work on distinct values only, then spread them over the rows again."""
        import pyarrow.compute as pc

        encoded = pc.dictionary_encode(pc.cast(values, pa.string()))
        texts = encoded.dictionary.to_pylist()
        hidden = self._all(column, texts, ours=ours)
        self._count(column, texts, hidden, encoded.indices)
        return pc.take(pa.array(hidden, pa.string()), encoded.indices)

    def _all(self, column: str, texts: Sequence[str], *, ours: bool) -> list[str]:
        """The pseudonyms of distinct texts; new pairs are recorded before any is given out."""
        domain = self._domain(domain_of(column))
        if column == _ADDRESS:
            marked = {text: text for text in texts if ours and self._is_marked_address(text)}
            rest = [text for text in texts if text not in marked]
            marked.update(zip(rest, domain.look_up(rest, self._hide_addresses), strict=True))
            return [marked[text] for text in texts]

        def make(fresh: list[str]) -> list[str]:
            made = [text if domain.made(text) else domain.make(text) for text in fresh]
            if self._recorder is not None and domain.name in self._recorded:
                pairs = [pair for pair in zip(made, fresh, strict=True) if pair[0] != pair[1]]
                self._recorder.record(column, [new for new, _ in pairs], [old for _, old in pairs])
            return made

        return domain.look_up(texts, make)

    def _hide_addresses(self, texts: list[str]) -> list[str]:
        found = [packed(text) for text in texts]
        hidden: dict[bytes, str] = {}
        for size, pan in self._pans.items():
            known = sorted({address for address in found if address is not None and len(address) == size})
            hidden.update((old, self._mark + unpacked(new)) for old, new in zip(known, pan.hide(known), strict=True))
        opaque = self._domain(_ADDRESS).make
        return [
            opaque(text) if address is None else hidden[address] for text, address in zip(texts, found, strict=True)
        ]

    def _is_marked_address(self, text: str) -> bool:
        if not text.startswith(self._mark):
            return False
        try:
            return parse_pseudonym(text).address is not None or self.is_ours(_ADDRESS, text)
        except PseudonymError:
            return False

    def _count(self, column: str, texts: Sequence[str], hidden: Sequence[str], indices: pa.Array) -> None:
        """Add to `counts` the rows whose value was out of the ordinary."""
        kinds: dict[str, list[int]] = {"passed": [], "foreign": [], "opaque_addresses": []}
        for at, (old, new) in enumerate(zip(texts, hidden, strict=True)):
            if old == new:
                kinds["passed"].append(at)
                continue
            if old.startswith("p") and looks_made(old):
                kinds["foreign"].append(at)
            if column == _ADDRESS and "." not in new and ":" not in new:
                kinds["opaque_addresses"].append(at)
        if any(kinds.values()):
            rows = np.bincount(indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(texts))
            for kind, found in kinds.items():
                setattr(self.counts, kind, getattr(self.counts, kind) + int(rows[found].sum()))

    def _domain(self, name: str) -> Domain:
        if name not in self._domains:
            self._domains[name] = Domain(name, self._key, self.epoch)
        return self._domains[name]


def _uniques(values: pa.Array) -> list[str]:
    import pyarrow.compute as pc

    return [text for text in pc.unique(pc.cast(values, pa.string())).to_pylist() if text is not None]


def open_pseudonymiser(
    settings: Settings, *, record: bool = True, allow_foreign: bool = False, like: Naming | None = None
) -> Pseudonymiser:
    """The pseudonymiser of this home, with the newest key; its first use makes the key.

    With `record`, the identities of the columns in `settings.vault_columns` go into the vault. With `like`, it
    is the key and epoch of those pseudonyms instead; `PseudonymKeyError` if this home does not hold that key.
    """
    from spiritsafe.events.vault import open_vault
    from spiritsafe.keys import ensure_key, open_keys

    home = settings.open_home()
    provider = open_keys(settings.key_provider, home / "keys", command=settings.key_command)
    key = ensure_key(provider, "pseudonym") if like is None else key_named(provider, like)
    return Pseudonymiser(
        key.secret,
        key.key_id,
        epoch=like.epoch if like is not None and like.epoch else key.epoch,
        recorder=open_vault(settings) if record else None,
        recorded=settings.vault_columns,
        allow_foreign=allow_foreign,
    )


def key_named(provider: KeyProvider, like: Naming) -> Key:
    """The key that made these pseudonyms; raises `PseudonymKeyError` if it is not here, or was destroyed."""
    for info in provider.epochs("pseudonym"):
        if info.key_id == like.key_id and info.destroyed_us is None:
            return provider.key("pseudonym", info.epoch)
    raise PseudonymKeyError(
        f"the log holds {like}, which is not in this home; raw names beside it cannot be made to join",
        hint="ask whoever wrote the log for the tables as `spiritsafe identity pseudonymise` makes them, "
        "or set SPIRITSAFE_HOME to the home with that key",
    )
