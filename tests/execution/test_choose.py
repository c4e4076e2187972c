import subprocess
import sys

import pytest

from findcli.errors import FindCLIError
from findcli.execution.choose import choose_engine
from findcli.execution.local import Local


def test_by_default_everything_happens_in_this_process() -> None:
    assert choose_engine() == Local(1)
    assert choose_engine("local", workers=3) == Local(3)


def test_an_address_without_a_cluster_is_refused() -> None:
    with pytest.raises(FindCLIError, match=r"10\.0\.0\.1:6379") as error:
        choose_engine("local", address="10.0.0.1:6379")
    assert "--engine ray" in error.value.hint


def test_ray_is_loaded_by_nothing_but_its_own_work() -> None:
    code = "import sys; from findcli.execution.choose import choose_engine; choose_engine('ray')"
    code += "; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
