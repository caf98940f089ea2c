"""The files below a model's folder, and the only way in which upkeep deletes any of them or of their rows."""

import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from perennial_trainer.captured import compacted, layout
from perennial_trainer.contract.errors import FailedTask
from perennial_trainer.storage.store import child_uri, describe_error, open_filesystem, remove_file, replace_file

AT_ONCE = 8
CHECKS = "checks"
PAGE = re.compile(
    r"(?P<folder>[a-z0-9][a-z0-9-]*-check-(?P<at>\d{12}|\d{10}|[0-9a-f]{8}))/(?:drift\.json|report\.html)"
)
UNFINISHED = re.compile(rf"(?:{layout.FILE.pattern}|{compacted.NAME.pattern})\.[0-9a-f]{{32}}\.part")
"""What an upkeep leaves on a volume if it is killed before a file is complete."""
OF_VERSION = re.compile(
    r"(?:model|refit)\.[A-Za-z0-9.-]+|(?:refit-)?(?:rows|groups)\.npy|holdout\.(?:parquet|csv|json)"
    r"|(?:metadata|metrics|profile|validation)\.json|(?:report|validation)\.html"
)
"""What trainings and validations store of a version; `created-by.json` stays, so that no number is used twice."""
OF_DAY = (layout.FILE, compacted.NAME, UNFINISHED)


def is_removable(name: str, versions: frozenset[str] = frozenset()) -> bool:
    """Whether a file of this place in the model's folder may ever be deleted; of versions, in the folders of these."""
    first, _, rest = name.partition("/")
    if first in versions:
        return OF_VERSION.fullmatch(rest) is not None
    if first == CHECKS:
        return PAGE.fullmatch(rest) is not None
    day, _, of_day = rest.partition("/")
    if first == layout.FOLDER and day == layout.WRITING:
        return layout.BEGUN.fullmatch(rest) is not None
    return first == layout.FOLDER and bool(layout.DAY.fullmatch(day)) and any(form.fullmatch(of_day) for form in OF_DAY)


class Folder:
    """The folder `<storage>/<namespace>/<name>`; `deleted` and `freed` count the files and bytes that are gone.

    `versions` are the names of folders of which files may be deleted, too.
    """

    def __init__(self, uri: str, versions: frozenset[str] = frozenset()) -> None:
        self.uri, self._versions = uri, versions
        self.deleted = self.freed = 0
        self._filesystem, path = open_filesystem(uri)
        self._path = path.rstrip("/")
        self._is_local = "file" in self._filesystem.protocol

    def removable(self, below: str, before: datetime | None = None) -> dict[str, int]:
        """The removable files below one of its folders, by name, and their bytes; none to which a link leads.

        On a volume, `before` leaves out those that were changed later.
        """
        self._filesystem.invalidate_cache()
        try:
            listing = self._filesystem.find(f"{self._path}/{below}", detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:  # each store has its own
            raise FailedTask(
                "StorageUnreachable", f"{child_uri(self.uri, below)} could not be listed: {describe_error(error)}"
            ) from error
        sizes = {
            name.removeprefix(f"{self._path}/"): int(info.get("size") or 0)
            for name, info in sorted(listing.items())
            if before is None or float(info.get("mtime") or 0) < before.timestamp()
        }
        named = {name: size for name, size in sizes.items() if is_removable(name, self._versions)}
        own = {folder for folder in set(map(_folder, named)) if self._is_own(folder)}
        return {name: size for name, size in named.items() if _folder(name) in own}

    def remove(self, files: Mapping[str, int]) -> None:
        """None of these files exists, nor an empty folder of theirs. Raises a FailedTask."""
        self._require_removable(*files)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: remove_file(child_uri(self.uri, name)), files))
        self.deleted += len(files)
        self.freed += sum(files.values())
        self._remove_empty_folders(files)

    def rewrite(self, name: str, content: bytes) -> None:
        """The file has this content: some of its rows. Raises a FailedTask."""
        self._require_removable(name)
        replace_file(child_uri(self.uri, name), content)

    def _require_removable(self, *names: str) -> None:
        if refused := [
            name for name in names if not is_removable(name, self._versions) or not self._is_own(_folder(name))
        ]:
            raise ValueError(f"{refused[0]} must not be deleted")

    def _is_own(self, folder: str) -> bool:
        """Whether the folder is where its name says: on a volume a link may lead to another one."""
        there = os.path.realpath(f"{self._path}/{folder}")
        return not self._is_local or there == f"{os.path.realpath(self._path)}/{folder}"

    def _remove_empty_folders(self, names: Iterable[str]) -> None:
        """On a volume; a folder into which a server writes just now stays, or is made again by it."""
        if self._is_local:
            for folder in sorted({each for name in names for each in Path(name).parents[:-2]}, reverse=True):
                with suppress(OSError):
                    Path(self._path, folder).rmdir()


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
