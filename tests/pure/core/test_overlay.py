"""What stands for a plain mapping or set behaves as that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from intent.resources.resource import Key
from reconciler.core.backend import RowNews
from reconciler.core.overlay import Joined, OverlaidSet, Overlay
from reconciler.core.schedule import DirtySet

KEYS = st.integers(0, 5)
MAPPINGS = st.dictionaries(KEYS, st.integers(0, 3))
NO_KEY = Key("nobody", ("has this key",))


def check_mapping(view: Mapping[Any, object], plain: dict[Any, Any], others: Iterable[object] = range(7)) -> None:
    assert view == plain
    assert plain == view
    assert len(view) == len(plain)
    assert sorted(view, key=repr) == sorted(plain, key=repr)
    assert sorted(view.items(), key=repr) == sorted(plain.items(), key=repr)
    assert view.keys() - {NO_KEY} == plain.keys() == view.keys() | set()
    for key in (*others, *plain, NO_KEY):
        assert (key in view) == (key in plain)
        assert view.get(key, "none") == plain.get(key, "none")
    assert bool(view) == bool(plain)


def check_set(view: Set[int], plain: set[int]) -> None:
    assert view == plain
    assert plain == view
    assert len(view) == len(plain)
    assert sorted(view, key=repr) == sorted(plain, key=repr)
    for key in (*range(7), NO_KEY):
        assert (key in view) == (key in plain)
    some = {0, 1, 2}
    assert (view & some, view | some, view - some, view ^ some) == (
        *(plain & some, plain | some),
        *(plain - some, plain ^ some),
    )
    assert (some - view, some & view) == (some - plain, some & plain)
    assert view.isdisjoint(some) == plain.isdisjoint(some)
    assert (view <= some, view >= some) == (plain <= some, plain >= some)


@given(MAPPINGS, st.dictionaries(KEYS, st.none() | st.integers(0, 3)))
def test_a_mapping_with_changes_laid_over_it(below: dict[int, int], changes: dict[int, int | None]) -> None:
    plain = {key: value for key, value in (below | changes).items() if value is not None}
    check_mapping(Overlay(below, changes), plain)


@given(MAPPINGS, st.lists(st.dictionaries(KEYS, st.none() | st.integers(0, 3)), max_size=3))
def test_changes_laid_over_changes(below: dict[int, int], all_changes: list[dict[int, int | None]]) -> None:
    view: Mapping[int, int] = below
    plain = below
    for changes in all_changes:
        view = Overlay(view, changes)
        plain = {key: value for key, value in (plain | changes).items() if value is not None}
    check_mapping(view, plain)


@given(st.sets(KEYS), st.dictionaries(KEYS, st.booleans()))
def test_a_set_with_changes_laid_over_it(below: set[int], changes: dict[int, bool]) -> None:
    plain = {key for key in below | changes.keys() if changes.get(key, key in below)}
    check_set(OverlaidSet(below, changes), plain)


@given(st.dictionaries(st.sampled_from("abcd"), MAPPINGS, max_size=4), st.data())
def test_mappings_that_are_joined_by_the_spaces_of_their_keys(
    parts: dict[str, dict[int, int]], data: st.DataObject
) -> None:
    # One mapping may have all keys of several spaces.
    groups = {space: data.draw(st.integers(0, 1)) for space in parts}
    mappings: dict[int, dict[Key, int]] = {0: {}, 1: {}}
    plain: dict[Key, int] = {}
    for space, values in parts.items():
        own = {Key(space, (number,)): value for number, value in values.items()}
        mappings[groups[space]] |= own
        plain |= own
    others = [Key(space, (number,)) for space in "abcde" for number in range(7)]
    check_mapping(Joined({space: mappings[group] for space, group in groups.items()}), plain, others)


# What is to be looked at.

NEWS = st.lists(st.integers(0, 9).map(lambda row: RowNews(row, gone=bool(row % 2))), max_size=3)
TABLES = st.sampled_from(["link", "route", "rule"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.frozensets(TABLES)),
        st.tuples(st.just("rows"), st.dictionaries(TABLES, NEWS)),
        st.tuples(st.just("all"), st.none()),
        st.tuples(st.just("take"), st.none()),
    ),
    max_size=12,
)


@given(STEPS)
def test_what_was_marked_is_taken_once_and_completely(steps: list[tuple[str, object]]) -> None:
    dirty = DirtySet()
    dirty.take()
    tables: set[str] | None = set()
    rows: dict[str, list[RowNews]] = {}
    for step, what in (*steps, ("take", None)):
        if step == "mark":
            assert isinstance(what, frozenset)
            dirty.mark(what, "news")
            tables = None if tables is None else tables | what
        elif step == "rows":
            assert isinstance(what, dict)
            dirty.mark_rows(what, "news")
            for table, news in what.items():
                rows.setdefault(table, []).extend(news)
        elif step == "all":
            dirty.mark_all("asked")
            tables = None
        else:
            told = {table: news for table, news in rows.items() if news and tables is not None and table not in tables}
            assert bool(dirty) == bool(tables is None or tables or told)
            taken = dirty.take()
            assert taken.tables == tables
            # Of a table that is looked at nothing more has to be told.
            assert {table: news for table, news in taken.rows.items() if news} == told
            assert bool(taken.because) == bool(tables is None or tables or told)
            assert not dirty
            tables, rows = set(), {}


def test_of_what_is_looked_at_as_a_whole_no_rows_are_kept() -> None:
    """A loop that rests after a failure does not fill the memory with what it hears meanwhile."""
    news = {"route": [RowNews(b"row", gone=False)] * 10}
    whole, one_table = DirtySet(), DirtySet()
    whole.mark_all("it was time")
    one_table.take()
    one_table.mark({"route"}, "something changed")
    for dirty in (whole, one_table):
        dirty.mark_rows(news, "something changed")
        assert dirty.take().rows == {}
        dirty.mark_rows(news, "something changed")
        assert dirty.take().rows == news
