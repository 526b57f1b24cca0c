"""test_arrows.py - the test of the test: small trees with one fault each, which arrows.py has to name.

    test_arrows.py COMPILER [ARGUMENT]...
"""
import pathlib
import sys
import tempfile
import unittest

import arrows

COMPILER = ["cc"]

SOUND = {
    "model/base/error.h": "struct error;\n",
    "model/base/error.c": '#include "model/base/error.h"\n',
    "model/nn/gru.h": '#include "model/base/error.h"\n',
    "model/nn/gemm.c": "#include <cblas.h>\n",
    "model/infer/infer.h": '#include "model/nn/gru.h"\n',
    "model/series/frame.h": '#include "model/base/error.h"\n',
    "model/trainer.h": '#include "model/infer/infer.h"\n#include "model/series/frame.h"\n',
    "storage/store.c": '#include <sqlite3.h>\n#include "model/trainer.h"\n',
    "api/body.h": '#include "model/trainer.h"\n',
    "api/body.c": '#include <jansson.h>\n#include "api/body.h"\n',
    "server/http.c": '#include <microhttpd.h>\n#include "api/body.h"\n',
}

# name of the case: (files added to the sound tree or replacing one, what the complaint has to hold)
FAULTS = {
    "model knows api": ({"model/x.c": '#include "api/body.h"\n'}, 'model/x.c: may not include "api/body.h"'),
    "api knows storage": ({"storage/s.h": "", "api/x.c": '#include "storage/s.h"\n'}, "api/x.c: may not include"),
    "storage knows api": ({"storage/x.c": '#include "api/body.h"\n'}, "storage/x.c: may not include"),
    "api knows server": ({"server/s.h": "", "api/x.c": '#include "server/s.h"\n'}, "api/x.c: may not include"),
    "base knows nn": ({"model/base/x.c": '#include "model/nn/gru.h"\n'}, "model/base/x.c: may not include"),
    "nn knows infer": ({"model/nn/x.c": '#include "model/infer/infer.h"\n'}, "model/nn/x.c: may not include"),
    "nn knows series": ({"model/nn/x.c": '#include "model/series/frame.h"\n'}, "model/nn/x.c: may not include"),
    "series knows nn": ({"model/series/x.c": '#include "model/nn/gru.h"\n'}, "model/series/x.c: may not include"),
    "infer knows the top": ({"model/infer/x.c": '#include "model/trainer.h"\n'}, "model/infer/x.c: may not include"),
    "not rooted": ({"api/x.c": '#include "body.h"\n'}, 'api/x.c: "body.h" is not a file of the project'),
    "spaces before and after #": ({"model/x.c": '  # include "api/body.h"\n'}, "model/x.c: may not include"),
    "jansson in server": ({"server/x.c": "#include <jansson.h>\n"}, "server/x.c: <jansson.h> belongs to api"),
    "sqlite3 in server": ({"server/x.c": "#include <sqlite3.h>\n"}, "server/x.c: <sqlite3.h> belongs to storage"),
    "sqlite3 in quotes": ({"server/x.c": '#include "sqlite3.h"\n'}, "server/x.c: <sqlite3.h> belongs to storage"),
    "cblas in series": ({"model/series/x.c": "#include <cblas.h>\n"}, "<cblas.h> belongs to model/nn"),
    "cblas twice": ({"model/nn/x.c": "#include <cblas.h>\n"}, "<cblas.h> has one file, not 2"),
    "microhttpd twice": ({"server/x.c": "#include <microhttpd.h>\n"}, "<microhttpd.h> has one file, not 2"),
    "includes itself": ({"api/x.h": '#include "api/x.h"\n'}, "a cycle: api/x.h -> api/x.h"),
    "a cycle of three": ({"api/a.h": '#include "api/b.h"\n', "api/b.h": '#include "api/c.h"\n',
                          "api/c.h": '#include "api/a.h"\n'}, "a cycle: api/a.h -> api/b.h -> api/c.h -> api/a.h"),
    "a header that leans on its includer": ({"api/x.h": "size_t count(void);\n"}, "api/x.h: does not compile alone"),
}


class Arrows(unittest.TestCase):
    def faults(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in files.items():
                file = root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            return list(arrows.faults(root, COMPILER))

    def test_a_sound_tree_passes(self):
        self.assertEqual([], self.faults(SOUND))

    def test_an_empty_tree_does_not(self):
        self.assertNotEqual([], self.faults({}))

    def test_each_fault_is_named(self):
        for name, (files, complaint) in FAULTS.items():
            with self.subTest(name):
                self.assertIn(complaint, "\n".join(self.faults({**SOUND, **files})))


if __name__ == "__main__":
    COMPILER = sys.argv[1:] or COMPILER
    unittest.main(argv=sys.argv[:1])
