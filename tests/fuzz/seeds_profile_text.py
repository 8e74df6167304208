"""Seeds for fuzz_profile_text: lines of every kind that Austin and we write."""

import pathlib
import sys

SEEDS = [
    "# austin: 3.7.0\n# mode: wall\n# interval: 1000\n# duration: 10\n# samples: 4\n# missed: 1\n",
    "P12;T0:MainThread;/a b.py:f:1;C:/x:y.py:<module>:22 1500\nP12;T3:a: b c 7\n",
    "P1;T0:t;a.py:f:1;:INVALID: 1\nP1;T0:t;a.py:f:1;:GC: 2\nP1;T0:t;kernel:do_sys:0 3\n",
    "P1;T77;a.py:f:1 12\nP1;T0:77;a.py:f:1 -4096\nP1;T0:77;a.py:f:1 10,1,-20\n",
    "P1;T0:t 5\nnoise\n\n# mode: full\r\nP1;T0:\xfc;\u540d.py:\U0001f40d:1 5\nP1;T0:t;a.py:f:1 1",
    "P1;T0:t;a:f:1;a:g:2;a:f:3 9223372036854775807\nP1;T0:t;a:f:1 -9223372036854775808\n",
    "# mode: memory\nP1;T0:t;::-1;:task:0 4\n",
]

for number, text in enumerate(SEEDS):
    (pathlib.Path(sys.argv[1]) / f"seed{number:04}").write_bytes(text.encode())
