"""Looking for a canary key in whatever a program says, shows or leaves."""

import traceback

from reasonry.watermark.keys import SecretKey

CANARY = bytes.fromhex("c0ffee5ec2e7") * 5 + b"\xab\xcd"
CANARY_KEY = SecretKey(CANARY)


def shows_a_secret(text: str, secret: bytes = CANARY) -> bool:
    """Whether any 6 bytes of the secret, or the integer that it is, can be read in a text."""
    plain = text.lower()
    pieces = [secret[i : i + 6] for i in range(len(secret) - 5)]
    forms = [form for p in pieces for form in (p.hex(), repr(p)[2:-1].lower(), ", ".join(map(str, p)))]
    return any(form in plain for form in [*forms, str(int.from_bytes(secret, "big"))])


def everything_said(error: BaseException) -> str:
    """What a tracker records of an error: the chain of its causes, and the locals of every frame of the package."""
    text, link = "", error
    while link is not None:
        frames = traceback.TracebackException.from_exception(link, capture_locals=True).stack
        text += f"{link} {link!r} {link.args!r} {vars(link)!r}"
        for frame in frames:
            if "/src/reasonry/" in frame.filename and frame.locals:
                text += "\n".join(frame.locals.values())
        link = link.__cause__ or link.__context__
    return text
