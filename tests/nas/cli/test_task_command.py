from __future__ import annotations


def test_list_names_what_needs_no_files(nas) -> None:
    assert nas("task", "list").out == "faces\n"


def test_check_counts_images_sizes_and_classes(nas, task_folder) -> None:
    outcome = nas("task", "check", task_folder.root)
    assert outcome.code == 0 and outcome.err == ""
    rows = {line.split("│")[1].strip(): line.split("│")[2:5] for line in _rows(outcome.out)}
    assert [cell.strip() for cell in rows["images"]] == ["8", "1", "1"]
    assert [cell.strip() for cell in rows["pixels"]] == ["40x40"] * 3
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


def _rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("│")]
