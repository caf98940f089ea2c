"""A peer's default drift method on draws of one column: `peer_scores.py PEER KIND ROWS SHIFT DRAWS REFERENCE`.

It runs in the peer's own environment, so it imports nothing of this project. It prints JSON: of each draw the score over
its limit, so that more than 1 is an alarm (where small scores mean drift, the limit over the score), and the version.
"""

import json
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd

AT_ONCE = 1_000_000  # rows in memory
DRAWS_OF_REFERENCE = 20
CHUNKS = 10  # of NannyML's reference: its limit is three standard deviations of them, and one chunk has none


def drawn(kind, generator, size, shift):
    """As bench_alarms draws them."""
    if kind == "normal":
        return pd.Series(generator.normal(shift, size=size))
    number = int(kind.split()[0])
    weights = 1 / np.arange(1, number + 1)
    rarer = np.where(np.arange(number) >= number // 2, weights, 0)
    mixed = (1 - shift / 2) * weights / weights.sum() + shift / 2 * rarer / rarer.sum()
    return pd.Series(np.array([f"c{i}" for i in range(number)], dtype=object)[generator.choice(number, size, p=mixed)])


def evidently(kind, reference, recents):
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    column = ColumnType.Numerical if kind == "normal" else ColumnType.Categorical
    test = get_stattest(reference, recents[0], column, None)
    outcomes = [test(reference, recent, column, None) for recent in recents]
    ratios = np.array([each.drift_score / each.actual_threshold for each in outcomes])
    small = (outcomes[0].drift_score < outcomes[0].actual_threshold) == bool(outcomes[0].drifted)
    return (1 / ratios if small else ratios).tolist()


def nannyml(kind, reference, recents):
    """Each draw is a chunk."""
    import nannyml

    calculator = nannyml.UnivariateDriftCalculator(
        column_names=["x"], treat_as_categorical=[] if kind == "normal" else ["x"], chunk_size=len(recents[0])
    )
    calculator.fit(pd.DataFrame({"x": reference}))
    results = calculator.calculate(pd.DataFrame({"x": pd.concat(recents, ignore_index=True)}))
    of_chunks = results.filter(period="analysis").to_df()["x"]["jensen_shannon"]
    return (of_chunks["value"] / of_chunks["upper_threshold"]).astype(float).tolist()


def main():
    warnings.simplefilter("ignore")
    name, kind, rows, shift, draws, size = sys.argv[1:]
    method = {"evidently": evidently, "nannyml": nannyml}[name]
    generator = np.random.default_rng(3)
    before = max(int(size), CHUNKS * int(rows)) if name == "nannyml" else int(size)
    scores = []
    while len(scores) < int(draws):
        each = min(DRAWS_OF_REFERENCE, int(draws) - len(scores), max(1, AT_ONCE // int(rows)))
        recents = [drawn(kind, generator, int(rows), float(shift)) for _ in range(each)]
        scores += method(kind, drawn(kind, generator, before, 0.0), recents)
    if not np.isfinite(scores).all():
        raise SystemExit(f"{name} gives scores over limits that are no numbers")
    print(json.dumps({"scores": scores, "version": version(name)}))


if __name__ == "__main__":
    main()
