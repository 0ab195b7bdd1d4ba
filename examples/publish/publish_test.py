#!/usr/bin/env python3
"""A writer and two readers in processes of their own: each reader sees every event, in order."""

import os
import subprocess
import sys
import tempfile

COUNT = 1000


def main() -> int:
    tool, publish = sys.argv[1:3]
    policy = os.path.join(os.path.dirname(os.path.abspath(__file__)), "policy.toml")
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "router.sock")
        router = subprocess.Popen(
            [tool, "run", "--socket", socket, "--policy", policy], stderr=subprocess.PIPE, text=True
        )
        try:
            router.stderr.readline()  # it listens
            writer = subprocess.Popen([publish, "writer", socket, str(COUNT)], stdout=subprocess.PIPE, text=True)
            assert writer.stdout.readline() == "writer: ready\n"
            readers = [
                subprocess.Popen([publish, "reader", socket, str(COUNT)], stdout=subprocess.PIPE, text=True)
                for _ in range(2)
            ]
            expected = "".join(f"tick {i}\n" for i in range(1, COUNT + 1)) + "lost 0\n"
            for reader in readers:
                said = reader.communicate(timeout=60)[0]
                assert reader.returncode == 0 and said == expected, said[-200:]
            writer.communicate(timeout=60)
            assert writer.returncode == 0
            print(f"two readers saw {COUNT} events each, in order")
            return 0
        finally:
            router.terminate()
            router.wait()


if __name__ == "__main__":
    sys.exit(main())
