"""
Pseudonyms: what is stored in place of a text, so that equal texts can be told to be equal and nothing more.

A pseudonym is a keyed hash: without the secret nobody can try out names. The key is derived anew for each period of
event time, so that pseudonyms of two periods cannot be linked without the secret. Whoever has the secret can derive
the key of every period, which is how a unit is found again when it is to be forgotten.

Hashes are BLAKE2b with a key (RFC 7693, section 2.9), of 128 bits.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_FORM = re.compile(r"~(-?\d{1,19})-([0-9a-f]{32})([0-9a-f]{8})")
_MARK = "~"
_NAME_BYTES = 16
_SEAL_BYTES = 4
_MOST_KEYS = 1_000


class Pseudonyms:
    """
    Pseudonyms under one secret.

    Parameters
    ----------
    secret
        What the keys are derived from.
    rotate
        How long a key is used, us of event time.

    Examples
    --------
    >>> names = Pseudonyms(b"a secret of the service", rotate=1_000)
    >>> names.of("unit_id", "ada", 999) == names.of("unit_id", "ada", 0)
    True
    >>> names.of("unit_id", "ada", 1_000) == names.of("unit_id", "ada", 0)
    False
    """

    def __init__(self, secret: bytes, rotate: int) -> None:
        self._root = blake2b(secret, person=b"streams-privacy").digest()
        self._rotate = rotate
        self._keys: dict[int, bytes] = {}

    def of(self, path: str, text: str, time: int) -> str:
        """
        Return the pseudonym of a field's text at a time (us); a pseudonym that was made with this secret stays.

        The path of the field is hashed along, so that an address that is also a name does not give itself away. A
        pseudonym carries its period and a seal: by the seal it is known from a text that only looks like one.
        """
        if text[:1] == _MARK and self.made(text):
            return text
        return self.in_period(path, text, time // self._rotate)

    def in_period(self, path: str, text: str, period: int) -> str:
        """Return the pseudonym of a field's text in a period, which is counted from 1970."""
        key = self._key(period)
        content = f"{path}\0{text}".encode("utf-8", "surrogatepass")
        name = blake2b(content, key=key, digest_size=_NAME_BYTES).digest()
        return f"{_MARK}{period}-{name.hex()}{_seal(key, name)}"

    def made(self, text: str) -> bool:
        """Whether a text is a pseudonym that was made with this secret."""
        form = _FORM.fullmatch(text)
        return form is not None and _seal(self._key(int(form[1])), bytes.fromhex(form[2])) == form[3]

    def digest(self, content: bytes) -> str:
        """Return a keyed digest of bytes, the same in every period: it tells whether two are the same."""
        return blake2b(content, key=self._root, digest_size=_NAME_BYTES).hexdigest()

    def _key(self, period: int) -> bytes:
        if period not in self._keys:
            if len(self._keys) >= _MOST_KEYS:  # times that make no sense must not fill the memory
                self._keys.clear()
            self._keys[period] = blake2b(str(period).encode(), key=self._root, digest_size=32).digest()
        return self._keys[period]


def period_of(pseudonym: str) -> int | None:
    """
    Return the period that a pseudonym is of; None for a text that does not look like one.

    >>> period_of("~7-" + 40 * "0"), period_of("ada")
    (7, None)
    """
    form = _FORM.fullmatch(pseudonym)
    return int(form[1]) if form else None


def _seal(key: bytes, name: bytes) -> str:
    return blake2b(name, key=key, digest_size=_SEAL_BYTES, person=b"seal").hexdigest()
