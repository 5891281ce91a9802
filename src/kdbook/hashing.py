"""Hashes of values, such that two different values never share one by the way in which they are written."""

import hashlib
import json


def digest_of(value: object) -> str:
    """SHA-256 of a value made of JSON types, as hexadecimal digits.

    JSON keeps texts, numbers and missing values apart, and quotes what separates them; ``surrogatepass``
    keeps a pair of surrogates apart from the character that it encodes in UTF-16. The order of keys does not
    count.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
