import importlib.metadata
import os
import re

from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.keys.packages import find_package, is_installed, package_ingredients


def test_a_module_is_found_under_the_name_of_its_distribution():
    package = find_package("sklearn")
    assert package is not None
    assert (package.name, package.version) == ("scikit-learn", importlib.metadata.version("scikit-learn"))


def test_every_imported_distribution_is_found_as_the_standard_library_finds_it():
    for top, names in importlib.metadata.packages_distributions().items():
        package = find_package(top) if top.isidentifier() and not top.startswith("_") else None
        if package is not None and package.folder:
            assert package.name in {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_standard_library_and_unknown_modules_have_no_distribution():
    assert find_package("json") is None
    assert find_package("no_such_module_anywhere") is None


def test_a_package_brings_what_it_rests_on():
    names = [ingredient.name for ingredient in package_ingredients(["sklearn", "json"])]
    assert {"scikit-learn", "numpy", "scipy"} <= set(names)
    assert names == sorted(names)


def test_this_package_counts_by_version_and_is_never_local():
    reached = LocalModules().reach([("jupyter_mlpipe.keys", ())])
    assert reached.local == {}
    assert list(reached.packages) == ["jupyter_mlpipe"]


def test_installed_means_below_a_packages_folder():
    import numpy

    assert is_installed(numpy.__file__)
    assert is_installed(os.__file__)
    assert not is_installed(os.path.join(os.sep, "home", "me", "project", "mod.py"))
