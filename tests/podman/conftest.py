# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the end-to-end tests serve here too."""
import importlib.util
import os

_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e", "conftest.py")
_spec = importlib.util.spec_from_file_location("e2e_conftest", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
source_server, destination_server = _module.source_server, _module.destination_server
make_ends, ends, mvimig = _module.make_ends, _module.ends, _module.mvimig
