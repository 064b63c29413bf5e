from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.kinds import kind_of
from nas.kinds.classification.settings import ClassifierFitSettings
from nas.kinds.segmentation.settings import SegmentationFitSettings
from nas.settings import validate
from nas.training.checkpoint import snapshot
from nas.training.loop import Loop
from nas.training.stage_settings import StageSettings, check_stages
from nas.training.stages import StageTeacher, Subject, train_stages

CPU = torch.device("cpu")
COMMON = ClassifierFitSettings.model_validate(
    {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, "augmentation": "none", "polyak": 0.5}
)
HINT = {
    "name": "hint",
    "train": ["stem", "body"],
    "task_weight": 0.0,
    "losses": [{"method": "hint", "student": "body.1", "teacher": "body.1"}],
}
SOFT = {"name": "soft", "losses": [{"method": "soft_target"}]}


class Interrupted(BaseException):
    """What a signal is to a test."""


def stages(*values):
    return [validate(StageSettings, value, "stage") for value in values]


@pytest.fixture
def start(corners, tmp_path):
    def run(net, *values, teacher=None, folder="run", common=COMMON, **options):
        return train_stages(
            Subject(kind_of(corners), net, corners, common, CPU),
            stages(*values),
            seed=0,
            folder=tmp_path / folder,
            teacher=StageTeacher(teacher, "teacher") if teacher else None,
            **options,
        )

    return run


def differing(first, second):
    return {key for key, value in first.items() if not torch.equal(second[key], value)}


def test_a_stage_begins_with_the_weights_it_names(make_net, start, monkeypatch):
    net, begun = make_net(), []
    initial, whole = snapshot(net), Loop.epoch

    def epoch(self, index, scale):
        if index == 0:
            begun.append(snapshot(self.network))
        return whole(self, index, scale)

    monkeypatch.setattr(Loop, "epoch", epoch)
    results = start(
        net,
        {"name": "first"},
        {"name": "second", "training": {"epochs": 1}},
        {"name": "third", "start": "initial"},
        {"name": "fourth", "start": "first"},
    )
    first, second, _, fourth = (result.weights for result in results)
    for found, expected in zip(begun, (initial, first, initial, first), strict=True):
        assert differing(found, expected) == set()
    assert differing(first, second)
    assert differing(snapshot(net), fourth) == set()
    assert [len(result.fit.history) for result in results] == [2, 1, 2, 2]


def test_a_hint_changes_its_own_modules_alone(make_net, start):
    net = make_net()
    before = snapshot(net)
    hint, soft = start(net, HINT, SOFT, teacher=make_net(seed=1, width=9))
    moved = differing(before, hint.weights)
    assert {"stem.0.weight", "stem.1.running_mean", "body.1.weight"} <= moved
    assert all(key.startswith(("stem.", "body.")) for key in moved)
    # The run stops at the hint, before the next statistics.
    assert not any(key.startswith("body.2.running") for key in moved)
    assert {"head.weight", "scale", "body.2.running_mean"} <= differing(hint.weights, soft.weights)


def test_a_frozen_beginning_keeps_the_weights_of_the_stage_before(make_net, start):
    net = make_net()
    frozen = SOFT | {"freeze": ["stem", "body"]}
    hint, soft = start(net, HINT, frozen, teacher=make_net(seed=1))
    assert differing(hint.weights, soft.weights) == {"head.weight", "head.bias", "scale"}


@pytest.mark.parametrize(
    ("term", "stops"),
    [
        ({"method": "hint"}, True),
        ({"method": "mgd"}, True),
        ({"method": "feature_mse"}, True),
        ({"method": "nst"}, True),
        ({"method": "hint", "student": "body.1", "teacher": "body.1"}, True),
        ({"method": "attention", "student": "stride=2"}, True),
        ({"method": "attention"}, True),
        ({"method": "similarity"}, True),
        ({"method": "rkd"}, True),
        ({"method": "soft_target"}, False),
    ],
)
def test_a_single_hint_does_not_run_what_lies_behind(make_net, start, term, stops):
    net, modes = make_net(), []
    net.head.register_forward_hook(lambda *_: modes.append(net.training))
    # A weight that is to be measured would need the labels' loss.
    stage = {"name": "only", "task_weight": 0.0, "losses": [term | {"weight": 1.0}]}
    start(net, stage, teacher=make_net(seed=1))
    assert (True in modes) == (not stops)
    assert False in modes


@pytest.mark.parametrize("other", [{"task_weight": 0.5}, {"losses": [{"method": "rkd"}]}])
def test_a_hint_beside_another_loss_runs_to_the_end(make_net, start, other):
    net, modes = make_net(), []
    net.head.register_forward_hook(lambda *_: modes.append(net.training))
    losses = HINT["losses"] + other.get("losses", [])
    start(net, HINT | other | {"losses": losses}, teacher=make_net(seed=1))
    assert True in modes


