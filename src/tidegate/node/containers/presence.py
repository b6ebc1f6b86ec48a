"""Making a container's image present, as the kubelet does: policy, events, back-off.

Source: kubernetes pkg/kubelet/images/image_manager.go (`EnsureImageExists`).
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.client.api import Reader
from tidegate.model.admission.image_names import pull_policy
from tidegate.model.core import Secret
from tidegate.model.pods import Pod
from tidegate.node.containers.images import Auth, ImageFacts, auth_of, is_name, is_only_local
from tidegate.node.environment import secret_data
from tidegate.node.errors import ImageMissing
from tidegate.node.record import NORMAL, WARNING, Around

_FIRST_S, _LONGEST_S = 10.0, 300.0


@dataclass(slots=True)
class Presence:
    """Of the image of one container. Owned by its runner; remembers how often a pull failed."""

    around: Around
    image: str = ""
    delay_s: float = 0.0
    again_at_s: float = 0.0
    told: str = ""  # the last pull's complaint

    async def ensure(self, pod: Pod, image: str, policy: str | None) -> ImageFacts:
        """The image's facts. Raises `ImageMissing`, which says when to look again."""
        if image != self.image:
            self.image, self.delay_s, self.again_at_s = image, 0.0, 0.0
        if not is_name(image):
            why = f'couldn\'t parse image name "{image}": invalid reference format'
            raise ImageMissing("InvalidImageName", why, again_s=None, events=((why, True),))
        policy = policy or pull_policy(image)
        facts = await self.around.containers.facts(image)
        if policy == "Never" and facts is None:
            why = f'Container image "{image}" is not present with pull policy of Never'
            raise ImageMissing("ErrImageNeverPull", why, again_s=None, events=((why, True),))
        if facts is not None and (policy != "Always" or is_only_local(image)):
            self._say(pod, f'Container image "{image}" already present on machine')
            return facts
        return await self._pull(pod, image, always=policy == "Always")

    async def _pull(self, pod: Pod, image: str, *, always: bool) -> ImageFacts:
        clock, containers = self.around.clock, self.around.containers
        left_s = self.again_at_s - clock.monotonic()
        if left_s > 0:
            message = f'Back-off pulling image "{image}": ErrImagePull: {self.told}'
            raise ImageMissing("ImagePullBackOff", message, again_s=left_s, backs_off=True)
        began_s = clock.monotonic()
        self.around.say(pod, NORMAL, "Pulling", f'Pulling image "{image}"')
        pulled = await containers.pull(image, self._auth(pod), always=always)
        facts = await containers.facts(image) if pulled.problem is None else None
        if facts is None:
            self.told = pulled.problem or "it was pulled and is not there"
            self.delay_s = min(_LONGEST_S, self.delay_s * 2 or _FIRST_S)
            self.again_at_s = clock.monotonic() + self.delay_s
            why = f'Failed to pull image "{image}": {self.told}'
            raise ImageMissing(
                "ErrImagePull", self.told, again_s=self.delay_s, events=((why, True),)
            )
        self.delay_s = self.again_at_s = 0.0
        whole_s = clock.monotonic() - began_s
        self._say(
            pod,
            f'Successfully pulled image "{image}" in {_took(pulled.took_s)} ({_took(whole_s)} including '
            f"waiting). Image size: {facts.size_bytes} bytes.",
        )
        return facts

    def _auth(self, pod: Pod) -> Auth:
        auth, problems = pull_auth(self.around.api, pod)
        for problem in problems:
            self.around.say(pod, WARNING, "FailedToRetrieveImagePullSecret", problem)
        return auth

    def _say(self, pod: Pod, message: str) -> None:
        self.around.say(pod, NORMAL, "Pulled", message)


def pull_auth(reader: Reader, pod: Pod) -> tuple[Auth, tuple[str, ...]]:
    """The logins of the pod's imagePullSecrets, and a sentence for each one that can't be used."""
    wanted = pod.spec.image_pull_secrets
    names = [
        str(ref.get("name"))
        for ref in (wanted if isinstance(wanted, list | tuple) else ())
        if isinstance(ref, dict) and ref.get("name")
    ]
    return auth_from(reader, [(pod.metadata.namespace or "", name) for name in names])


def auth_from(reader: Reader, secrets: list[tuple[str, str]]) -> tuple[Auth, tuple[str, ...]]:
    """The logins of these Secrets (namespace, name); the first that names a registry wins."""
    auth: dict[str, dict[str, object]] = {}
    problems = []
    for namespace, name in secrets:
        secret = reader.get(Secret, namespace, name)
        if secret is None:
            problems.append(
                f"Unable to retrieve some image pull secrets ({name}); attempting to pull the image may "
                "not succeed."
            )
            continue
        try:
            found = auth_of(secret_data(secret))
        except ValueError as why:
            problems.append(f"image pull secret {name} can't be read: {why}")
            continue
        auth = {host: dict(entry) for host, entry in found.items()} | auth
    return auth, tuple(problems)


def _took(seconds: float) -> str:
    return f"{seconds:.3f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"
