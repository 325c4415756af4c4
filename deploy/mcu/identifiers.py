"""C and C++ from names that users chose: identifiers that are valid and differ, and strings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from hintlite.deploy.tflite.graph import ModelError

_LONGEST_NAME = 40
# Keywords of C99 and C++20, alternative tokens, and what the generated files use at global scope.
_RESERVED = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
    char32_t class compl concept const consteval constexpr constinit const_cast continue co_await
    co_return co_yield decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
    return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile
    wchar_t while xor xor_eq std tflite main setup loop micro posix linux unix arm
"""
# Functions of the C library and POSIX that headers declare at global scope.
_FUNCTIONS = """
    abort abs access acos asin assert atan atexit atof atoi atol bsearch calloc ceil cimag
    clock close cos cosh creal ctime difftime div dup environ erf errno exec exit exp fabs fdim
    floor fma fmax fmin fmod fork fprintf free frexp gamma getc getchar getenv gets gmtime
    hypot index j0 j1 jn kill labs ldexp ldiv lgamma link localtime log logb lrint lround lseek
    malloc memchr memcmp memcpy memmove memset mktime modf nan nice open pause perror pipe pow
    printf putc putchar puts qsort raise rand random read realloc remove rename rewind rindex
    rint round scanf select send setjmp signal sin sinh sleep sprintf sqrt srand sscanf stderr
    stdin stdout stpcpy strcat strchr strcmp strcpy strlen strtol swab sync system tan tanh
    tgamma time times tmpfile trunc ungetc unlink wait write y0 y1 yn
"""
RESERVED = frozenset((_RESERVED + _FUNCTIONS).split())


def check_namespace(name: str) -> str:
    """A name that can be a C++ namespace beside TFLM's and the libraries', or a ModelError.

    Raises:
        ModelError: it cannot; the text says why.
    """
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}", name) or "__" in name:
        raise ModelError(
            "Expected a name of small letters, digits and single underscores that begins with a "
            f"letter, at most {_LONGEST_NAME} characters, got {name!r}: choose another, such as "
            "'student'."
        )
    if name in RESERVED or name.endswith("_t"):
        raise ModelError(
            f"The name {name!r} is a keyword of C or C++ or taken by a library: choose another, "
            "such as 'student'."
        )
    return name


def identifiers(names: Sequence[str], prefix: str, taken: Collection[str] = ()) -> tuple[str, ...]:
    """An identifier for each name, all different, readable where the name allows it.

    Args:
        names: anything, equal ones too.
        prefix: what each begins with, itself the beginning of an identifier, such as "kLabel".
        taken: identifiers that are used already.
    """
    found: list[str] = []
    used = set(taken)
    for name in names:
        stem = prefix + _words(name)
        candidate, number = stem, 1
        while candidate in used:
            number += 1
            candidate = f"{stem}_{number}"
        used.add(candidate)
        found.append(candidate)
    return tuple(found)


def _words(name: str) -> str:
    """ "t-shirt/top" -> "TShirtTop"; letters that ASCII has not become their numbers."""
    folded = unicodedata.normalize("NFKD", name)
    text = "".join(
        char if char.isascii() else f" u{ord(char):x} "
        for char in folded
        if not unicodedata.combining(char)
    )
    parts = re.findall(r"[A-Za-z0-9]+", text)
    return "".join(part[0].upper() + part[1:] for part in parts) or "Unnamed"


def string_literal(text: str) -> str:
    """A C string literal of the text's UTF-8 bytes, the same in every compiler and locale.

    All but plain ASCII is written as three octal digits, which no following digit can join; `?` is
    escaped, so that no trigraph arises.
    """
    return '"' + "".join(_byte(byte) for byte in text.encode("utf-8", "replace")) + '"'


def _byte(byte: int) -> str:
    char = chr(byte)
    if char in '"\\?':
        return f"\\{char}"
    return char if 32 <= byte < 127 else f"\\{byte:03o}"


def comment_text(text: str) -> str:
    """Text for a comment: one line, plain ASCII, and nothing that ends or continues a comment."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    line = " ".join(plain.split()).replace("\\", "/").replace("??", "? ?").replace("??", "? ?")
    return line.replace("*/", "* /").replace("/*", "/ *")