def test_a_training_that_is_cut_off_goes_on_where_it_was(make_net, start):
    teacher = make_net(seed=1, width=9)
    expected = start(make_net(), HINT, SOFT, teacher=teacher, folder="whole")
    seen = []

    def interrupt(name, record, epochs):
        seen.append((name, record.epoch, epochs))
        if (name, record.epoch) == ("soft", 0):
            raise Interrupted

    with pytest.raises(Interrupted):
        start(make_net(), HINT, SOFT, teacher=teacher, on_epoch=interrupt)
    again = len(seen)
    resumed = start(make_net(), HINT, SOFT, teacher=teacher, on_epoch=interrupt)
    assert seen[:again] == [("hint", 0, 2), ("hint", 1, 2), ("soft", 0, 2)]
    # What is finished is taken from its checkpoint.
    assert seen[again:] == [("soft", 1, 2)]
    for found, wanted in zip(resumed, expected, strict=True):
        assert differing(found.weights, wanted.weights) == set()
        assert found.fit.history == wanted.fit.history


def test_the_quality_of_the_caller_decides(make_network, faces, tmp_path):
    values = iter([0.5, 0.9, 0.1])
    common = SegmentationFitSettings(epochs=3, batch_size=8, augmentation="none", polyak=None)
    network = make_network()
    subject = Subject(kind_of(faces), network, faces, common, CPU, lambda card: next(values))
    (result,) = train_stages(subject, stages({"name": "only"}), seed=0, folder=tmp_path)
    assert (result.fit.best.epoch, result.fit.best.score) == (1, 0.9)
    assert differing(snapshot(network), result.weights) == set()


def test_a_segmentation_network_learns_a_hint_and_then_its_task(make_network, faces, tmp_path):
    common = SegmentationFitSettings(epochs=1, batch_size=8, augmentation="none", polyak=None)
    hint = {
        "name": "hint",
        "train": ["encoder"],
        "task_weight": 0,
        "losses": [{"method": "hint", "student": "stride=8"}],
        "training": {"learning_rate": 0.01},
    }
    network, told = make_network(), []
    before = snapshot(network)
    first, second = train_stages(
        Subject(kind_of(faces), network, faces, common, CPU),
        stages(hint, {"name": "soft", "losses": [{"method": "channel_wise"}]}),
        seed=0,
        folder=tmp_path,
        teacher=StageTeacher(make_network(seed=1), "teacher"),
        on_epoch=lambda stage, record, epochs: told.append((stage, record.epoch, epochs)),
    )
    assert told == [("hint", 0, 1), ("soft", 0, 1)]
    moved = differing(before, first.weights)
    assert moved
    assert all(key.startswith("encoder.") for key in moved)
    assert any(key.startswith("decoder.") for key in differing(first.weights, second.weights))


def test_settings_of_a_stage_take_the_place_of_the_common_ones(make_net, start):
    polyak = COMMON.model_copy(update={"polyak": None})
    (plain,) = start(make_net(), {"name": "a"}, common=polyak, folder="plain")
    (same,) = start(make_net(), {"name": "a", "training": {"polyak": None}}, folder="same")
    assert differing(plain.weights, same.weights) == set()


BAD = {
    "wrong path": ({"train": ["bodi"]}, "train: the network has no module 'bodi'; did you mean"),
    "wrong frozen path": ({"freeze": ["heads"]}, "freeze: the network has no module 'heads'"),
    "wrong path of a rate": ({"rates": {"steam": 1}}, "rates: the network has no module 'steam'"),
    "all frozen": ({"train": ["pool"]}, "every part of the network is frozen"),
    "rate of what is frozen": (
        {"freeze": ["stem"], "rates": {"stem.0": 0.1}},
        "rates: nothing in 'stem.0' learns; leave it out.",
    ),
    "unknown setting": (
        {"training": {"epoch": 3}},
        "training: unknown key 'epoch'; did you mean 'epochs'?",
    ),
    "wrong setting": ({"training": {"epochs": 0}}, "training: epochs: Input should be greater"),
    "no dropout": ({"training": {"r_drop": 1.0}}, "r_drop compares two passes"),
    "no map at a stride": (
        {"losses": [{"method": "attention", "student": "stride=8"}]},
        "the network has no map at stride 8; it has 1, 2.",
    ),
    "wrong place": (
        {"losses": [{"method": "hint", "student": "bodi", "teacher": "body"}]},
        "the network has no module 'bodi'; did you mean 'body'?",
    ),
    "other sizes": (
        {"losses": [{"method": "hint", "student": "stem", "teacher": "body"}]},
        "(1, 6, 12, 12) of the student and (1, 8, 6, 6) of the teacher",
    ),
    "mixed classes": (
        {"losses": [{"method": "dkd"}], "training": {"mixing": "mixup"}},
        "mixing mixup gives shares of the classes",
    ),
    "smoothing without labels": (
        HINT | {"name": "last", "training": {"label_smoothing": 0.1}},
        "label_smoothing changes the cross-entropy, which task_weight 0 leaves out",
    ),
}


