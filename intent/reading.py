"""Reading a node file: bounded, from a regular file or the standard input, as UTF-8 text."""

from __future__ import annotations

import os
import re
import stat
import sys
from io import FileIO
from itertools import islice

from intent.problems import IntentError, Problem
from intent.source import Report, Source

LARGEST_BYTES = 32 << 20
STDIN = "-"
STDIN_NAME = "<stdin>"

_MOST_REPORTED = 100

_KINDS = (
    (stat.S_ISDIR, "is a directory, not a file"),
    (stat.S_ISFIFO, "is a pipe; name `-` to read the standard input"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
# What YAML 1.2 calls printable (chapter 5.1), less the line breaks that only YAML 1.1 knew: the two parsers would
# count lines differently.
_UNUSABLE = re.compile("[^\n\r\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\ufff0-\ufffd\U00010000-\U0010ffff]")
_PLAIN = b"\n\r\t" + bytes(range(0x20, 0x7F))
_COMMENT_LINE_OR_TAB = re.compile(r"(?:(?<=\n)|\A) *#[^\r\n]*|\t")
_BAD_ESCAPE = re.compile(
    r"\\(?:u[dD][89a-fA-F][0-9a-fA-F]{2}|U0000[dD][89a-fA-F][0-9a-fA-F]{2}|U(?!000[0-9a-fA-F]|0010)[0-9a-fA-F]{8})"
)
_LONE_RETURN = re.compile(r"\r(?!\n)")
_DIRECTIVE = re.compile(r"(?:(?<=\n)|\A)%")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def read(path: str) -> tuple[bytes, str]:
    """Return at most `LARGEST_BYTES` bytes of a file, and its name for messages.

    Raises IntentError for what cannot be read, is no regular file or is larger. Never waits for anything but the
    standard input.
    """
    if path == STDIN:
        name = STDIN_NAME
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    else:
        name = path
        data = _read_file(path)
    if len(data) > LARGEST_BYTES:
        raise _error(name, f"is larger than {LARGEST_BYTES >> 20} MiB, and a node file has some kilobytes")
    return data, name


def _read_file(path: str) -> bytes:
    try:
        _refuse_kind(path, os.stat(path))
        # Should the file be replaced by a pipe just now, O_NONBLOCK keeps this from waiting for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb", buffering=0) as file:
            _refuse_kind(path, os.fstat(descriptor))
            return _read_bounded(file)
    except OSError as exc:
        raise _error(path, f"cannot be read: {exc.strerror or exc}") from exc
    except ValueError as exc:
        raise _error(path, "is no name of a file") from exc


def _read_bounded(file: FileIO) -> bytes:
    parts = []
    room = LARGEST_BYTES + 1
    while room and (part := file.read(min(room, 1 << 20))):
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _refuse_kind(path: str, status: os.stat_result) -> None:
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            raise _error(path, words)
    if status.st_size > LARGEST_BYTES:
        size = f"{status.st_size >> 20} MiB"
        raise _error(path, f"has {size}; at most {LARGEST_BYTES >> 20} MiB are read, a node file has some kilobytes")


def _error(name: str, message: str) -> IntentError:
    return IntentError([Problem(name, 0, 0, message)])


def decode(data: bytes | str, name: str) -> Source:
    """Return the bytes as text without a byte order mark; text that is right already is taken as it is.

    Raises IntentError with the places where they are not UTF-8, hold control characters, or hold tabs.
    """
    given = data if isinstance(data, str) else None
    if isinstance(data, str):
        data = data.encode(errors="surrogatepass")
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            raise _error(name, f"is {encoding} text; save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data[:4096]:
        raise _error(name, "is binary data, not text")
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise _not_utf8(data, name, exc.start) from exc
    source = Source(name, text if given is None or given != text else given)
    report = Report(source)
    _refuse_characters(source, report, plain=not data.translate(None, _PLAIN))
    if report:
        raise report.error()
    return source


def _not_utf8(data: bytes, name: str, offset: int) -> IntentError:
    """Return the error for the first byte that is not UTF-8, its column counted in characters."""
    source = Source(name, data[: offset + 400].decode(errors="surrogateescape"))
    report = Report(source)
    report.add(
        source.place(len(data[:offset].decode())),
        f"the byte 0x{data[offset]:02x} is not UTF-8 text",
        "save the file as UTF-8 (it may be Latin-1)",
    )
    return report.error()


def _refuse_characters(source: Source, report: Report, plain: bool) -> None:
    """Report what must not be in a text. One that is ``plain`` has only what `_PLAIN` has."""
    for pattern, sign, message, advice in (
        (_UNUSABLE, None, "the character U+{:04X} cannot be used here", None),
        (_BIDI, None, "the character U+{:04X} makes text look other than it is", "leave it out"),
        (
            _LONE_RETURN,
            "\r",
            "a carriage return without a line feed ends this line",
            "save the file with Unix line ends",
        ),
        (_BAD_ESCAPE, "\\", "this escape stands for no character", None),
        (_DIRECTIVE, "%", "YAML directives (lines that begin with `%`) are not used here", "leave the line out"),
        (_COMMENT_LINE_OR_TAB, "\t", "a tab stands here; YAML indents with spaces", "replace it by spaces"),
    ):
        # Looking for one character is a hundred times as fast, and a file with 100,000 routes has none of these.
        if plain if sign is None else sign not in source.text:
            continue
        found = (match for match in pattern.finditer(source.text) if "#" not in match[0])
        for match in islice(found, _MOST_REPORTED):
            report.add(source.place(match.start()), message.format(ord(match[0][0])), advice)
