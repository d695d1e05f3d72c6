"""Whether Kaggle answers and takes the credentials, and what stands between.

The question is asked by whoever calls the doctor, with the client of a build. Of proxies only host
and port are said.
"""

import re

from flows.doctor.finding import Finding, Setup, broken, ok, skipped, warning

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PROXY = re.compile(
    r"(?:(?:https?|socks[45][ah]?)://)?(?:[^@/?#\s]*@)?"
    r"(?P<place>(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?)/?"
)
_UNREACHED = (
    "see that https://api.kaggle.com is reachable from here, through the right proxy, and that the "
    "credentials are those of kaggle.com (Settings > API)"
)


def kaggle_api(setup: Setup) -> Finding:
    """The API answers and knows the user."""
    if not setup.uses_kaggle:
        return skipped(f"source.kind is {setup.settings.source.kind}; nothing is downloaded")
    if setup.ask_kaggle is None:
        return skipped("not asked")
    try:
        return ok(setup.ask_kaggle())
    # Kaggle's own client ends the process where it finds no credentials.
    except (Exception, SystemExit) as error:
        said = str(error) or "no reason given"
        repair = getattr(error, "repair", None)
        return broken(
            f"{type(error).__name__}: {said}",
            repair if repair and isinstance(repair, str) else _UNREACHED,
        )


def proxies(setup: Setup) -> Finding:
    """Proxies that requests go through."""
    if not setup.uses_kaggle:
        return skipped(f"source.kind is {setup.settings.source.kind}; nothing is downloaded")
    given = {n: v for n, v in setup.environment.items() if n.lower() in _PROXIES and v}
    read = {name: _PROXY.fullmatch(value) for name, value in given.items()}
    wrong = [name for name, match in read.items() if match is None]
    if wrong:
        names = ", ".join(wrong)
        return warning(f"{names}: no address of a proxy", f"export {wrong[0]}=http://<host>:<port>")
    ways = [f"{name} leads to {match['place']}" for name, match in read.items() if match]
    return ok("; ".join(ways) or "none")
