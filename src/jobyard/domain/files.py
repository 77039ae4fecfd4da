"""Files that go into a job and come out of it. Paths are the job's own absolute paths."""

import re
from dataclasses import dataclass
from enum import StrEnum

_WILDCARD = re.compile(r"[*?\[]")
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET_PARAMETER = re.compile(
    r"(?<=[?&])([^=&#\s]*(?:signature|sig|token|secret|password|credential|key)[^=&#\s]*)=[^&#\s]*",
    re.IGNORECASE,
)


class FileType(StrEnum):
    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    path: str
    url: str | None = None
    content: str | None = None
    """The file itself. When present, `url` is kept and not read."""
    type: FileType = FileType.FILE
    name: str | None = None
    description: str | None = None
    streamable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    path: str
    """May hold POSIX shell patterns (IEEE Std 1003.1-2017, 2.13), relative to which `path_prefix` is cut."""
    url: str
    path_prefix: str | None = None
    type: FileType = FileType.FILE
    name: str | None = None
    description: str | None = None

    @property
    def wildcard(self) -> bool:
        return _WILDCARD.search(self.path) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutput:
    """One file that was stored; directories are flattened to their files."""

    url: str
    path: str
    size: int  # bytes
    sha256: str  # hex


def masked(text: str) -> str:
    """Text with `***` for the credentials of the URLs in it: user information and signing parameters."""
    return _SECRET_PARAMETER.sub(r"\1=***", _USERINFO.sub("***@", text)) if "://" in text else text
