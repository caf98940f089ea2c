"""Is an address that a result names below the model's own folder in spec.storage?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from perennial_operator.core import names
from perennial_operator.core.api.values import shown_addresses
from perennial_operator.core.manifests.jobs import model_storage, storage_digest
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.world import Job, World

_PART = re.compile(r"[\w .=+,:@~()-]*[\w=+,@~()-]")
"""A name: not empty, no `.` or `..`, and nothing that a client may decode (%), cut off (? #) or expand (*)."""


def foreign_addresses(world: World, addresses: Iterable[str | None], job: Job | None = None) -> str:
    """Why an address is outside of this ModelDeployment's folder, or an empty text.

    A custom trainer's image, or a page of the ledger, may name any address; it must not make the operator serve
    another model's files. The folder is that of spec.storage, now or when the Job's task was written.
    """
    folder = model_storage(world, Mounts(), writable=False)
    for uri in addresses:
        folders = {folder, *(_folders_of_task(world, job, uri) if job and uri else ())}
        if uri and not any(is_below(uri, each) for each in folders):
            return f"names {shown_addresses(uri)}; all its files must be below {folder}/, as spec.storage says"
    return ""


def is_below(uri: str, folder: str) -> bool:
    """Whether the address has the folder's scheme, bucket and path, and continues with plain names."""
    below = uri.removeprefix(f"{folder}/")
    return below != uri and "::" not in below and all(_PART.fullmatch(part) for part in below.split("/"))


def _folders_of_task(world: World, job: Job, uri: str) -> Iterator[str]:
    """The folder that the Job's task named, if the address begins with it: the Job's label has its digest."""
    own = f"/{world.deployment.metadata.namespace}/{world.name}"
    for match in re.finditer(f"{re.escape(own)}(?=/)", uri):
        if storage_digest(uri[: match.end()]) == job.labels.get(names.STORAGE):
            yield uri[: match.end()]
