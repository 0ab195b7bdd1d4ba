#!/usr/bin/env python3
"""Alice and Bob in processes of their own: every pair of measured bits, and a fidelity of 1."""

import os
import re
import subprocess
import sys
import tempfile


def main() -> int:
    tool, teleport = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "router.sock")
        router = subprocess.Popen([tool, "run", "--socket", socket], stderr=subprocess.PIPE, text=True)
        try:
            router.stderr.readline()  # it listens
            seen = set()
            for seed in range(1, 25):
                bob = subprocess.Popen([teleport, "bob", socket], stdout=subprocess.PIPE, text=True)
                assert bob.stdout.readline() == "bob: ready\n"
                alice = subprocess.run([teleport, "alice", socket, str(seed)], capture_output=True, text=True)
                said = bob.communicate(timeout=60)[0]
                assert alice.returncode == 0, alice.stderr
                assert bob.returncode == 0, said
                bits, fidelity = re.fullmatch(r"bob: corrected by (\d\d), fidelity (.*)\n", said).groups()
                assert abs(float(fidelity) - 1) < 1e-5, said
                seen.add(bits)
                if len(seen) == 4 and seed >= 8:
                    break
            assert seen == {"00", "01", "10", "11"}, seen
            print(f"{seed} states teleported; the measured bits were {sorted(seen)}")
            return 0
        finally:
            router.terminate()
            router.wait()


if __name__ == "__main__":
    sys.exit(main())
