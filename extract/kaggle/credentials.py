"""The variables that Kaggle's client is logged in by.

Credentials come from the environment alone, never from a file of settings. Whether Kaggle takes
them is known only when it is asked.
"""

from collections.abc import Mapping

from extract.kaggle.service import ServiceFault

CLIENT_VARIABLES = (
    *("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_ENVIRONMENT"),
    "KAGGLE_CONFIG_DIR",
)
"""Variables of the client that reach it; all others that begin with `KAGGLE_` are taken away."""
LOGIN_HELP = (
    "make a key at https://www.kaggle.com/settings under API, then: export KAGGLE_USERNAME=… "
    "KAGGLE_KEY=… (or KAGGLE_API_TOKEN=… with an access token)"
)


def check_credentials(environment: Mapping[str, str]) -> None:
    """Raise the `no_access` fault when the environment holds no credentials, or half of them."""
    name, key, token = (
        bool(environment.get(variable, "").strip())
        for variable in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN")
    )
    if token or (name and key):
        return
    given = "half a key" if name or key else "nothing"
    detail = f"Kaggle needs credentials in the environment, found {given}: {LOGIN_HELP}"
    raise ServiceFault("no_access", detail)
