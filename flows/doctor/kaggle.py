"""Whether Kaggle can be asked: the credentials, what misleads its client, its answer, the proxies.

Reads variables, and at most the token file that one of them names; what they hold is never quoted,
and of proxies only host and port are said. The question itself is put by whoever calls the doctor,
with the client of a build.

Not guaranteed: that a request takes a proxy that is named here; `no_proxy` is not read.
"""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from extract.kaggle.credentials import LOGIN_HELP
from extract.kaggle.service import FaultKind, ServiceFault
from flows.doctor.diagnosis import Diagnosis, Setup, broken, ok, skipped, warning
from flows.doctor.masking import TOKEN_BYTES, looks_like_key

TOKEN, USERNAME, KEY = "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"
_ELSEWHERE = "KAGGLE_API_ENVIRONMENT"
"""Has the client ask this machine when it is `LOCALHOST`; a build heeds no other value."""
_KAGGLE, _LOCALHOST = "https://api.kaggle.com", "http://localhost"
_VERBOSE = ("VERBOSE", "VERBOSE_OUTPUT")
"""Make the official client print whole requests, credentials included."""
_KNOWN = (TOKEN, USERNAME, KEY, "KAGGLE_CONFIG_DIR", _ELSEWHERE)
_WORD = re.compile(r"[!-~]+")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PROXY = re.compile(
    r"(?:(?:https?|socks[45][ah]?)://)?(?:[^@/?#\s]*@)?"
    r"(?P<place>(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?)/?"
)


def credentials(setup: Setup) -> Diagnosis:
    """A token, or a user name and a key, each as it was given out."""
    if not setup.source.service:
        return skipped(f"source.kind is {setup.source.kind}; nothing to log in to")
    token, user, key = (setup.environment.get(name, "") for name in (TOKEN, USERNAME, KEY))
    if token:
        return _of_token(token)
    if not user and not key:
        return broken(f"neither {TOKEN} nor {USERNAME} and {KEY} are set", LOGIN_HELP)
    if not user or not key:
        there, missing = (USERNAME, KEY) if user else (KEY, USERNAME)
        return broken(f"{there} is set without {missing}", f"export {missing}=<...>")
    for name, value in ((USERNAME, user), (KEY, key)):
        if flaw := _flaw(value):
            return _ill_formed(name, flaw)
    if looks_like_key(user):
        return _ill_formed(USERNAME, "holds a key")
    return ok("a user name and a key")


def other_variables(setup: Setup) -> Diagnosis:
    """Variables that make the official client do something else."""
    if not setup.source.service:
        return skipped(f"source.kind is {setup.source.kind}")
    environment = setup.environment
    elsewhere = _elsewhere(environment)
    misleading = {
        elsewhere: [_ELSEWHERE] if elsewhere else [],
        "is a setting to Kaggle's own command line (a build does not hand it on)": [
            name for name in environment if name.startswith("KAGGLE_") and name not in _KNOWN
        ],
        "makes Kaggle's own command line print credentials": [
            name for name in _VERBOSE if environment.get(name, "").lower() in ("1", "true", "yes")
        ],
    }
    if not any(misleading.values()):
        return ok("none that misleads the client")
    observed = "; ".join(
        f"{', '.join(names)} {what}" for what, names in misleading.items() if names
    )
    names = [name for group in misleading.values() for name in group]
    return warning(observed, shlex.join(["unset", *names]))


def kaggle_api(setup: Setup) -> Diagnosis:
    """The API answers and knows the user."""
    if not setup.source.service:
        return skipped(f"source.kind is {setup.source.kind}; nothing is downloaded")
    if setup.ask_service is None:
        return skipped("not asked")
    try:
        return ok(setup.ask_service())
    except ServiceFault as fault:
        # Some faults end with the help that stands in the repair.
        observed = fault.detail.removesuffix(LOGIN_HELP).rstrip(" :;")
        return broken(observed, _repair(fault.kind, setup.environment))


def proxies(setup: Setup) -> Diagnosis:
    """Proxies that requests go through."""
    if not setup.source.service:
        return skipped(f"source.kind is {setup.source.kind}; nothing is downloaded")
    given = {n: v for n, v in setup.environment.items() if n.lower() in _PROXIES and v}
    read = {name: _PROXY.fullmatch(value) for name, value in given.items()}
    wrong = [name for name, match in read.items() if match is None]
    if wrong:
        names = ", ".join(wrong)
        return warning(f"{names}: no address of a proxy", f"export {wrong[0]}=http://<host>:<port>")
    ways = [f"{name} leads to {match['place']}" for name, match in read.items() if match]
    return ok("; ".join(ways) or "none")


def _service(environment: Mapping[str, str]) -> str:
    """Address that a build asks."""
    return _LOCALHOST if environment.get(_ELSEWHERE) == "LOCALHOST" else _KAGGLE


def _elsewhere(environment: Mapping[str, str]) -> str:
    """What the variable does to a build; empty when the build asks Kaggle."""
    if _service(environment) == _KAGGLE:
        return ""
    # In the order in which the client looks for a way.
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    proxy = next((name for name in names if environment.get(name)), None)
    return f"makes a build ask {_LOCALHOST}{f', through {proxy}' if proxy else ''}"


def _repair(kind: FaultKind, environment: Mapping[str, str]) -> str:
    if kind == "no_access":
        return LOGIN_HELP
    if kind == "transient":
        service = _service(environment)
        return f"see that {service} is reachable from here, and that a proxy is the right one"
    return "try again later"


def _of_token(token: str) -> Diagnosis:
    """The client takes a value that is an existing path for a file with the token."""
    if os.path.isdir(token):
        return broken(f"{TOKEN} is the name of a folder", f"export {TOKEN}=<token or its file>")
    if not os.path.exists(token):
        if token.startswith(("/", "./", "../", "~")):
            observed = f"{TOKEN} names a file that is not there"
            return broken(observed, f"export {TOKEN}=<token or its file>")
        flaw = _flaw(token)
        return _ill_formed(TOKEN, flaw) if flaw else ok(f"a token in {TOKEN}")
    path = Path(token)
    if not path.is_file():
        return broken(f"{TOKEN} names what is no file", f"export {TOKEN}=<token or its file>")
    try:
        with path.open("rb") as file:
            content = file.read(TOKEN_BYTES).decode(errors="replace").strip()
    except OSError as error:
        observed = f"the file of {TOKEN} cannot be read: {error.strerror}"
        return broken(observed, f'chmod u+r "${TOKEN}"')
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


def _ill_formed(what: str, flaw: str) -> Diagnosis:
    return broken(f"{what} {flaw}", "set it again to the bare word that Kaggle gave out")
