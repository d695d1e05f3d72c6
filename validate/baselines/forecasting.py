"""The baselines for series: the last value to a tuned booster, and their mean.

Takes one target's series, returns forecasts for val. The trivial baselines look at values alone;
Theta (statsmodels) is the classical forecaster, since it needs milliseconds a series and is hard to
beat; ridge and boosters learn from lags over all series. A series on which Theta fails gets the
seasonal naive forecast.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from transform.series.seasonal_naive import seasonal_naive
from validate.baselines.series import CALENDAR, SingleSeries, TargetSeries, series_of
from validate.baselines.solver import BOOSTER, ONE_FEATURE, BaselineAnswer, Case, fit, predicted

_Floats = npt.NDArray[np.float64]
_MOST_SEASONS = 20
"""Seasons, or 200 values, that Theta is fitted to: exponential smoothing hardly weighs what is
older."""

_Forecast = Callable[[TargetSeries], _Floats]
_ForecastOne = Callable[[SingleSeries, int], _Floats]


def forecasting_answers(case: Case) -> Iterator[BaselineAnswer]:
    """What every forecaster answers, from the weakest to the strongest."""
    by_target = dict(series_of(case))
    for name, forecast in _TRIVIAL.items():
        values = {target: _by_series(data, forecast) for target, data in by_target.items()}
        yield BaselineAnswer(name, True, (predicted(case, values),))
    if case.instructions.grid is not None and case.instructions.grid.known_covariates:
        yield _one_feature(case, by_target)
    fitted = {
        name: {target: solve(data) for target, data in by_target.items()}
        for name, solve in _FITTED.items()
    }
    for name, values in fitted.items():
        yield BaselineAnswer(name, False, (predicted(case, values),))
    # The mean of several forecasts is hard to beat and costs nothing once they are there.
    means = {target: np.mean([fitted[n][target] for n in fitted], axis=0) for target in by_target}
    yield BaselineAnswer("mean_of_fitted", False, (predicted(case, means),))


def _by_series(data: TargetSeries, forecast: _ForecastOne) -> _Floats:
    return data.in_val(np.concatenate([forecast(one, data.season) for one in data.series]))


# --- values alone -----------------------------------------------------------------------------


def _last(one: SingleSeries, season: int) -> _Floats:
    return np.full(len(one.steps), one.past[-1])


def _mean(one: SingleSeries, season: int) -> _Floats:
    return np.full(len(one.steps), one.past.mean())


def _drift(one: SingleSeries, season: int) -> _Floats:
    """The line through the first and the last value."""
    slope = (one.past[-1] - one.past[0]) / max(1, len(one.past) - 1)
    return np.asarray(one.past[-1] + slope * (one.steps + 1))


def _seasonal_naive(one: SingleSeries, season: int) -> _Floats:
    return seasonal_naive(one.past, season, one.steps.tolist())


# --- one covariate ----------------------------------------------------------------------------


def _one_feature(case: Case, by_target: dict[str, TargetSeries]) -> BaselineAnswer:
    """The covariate of each target that alone tells most, as the calendar cannot."""
    chosen = {target: _best_covariate(data) for target, data in by_target.items()}
    values = {target: _tree_on(data, chosen[target]) for target, data in by_target.items()}
    columns = dict.fromkeys(by_target[target].covariates[place] for target, place in chosen.items())
    return BaselineAnswer(ONE_FEATURE, False, (predicted(case, values),), tuple(columns))


def _best_covariate(data: TargetSeries) -> int:
    """By R² on the last tenth of every history."""
    from sklearn.metrics import r2_score

    past, known, late = _stacked(data)
    scores = []
    for place in range(len(data.covariates)):
        x = known[:, [place]]
        tree = fit(_tree(), x[~late], past[~late])
        scores.append(r2_score(past[late], tree.predict(x[late])))
    return int(np.argmax(scores))


def _tree_on(data: TargetSeries, place: int) -> _Floats:
    past, known, _ = _stacked(data)
    future = np.concatenate([one.known_covariates for one in data.series])[
        :, -len(data.covariates) :
    ]
    tree = fit(_tree(), known[:, [place]], past)
    return data.in_val(tree.predict(future[:, [place]]))


def _stacked(data: TargetSeries) -> tuple[_Floats, _Floats, np.ndarray]:
    """Values and covariates of all series, and which are late."""
    past = np.concatenate([one.past for one in data.series])
    known = np.concatenate([one.known_past for one in data.series])[:, -len(data.covariates) :]
    late = [np.arange(len(one.past)) >= 0.9 * len(one.past) for one in data.series]
    return past, known, np.concatenate(late)


def _tree() -> Any:
    from sklearn.tree import DecisionTreeRegressor

    # As for tables, so that `one_feature` means one thing.
    return DecisionTreeRegressor(min_samples_leaf=3, max_leaf_nodes=256, random_state=0)


# --- fitted -----------------------------------------------------------------------------------


def _theta(data: TargetSeries) -> _Floats:
    return _by_series(data, _theta_of)


def _theta_of(one: SingleSeries, season: int) -> _Floats:
    """Theta with additive seasons where a test finds any; seasonal naive where it fails."""
    from statsmodels.tsa.forecasting.theta import ThetaModel

    past = one.past[-max(200, _MOST_SEASONS * season) :]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ThetaModel(past, period=season, deseasonalize=season > 1, method="additive")
            ahead = np.asarray(model.fit(disp=False).forecast(int(one.steps.max()) + 1))
    except Exception:
        # statsmodels raises whatever its optimiser meets on odd series.
        return _seasonal_naive(one, season)
    forecast = ahead[one.steps]
    return forecast if np.isfinite(forecast).all() else _seasonal_naive(one, season)


def _ridge(data: TargetSeries) -> _Floats:
    """On lags and covariates, and on the fields of the calendar as categories."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    columns = ColumnTransformer(
        [("calendar", one_hot, CALENDAR), ("number", numbers, slice(CALENDAR.stop, None))]
    )
    return _fitted(make_pipeline(columns, RidgeCV(alphas=(1.0, 10.0, 100.0, 1000.0))), data)


