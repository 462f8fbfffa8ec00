"""
From a salt and a unit to a number in [0, 1): the one hash on which every decision rests.

It is SHA-256, because every language has it and nobody can aim at it; `docs/assignment.md` specifies it for other
implementers. What is hashed are texts, each as `length:bytes,` with the length of its UTF-8 form in decimal (a
netstring), so that no two lists of texts look alike: ("ab", "c") is not ("a", "bc").
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct

_FIRST_BITS = Struct(">Q").unpack_from  # of a digest: 64, as a whole number
_STEP = 2.0**-53  # between neighbouring positions: all of them are exact doubles


def part(text: str) -> bytes:
    r"""
    Encode one text of a message.

    Raises
    ------
    UnicodeEncodeError
        If the text has half a surrogate pair, which UTF-8 cannot write.

    >>> part("ü")
    b'2:\xc3\xbc,'
    """
    data = text.encode()
    return b"%d:%b," % (len(data), data)


def message(*texts: str) -> bytes:
    """
    Encode a list of texts.

    >>> message("arm", "new_ranker", "u7")
    b'3:arm,10:new_ranker,2:u7,'
    """
    return b"".join(map(part, texts))


def position(encoded: bytes) -> float:
    """
    Turn an encoded message into a number in [0, 1): the first 53 bits of its SHA-256, over 2**53.

    >>> position(message("arm", "new_ranker", "u7"))
    0.6645737890277307
    """
    bits: int = _FIRST_BITS(sha256(encoded).digest())[0]
    return (bits >> 11) * _STEP
