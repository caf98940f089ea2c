"""The other contenders of `bench_drift`, as plain scripts: `contenders.py decode|scipy|evidently FILE...`."""

import sys


def decode(recent: str) -> None:
    """Every column of every row has been decoded, in batches."""
    import pyarrow.parquet

    batches = pyarrow.parquet.ParquetFile(recent, pre_buffer=False).iter_batches(65_536)
    print(sum(batch.num_rows for batch in batches))


def scipy(reference: str, recent: str) -> None:
    import pandas as pd
    from scipy.stats import chi2_contingency, ks_2samp

    before, after = pd.read_parquet(reference), pd.read_parquet(recent)
    for name in before:
        if before[name].dtype.kind == "f":
            print(name, ks_2samp(before[name].dropna(), after[name].dropna()).statistic)
        else:
            counts = pd.DataFrame({"before": before[name].value_counts(), "after": after[name].value_counts()})
            print(name, chi2_contingency(counts.fillna(0).to_numpy().T).statistic)


def evidently(reference: str, recent: str) -> None:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    before, after = pd.read_parquet(reference), pd.read_parquet(recent)
    columns = {
        kind: [name for name in before if (before[name].dtype.kind == "f") == numeric] for kind, numeric in KINDS
    }
    definition = DataDefinition(numerical_columns=columns["numerical"], categorical_columns=columns["categorical"])
    data = [Dataset.from_pandas(frame, data_definition=definition) for frame in (after, before)]
    print(len(Report([DataDriftPreset()]).run(*data).json()))


KINDS = (("numerical", True), ("categorical", False))

if __name__ == "__main__":
    {"decode": decode, "scipy": scipy, "evidently": evidently}[sys.argv[1]](*sys.argv[2:])
