import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.apis.http.paging import page_token, read_page_token
from jobyard.domain.errors import Invalid


@given(st.integers(0, 2**62), st.text(max_size=20))
def test_a_token_gives_back_its_number_for_its_filters_only(number, filters) -> None:
    token = page_token(number, filters)
    assert read_page_token(token, filters) == number
    with pytest.raises(Invalid):
        read_page_token(token, filters + "x")


@given(st.text(max_size=40))
def test_a_token_from_elsewhere_is_invalid(token) -> None:
    with pytest.raises(Invalid):
        read_page_token(token, "")


def test_a_number_that_no_job_has_is_invalid() -> None:
    with pytest.raises(Invalid):
        read_page_token(page_token(2**62 + 1, ""), "")
