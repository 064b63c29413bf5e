from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient


def test_a_search_its_front_and_a_retrained_network(examples, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(examples.parent)]))
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(examples / "search_in_a_notebook.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    front = notebook.cells[2].outputs[0]["data"]["text/html"]
    assert front.count("<tr>") >= 2
    assert "params" in front
    assert (tmp_path / "runs" / "notebook" / "retrain").is_dir()
    with pytest.raises(StopIteration):
        next(cell for cell in notebook.cells if any("ename" in o for o in cell.get("outputs", ())))
