"""`make demo`: the story on a cluster of this machine alone, and then, at a terminal, time to look around.

Exit code 0 if the story came to its end, 1 with a sentence if not, 130 after Ctrl-C in the middle.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.demo.screen import Screen
from tests.demo.story import NAME, EndedEarlyError, Story
from tests.demo.year import Year
from tests.stage import Stage


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # kill cleans up as Ctrl-C does
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="perennial-demo-") as directory:
        try:
            with Stage(Path(directory), cluster="local") as stage:
                play(stage, console)
        except (EndedEarlyError, AssertionError) as error:
            text = Text(f"\nThe demo did not come to its end: {error}", "red")
            Console(stderr=True).print(text, soft_wrap=True)
            return 1
    return 0


def play(stage: Stage, console: Console) -> None:
    """The story has been told, and the person has seen enough."""
    try:
        with Year(stage.directory) as year:
            story = Story(stage, Screen(console))
            story.play()
            story.whole_year(year)
        if sys.stdin.isatty() and sys.stdout.isatty():
            look_around(stage, story)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not cut the cleaning up short
            signal.signal(number, signal.SIG_IGN)


def look_around(stage: Stage, story: Story) -> None:
    """Returns when the person presses Ctrl-C."""
    screen = story.screen
    screen.act("Look around", "The cluster stays until Ctrl-C. In another terminal:")
    screen.typed(
        f"export KUBECONFIG={stage.kubeconfig}",
        f"kubectl describe mdep {NAME}",
        f"python3 -m webbrowser {story.drift_page()}",
        f"tail -f {stage.operator_log}",
    )
    screen.say("Press Enter here, and it is summer: whether the next candidate is better is another question.")
    try:
        if sys.stdin.readline():
            story.summer()
        threading.Event().wait()
    except KeyboardInterrupt:
        screen.blank()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
