"""The generated part against the header, the compiler and the library."""

import pathlib
import re
import subprocess
import sys
import unittest

import mailcore
from mailcore import _abi, errors

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
HEADER = PACKAGE.parent.parent / "include" / "mailcore.h"


class Abi(unittest.TestCase):
    def test_generated_from_this_header(self):
        subprocess.run([sys.executable, PACKAGE / "generate_abi.py", "--check"], check=True)

    def test_every_function_has_its_types(self):
        code = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
        names = re.findall(r"\b(mailcore_\w+)\(", code)
        self.assertGreater(len(names), 40)
        for name in names:
            self.assertIsNotNone(getattr(mailcore._library.LIBRARY, name).argtypes, name)

    def test_every_function_is_used(self):
        text = "".join(p.read_text() for p in (PACKAGE / "src" / "mailcore").glob("*.py") if p.name != "_abi.py")
        code = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
        unused = [n for n in re.findall(r"\b(mailcore_\w+)\(", code) if n not in text]
        # One-call sending is for C, and so is a key of the host's: it is called on a thread that Python does not know.
        self.assertEqual([n for n in unused if n not in ("mailcore_send", "mailcore_dkim_set_hook")], [])

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
