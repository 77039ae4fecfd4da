"""Which job starts next: never too much, in order, and nobody starves."""

import sys
from collections import Counter
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobyard.domain.job import JobId
from jobyard.domain.resources import Amount
from jobyard.engine.queue import Entry, Queue

MACHINE = Amount(cores=8, memory=16, disk=10)
SMALL, HALF, WHOLE = Amount(cores=1), Amount(cores=4), Amount(cores=8)
AMOUNTS = st.builds(
    Amount, cores=st.integers(0, 8), memory=st.sampled_from([0, 1, 8, 16]), disk=st.sampled_from([0, 10])
)


def entry(number: int) -> Entry:
    return Entry(number, JobId(f"j{number}"))


def all_next(queue: Queue) -> list[int]:
    return [started.number for started in iter(queue.next, None)]


class Line(RuleBasedStateMachine):
    """A queue with people coming, going and giving up, beside a plain book of who holds what."""

    @initialize()
    def open(self) -> None:
        self.queue = Queue(MACHINE)
        self.numbers = count(1)
        self.waiting: dict[Entry, Amount] = {}
        self.running: dict[Entry, Amount] = {}
        self.bound: tuple[Entry, set[Entry]] | None = None
        """The first in line while it does not fit, and the jobs that ran before it came first."""

    @rule(amount=AMOUNTS)
    def come(self, amount) -> None:
        self.add(entry(next(self.numbers)), amount)

    @rule(amount=st.sampled_from([SMALL, HALF, WHOLE]))
    def come_with_a_usual_amount(self, amount) -> None:
        self.add(entry(next(self.numbers)), amount)

    def add(self, who: Entry, amount: Amount) -> None:
        for _ in range(2):  # the second time changes nothing
            self.queue.add(who, amount)
        self.waiting[who] = amount

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data) -> None:
        who = data.draw(st.sampled_from(sorted(self.waiting)))
        self.queue.discard(who.id)
        del self.waiting[who]

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data) -> None:
        who = data.draw(st.sampled_from(sorted(self.running)))
        for _ in range(2):
            self.queue.release(who.id)
        del self.running[who]

    @rule()
    def start(self) -> None:
        first = min(self.waiting, default=None)
        if self.bound is None or self.bound[0] != first:
            self.bound = None if first is None else (first, set(self.running))
        started = self.queue.next()
        if started is None:
            self.nothing_may_start(first)
            return
        amount = self.waiting.pop(started)
        assert amount.fits(self.free())
        same = [who for who, other in self.waiting.items() if other == amount]
        assert all(started < who for who in same), "equal jobs start in order"
        self.running[started] = amount
        assert self.queue.holds(started.id)

    def nothing_may_start(self, first: Entry | None) -> None:
        if first is None:
            return
        assert not self.waiting[first].fits(self.free()), "the first in line starts when it fits"
        assert self.bound
        assert self.bound[1] & set(self.running), "it starts when those have ended that ran before it"

    def free(self) -> Amount:
        free = MACHINE
        for amount in self.running.values():
            free -= amount
        return free

    @invariant()
    def never_more_than_the_machine_has(self) -> None:
        assert Amount().fits(self.free())
        assert self.queue._free == self.free()

    @invariant()
    def the_line_is_as_long_as_the_book_says(self) -> None:
        assert len(self.queue) == len(self.waiting)


Line.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestLine = Line.TestCase


@given(amounts=st.lists(AMOUNTS, max_size=30))
def test_everything_starts_sooner_or_later_and_leaves_nothing_behind(amounts) -> None:
    queue = Queue(MACHINE)
    for number, amount in enumerate(amounts):
        queue.add(entry(number), amount)
    started = []
    while batch := all_next(queue):
        started += batch
        for number in batch:
            queue.release(entry(number).id)
    assert sorted(started) == list(range(len(amounts)))
    assert (len(queue), queue._free) == (0, MACHINE)
    assert not any(vars(queue)[name] for name in ("_lines", "_waiting", "_holding", "_beside"))


def test_small_jobs_fill_the_room_that_a_large_one_waits_for() -> None:
    queue = Queue(MACHINE)
    queue.hold(entry(0).id, HALF)
    queue.add(entry(1), Amount(cores=6))
    for number in (2, 3, 4, 5):
        queue.add(entry(number), SMALL)
    assert all_next(queue) == [2, 3]  # two of the four free: six stay reserved for the first
    queue.release(entry(0).id)
    assert all_next(queue) == [1]
    queue.release(entry(2).id)
    assert all_next(queue) == [4]


def test_a_stream_of_small_jobs_does_not_starve_a_large_one() -> None:
    queue = Queue(MACHINE)
    queue.hold(entry(0).id, SMALL)
    queue.add(entry(1), WHOLE)
    for number in range(2, 100):
        queue.add(entry(number), SMALL)
    assert all_next(queue) == []
    queue.release(entry(0).id)
    assert queue.next() == entry(1)


def test_jobs_that_ran_before_are_counted_beyond_the_machine_s_room() -> None:
    queue = Queue(MACHINE)
    queue.hold(entry(1).id, WHOLE)
    queue.hold(entry(2).id, HALF)  # the machine was larger once
    queue.add(entry(3), SMALL)
    assert queue.next() is None
    queue.release(entry(1).id)
    assert queue.next() == entry(3)


def test_a_job_that_waits_and_is_found_running_does_not_start_again() -> None:
    queue = Queue(MACHINE)
    queue.add(entry(1), SMALL)
    queue.hold(entry(1).id, SMALL)
    assert queue.next() is None
    assert len(queue) == 0


def test_a_job_may_come_again_with_another_amount() -> None:
    queue = Queue(MACHINE)
    queue.add(entry(1), WHOLE)
    queue.discard(entry(1).id)
    queue.add(entry(1), SMALL)
    assert all_next(queue) == [1]
    assert queue._free == MACHINE - SMALL


def test_what_never_fits_is_known() -> None:
    queue = Queue(MACHINE)
    assert queue.fits_ever(MACHINE)
    for amount in (Amount(cores=9), Amount(memory=17), Amount(disk=11)):
        assert not queue.fits_ever(amount)
    assert Queue(None).fits_ever(Amount(cores=10**6, memory=10**18, disk=10**18))


def test_a_backend_with_a_queue_of_its_own_gets_everything_at_once_in_order() -> None:
    queue = Queue(None)
    for number in (3, 1, 2):
        queue.add(entry(number), WHOLE)
    assert all_next(queue) == [1, 2, 3]


def steps_of(act) -> int:
    """Lines of the queue's own code that run."""
    steps = Counter()

    def trace(frame, what, _argument):
        if frame.f_code.co_filename != Queue.next.__code__.co_filename:
            return None
        steps[what] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return steps["line"]


@pytest.mark.parametrize("many", [100, 10_000])
def test_with_few_different_amounts_a_start_costs_the_same_however_long_the_line(many) -> None:
    queue = Queue(MACHINE)
    for number in range(many):
        queue.add(entry(number), Amount(cores=1 + number % 4))
    assert steps_of(queue.next) < 100


def test_a_long_line_of_different_amounts_costs_in_proportion() -> None:
    many = 10_000
    queue = Queue(Amount(cores=8, memory=2 * many))
    queue.hold(JobId("large"), Amount(cores=8))
    for number in range(many):
        queue.add(entry(number), Amount(cores=1, memory=number))
    assert steps_of(queue.next) < 10 * many
