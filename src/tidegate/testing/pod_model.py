"""The class that a forked test pod serves: what it is asked comes back."""


class Echo:
    def predict(self, instances: list[object]) -> list[object]:
        return instances
