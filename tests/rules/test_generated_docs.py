"""The reference pages are made from the program; nobody edits them."""

from pathlib import Path

import pytest

from jobyard.cli.reference import pages

DIRECTORY = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_reference_page_is_what_the_program_says_now(name):
    page = DIRECTORY / name
    assert page.read_text(encoding="utf-8") == pages()[name], f"{name} is stale: run `make docs-reference`"
