"""The directory as one document."""

import mailcore
from test_main_job import Case


class Directory(Case):
    def test_a_document_is_tried_applied_and_exported(self):
        change = {
            "domains": {"example.org": {"unknown": "return", "separators": "+-"}},
            "accounts": {"alice@example.org": {}},
            "groups": {"staff@example.org": {"members": ["alice@example.org"], "owner": "alice@example.org"}},
        }
        with self.engine() as engine:
            before = engine.export_directory()
            tried = engine.apply_directory(change, dry_run=True)
            self.assertEqual(engine.export_directory(), before)
            done = engine.apply_directory(change)
            self.assertEqual(done, tried)
            self.assertIn({"about": "group", "name": "staff@example.org", "change": "added"}, done["changes"])
            after = engine.export_directory()
            self.assertEqual(after["version"], done["version"])
            self.assertEqual(after["domains"]["example.org"], change["domains"]["example.org"])
            self.assertEqual(engine.apply_directory(after, whole=True)["changes"], [])
            with self.assertRaises(mailcore.StateError):
                engine.apply_directory(before)
            with self.assertRaises(mailcore.UsageError) as wrong:
                engine.apply_directory({"domains": {"example.org": {"unknown": "drop"}}})
            self.assertIn("domains.example.org.unknown", str(wrong.exception))
            gone = engine.apply_directory({"groups": {"staff@example.org": None}})
            self.assertEqual(gone["changes"], [{"about": "group", "name": "staff@example.org", "change": "removed"}])
