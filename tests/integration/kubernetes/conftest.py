"""One cluster for the folder, one namespace a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.paths import SandboxHome
from tests.support_kube import Stage, running_cluster, stage_on


@pytest.fixture(scope="session")
def cluster_home() -> Iterator[SandboxHome]:
    with running_cluster() as home:
        yield home


@pytest.fixture
def stage(cluster_home: SandboxHome) -> Iterator[Stage]:
    with stage_on(cluster_home) as found:
        yield found
