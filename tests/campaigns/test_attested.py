"""An attestation protects what was done while it was in force, and nothing else."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from spiritsafe.campaigns.attested import attested, covered, periods
from spiritsafe.engine import open_engine
from spiritsafe.events.model import ATTESTATIONS, UTC_US

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


class Options:
    memory_limit_bytes = 256 << 20
    workers = 1
    spark_master = ""


@pytest.fixture(scope="module")
def engine():
    with open_engine("duckdb", Options()) as opened:
        yield opened


def attestation(subject, first_day, last_day, *, owner="legal"):
    days = {"not_before": MARCH + timedelta(days=first_day), "expires_at": MARCH + timedelta(days=last_day)}
    return {"subject": subject, "kind": "reseller", "owner": owner, "reason": "contract 12", **days}


def found(engine, *rows, organization=None, verified=None):
    """Two accounts, ten exchanges each, one a day at midnight from 1 March on; what the attestations cover."""
    signals = pa.table(
        {
            "account_id": ["a", "b"],
            "organization_id": pa.array([organization] * 2, pa.string()),
            "organization_verified": pa.array([verified] * 2, pa.bool_()),
            "exchanges": [10, 10],
        }
    )
    log = pa.table(
        {
            "account": pa.array([0, 1] * 10, pa.int64()),
            "time": pa.array([MARCH + timedelta(days=n // 2) for n in range(20)], UTC_US),
        }
    )
    table = pa.Table.from_pylist(list(rows), schema=ATTESTATIONS.arrow())
    in_force = periods(signals, table)
    counts = engine.arrow(covered(engine.table(log, "log"), engine.table(in_force, "periods")))
    return attested(signals, table, counts)


def test_exchanges_are_counted_while_the_word_was_in_force(engine):
    only = found(engine, attestation("a", 0, 2))
    assert set(only) == {0}
    assert (only[0].covered, only[0].exchanges, only[0].most) == (2, 10, False)
    assert found(engine, attestation("a", 5, 99))[0].most


def test_before_and_after_it_protects_nobody(engine):
    assert found(engine, attestation("a", -30, 0), attestation("b", 10, 40)) == {}


def test_an_exchange_under_two_attestations_counts_once_and_the_longer_one_is_named(engine):
    told = found(engine, attestation("a", 0, 3, owner="short"), attestation("a", 1, 8, owner="long"))[0]
    assert (told.covered, told.owner) == (8, "long")


@pytest.mark.parametrize(("verified", "covers"), [(True, {0, 1}), (False, set()), (None, set())])
def test_nobody_shelters_under_an_attested_organisation_by_claiming_its_name(engine, verified, covers):
    assert set(found(engine, attestation("acme", 0, 9), organization="acme", verified=verified)) == covers
