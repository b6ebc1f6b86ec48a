import os

from tidegate.keeper.loop import Loop


class Time:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_timers_run_in_the_order_they_are_due_and_cancelled_ones_do_not():
    time, seen = Time(), []
    loop = Loop(time, seen.append)
    loop.after(2, lambda: seen.append("second"))
    loop.after(1, lambda: seen.append("first"))
    loop.after(1, lambda: seen.append("never")).cancel()
    time.now_s = 3
    loop.turn(0)
    assert seen == ["first", "second"]
    loop.close()


def test_a_callback_that_raises_is_reported_and_the_others_still_run():
    reports, seen = [], []
    loop = Loop(Time(), reports.append)
    loop.after(0, lambda: 1 / 0)
    loop.after(0, lambda: seen.append("served"))
    loop.turn(0)
    assert seen == ["served"]
    assert "ZeroDivisionError" in reports[0]
    loop.close()


def test_a_descriptor_unwatched_in_the_same_turn_is_not_called():
    loop, seen = Loop(Time(), print), []
    (one, one_in), (two, two_in) = os.pipe(), os.pipe()

    def first(fd, other):
        seen.append(fd)
        loop.unwatch(other)

    loop.watch(one, lambda _: first(one, two))
    loop.watch(two, lambda _: first(two, one))
    os.write(one_in, b"x")
    os.write(two_in, b"x")
    loop.turn(0)
    assert len(seen) == 1
    loop.close()
    for fd in (one, one_in, two, two_in):
        os.close(fd)
