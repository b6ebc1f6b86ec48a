"""A request says its model in JSON, or in a form."""

import pytest

from tidegate.gateway.model_name import NoModel, model_of

FORM = (
    b'--XX\r\nContent-Disposition: form-data; name="file"; filename="model"\r\n'
    b"Content-Type: audio/wav\r\n\r\nRIFF\r\n"
    b'--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--XX--\r\n'
)


@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        pytest.param(b"application/json", b'{"messages": [], "model": "chat"}', "chat", id="json"),
        pytest.param(b"", b'{"model": "chat"}', "chat", id="json without saying so"),
        pytest.param(b"multipart/form-data; boundary=XX", FORM, "whisper", id="form"),
        pytest.param(b'multipart/form-data; boundary="XX"', FORM, "whisper", id="quoted boundary"),
    ],
)
def test_the_name_is_found(kind, body, name):
    assert model_of(kind, body) == name


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(b"application/json", b"", id="empty"),
        pytest.param(b"application/json", b"{", id="cut short"),
        pytest.param(b"application/json", b'["model"]', id="no object"),
        pytest.param(b"application/json", b'{"model": 3}', id="a number"),
        pytest.param(b"application/json", b'{"model": ""}', id="no characters"),
        pytest.param(b"application/json", b'{"model": "' + b"x" * 300 + b'"}', id="too long"),
        pytest.param(b"application/json", b'{"a":' + b"[" * 100_000, id="nested without end"),
        pytest.param(b"application/json", b'{"model": "\xff"}', id="no utf-8"),
        pytest.param(b"multipart/form-data; boundary=YY", FORM, id="another boundary"),
        pytest.param(b"multipart/form-data", FORM, id="no boundary"),
    ],
)
def test_a_body_without_a_name_is_told_so(kind, body):
    with pytest.raises(NoModel):
        model_of(kind, body)
