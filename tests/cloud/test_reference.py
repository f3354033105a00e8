"""Generated pages."""

from pathlib import Path

from tests.cloud.sample import OPERATIONS

from thingplane.cloud.reference import coverage, pages, reference, write_reference


def test_the_coverage_page_counts_by_group() -> None:
    page = coverage(OPERATIONS)
    assert "3 of 168 documented operations" in page
    assert "| products | 2 | 13 |" in page
    assert "- [x] RRpc" in page
    assert "- [ ] Pub" in page


def test_the_reference_says_constraints_and_codes() -> None:
    page = reference(OPERATIONS)
    assert "## QueryProduct\n\n3 calls a second; guide section 4.7.2." in page
    assert (
        "| ProductKey | text | yes | `must match [A-Za-z0-9]{1,20}` | "
        "`iot.prod.NullProductKey`, `iot.prod.InvalidFormattedProductkey` |"
    ) in page
    assert "| ProductTag.N | struct | yes | at most 2 entries |" in page
    assert "| ProductTag.N.TagKey | text | yes | at least 1 characters; at most 30 characters |" in page
    assert "Answer: `Data.ProductKey`, `Data.ProductName`, `Data.GmtCreate`, `Data.Owner`." in page


def test_pages_are_written_as_they_are_returned(tmp_path: Path) -> None:
    paths = write_reference(tmp_path / "docs", OPERATIONS)
    assert {path.name: path.read_text(encoding="utf-8") for path in paths} == pages(OPERATIONS)
