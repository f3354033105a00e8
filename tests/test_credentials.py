import json
import stat
from pathlib import Path

import pytest

from thingplane.credentials import ensure_credentials


def test_first_start_makes_a_key_that_later_starts_keep(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    first = ensure_credentials(file)
    assert first == ensure_credentials(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = json.loads(file.read_text())
    assert (content["AccessKeyId"], content["AccessKeySecret"]) == first


def test_given_key_is_written_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    ensure_credentials(file)
    assert ensure_credentials(file, "id", "secret") == ("id", "secret")
    assert json.loads(file.read_text()) == {"AccessKeyId": "id", "AccessKeySecret": "secret"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"AccessKeyId": "a"}'])
def test_damaged_file_is_an_error_and_stays(tmp_path: Path, content: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r".+"):
        ensure_credentials(file)
    assert file.read_text() == content


def test_secret_is_not_shown(tmp_path: Path) -> None:
    assert "hush" not in repr(ensure_credentials(tmp_path / "credentials.json", "id", "hush"))
