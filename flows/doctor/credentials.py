"""Whether the environment holds what Kaggle asks for, and nothing that misleads its client.

Reads variables and at most the token file that one of them names; what they hold is never quoted.
Whether Kaggle takes the credentials is for `network.py` to say.
"""

import os
import re
import shlex
from pathlib import Path

from flows.doctor.finding import Finding, Setup, broken, ok, skipped, warning
from flows.doctor.masking import TOKEN_BYTES, looks_like_key

TOKEN, USERNAME, KEY = "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"
_ELSEWHERE = "KAGGLE_API_ENVIRONMENT"
"""Has the client ask another service than Kaggle's."""
_VERBOSE = ("VERBOSE", "VERBOSE_OUTPUT")
"""Make the official client print whole requests, credentials included."""
_KNOWN = (TOKEN, USERNAME, KEY, "KAGGLE_CONFIG_DIR", _ELSEWHERE)
_WORD = re.compile(r"[!-~]+")
_MAKE_A_KEY = (
    "make a key on kaggle.com (Settings > API), then: "
    f"export {USERNAME}=<user name> {KEY}=<key>; or, with a token: export {TOKEN}=<token>"
)


def credentials(setup: Setup) -> Finding:
    """A token, or a user name and a key, each as it was given out."""
    if not setup.uses_kaggle:
        return skipped(f"source.kind is {setup.settings.source.kind}; nothing to log in to")
    token, user, key = (setup.environment.get(name, "") for name in (TOKEN, USERNAME, KEY))
    if token:
        return _of_token(token)
    if not user and not key:
        return broken(f"neither {TOKEN} nor {USERNAME} and {KEY} are set", _MAKE_A_KEY)
    if not user or not key:
        there, missing = (USERNAME, KEY) if user else (KEY, USERNAME)
        return broken(f"{there} is set without {missing}", f"export {missing}=<...>")
    for name, value in ((USERNAME, user), (KEY, key)):
        if flaw := _flaw(value):
            return _ill_formed(name, flaw)
    if looks_like_key(user):
        return _ill_formed(USERNAME, "holds a key")
    return ok("a user name and a key")


def other_variables(setup: Setup) -> Finding:
    """Variables that make the official client do something else."""
    if not setup.uses_kaggle:
        return skipped(f"source.kind is {setup.settings.source.kind}")
    environment = setup.environment
    told = {
        "makes a build ask another service": [n for n in (_ELSEWHERE,) if environment.get(n)],
        "is a setting to Kaggle's own command line (a build does not hand it on)": [
            name for name in environment if name.startswith("KAGGLE_") and name not in _KNOWN
        ],
        "makes Kaggle's own command line print credentials": [
            name for name in _VERBOSE if environment.get(name, "").lower() in ("1", "true", "yes")
        ],
    }
    if not any(told.values()):
        return ok("none that misleads the client")
    found = "; ".join(f"{', '.join(names)} {what}" for what, names in told.items() if names)
    names = [name for group in told.values() for name in group]
    return warning(found, shlex.join(["unset", *names]))


def _of_token(token: str) -> Finding:
    """The client takes a value that is an existing path for a file with the token."""
    if os.path.isdir(token):
        return broken(f"{TOKEN} is the name of a folder", f"export {TOKEN}=<token or its file>")
    if not os.path.exists(token):
        if token.startswith(("/", "./", "../", "~")):
            found = f"{TOKEN} names a file that is not there"
            return broken(found, f"export {TOKEN}=<token or its file>")
        flaw = _flaw(token)
        return _ill_formed(TOKEN, flaw) if flaw else ok(f"a token in {TOKEN}")
    path = Path(token)
    if not path.is_file():
        return broken(f"{TOKEN} names what is no file", f"export {TOKEN}=<token or its file>")
    try:
        with path.open("rb") as file:
            content = file.read(TOKEN_BYTES).decode(errors="replace").strip()
    except OSError as error:
        found = f"the file of {TOKEN} cannot be read: {error.strerror}"
        return broken(found, f'chmod u+r "${TOKEN}"')
    flaw = _flaw(content)
    # The client strips the file's blanks itself.
    return (
        _ill_formed(f"the file of {TOKEN}", flaw) if flaw else ok(f"a token in the file of {TOKEN}")
    )


def _flaw(value: str) -> str:
    """What is wrong with the form of a credential, empty when nothing is."""
    if not value.strip():
        return "is blank"
    if value != value.strip():
        return "has blanks or a newline around it"
    if value[0] in "'\"" or value[-1] in "'\"":
        return "has quotes around it"
    if value.startswith("{"):
        return "holds a whole kaggle.json"
    if not _WORD.fullmatch(value):
        return "has blanks or letters inside that no credential has"
    return ""


def _ill_formed(what: str, flaw: str) -> Finding:
    return broken(f"{what} {flaw}", "set it again to the bare word that Kaggle gave out")
