import time

import numpy as np

from tholos.evaluation.latency import MOST_ROWS, row_latency


class Metronome:
    """A model that takes two milliseconds for a row."""

    signature = None

    def __init__(self):
        self.rows = []

    def infer(self, batch):
        self.rows.append({name: len(tensor) for name, tensor in batch.items()})
        time.sleep(0.002)
        return {"value": np.zeros(len(batch["numeric"]))}

    def close(self):
        pass


def test_single_rows_are_timed_in_milliseconds():
    model = Metronome()
    found = row_latency(model, {"numeric": np.zeros((30, 2)), "categorical": np.full((30, 1), "a", dtype=object)})
    assert found["value"] >= 2.0
    assert found["low"] <= found["value"] <= found["high"]
    assert found["rows"] == 30
    assert all(rows == {"numeric": 1, "categorical": 1} for rows in model.rows)


def test_no_more_rows_are_timed_than_are_needed():
    assert row_latency(Metronome(), {"numeric": np.zeros((5_000, 1))})["rows"] == MOST_ROWS
    few = row_latency(Metronome(), {"numeric": np.zeros((3, 1))})
    assert (few["rows"], few["low"], few["high"]) == (3, None, None)
