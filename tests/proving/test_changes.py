"""Whoever changes the detector says whom it now accuses on a fixed corpus, and whom it no longer does."""

from benchmarks.detection.changes import accused_now, recorded, told


def test_who_is_accused_on_the_fixed_corpus_is_on_record():
    before, after = recorded(), accused_now()
    differing = "\n".join(told(before, after))
    assert after == before, f"say so with `python -m benchmarks.detection.changes --record`:\n{differing}"


def test_no_innocent_is_on_record_and_most_of_the_campaigns_are():
    lines = recorded()
    innocents = [line for line in lines if " innocent:" in line]
    assert len(lines) > 210
    assert not innocents


def test_what_differs_is_told_by_kind_and_by_name():
    before = ["1 a campaign:A/plain/0", "1 b innocent:class"]
    after = ["1 a campaign:A/plain/0", "1 c campaign:B/plain/1"]
    lines = told(before, after)
    assert "accounts of campaigns accused                      1       2" in lines
    assert "innocents accused                                  1       0" in lines
    assert lines[-4:] == [
        "newly accused: 1",
        "  1 c campaign:B/plain/1",
        "no longer accused: 1",
        "  1 b innocent:class",
    ]
