"""What can be wrong with cluster-wide settings.

```text
PolicyError
 └── BadConfig   a config map can't be taken over; the last good one stays in force
```
"""


class PolicyError(Exception):
    """Root of this room's errors."""


class BadConfig(PolicyError, ValueError):
    """A config map breaks a rule. The text is Knative's; `config_map` names the map."""

    def __init__(self, config_map: str, text: str) -> None:
        self.config_map, self.text = config_map, text
        super().__init__(text)