def _booster(data: TargetSeries) -> _Floats:
    return _fitted(_new_booster(), data)


def _tuned_booster(data: TargetSeries) -> _Floats:
    """The best of a few settings by the absolute error on late instants, fitted anew to all."""
    pairs = data.learnt
    late = pairs.is_late
    errors = []
    for settings in _SETTINGS:
        model = fit(_new_booster(**settings), pairs.x[~late], pairs.y[~late])
        errors.append(float(np.abs(pairs.y[late] - model.predict(pairs.x[late])).mean()))
    return _fitted(_new_booster(**_SETTINGS[int(np.argmin(errors))]), data)


def _new_booster(**settings: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(early_stopping=False, random_state=0, **settings)


def _fitted(model: Any, data: TargetSeries) -> _Floats:
    pairs = data.learnt
    return data.absolute(np.asarray(fit(model, pairs.x, pairs.y).predict(data.asked.x)))


_SMOOTH = {"max_iter": 60, "max_leaf_nodes": 6, "min_samples_leaf": 50, "max_features": 0.5}
_SETTINGS: tuple[dict[str, Any], ...] = (
    {**_SMOOTH, "learning_rate": 0.05},
    {**_SMOOTH, "learning_rate": 0.05, "loss": "absolute_error"},
    {**_SMOOTH, "learning_rate": 0.15},
)
_TRIVIAL: dict[str, _ForecastOne] = {
    "last": _last,
    "mean": _mean,
    "drift": _drift,
    "seasonal_naive": _seasonal_naive,
}
_FITTED: dict[str, _Forecast] = {
    "theta": _theta,
    "ridge": _ridge,
    BOOSTER: _booster,
    "tuned_booster": _tuned_booster,
}
