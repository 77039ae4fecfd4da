"""What this machine has."""

import os
import shutil
import socket
from pathlib import Path

from jobyard.domain.resources import GB, Amount


def capacity(data: Path, *, cores: int, memory_gb: float, disk_gb: float) -> Amount:
    """What jobs may use together: as configured, or where that is 0, the cores that this process may use and
    nine tenths of the memory and of the free disk.
    """
    return Amount(
        cores=cores or len(os.sched_getaffinity(0)),
        memory=int(memory_gb * GB) or _memory() * 9 // 10,
        disk=int(disk_gb * GB) or shutil.disk_usage(data).free * 9 // 10,
    )


def name() -> str:
    return socket.gethostname()


def _memory() -> int:
    """Bytes: the machine's, or the limit of our control group if that is lower."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
