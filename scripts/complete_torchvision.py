"""Makes `import torchvision` and `import timm` work in the environment that runs this.

PyPI has torchvision for CUDA alone on Linux, and a CPU build of torch does not load its operators.
Where that is so, a line in the environment has Python define what the import lacks; see
nas/torchvision_operators.py. Elsewhere nothing is done.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

_LINE = "import nas.torchvision_operators as operators; operators.install()\n"


def main() -> None:
    """Writes the line, or takes it away where it is not needed any more."""
    path = Path(sysconfig.get_paths()["purelib"]) / "torchvision_operators.pth"
    path.unlink(missing_ok=True)
    command = [sys.executable, "-c", "import torchvision"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if "operator torchvision::nms does not exist" in found.stderr:
        path.write_text(_LINE, encoding="utf-8")


if __name__ == "__main__":
    main()
