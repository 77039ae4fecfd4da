"""Query strings, read strictly: what is not UTF-8 is refused, not guessed (contract tes 7.4)."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from jobyard.domain.errors import Invalid

_MAX_PARAMETERS = 1000


class Parameters:
    """The parameters of one request. Unknown ones are nobody's business."""

    def __init__(self, query: bytes) -> None:
        """Raises `Invalid`."""
        self._pairs: Sequence[tuple[str, str]] = ()
        if query:
            try:
                self._pairs = parse_qsl(
                    query.decode("utf-8"),
                    keep_blank_values=True,
                    errors="strict",
                    max_num_fields=_MAX_PARAMETERS,
                )
            except UnicodeDecodeError as error:
                raise Invalid("the query string is not UTF-8") from error
            except ValueError as error:
                raise Invalid(f"the query string has more than {_MAX_PARAMETERS} parameters") from error

    def last(self, name: str) -> str:
        """The value of a single parameter: given twice, the last one wins. "" when absent."""
        return next((value for key, value in reversed(self._pairs) if key == name), "")

    def all(self, name: str) -> Sequence[str]:
        """The values of a repeated parameter, in order."""
        return [value for key, value in self._pairs if key == name]
