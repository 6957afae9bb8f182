"""What the operating system must give: programs that the embedded Kafka needs, and no core dumps."""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Mapping

from schemas.errors import UserError

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # prctl(2)


def no_core_dumps() -> None:
    """From now on neither this process nor its children write one: it would hold keys and names.

    The limit alone does not count where a program takes the dumps (core(5), `|` in core_pattern); nor may other
    processes of this account read this one's memory.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """SIGTERM when the process that started this one vanishes (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def need_programs(packages: Mapping[str, str]) -> None:
    """Make sure that programs are there (program → Debian package): as root they are installed.

    Raises:
        UserError: one is missing and cannot be installed; it says what to install.
    """
    missing = [program for program in packages if shutil.which(program) is None]
    if not missing:
        return
    wanted = " ".join(packages[program] for program in missing)
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], env=environment, capture_output=True, check=False)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *wanted.split()]
        subprocess.run(install, env=environment, capture_output=True, check=False)
    still = [program for program in missing if shutil.which(program) is None]
    if still:
        raise UserError(
            f"missing: {', '.join(still)}",
            f"install {wanted}, or name a running Kafka: RMM_SCRUB_KAFKA=host:port",
        )
