"""What ends a batch run, each with the exit code that goes with it.

BatchError 1             one sentence: what was wrong and the way out
  ├── BadPlan 2          the run as it was asked for can't be
  ├── MissingExtra       a library that this format or place needs isn't installed
  ├── InputFailed        the input can't be read (any further)
  ├── OutputFailed       the output can't be written: disk full, no permission, a store that refuses
  ├── OtherRun           the output belongs to another run, or is being written by one
  ├── ServiceAway        no row was served for as long as the run's patience lasts
  └── Stopped            told to stop, or a row failed and that is to end it
"""


class BatchError(Exception):
    """Ends the run. What was done before stays, and the same command goes on from there."""

    exit_code = 1


class BadPlan(BatchError):
    exit_code = 2


class MissingExtra(BatchError):
    pass


class InputFailed(BatchError):
    pass


class OutputFailed(BatchError):
    pass


class OtherRun(BatchError):
    pass


class ServiceAway(BatchError):
    pass


class Stopped(BatchError):
    pass
