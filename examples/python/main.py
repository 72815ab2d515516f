"""Writes on the master, reads from any node: python3 main.py HOST:PORT [HOST:PORT ...]"""

import sys

from walnut_client import Walnut

walnut = Walnut(sys.argv[1:])
walnut.set("greeting", b"hello", ttl=60)
print("get:", walnut.get("greeting").decode())
walnut.delete("visits")
print("increment:", ", ".join(str(walnut.increment("visits")) for _ in range(3)))

own = True
for i in range(50):
    walnut.set("n", b"%d" % i)
    own = own and walnut.get("n") == b"%d" % i
print("own writes:", str(own).lower())
print("missing:", str(walnut.get("no such key") is None).lower())
