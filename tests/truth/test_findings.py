"""What is unusual in the rows reaches the status of the version, and all problems of the data one message."""

from tests.simulation.play import a_play
from tests.simulation.results import trained

LEAK = "feature temp has a rank correlation of 1.0000 with the target: it may not be known at prediction"


def test_findings_are_in_the_status_of_the_version() -> None:
    play = a_play()
    play.settle()
    play.finish("bike-v1-train", trained(1) | {"findings": [LEAK], "message": f"fitted on 800 rows; {LEAK}"})
    play.settle()
    status = play.version(1)
    assert status["findings"] == [LEAK]
    assert LEAK in next(each["message"] for each in status["conditions"] if each["type"] == "Trained")


def test_a_rejected_training_reports_all_problems() -> None:
    play = a_play()
    play.settle()
    problems = "2 problems of the data: (1) TooManyMissing: 33.5% of column s1 is missing; (2) LeakingColumn: bmi"
    rejected = {"task": "train", "outcome": "Refused", "reason": "TooManyMissing", "message": problems}
    play.finish("bike-v1-train", rejected)
    play.settle()
    status = play.version(1)
    assert (status["reason"], status["message"]) == ("TooManyMissing", problems)
