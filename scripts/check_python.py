"""Says whether this Python can run the project; runs on any Python, also an old one."""

import sys

SUPPORTED = ((3, 11), (3, 12))

if sys.version_info[:2] not in SUPPORTED:
    sys.exit(
        "%s is Python %d.%d, and this project runs on 3.11 and 3.12: "
        "name one of them, for example 'make install PYTHON=python3.11'."
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )
