"""Whether the data fit into memory, checked before any row is loaded."""

from pathlib import Path

from perennial_trainer.contract.errors import RejectedTask

COPIES = 5  # as read, cleaned, split and encoded; a training of a million rows x 26 columns has six at its peak
IDLE = 250_000_000  # bytes of Python and its libraries


def most_rows_size(limit: int) -> int:
    """Rows of so many bytes fit into `limit` bytes of memory."""
    return max(0, limit - IDLE) // COPIES


def check_memory(size: int, limit: int | None, uri: str) -> None:
    """A training on `size` bytes of rows fits into `limit` bytes of memory; else a RejectedTask, DataTooLarge."""
    needed = IDLE + COPIES * size
    if limit is not None and needed > limit:
        raise RejectedTask(
            "DataTooLarge",
            f"the needed columns of {uri} take about {_display(size)} of memory and a training on them about "
            f"{_display(needed)}, more than the {_display(limit)} that this pod may use: raise "
            "training.pod.resources.limits.memory, set data.window to a duration, select fewer files in data.training, "
            "or list fewer model.features",
        )


def memory_limit(root: Path = Path("/")) -> int | None:
    """The bytes that this process may use: the lowest limit of its control groups and of the machine's free memory."""
    files = [folder / "memory.max" for folder in control_groups(root)]
    files += [root / "sys/fs/cgroup/memory/memory.limit_in_bytes"]
    limits = [int(line) for file in files for line in read_lines(file) if line.isdigit()]
    meminfo = read_lines(root / "proc/meminfo")
    limits += [int(line.split()[1]) * 1024 for line in meminfo if line.startswith("MemAvailable:")]
    return min(limits, default=None)


def control_groups(root: Path) -> list[Path]:
    """The folders of this process's control groups, the innermost first."""
    groups = root / "sys/fs/cgroup"
    own = next((line[3:].strip("/") for line in read_lines(root / "proc/self/cgroup") if line.startswith("0::")), "")
    return [folder for folder in (groups / own, *(groups / own).parents) if folder.is_relative_to(groups)]


def read_lines(file: Path) -> list[str]:
    """The lines of the file; none if it does not exist."""
    try:
        return file.read_text().splitlines()
    except OSError:  # another kernel, or another version of control groups
        return []


def _display(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
