"""The generated part against the header, the compiler and the library."""

import ctypes
import json
import pathlib
import subprocess
import sys
import unittest

import mailcore
from mailcore import _abi, errors

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
ABI = json.loads((PACKAGE.parent.parent / "include" / "abi.json").read_text())
FUNCTIONS = [function["name"] for function in ABI["functions"]]


class Abi(unittest.TestCase):
    def test_generated_from_this_interface(self):
        subprocess.run([sys.executable, PACKAGE.parent / "generate.py", "--check"], check=True)

    def test_every_function_has_its_types(self):
        self.assertGreater(len(FUNCTIONS), 40)
        for name in FUNCTIONS:
            self.assertIsNotNone(getattr(mailcore._library.LIBRARY, name).argtypes, name)

    def test_structs_lie_as_c_sees_them(self):
        width = ctypes.sizeof(ctypes.c_void_p) * 8
        for struct in ABI["structs"]:
            made = getattr(_abi, struct["name"])
            self.assertEqual(ctypes.sizeof(made), struct[f"size{width}"], struct["name"])
            for field in struct["fields"]:
                self.assertEqual(getattr(made, field["name"]).offset, field[f"offset{width}"], field)

    def test_every_function_is_used(self):
        text = "".join(p.read_text() for p in (PACKAGE / "src" / "mailcore").glob("*.py") if p.name != "_abi.py")
        # One-call sending is for C, and so is a key of the host's: it is called on a thread that Python does not know.
        for_c = ("mailcore_send", "mailcore_dkim_set_hook")
        self.assertEqual([name for name in FUNCTIONS if name not in text and name not in for_c], [])

    def test_every_code_has_its_exception(self):
        for name, code in vars(_abi).items():
            if name.startswith("MAILCORE_E_"):
                error = errors.error_for(code, "text", smtp_code=451)
                self.assertNotEqual(type(error), mailcore.Error, name)
                self.assertEqual((error.code, str(error), error.smtp_code), (code, "text", 451))

    def test_versions(self):
        self.assertEqual(mailcore._library.VERSION, _abi.MAILCORE_VERSION_NUMBER)
        major, minor, patch = map(int, mailcore.__version__.split("."))
        self.assertEqual(major * 1_000_000 + minor * 1000 + patch, _abi.MAILCORE_VERSION_NUMBER)
        out = subprocess.run([sys.executable, "-m", "mailcore", "--version"], check=True, capture_output=True, text=True)
        self.assertIn("libmailcore 0.", out.stdout)

    def test_properties(self):
        by_name = {row.name: row for row in mailcore.properties()}
        self.assertEqual(by_name["outbound.port"].initial, "25")
        self.assertFalse(by_name["message.size"].writable)


if __name__ == "__main__":
    unittest.main()
