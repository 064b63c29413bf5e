"""The settings for portraits: quality decides, and the penalty between what is as good."""

from __future__ import annotations

from pathlib import Path

from nas.searching.reading import load_config
from nas.searching.reward import make_reward

FILE = Path(__file__).parents[2] / "examples" / "portraits.yaml"
CLASSES = ("background", "person")


def test_a_better_mask_outweighs_twice_the_macs_and_an_equal_one_does_not() -> None:
    config = load_config(FILE, {"task": "portraits"})
    reward = make_reward(config.reward, "portraits", CLASSES, CLASSES)

    def of(iou: float, macs: float) -> float:
        return reward({"iou": dict.fromkeys(CLASSES, iou)}, {"macs": macs})

    assert of(0.86, 20e6) > of(0.82, 10e6)
    assert of(0.86, 10e6) > of(0.86, 20e6)
    strong = config.reward.model_copy(
        update={"penalties": (config.reward.penalties[0].model_copy(update={"exponent": -0.6}),)}
    )
    usual = make_reward(strong, "portraits", CLASSES, CLASSES)
    better = usual({"iou": dict.fromkeys(CLASSES, 0.86)}, {"macs": 20e6})
    assert better < usual({"iou": dict.fromkeys(CLASSES, 0.82)}, {"macs": 10e6})
