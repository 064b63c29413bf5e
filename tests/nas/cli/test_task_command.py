from __future__ import annotations

import pytest
from PIL import Image


def test_list_names_what_needs_no_files(nas) -> None:
    lines = nas("task", "list").out.splitlines()
    assert [line.split() for line in lines] == [
        ["faces", "segmentation"],
        ["digits", "classification"],
        ["spoofing", "antispoofing"],
    ]


def test_check_counts_images_sizes_and_classes(nas, task_folder) -> None:
    outcome = nas("task", "check", task_folder.root)
    assert outcome.code == 0 and outcome.err == ""
    rows = {line.split("│")[1].strip(): line.split("│")[2:5] for line in _rows(outcome.out)}
    assert [cell.strip() for cell in rows["images"]] == ["8", "1", "1"]
    assert [cell.strip() for cell in rows["height x width"]] == ["40x40"] * 3
    assert [cell.strip() for cell in rows["ground"]] == ["50.00%"] * 3
    assert [cell.strip() for cell in rows["fruit"]] == ["25.00%"] * 3
    assert [cell.strip() for cell in rows["(ignored)"]] == ["0.00%"] * 3


def test_check_names_every_file_that_is_wrong(nas, task_folder) -> None:
    root = task_folder.root
    (root / "images/01.jpg").write_bytes(b"no image")
    task_folder.save(task_folder.mask(7), "masks/02.png")
    (root / "masks/03.png").unlink()
    outcome = nas("task", "check", root)
    assert outcome.code == 2
    problems = [line for line in outcome.out.splitlines() if line.startswith(str(root))]
    assert [line.split(": ")[0] for line in sorted(problems)] == [
        *(f"{root}/images/01.jpg", f"{root}/images/03.jpg", f"{root}/masks/02.png")
    ]
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"nas: {root}/") and "(2 more; " in line


def test_check_takes_the_images_from_elsewhere(nas, task_folder, tmp_path) -> None:
    file = tmp_path / "leaves.yaml"
    (task_folder.root / "task.yaml").rename(file)
    assert nas("task", "check", file).code == 2
    assert nas("task", "check", file, "--data", task_folder.root).code == 0


@pytest.fixture
def photos(tmp_path):
    """Ten ants and twenty bees, with no other split."""
    root = tmp_path / "photos"
    for label, (name, count) in enumerate({"ant": 10, "bee": 20}.items()):
        (root / "train" / name).mkdir(parents=True)
        for index in range(count):
            image = Image.new("RGB", (40, 30), (index, 100 * label, 0))
            image.save(root / "train" / name / f"{index:02d}.png")
    return root


def test_check_counts_the_images_of_each_class(nas, photos) -> None:
    outcome = nas("task", "check", photos)
    assert outcome.code == 0 and outcome.err == ""
    rows = [[cell.strip() for cell in line.split("│")[1:5]] for line in _rows(outcome.out)]
    assert rows == [
        ["images", "24", "3", "3"],
        ["height x width", "30x40", "30x40", "30x40"],
        ["ant", "8", "1", "1"],
        ["bee", "16", "2", "2"],
    ]


def test_check_names_every_image_that_is_wrong(nas, photos) -> None:
    wrong = [photos / "train/ant/00.png", photos / "train/bee/19.png"]
    for path in wrong:
        path.write_bytes(b"no image")
    outcome = nas("task", "check", photos)
    assert outcome.code == 2
    lines = [line for line in outcome.out.splitlines() if line.startswith(str(photos))]
    assert sorted(line.split(": ")[0] for line in lines) == [str(path) for path in wrong]
    assert "(1 more; " in outcome.err


def test_a_search_of_decoders_refuses_images_of_one_class_each(nas, photos, monkeypatch) -> None:
    monkeypatch.chdir(photos.parent)
    outcome = nas("search", "--task", photos, "--space", "small", "--run", "run", "--trials", 1)
    assert outcome.code == 2 and not (photos.parent / "run").exists()
    assert "choose a space for it, for example --space nasbench201" in outcome.err


def _rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("│")]


def test_show_draws_the_folder(nas, task_folder, tmp_path) -> None:
    path = tmp_path / "sheet.png"
    outcome = nas("task", "show", task_folder.root, "--output", path)
    assert (outcome.code, outcome.out) == (0, f"{path}\n")
    with Image.open(path) as picture:
        assert picture.width == 1600
