"""The environment matrix: environments in which truth must come out the same.

Truth is what the reference environment computes. Every other one differs from it in something that
may not matter: threads, hash seed, the processor's arithmetic, last digits and memory layout of the
matrix that is fitted, the order of lines in the files, the versions of the libraries. Those that
share the reference's environment variables are run by its workers; the others have a process each;
older libraries run the written program instead of the steps (`library_versions.py`). Who computes
and who compares is said elsewhere (`executor.py`, `gates/reproducible.py`).

Not guaranteed: agreement on processors or libraries that no environment stands for.
"""

import platform
from importlib.metadata import version

from extract.noun import Noun
from extract.workers import ONE_THREAD
from transform.run.perturbation import Perturbation
from validate.environments.library_versions import LibraryVersion, pins_of

_LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy")
"""What the steps compute with."""
PROGRAM_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy")
"""What a written program computes with."""

_KERNELS = {"x86_64": ("Haswell", "Nehalem"), "aarch64": ("ARMV8", "CORTEXA57")}
"""Names of OpenBLAS by machine, for the reference and for the `kernel` environment. Both are known
to every OpenBLAS in use and run on every processor of the last twelve years; measured, all of
Haswell, SkylakeX, Sandybridge, Nehalem and Prescott differ in products and factorisations, while
other names (Zen, Cooperlake, Core2) are aliases. Elsewhere OpenBLAS passes over a name that it does
not know and both environments use what it detects."""
_BEYOND_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL"
_AVX2 = "X86_V3 AVX2 FMA3"
"""Features of processors as numpy calls them, from version 2.4 on and before; a name that it does
not know, or that the machine lacks, is passed over."""
_NO_FMA = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"
"""Has the mathematical functions of the C library do without fused multiplication."""


class MatrixConfig(Noun):
    """Which environments there are beside those that need nothing but this interpreter."""

    library_versions: tuple[LibraryVersion, ...] = ()
    """Older versions of the libraries, by the scikit-learn release that they are built around.
    The project makes an environment for each; one that cannot be made stops the build."""


class Environment(Noun):
    """One environment."""

    name: str
    differs: str
    """In what it differs from the reference, in a few words."""
    variables: dict[str, str]
    """Environment variables, beside those that follow from the fields below."""
    threads: int = 1
    hash_seed: int = 0
    perturbation: Perturbation = "none"
    library_version: LibraryVersion | None = None
    """Libraries in whose environment the written program is run; None: ours, the steps."""

    @property
    def process_variables(self) -> dict[str, str]:
        """All environment variables that must be set before the interpreter starts."""
        return {
            **dict.fromkeys(ONE_THREAD, str(self.threads)),
            "PYTHONHASHSEED": str(self.hash_seed),
            **self.variables,
        }

    @property
    def versions(self) -> dict[str, str]:
        """Library and version, as far as they compute."""
        if self.library_version is None:
            return {name: version(name) for name in _LIBRARIES}
        pins = pins_of(self.library_version)
        return {name: pins[name] for name in PROGRAM_LIBRARIES}


def _of_processor(kernel: int, without: str) -> dict[str, str]:
    names = _KERNELS.get(platform.machine())
    blas = {"OPENBLAS_CORETYPE": names[kernel]} if names else {}
    return {**blas, "NPY_DISABLE_CPU_FEATURES": without}


_PINNED = _of_processor(0, _BEYOND_AVX2)
_OLDER = {**_of_processor(1, f"{_AVX2} {_BEYOND_AVX2}"), "GLIBC_TUNABLES": _NO_FMA}

REFERENCE = Environment(name="reference", differs="", variables=_PINNED)
"""The environment whose numbers ship: one thread, and arithmetic that is the same on every
processor with AVX2."""

ARITHMETIC = (platform.machine(), REFERENCE.process_variables)
"""What decides the last digits of the reference beside code and libraries."""


def environments_of(config: MatrixConfig) -> tuple[Environment, ...]:
    """The environment matrix, the reference first."""
    return (
        REFERENCE,
        _perturbed("jitter", "relative jitter of 1e-12 on the matrix that is fitted, ties kept"),
        _perturbed("fortran", "column-major layout of the matrix that is fitted"),
        _perturbed("file_order", "rows of all files and columns of val in another order"),
        Environment(
            name="threads",
            differs="two threads, another hash seed",
            # Threads that wait for work need not burn the time of a core.
            variables={**_PINNED, "OMP_WAIT_POLICY": "PASSIVE"},
            threads=2,
            hash_seed=1,
        ),
        Environment(
            name="kernel",
            differs="arithmetic of an older processor (BLAS, numpy, C library), another hash seed",
            variables=_OLDER,
            hash_seed=2,
        ),
        *(_older(name) for name in config.library_versions),
    )


def _perturbed(how: Perturbation, differs: str) -> Environment:
    return Environment(name=how, differs=differs, variables=_PINNED, perturbation=how)


def _older(name: LibraryVersion) -> Environment:
    return Environment(
        name=f"libraries_{name.replace('.', '_')}",
        differs="the written program, with older libraries",
        variables=_PINNED,
        library_version=name,
    )
