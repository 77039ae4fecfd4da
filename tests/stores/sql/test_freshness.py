"""What is kept in memory of a job holds exactly as long as nobody changes it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.domain.job import JobId
from jobyard.stores.sql.freshness import FreshCache, Freshness

ID = JobId("01m8784dqhmh5wz9hyksa4znfe")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Freshness, Freshness]]:
    """As two processes have it open."""
    both = Freshness(tmp_path / "freshness"), Freshness(tmp_path / "freshness")
    yield both
    for one in both:
        one.close()


def test_what_was_read_holds_until_another_process_changes_it(two: tuple[Freshness, Freshness]) -> None:
    reader, writer = two
    cache: FreshCache[str] = FreshCache(reader, 10)
    cache.keep(ID, reader.count(ID), "old")
    assert cache.get(ID) == "old"
    with writer.changing([ID]):
        assert cache.get(ID) is None
    assert cache.get(ID) is None


def test_what_was_read_while_it_was_changed_is_not_kept(two: tuple[Freshness, Freshness]) -> None:
    reader, writer = two
    cache: FreshCache[str] = FreshCache(reader, 10)
    with writer.changing([ID]):
        cache.keep(ID, reader.count(ID), "perhaps old")
    assert cache.get(ID) is None
    before = reader.count(ID)
    with writer.changing([ID]):
        pass
    cache.keep(ID, before, "read before, kept after")
    assert cache.get(ID) is None


def test_a_writer_that_died_in_the_middle_costs_speed_and_nothing_else(
    two: tuple[Freshness, Freshness],
) -> None:
    reader, writer = two
    cache: FreshCache[str] = FreshCache(reader, 10)
    cache.keep(ID, reader.count(ID), "old")
    writer.begin([ID])
    cache.keep(ID, reader.count(ID), "perhaps old")
    assert cache.get(ID) is None
    with writer.changing([ID]):
        pass
    assert cache.get(ID) is None
    cache.keep(ID, reader.count(ID), "new")
    assert cache.get(ID) == "new"


def test_a_change_that_fails_is_no_change_and_is_read_again(two: tuple[Freshness, Freshness]) -> None:
    reader, writer = two
    cache: FreshCache[str] = FreshCache(reader, 10)
    cache.keep(ID, reader.count(ID), "old")
    with pytest.raises(OSError), writer.changing([ID]):  # noqa: PT011 (ours)
        raise OSError
    assert cache.get(ID) is None
    cache.keep(ID, reader.count(ID), "old")
    assert cache.get(ID) == "old"


@given(st.lists(st.sampled_from(["read", "begin", "commit", "end", "die", "look"]), max_size=60))
def test_no_order_of_events_shows_what_is_no_longer_true(
    tmp_path_factory: pytest.TempPathFactory, events: list[str]
) -> None:
    freshness = Freshness(tmp_path_factory.mktemp("fresh") / "freshness")
    cache: FreshCache[int] = FreshCache(freshness, 10)
    stored, versions, change = 0, itertools.count(1), None
    for event in events:
        match event:
            case "read":
                count = freshness.count(ID)
                cache.keep(ID, count, stored)
            case "begin" if change is None:
                change = freshness.begin([ID])
            case "commit" if change is not None:
                stored = next(versions)
            case "end" if change is not None:
                freshness.end(change)
                change = None
            case "die":
                change = None
            case _:
                known = cache.get(ID)
                assert known in {None, stored}
    freshness.close()
