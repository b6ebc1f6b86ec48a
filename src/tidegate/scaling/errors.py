"""What can be wrong with the numbers a scaler is given.

```text
ScalingError
 ├── BadSpec    a setting no scaler can work with; whoever reads documents must refuse it first
 └── BadState   a saved value that does not fit: throw it away and start afresh
```
"""


class ScalingError(Exception):
    """Root of this room's errors."""


class BadSpec(ScalingError, ValueError):
    """A scaling setting is out of its range. `field` names it."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field, self.value = field, value
        super().__init__(f"{field} is {value!r}: {rule}")


class BadState(ScalingError, ValueError):
    """A saved scaler state contradicts itself, so it can't be continued from."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"saved {what} can't be used: {why}; drop it and collect anew")
