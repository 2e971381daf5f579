"""One fake AWS for all tests of the folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.aws_provider.support_world import World, fresh_world


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with fresh_world(tmp_path_factory.mktemp("fake-aws")) as world:
        yield world


@pytest.fixture
def world(fake: World) -> World:
    return World(fake.endpoint, fake.clients)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fake is a daemon that outlives the call that starts it, on purpose."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"))
