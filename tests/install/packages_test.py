#!/usr/bin/env python3
"""Makes the .deb packages, installs them on a clean Debian root, and uses them there as a new user would.

    packages_test.py SOURCE BUILD [--root FOLDER] [--packages FOLDER]

--root: a clean root to copy, in place of one fetched by debootstrap (KEYWAY_DEBIAN_MIRROR says from where).
--packages: packages that were made already. Exit code 77: this machine can't do it, and why.

The root is entered in namespaces of its own (mounts, processes, names), so nothing that runs there can be left over.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

MIRROR = os.environ.get("KEYWAY_DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = {"keyway-rtl", "keyway-tools", "keywayd", "libkeyway-dev", "libkeyway1", "python3-keyway"}

# Root of the new system, as root. Each step says what it is about; the first that fails ends it.
INSTALL = r"""
set -eu
step() { echo "== $*"; }
step no service is started by an installation
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
step installing
apt-get -qq install -y --no-install-recommends /packages/*.deb > /install.log 2>&1 || { cat /install.log; exit 1; }
step every package is whole
dpkg --audit
dpkg --verify keyway-rtl keyway-tools keywayd libkeyway1 libkeyway-dev python3-keyway
step the daemon has its user, and owns nothing of the system
getent passwd keyway | grep -q nologin
test -z "$(find / -xdev -user keyway -not -path '/proc/*' -print -quit)"
step programs find the library, and packages each other
ldconfig -p | grep -q 'libkeyway\.so\.1'
dpkg-query -W -f '${Depends}\n' python3-keyway libkeyway-dev | grep -c libkeyway1 | grep -qx 2
step the policy is good as it came
keywayd --check-policy
"""

# The daemon under its own user, as the unit would start it, and a person who talks through it.
USE = r"""
set -eu
step() { echo "== $*"; }
useradd --create-home person
step the daemon runs as its user
install -d -o keyway -g keyway /run/keyway
cat > /etc/keyway/policy.toml <<'POLICY'
version = 1
[[rule]]
who      = { user = "person" }
register = ["greeter"]
lookup   = ["greeter"]
POLICY
mkfifo -m 666 /run/said
setpriv --reuid keyway --regid keyway --clear-groups keywayd 2> /run/said &
daemon=$!
exec 3< /run/said
while read -r line <&3; do case $line in *"listening at"*) break ;; esac; done
cat <&3 > /dev/null &
step the tool talks through it
mkfifo -m 666 /run/heard
runuser -u person -- keyway listen greeter --count 1 --reply 'hello, you' 2> /run/heard &
listener=$!
exec 4< /run/heard
read -r line <&4
case $line in *"listening as greeter"*) ;; *) echo "$line"; exit 1 ;; esac
test "$(runuser -u person -- keyway call greeter world)" = 'hello, you'
wait $listener
step who may not is told so
if runuser -u nobody -- keyway call greeter world 2> /refused; then exit 1; fi
grep -q no_such_name /refused
step python
runuser -u person -- python3 - <<'PYTHON'
import keyway
with keyway.connect() as connection:
    connection.register("greeter")
    connection.send(connection.lookup("greeter"), b"to myself")
    assert bytes(connection.receive(10).payload) == b"to myself"
PYTHON
step the demonstration
keyway demo --pings 100 /usr/share/keyway > /demo.log 2>&1 || { cat /demo.log; exit 1; }
tail -n 1 /demo.log
kill $daemon
wait $daemon
step the ten minutes of the book, as they are written
export DEBIAN_FRONTEND=noninteractive
python3 /start_test.py /docs /packages
step a project outside the tree
apt-get -qq install -y --no-install-recommends g++ cmake make pkg-config > /install.log 2>&1 || { cat /install.log; exit 1; }
runuser -u person -- /outside/try.sh /home/person/outside
step the examples build where they lie, and one of them runs
runuser -u person -- cmake -S /usr/share/doc/libkeyway-dev/examples -B /home/person/examples > /examples.log 2>&1 || { cat /examples.log; exit 1; }
runuser -u person -- cmake --build /home/person/examples --parallel 2 > /examples.log 2>&1 || { cat /examples.log; exit 1; }
/home/person/examples/sandbox/sandbox good | grep -qx 'good: the answer is 42'
"""

REMOVE = r"""
set -eu
step() { echo "== $*"; }
export DEBIAN_FRONTEND=noninteractive
step the policy stays when the package is removed, and goes when it is purged
apt-get -qq remove -y keywayd > /remove.log 2>&1 || { cat /remove.log; exit 1; }
grep -q greeter /etc/keyway/policy.toml
apt-get -qq purge -y keyway-rtl keyway-tools keywayd libkeyway-dev libkeyway1 python3-keyway > /remove.log 2>&1 ||
    { cat /remove.log; exit 1; }
step nothing is left
left=$(find /etc /usr /var/lib/keyway /var/log/keyway -ipath '*keyway*' -not -path '/usr/share/doc/*' 2> /dev/null || true)
if [ -n "$left" ]; then echo "$left"; exit 1; fi
"""


def skip(why: str):
    print(f"skipped: {why}")
    sys.exit(77)


def run(*command, **more):
    print("+", *(str(word).split("\n", 1)[0] for word in command), flush=True)
    subprocess.run([str(word) for word in command], check=True, **more)


def make_packages(source: pathlib.Path, build: pathlib.Path) -> pathlib.Path:
    run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_INSTALL_PREFIX=/usr",
        "-DKEYWAY_TESTS=OFF", "-DKEYWAY_EXAMPLES=OFF", "-DKEYWAY_BENCH=OFF", stdout=subprocess.DEVNULL)
    run("cmake", "--build", build, "--parallel", str(len(os.sched_getaffinity(0))), stdout=subprocess.DEVNULL)
    shutil.rmtree(build / "packages", ignore_errors=True)
    run("cpack", cwd=build)
    return build / "packages"


def inside(root: pathlib.Path, script: str):
    """Runs a script as root of the new system; all its processes end with it."""
    run("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c",
        f"mount -t proc proc {root}/proc && mount -t tmpfs tmpfs {root}/run && mount -t tmpfs tmpfs {root}/dev/shm && "
        f"exec chroot {root} env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 sh -c \"$0\"", script)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--packages", type=pathlib.Path)
    options = parser.parse_args()
    if os.geteuid() != 0:
        skip("only root can enter a root")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False, capture_output=True).returncode != 0:
        skip("no namespaces")
    if options.root is None and shutil.which("debootstrap") is None:
        skip("there is no debootstrap")
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/bookworm/Release", timeout=30).close()
    except OSError as error:
        skip(f"{MIRROR}: {error}")

    packages = options.packages or make_packages(options.source, options.build)
    found = {package.name.split("_")[0] for package in packages.glob("*.deb")}
    if found != PACKAGES:
        print(f"packages are missing or new: {sorted(found ^ PACKAGES)}")
        return 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="keyway-root-"))
    root = folder / "root"
    try:
        if options.root is not None:
            run("cp", "-a", options.root, root)
        else:
            run("debootstrap", "--variant=minbase", "bookworm", root, MIRROR, stdout=subprocess.DEVNULL)
        (root / "packages").mkdir()
        for package in packages.glob("*.deb"):
            shutil.copy(package, root / "packages")
        shutil.copytree(options.source / "tests/install/outside", root / "outside")
        shutil.copytree(options.source / "docs", root / "docs")
        shutil.copy(options.source / "tests/docs/start_test.py", root)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        (root / "dev/shm").mkdir(exist_ok=True)
        for script in (INSTALL, USE, REMOVE):
            inside(root, script)
    except subprocess.CalledProcessError as error:
        print(f"failed: exit code {error.returncode}")
        return 1
    finally:
        shutil.rmtree(folder)
    print("installed, used and removed on a clean Debian root")
    return 0


if __name__ == "__main__":
    sys.exit(main())
