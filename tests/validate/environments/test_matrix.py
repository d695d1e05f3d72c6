"""The environments differ as they say, in ways that change how numbers are computed."""

import hashlib
import os
from collections.abc import Mapping

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from extract.workers import ONE_THREAD, Workers
from validate.environments.matrix import REFERENCE, MatrixConfig, environments_of


def test_the_reference_comes_first_and_names_are_unique() -> None:
    matrix = environments_of(MatrixConfig(library_versions=("1.4", "1.6")))
    assert matrix[0] == REFERENCE
    assert len({environment.name for environment in matrix}) == len(matrix) >= 8
    assert all(environment.differs for environment in matrix[1:])


def test_older_libraries_are_in_the_matrix_only_where_they_are_configured() -> None:
    few, many = (
        environments_of(MatrixConfig()),
        environments_of(MatrixConfig(library_versions=("1.6",))),
    )
    assert [environment.library_version for environment in few] == [None] * len(few)
    assert [environment.library_version for environment in many if environment.library_version] == [
        "1.6"
    ]
    with pytest.raises(ValueError, match="library_versions"):
        MatrixConfig(library_versions=("0.9",))  # type: ignore[arg-type]


def test_members_differ_in_threads_hash_seed_and_perturbation() -> None:
    matrix = environments_of(MatrixConfig())
    assert {environment.threads for environment in matrix} == {1, 2}
    assert len({environment.hash_seed for environment in matrix}) > 1
    assert {environment.perturbation for environment in matrix} == {
        "none",
        "jitter",
        "fortran",
        "file_order",
    }


def test_versions_are_those_that_compute() -> None:
    old, new = environments_of(MatrixConfig(library_versions=("1.4",)))[-1], REFERENCE
    assert old.versions["scikit-learn"] != new.versions["scikit-learn"]
    assert old.versions["numpy"] < new.versions["numpy"]
    assert new.versions["numpy"] == np.__version__


def test_environments_hold_all_that_decides_about_threads() -> None:
    for environment in environments_of(MatrixConfig()):
        assert {environment.process_variables[name] for name in ONE_THREAD} == {
            str(environment.threads)
        }


def _seen() -> dict[str, object]:
    """How this process computes."""
    import sklearn.linear_model  # noqa: F401  (loads the other copy of the library)

    a = np.random.default_rng(0).normal(size=(600, 20))
    blas = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    return {
        "kernels": {pool["architecture"] for pool in blas},
        "threads": {pool["num_threads"] for pool in blas},
        "set_order": hash("a word"),
        "product": hashlib.sha256((a.T @ a).tobytes()).hexdigest(),
        "exp": hashlib.sha256(np.exp(a).tobytes()).hexdigest(),
    }


@pytest.fixture(scope="module")
def seen() -> Mapping[str, Mapping[str, object]]:
    found = {}
    for environment in environments_of(MatrixConfig()):
        if environment == REFERENCE or environment.process_variables != REFERENCE.process_variables:
            with Workers(1, environment=environment.process_variables) as workers:
                found[environment.name] = workers.run(_seen, timeout_s=60)
    return found


@pytest.mark.slow
def test_environments_compute_otherwise(seen: Mapping[str, Mapping[str, object]]) -> None:
    assert [*seen] == ["reference", "threads", "kernel"]
    assert len({row["set_order"] for row in seen.values()}) == 3
    if (os.cpu_count() or 1) > 1:
        assert [row["threads"] for row in seen.values()] == [{1}, {2}, {1}]


@pytest.mark.slow
def test_the_kernel_member_has_other_last_digits(
    seen: Mapping[str, Mapping[str, object]],
) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("names of kernels are known to be distinct on x86_64 only")
    assert seen["kernel"]["kernels"] != seen["reference"]["kernels"]
    assert seen["kernel"]["product"] != seen["reference"]["product"]
    assert seen["threads"]["kernels"] == seen["reference"]["kernels"]
