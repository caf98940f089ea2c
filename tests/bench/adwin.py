"""ADWIN of river beside `bench_effect`, in an environment that has river: reads losses, says whether they drift.

The first line that it prints is river's version. Then, for each line with a JSON list of losses between 0 and 1, it
prints `true` if ADWIN detects a change in one of them, and begins again with an empty window; else `false`. The line
`null` empties the window.
"""

import json
import sys
from importlib.metadata import version

from river.drift import ADWIN

print(version("river"), flush=True)
detector = ADWIN()
for line in sys.stdin:
    losses, is_drift = json.loads(line), False
    for loss in losses or ():
        detector.update(loss)
        is_drift = is_drift or detector.drift_detected
    if losses is None or is_drift:
        detector = ADWIN()
    print(json.dumps(is_drift), flush=True)
