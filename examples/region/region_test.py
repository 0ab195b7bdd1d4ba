#!/usr/bin/env python3
"""A camera and a viewer in processes of their own: three frames, then the buffer is recalled."""

import os
import subprocess
import sys
import tempfile

SAID = """viewer: frame 1 shows 1
viewer: frame 2 shows 2
viewer: frame 3 shows 3
viewer: the buffer is readable
viewer: the buffer is revoked
"""


def main() -> int:
    tool, region = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "router.sock")
        router = subprocess.Popen([tool, "run", "--socket", socket], stderr=subprocess.PIPE, text=True)
        try:
            router.stderr.readline()  # it listens
            viewer = subprocess.Popen([region, "viewer", socket], stdout=subprocess.PIPE, text=True)
            assert viewer.stdout.readline() == "viewer: ready\n"
            camera = subprocess.run([region, "camera", socket], capture_output=True, text=True, timeout=90)
            said = viewer.communicate(timeout=60)[0]
            assert camera.returncode == 0, camera.stderr
            assert viewer.returncode == 0, said
            assert said == SAID, said
            return 0
        finally:
            router.terminate()
            router.wait()


if __name__ == "__main__":
    sys.exit(main())
