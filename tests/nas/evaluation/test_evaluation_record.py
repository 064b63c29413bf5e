from __future__ import annotations

import json
import math

from nas.evaluation.evaluation import Evaluation

NAN = math.nan


def test_a_record_is_json_without_what_is_not_a_number():
    evaluation = Evaluation(
        scores={"f1": {"eye": 0.5, "hair": NAN}},
        macro={"f1": 0.5, "iou": NAN},
        groups={"eyes": 0.5},
        costs={"params": 10.0},
        curves={"stage0": [2.0, 1.0]},
        seconds={"total": 1.5},
        details={"latency": {"runs": 3, "p90_ms": NAN}},
    )
    assert json.loads(json.dumps(evaluation.to_record(), allow_nan=False)) == {
        "scores": {"f1": {"eye": 0.5}},
        "macro": {"f1": 0.5},
        "groups": {"eyes": 0.5},
        "costs": {"params": 10.0},
        "curves": {"stage0": [2.0, 1.0]},
        "seconds": {"total": 1.5},
        "details": {"latency": {"runs": 3}},
        "rung": "final",
        "stopped": False,
    }
    assert math.isnan(evaluation.macro["iou"])
