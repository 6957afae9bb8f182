"""What the operating system is asked for."""

import subprocess
import sys

PROGRAM = """
import ctypes, os, resource
from streams.system import no_core_dumps
no_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3))
os.system('ulimit -c')
os.abort()
"""


def test_a_process_that_holds_keys_leaves_no_core_dump(tmp_path) -> None:
    """By limit, also its children's, and by not being dumpable (prctl 3, PR_GET_DUMPABLE)."""
    crashed = subprocess.run(
        [sys.executable, "-uc", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert crashed.returncode < 0
    assert crashed.stdout.split("\n")[:2] == ["(0, 0) 0", "0"]
    assert list(tmp_path.iterdir()) == []
