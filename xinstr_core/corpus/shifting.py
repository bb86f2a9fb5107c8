"""Encodings whose bytes are those of ASCII, in which sequences say what they mean: ISO-2022-JP, ISO-2022-KR and HZ."""

from __future__ import annotations

import re

# ESC with what it shifts to. Japanese pages have JIS X 0201, 0208 and 0212, Korean ones KS X 1001.
_ESCAPES = {"iso2022_jp_ext": re.compile(rb"\x1b(?:\$[@B]|\$\(D|\([IJ])"), "iso2022_kr": re.compile(rb"\x1b\$\)C")}
_HZ = re.compile(rb"~\{((?:[!-w][!-~])+)~\}")


def shifting_text(content: bytes, is_han: bool) -> str | UnicodeDecodeError | None:
    """The text of bytes that shift; the error where they do not as they should, None where they do not at all.

    HZ begins with signs that other texts have too: it is looked for where the language is written in Chinese characters.
    """
    try:
        for encoding, escape in _ESCAPES.items():
            if escape.search(content):
                return content.decode(encoding)
        if is_han and content.isascii() and _HZ.search(content):
            return _HZ.sub(lambda found: _of_gb2312(found[1]).encode(), content).decode().replace("~~", "~")
    except UnicodeDecodeError as error:
        return error
    return None


def _of_gb2312(shifted: bytes) -> str:
    return bytes(byte | 0x80 for byte in shifted).decode("gb2312")
