"""No credential survives in a message, wherever in a URL or a setting it stands."""

from __future__ import annotations

import pytest

from assay.errors import without_secrets


@pytest.mark.parametrize("text", [
    "postgresql://ann:hunter2@db/credit", "postgresql://u:p/hunter2@d/x@localhost/db", "https://hunter2@host/path",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2", "s3://bucket/key?X-Amz-Signature=hunter2&AWSAccessKeyId=hunter2",
    "https://host/blob?sig=hunter2", "snowflake://a/b?private_key_passphrase=hunter2", "PWD=hunter2;UID=a", "api_key=hunter2",
    "token = hunter2", "cannot open 'postgresql://ann:hunter2@db/credit': refused",
])
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in without_secrets(text)
    assert "***" in without_secrets(text)


@pytest.mark.parametrize("text", ["a file at data/test.parquet", "s3://bucket/day=1/part.parquet", "the key is 'a'", "monkey == 3",
                                  "recall where key >= 3"])
def test_what_is_no_secret_is_kept(text: str) -> None:
    assert without_secrets(text) == text
