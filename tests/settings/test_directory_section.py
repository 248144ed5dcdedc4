"""The [directory] section: complete for its source, no secret in the open, nothing in clear over a network."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from gateway.connections import directory_file, open_directory
from gateway.edges.directory_fhir import FhirDirectory
from gateway.edges.directory_file import FileDirectory
from gateway.settings import Settings, SettingsError, load
from tests.ambient import TestAmbient
from tests.smallest import SMALLEST


def settings(folder: Path, section: str, **environ: str) -> Settings:
    (folder / "key").write_text("s3cret-key\n")
    path = folder / "gateway.toml"
    path.write_text(SMALLEST + "[directory]\n" + section)
    return load(path, environ)


def faults(folder: Path, section: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(folder, section, **environ)
    assert "s3cret" not in str(caught.value)
    return caught.value.faults


async def test_r118_each_source_opens_its_directory(tmp_path: Path) -> None:
    """None is none; the file lies in the state directory unless it is said where."""
    async with aiohttp.ClientSession() as http:
        assert open_directory(settings(tmp_path, ""), http, TestAmbient()) is None
        for section, kind in (
            ('source = "fhir"\napi_key_file = "key"\n', FhirDirectory),
            ('source = "fhir"\napi_key_file = "key"\nurl = "http://127.0.0.1:1/fhir/v2/"\n', FhirDirectory),
            ('source = "file"\n', FileDirectory),
        ):
            found = open_directory(settings(tmp_path, section), http, TestAmbient())
            assert isinstance(found, kind)
            await found.close()
    assert directory_file(settings(tmp_path, "")) == tmp_path / "state" / "directory.db"
    assert directory_file(settings(tmp_path, 'file = "other.db"\n')) == tmp_path / "other.db"


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    for found in (
        settings(tmp_path, 'source = "fhir"\napi_key_file = "key"\n'),
        settings(tmp_path, 'source = "fhir"\n', GATEWAY_DIRECTORY__API_KEY="s3cret-key"),
        settings(tmp_path, "", GATEWAY_DIRECTORY__SOURCE="fhir", GATEWAY_DIRECTORY__API_KEY_FILE="key"),
    ):
        assert found.directory.api_key is not None
        assert found.directory.api_key.reveal() == "s3cret-key"
        assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('source = "fhir"\n', "api_key_file"),
        ('source = "ldap"\n', "directory.source"),
        ('api_key = "s3cret"\n', "directory.api_key"),
        ('url = "http://directory.test/fhir/v2"\n', "directory.url"),
        ('url = "https://directory.test/fhir/v2?key=1"\n', "bare address"),
        ('extraction_url = "http://directory.test/x"\n', "directory.extraction_url"),
        ('ca = "missing.pem"\n', "directory.ca"),
        ("timeout = 0\n", "directory.timeout"),
        ("calls_per_second = 0\n", "directory.calls_per_second"),
        ("other = 1\n", "directory.other"),
    ],
)
def test_unsafe_or_incomplete_sections_are_refused(tmp_path: Path, section: str, told: str) -> None:
    (fault,) = faults(tmp_path, section)
    assert told in fault


@pytest.mark.parametrize("key", ["s3cret key", "s3crét", "s3cret\x00", "s3cret\nX-Other: 1"])
def test_a_key_that_is_no_header_value_is_refused(tmp_path: Path, key: str) -> None:
    (fault,) = faults(tmp_path, 'source = "fhir"\n', GATEWAY_DIRECTORY__API_KEY=key)
    assert "api_key_file" in fault
