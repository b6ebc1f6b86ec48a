"""Revision names of the user's own choice."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.model.errors import BadRequest
from tidegate.model.meta import ObjectMeta
from tidegate.model.serving import Configuration, ConfigurationSpec, Revision, Service
from tidegate.testing.builders import service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


async def test_a_template_names_its_revision():
    async with world() as it:
        await it.given(service("hello", image="greeter:1", revision="hello-first"))
        await it.given(service("hello", image="greeter:2", revision="hello-second"))
        await it.settle(5)
        assert it.names(Revision) == ["hello-first", "hello-second"]
        assert it.traffic("hello") == {"hello-second": 100}
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


async def test_another_template_under_the_same_name_is_refused_and_changes_nothing():
    async with world() as it:
        await it.given(service("hello", image="greeter:1", revision="hello-first"))
        with pytest.raises(BadRequest) as refused:
            await it.api.update(changed(it, "greeter:2"))
        assert (
            "Saw the following changes without a name change (-old +new): "
            "spec.template.metadata.name" in str(refused.value)
        )
        assert it.traffic("hello") == {"hello-first": 100}


async def test_a_name_that_another_revision_has_keeps_the_traffic_where_it_is_and_says_so():
    async with world() as it:
        await it.given(stranger(revision="hello-x-1"))
        await it.given(service("hello", image="greeter:1", revision="hello-a"))
        assert it.traffic("hello") == {"hello-a": 100}
        await it.given(service("hello", image="greeter:2", revision="hello-x-1"))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-a": 100}
        seen = it.the(Service, "hello")
        routes = it.condition(seen, "RoutesReady")
        assert (routes.status, routes.reason) == ("False", "RevisionNameTaken")
        assert routes.message == (
            'The revision name "hello-x-1" is taken by a conflicting Revision, '
            "so traffic will not be migrated"
        )
        made = it.condition(seen, "ConfigurationsReady")
        assert (made.status, made.reason) == ("False", "RevisionFailed")
        assert made.message == (
            "Revision creation failed with message: "
            'revisions.serving.knative.dev "hello-x-1" already exists.'
        )


async def test_naming_an_earlier_revision_again_goes_back_to_it():
    async with world() as it:
        first = service("hello", image="greeter:1", revision="hello-a")
        await it.given(first)
        stored = it.the(Service, "hello").spec
        await it.given(service("hello", image="greeter:2", revision="hello-b"))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-b": 100}
        now = it.the(Service, "hello")
        await it.api.update(replace(now, spec=stored))
        await it.settle(5)
        assert it.names(Revision) == ["hello-a", "hello-b"]
        assert it.traffic("hello") == {"hello-a": 100}
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"


async def test_an_older_name_with_another_template_is_taken():
    async with world() as it:
        await it.given(service("hello", image="greeter:1", revision="hello-a"))
        await it.given(service("hello", image="greeter:2", revision="hello-b"))
        await it.given(service("hello", image="greeter:3", revision="hello-a"))
        await it.settle(5)
        assert it.traffic("hello") == {"hello-b": 100}
        assert it.condition(it.the(Service, "hello"), "RoutesReady").reason == "RevisionNameTaken"


async def test_a_revision_cannot_be_changed():
    async with world() as it:
        await it.given(service("hello"))
        revision = it.the(Revision, "hello-00001")
        with pytest.raises(BadRequest) as refused:
            await it.api.update(replace(revision, spec=replace(revision.spec, timeout_seconds=7)))
        assert "Immutable fields changed (-old +new): spec" in str(refused.value)


def changed(it: World, image: str) -> Service:
    """The service as it is, with another image under the same revision name."""
    now = it.the(Service, "hello")
    template = now.spec.template
    (container,) = template.spec.containers
    spec = replace(template.spec, containers=(replace(container, image=image),))
    return replace(now, spec=replace(now.spec, template=replace(template, spec=spec)))


def stranger(*, revision: str) -> Configuration:
    """A Configuration without a Service, whose revision has a name that a Service may want."""
    template = service("hello", image="greeter:9", revision=revision).spec.template
    return Configuration(
        metadata=ObjectMeta(name="hello-x", namespace="default"),
        spec=ConfigurationSpec(template=template),
    )