@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD)
def test_a_wrong_last_stage_is_found_before_the_first_is_trained(
    make_net, start, tmp_path, values, message
):
    seen = []
    with pytest.raises(UserError) as caught:
        start(
            make_net(),
            SOFT,
            {"name": "last"} | values,
            teacher=make_net(seed=1),
            on_epoch=lambda *epoch: seen.append(epoch),
        )
    assert str(caught.value).startswith("stage last: ")
    assert message in str(caught.value)
    assert seen == []
    assert not (tmp_path / "run").exists()


def test_a_single_stage_is_not_named_in_messages(make_net, start):
    with pytest.raises(UserError, match=r"^train: the network has no module"):
        start(make_net(), {"name": "training", "train": ["bodi"]})


@pytest.mark.parametrize(
    ("values", "has_teacher", "message"),
    [
        ([], False, "stages: give at least one."),
        (
            [{"name": "a"}, {"name": "a"}],
            False,
            "stages: the name 'a' is taken; give every stage a name of its own, and none the "
            "name 'initial'.",
        ),
        (
            [{"name": "initial"}],
            False,
            "stages: the name 'initial' is taken; give every stage a name of its own, and none "
            "the name 'initial'.",
        ),
        (
            [{"name": "a", "start": "b"}, {"name": "b"}],
            False,
            "stage a: it starts from 'b', which is no earlier stage; choose one of initial.",
        ),
        ([SOFT], False, "the losses of stage 'soft' need a teacher; give --teacher."),
        (
            [{"name": "a"}],
            True,
            "a teacher is given and no loss towards it; give --method, or losses in the config.",
        ),
    ],
)
def test_stages_that_cannot_be_run_in_order(values, has_teacher, message):
    with pytest.raises(UserError) as caught:
        check_stages(stages(*values), has_teacher)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "train": ["x"], "freeze": ["y"]}, "stage a: give train or freeze, not both"),
        ({"name": "a", "rates": {"x": 0}}, "stage a: the rate of 'x' must be above 0"),
        (
            {"name": "a", "task_weight": 0},
            "stage a: task_weight 0 without losses leaves nothing to learn",
        ),
        ({"name": "a", "trian": []}, "unknown key 'trian'; did you mean 'train'?"),
        ({"name": "a/b"}, "name: String should match pattern"),
        ({"name": "a", "task_weight": -1}, "task_weight: Input should be greater"),
        ({"name": "a", "losses": [{"method": "kd"}]}, "losses.0.method: "),
    ],
)
def test_a_stage_that_is_wrong_in_itself(values, message):
    with pytest.raises(UserError) as caught:
        stages(values)
    assert message in str(caught.value)


def test_a_stage_can_begin_with_a_fresh_part(make_net, start):
    net = make_net()
    initial = snapshot(net)
    second = {"name": "second", "train": ["head"], "fresh": ["head"], "training": {"epochs": 1}}
    tiny = COMMON.model_copy(update={"learning_rate": 1e-12, "weight_decay": 0.0, "polyak": None})
    first, last = start(
        net, {"name": "first", "training": {"learning_rate": 0.01}}, second, common=tiny
    )
    assert differing(first.weights, last.weights) <= {"head.weight", "head.bias"}
    assert not torch.allclose(first.weights["head.weight"], initial["head.weight"], atol=1e-6)
    assert torch.allclose(last.weights["head.weight"], initial["head.weight"], atol=1e-6)


def test_a_stage_can_begin_with_a_part_of_the_teacher(make_net, start):
    teacher = make_net(seed=5)
    stage = {"name": "one", "from_teacher": {"head": "head"}, "losses": [{"method": "soft_target"}]}
    tiny = COMMON.model_copy(update={"learning_rate": 1e-12, "weight_decay": 0.0, "polyak": None})
    (found,) = start(make_net(), stage, teacher=teacher, common=tiny)
    assert torch.allclose(found.weights["head.weight"], teacher.head.weight, atol=1e-6)
    assert not torch.allclose(found.weights["head.weight"], make_net().head.weight, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fresh": ["haed"]}, "fresh: the network has no module 'haed'"),
        ({"from_teacher": {"head": "haed"}}, "from_teacher, teacher: the network has no module"),
        ({"from_teacher": {"head": "body"}}, "'head' has weights of other shapes than 'body'"),
    ],
)
def test_parts_that_are_not_there_are_refused(make_net, start, values, message):
    stage = {"name": "one", "losses": [{"method": "soft_target"}], **values}
    with pytest.raises(UserError, match=message):
        start(make_net(), stage, teacher=make_net(seed=5))


def test_a_part_cannot_be_fresh_and_the_teachers():
    with pytest.raises(UserError, match="cannot be fresh and come from_teacher"):
        stages({"name": "one", "fresh": ["head"], "from_teacher": {"head": "head"}})


def test_stages_without_such_parts_are_saved_as_before():
    (plain,) = stages({"name": "one"})
    assert not {"fresh", "from_teacher"} & plain.model_dump().keys()
