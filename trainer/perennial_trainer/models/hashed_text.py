"""Texts as counts of sequences of words or characters, in a fixed number of columns."""

from typing import Any, Self

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import get_tags

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.features.columns import MOST_BUCKETS, MOST_NGRAM, Features, Text
from perennial_trainer.data.derived.texts import MOST_CHARACTERS
from perennial_trainer.data.memory import IDLE
from perennial_trainer.data.rows import Rows

COPIES = 4  # of the counts while an estimator is fitted
ANALYZERS = {"word": "word", "character": "char_wb"}


class HashedText(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's HashingVectorizer with a few checked parameters, and no words for a missing text.

    A class of ours, since a stored HashingVectorizer may say `input="filename"`: it would open the files that the
    texts of requests name. It learns nothing, so its state is its parameters.
    """

    def __init__(self, analyzer: str = "word", min_ngram: int = 1, max_ngram: int = 1, buckets: int = 1024) -> None:
        self.analyzer = analyzer
        self.min_ngram = min_ngram
        self.max_ngram = max_ngram
        self.buckets = buckets

    @classmethod
    def of(cls, text: Text) -> "HashedText":
        return cls(text.analyzer, text.min_ngram, text.max_ngram, text.buckets)

    def fit(self, texts: Any, target: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's interface
        """Nothing is learned."""
        return self

    def transform(self, texts: Any) -> Any:
        """A sparse row for each text, of length 1, or 0 for a text without words."""
        from sklearn.feature_extraction.text import HashingVectorizer

        self._check()
        vectorizer = HashingVectorizer(
            analyzer=ANALYZERS[self.analyzer],
            ngram_range=(self.min_ngram, self.max_ngram),
            n_features=self.buckets,
            alternate_sign=False,  # naive Bayes takes no negative numbers
        )
        return vectorizer.transform(text[:MOST_CHARACTERS] if isinstance(text, str) else "" for text in list(texts))

    def _check(self) -> None:
        """The parameters are those of a declaration, whatever a stored file says."""
        low, high, buckets = self.min_ngram, self.max_ngram, self.buckets
        known = isinstance(self.analyzer, str) and self.analyzer in ANALYZERS
        whole = all(type(each) is int for each in (low, high, buckets))
        if not (known and whole and 1 <= low <= high <= MOST_NGRAM and 2 <= buckets <= MOST_BUCKETS):
            raise ValueError("the parameters of a text are not those of any declaration: train the version again")

    def __sklearn_is_fitted__(self) -> bool:
        return True


def most_counts(text: Text, values: "pd.Series[Any]") -> int:
    """At most so many counts are not 0."""
    lengths = values.str.len().fillna(0).clip(upper=MOST_CHARACTERS)
    sequences = lengths if text.analyzer == "character" else lengths // 3 + 1
    return int((sequences * (text.max_ngram - text.min_ngram + 1)).clip(upper=text.buckets).sum())


def require_sparse(estimator: BaseEstimator, wanted: Features) -> None:
    """The estimator takes sparse rows, if there is a text: almost all counts are 0; else TextNotSupported."""
    if wanted.hashed and not get_tags(estimator).input_tags.sparse:
        columns, texts = sum(each.buckets for each in wanted.hashed), [each.column for each in wanted.hashed]
        raise RejectedTask(
            "TextNotSupported",
            f"{type(estimator).__name__} takes no sparse rows, and model.features.text {join_names(texts)} "
            f"becomes {columns} columns, almost all 0 in a row: choose an estimator that does, such as a linear model "
            "or a random forest, or remove the text",
        )


def check_counts(rows: Rows, limit: int) -> None:
    """The counts of the texts fit into `limit` bytes of memory; else a RejectedTask, DataTooLarge."""
    texts = rows.columns.features.hashed
    needed = {each.column: COPIES * 12 * most_counts(each, rows.features[each.column]) for each in texts}
    total = IDLE + sum(needed.values())
    if needed and total > limit:
        longest = max(needed, key=lambda name: needed[name])
        raise RejectedTask(
            "DataTooLarge",
            f"the n-grams of text {longest} in {len(rows)} rows need up to {total / 1e9:,.1f} GB of memory, more than "
            f"the {limit / 1e9:,.1f} GB that this pod may use: give it fewer buckets or a smaller maxNgram, give a "
            "shorter data.window, or raise training.pod.resources.limits.memory",
        )
