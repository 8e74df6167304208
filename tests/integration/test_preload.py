"""A launched command does not notice the shim, nor does anything that it starts; and a Python gets it,
also through programs that are none."""

import errno
import os
import pathlib
import shutil
import subprocess
import unittest

import interpreters
import profiler
from profiler import BIN, ECHION, PYTHON

HERE = pathlib.Path(__file__).resolve().parent
CC = shutil.which("gcc") or shutil.which("cc")

# Every way of tests/integration/starter.c, and whether the program that it starts is to have the shim.
WAYS = {
    "execve": True, "execve_given": True, "execve_empty": True, "execve_null": True, "execv": True,
    "execvp": True, "execvpe": True, "execl": True, "execlp": True, "execle": True, "execveat": True,
    "execveat_fd": True, "fexecve": True, "posix_spawn": True, "posix_spawnp": True, "vfork": True,
    "handler": False,  # on a handler's own stack there is no room
    "full_table": None,  # no descriptor to look with, nor for the program to tell
}
SHIMS = {True: ["with"], False: ["without"], None: []}
HAS_SHIM = "import sys; print('shim:', 'echion-shim' in open('/proc/self/maps').read())\n"


def compile_c(source, program, *flags):
    """False if this compiler cannot."""
    done = subprocess.run([CC, "-O1", "-D_GNU_SOURCE", "-w", source, "-o", program, *flags],
                          capture_output=True, check=False)
    return done.returncode == 0


class Preload(profiler.TestCase):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.environment.pop("LD_PRELOAD", None)
        self.environment["ASAN_OPTIONS"] = "detect_leaks=0"
        self.note = self.folder / "note"

    def build(self, name, *flags, source=None):
        source = source or HERE / f"{name.partition('-')[0]}.c"
        program = self.folder / name
        if not compile_c(source, program, *flags):
            self.skipTest(f"this compiler cannot make {name}: {' '.join(flags)}")
        return program

    def shims(self):
        """What the programs that ran since the last call said of the shim."""
        if not self.note.exists():
            return []
        words = self.note.read_text().split()
        self.note.unlink()
        return words

    def launch(self, *command, options=(), **popen):
        done = self.run_to_end(ECHION, "-q", "-o", "out.austin", *options, *command, **popen)
        told = [line for line in done.stderr.splitlines(True) if not line.startswith("echion: ")]
        done.stderr = "".join(told)
        return done

    def expect_the_same(self, *command, shims=None, options=(), **popen):
        """The same output and status with and without us; then, what the programs have noted."""
        plain = self.run_to_end(*command, **popen)
        expected = self.shims()
        done = self.launch(*command, options=options, **popen)
        self.assertEqual((done.returncode, done.stderr), (plain.returncode, plain.stderr))
        self.assertEqual(done.stdout, plain.stdout)
        noted = self.shims()
        self.assertEqual(expected, ["without"] * len(noted))
        if shims is not None:
            self.assertEqual(noted, shims)
        return done


class Programs(Preload):
    def test_environments_of_shells_and_env(self):
        self.expect_the_same("env")
        self.expect_the_same("sh", "-c", "env; exit 4")
        self.expect_the_same("bash", "--norc", "-c", "export; env | sort; exit 5")
        self.expect_the_same("env", "-i", "env")
        self.expect_the_same("sh", "-c", "tr '\\0' '\\n' </proc/self/environ | grep -a .")

    def test_a_program_that_has_shut_itself_in(self):
        self.expect_the_same(self.build("sandboxed"), "/bin/true")

    def test_it_reaches_what_they_start(self):
        showing = self.build("showing")
        self.expect_the_same(showing, self.note, shims=["with"])
        self.expect_the_same("sh", "-c", f"{showing} {self.note}; {showing} {self.note}", shims=["with"] * 2)
        self.expect_the_same("env", "-i", showing, self.note, shims=["with"])
        script = self.folder / "script"
        script.write_text(f"#!/usr/bin/env sh\nexec {showing} {self.note}\n")
        script.chmod(0o755)
        self.expect_the_same("./script", shims=["with"])
        script.write_text(f"exec {showing} {self.note}\n")
        self.expect_the_same("env", "./script", shims=["with"])

    def test_every_way_to_start_one(self):
        starter, showing = self.build("starter"), self.build("showing")
        for way, reached in WAYS.items():
            with self.subTest(way=way):
                self.expect_the_same(starter, way, showing, self.note, "an argument",
                                     shims=SHIMS[reached])

    def test_every_way_between_word_sizes(self):
        starters = [self.build("starter"), self.build("starter-32", "-m32")]
        programs = [self.build("showing"), self.build("showing-32", "-m32")]
        for starter in starters:
            for showing in programs:
                for way in WAYS:
                    with self.subTest(way=way, starter=starter.name, showing=showing.name):
                        self.expect_the_same(starter, way, showing, self.note, shims=SHIMS[WAYS[way]])

    def test_a_static_program(self):
        showing = self.build("showing-static", "-static")
        self.expect_the_same(showing, self.note, shims=["without"])
        self.expect_the_same("sh", "-c", f"{showing} {self.note}", shims=["without"])

    def test_a_program_with_a_sanitizer(self):
        for flags in (("-fsanitize=address",), ("-fsanitize=thread",), ("-fsanitize=leak",)):
            with self.subTest(flags=flags):
                showing = self.build("showing-sanitized", *flags)
                self.expect_the_same("sh", "-c", f"{showing} {self.note}", shims=["without"])
                self.expect_the_same(showing, self.note, shims=["without"])
                starter = self.build("starter-sanitized", *flags)
                self.expect_the_same(starter, "execve", showing, self.note)

    def test_a_program_with_a_sanitizer_linked_into_it(self):
        clang = shutil.which("clang")
        program = self.folder / "showing-clang"
        command = [clang, "-D_GNU_SOURCE", "-w", "-fsanitize=address", HERE / "showing.c", "-o", program]
        if clang is None or subprocess.run(command, check=False, capture_output=True).returncode:
            self.skipTest("needs clang and its compiler-rt")
        self.expect_the_same("sh", "-c", f"{program} {self.note}", shims=["with"])

    def test_a_compiler(self):
        (self.folder / "x.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); }\n')
        self.expect_the_same("sh", "-c", f"{CC} -v -O2 x.c -o x 2>/dev/null && ./x")
        self.expect_the_same(CC, "-flto", "-c", "no-such.c")

    def test_lists_of_libraries(self):
        self.expect_the_same("sh", "-c", "ldd /bin/sh | sed 's/(0x.*//'")
        done = self.launch("sh", "-c", "LD_TRACE_LOADED_OBJECTS=1 /bin/cat; LD_DEBUG=files /bin/true")
        self.assertIn("libc.so.6", done.stdout)
        self.assertIn("libc.so.6", done.stderr)
        self.assertNotIn("shim", done.stdout + done.stderr)

    def test_arguments_and_environments_of_every_size(self):
        starter, showing = self.build("starter"), self.build("showing")
        self.environment |= {f"NAME_{i}": "value" * (i % 7) for i in range(5000)}
        for way in ("execve", "vfork", "posix_spawn", "execvp"):
            self.expect_the_same(starter, way, showing, self.note, "x" * 100_000, shims=["with"])

    def test_up_to_the_limit(self):
        """Where a program can still be started without us, it can with us."""
        starter, showing = self.build("starter"), self.build("showing")
        some = ["x" * 100_000] * 20
        self.environment = {"PATH": "/usr/bin:/bin"}

        def starts(size):
            return self.run_to_end(starter, "vfork", showing, self.note, *some, "y" * size)

        fits, too_large = 0, 131_000
        while too_large - fits > 1:
            middle = (fits + too_large) // 2
            try:
                ended = starts(middle).returncode
            except OSError as error:
                self.assertEqual(error.errno, errno.E2BIG)
                ended = 9
            fits, too_large = (middle, too_large) if ended == 3 else (fits, middle)
        self.shims()
        # Through a file, since this test's own words must fit as well.
        for size, shims in ((fits - 1000, ["with"]), (fits, ["without"])):
            done = self.launch(
                PYTHON, "-c", STARTS_LARGE, starter, showing, self.note, str(size), options=["-C"]
            )
            self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
            self.assertEqual(self.shims(), shims, size)

    def test_a_small_stack(self):
        """A thread with the smallest stack there is starts a program."""
        thread, showing = self.build("small_stack", "-pthread"), self.build("showing")
        self.environment |= {f"NAME_{i}": "value" for i in range(5000)}
        self.expect_the_same(thread, "fork", showing, self.note)
        self.expect_the_same(thread, "vfork", showing, self.note)


# Starts it with 20 arguments of 100,000 bytes and one of so many, in the environment of the test above.
STARTS_LARGE = """
import os, sys
starter, showing, note, size = sys.argv[1:]
words = [starter, "vfork", showing, note] + ["x" * 100_000] * 20 + ["y" * int(size)]
pid = os.fork()
if pid == 0:
    os.execve(starter, words, {"PATH": "/usr/bin:/bin"})
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class Failures(Preload):
    def setUp(self):
        super().setUp()
        self.starter = self.build("starter")
        self.showing = self.build("showing")

    def expect_error(self, way, program, name):
        done = self.expect_the_same(self.starter, way, program)
        self.assertEqual((done.returncode, done.stdout), (9, f"{way}: {name}\n"))

    def test_no_such_program(self):
        for way in WAYS:
            if way not in ("handler", "execveat_fd", "fexecve"):
                self.expect_error(way, "/no/such/program", "ENOENT")
        self.expect_error("execvp", "no-such-program", "ENOENT")

    def test_no_permission(self):
        (self.folder / "plain").write_text("echo run\n")
        for way in ("execve", "execvp", "posix_spawn", "vfork", "execveat"):
            self.expect_error(way, "./plain", "EACCES")
            self.expect_error(way, "/", "EACCES")

    def test_a_script_without_an_interpreter(self):
        script = self.folder / "plain"
        script.write_text(f'exec "{self.showing}" "$@"\n')
        script.chmod(0o755)
        for way in ("execve", "execv", "posix_spawn", "posix_spawnp", "fexecve"):
            self.expect_error(way, "./plain", "ENOEXEC")
        for way in ("execvp", "execlp", "execvpe"):
            self.expect_the_same(self.starter, way, "./plain", self.note, shims=["with"])

    def test_odd_calls(self):
        self.expect_error("fexecve_null", self.showing, "EINVAL")
        self.expect_error("bad_path", self.showing, "EFAULT")
        (self.folder / "sub").mkdir()
        shutil.copy(self.showing, self.folder / "sub/other")
        self.expect_the_same(self.starter, "posix_spawn_chdir", "./other", self.note)
        self.expect_the_same(self.starter, "posix_spawn_chdir", self.showing, self.note, shims=["with"])


class OtherLibraries(Preload):
    def setUp(self):
        super().setUp()
        self.showing = self.build("showing")
        for name in "ab":
            self.build(f"{name}.so", "-shared", "-fPIC", f'-DNAME="{name}"', "-ldl",
                       source=HERE / "interposer.c")

    def expect_kept(self, value):
        starter = self.build("starter")
        for way in ("execve", "execvpe", "posix_spawn", "vfork"):
            with self.subTest(value=value, way=way):
                self.expect_the_same("env", f"LD_PRELOAD={value}", starter, way, self.showing, self.note,
                                     shims=["with"])

    def test_are_kept_as_they_are(self):
        a, b = self.folder / "a.so", self.folder / "b.so"
        for value in ("", ":", f"{a}", f"{a}:{b}", f"{b} {a}", f"{a}:", f":{a}::{b}"):
            self.expect_kept(value)

    def test_a_sanitizers_runtime_stays_the_first(self):
        runtime = subprocess.run([CC, "-print-file-name=libasan.so"], capture_output=True, text=True,
                                 check=True).stdout.strip()
        if not os.path.isabs(runtime):
            self.skipTest("needs gcc's libasan")
        self.expect_the_same("env", f"LD_PRELOAD={os.path.realpath(runtime)}", self.showing, self.note,
                             shims=["with"])

    def test_a_shell_that_changes_it(self):
        text = f'LD_PRELOAD={self.folder}/a.so {self.showing} {self.note}; unset LD_PRELOAD; {self.showing} {self.note}'
        self.expect_the_same("bash", "--norc", "-c", text, shims=["with", "with"])


class OtherPlaces(Preload):
    def test_a_user_who_cannot_read_the_shim(self):
        self.need_root()
        showing = self.build("showing")
        self.note.touch()
        self.note.chmod(0o666)
        self.folder.chmod(0o777)
        programs = self.folder / "closed"
        self.copy_all(programs)
        programs.chmod(0o700)
        plain = self.run_to_end("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", showing)
        done = self.run_to_end(
            programs / "bin/echion", "-q", "-o", self.folder / "out.austin", "setpriv",
            "--reuid=65534", "--regid=65534", "--clear-groups", showing, env=self.environment)
        self.assertEqual([line for line in done.stderr.splitlines() if "echion: " not in line], [])
        self.assertEqual((done.returncode, done.stdout), (plain.returncode, plain.stdout))

    def copy_all(self, folder):
        """The programs and their shim, as they are installed."""
        (folder / "bin").mkdir(parents=True)
        for name in ("echion", "echiond"):
            shutil.copy(BIN / name, folder / "bin")
        shutil.copytree(BIN.parent / "lib", folder / "lib")

    def test_set_user_id(self):
        self.need_root()
        self.folder.chmod(0o777)
        showing = self.folder / "showing-set"
        shutil.copy(self.build("showing"), showing)
        os.chown(showing, 0, 0)
        showing.chmod(0o4755)
        self.environment["LD_LIBRARY_PATH"] = "/no/such/folder"  # which the loader takes away, too
        self.note.touch()
        self.note.chmod(0o666)
        self.expect_the_same("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
                             f'"{showing}" {self.note}', shims=["without"])

    def test_another_root(self):
        self.need_root()
        roots = {i.root: i for i in interpreters.find() if i.root and not i.missing}
        if not roots:
            self.skipTest("there is no root: tests/roots/make")
        for root in roots.values():
            with self.subTest(root=root.root):
                self.expect_the_same("chroot", root.root_path, "/bin/sh", "-c", "env; exit 6")

    def test_its_file_is_on_a_file_system_without_programs(self):
        self.need_root()
        script = (
            'mkdir -p mnt && mount -t tmpfs -o noexec tmpfs mnt && cp -r "$1" mnt/lib && mkdir mnt/bin '
            '&& mkdir bin lib && cp "$2"/echion "$2"/echiond bin && mount --bind mnt/lib lib && '
            'mount -o remount,bind,noexec lib && exec bin/echion -q -o out.austin sh -c "env; exit 7"'
        )
        done = self.run_to_end("unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                               "sh", BIN.parent / "lib", BIN)
        if "unshare" in done.stderr:
            self.skipTest(f"cannot mount here: {done.stderr}")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("noexec", done.stderr)
        self.assertIn("goes on from outside", done.stderr)
        self.assertNotIn("LD_PRELOAD", done.stderr + done.stdout)

    def test_a_path_that_cannot_be_preloaded(self):
        for name in ("with space", "with:colon", "with$dollar"):
            with self.subTest(name=name):
                programs = self.folder / name
                self.copy_all(programs)
                options = [programs / "bin/echion", "-qo", "out.austin"]
                done = self.run_to_end(*options, "sh", "-c", "exit 4")
                self.expect(done, 4, "a colon, a space or a dollar")
                done = self.run_to_end(*options, "-s", PYTHON, "-c", "import time; time.sleep(0.5)")
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_without_a_shim(self):
        programs = self.folder / "programs"
        self.copy_programs(programs)
        done = self.run_to_end(programs / "echion", "-qo", "out.austin", PYTHON, "-c",
                               "import time; time.sleep(0.5)")
        self.expect(done, 0, "the shim is not used, sampling goes on from outside", "libechion-shim.so")
        self.expect_whole(profiler.Profile.read(self.folder / "out.austin"))
        done = self.run_to_end(programs / "echion", "-qo", "out.austin", "--no-shim", PYTHON, "-c",
                               "import time; time.sleep(0.5)")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Options(Preload):
    def test_no_shim(self):
        showing = self.build("showing")
        self.expect_the_same("sh", "-c", f"{showing} {self.note}", shims=["without"], options=["--no-shim"])

    STEALTH = (
        "import os, subprocess, sys\n"
        "maps = open('/proc/self/maps').read()\n"
        "print('echion' in maps, '/memfd:lib ' in maps, 'LD_PRELOAD' in os.environ)\n"
        "print(b'/fd/' in open('/proc/self/environ', 'rb').read())\n"
        "sys.stdout.flush()\n"
        "if len(sys.argv) > 1: subprocess.run(sys.argv[1:], env=None if sys.argv[1] == sys.argv[2] else {})\n"
    )

    def test_stealth(self):
        done = self.launch("sh", "-c", 'env; exec "$0" -c "$1"', PYTHON, self.STEALTH, options=["-s"])
        self.assertEqual(done.stdout.splitlines()[-2:], ["False True False", "False"])
        self.assertNotIn("LD_PRELOAD", done.stdout)

    def test_stealth_ends_with_the_first_python(self):
        showing = self.build("showing")
        code = self.STEALTH
        self.expect_the_same("sh", "-c", f"{showing} {self.note}", shims=["with"], options=["-s"])
        done = self.launch(PYTHON, "-c", code, showing, self.note, options=["-s"])
        self.assertIn("False True False", done.stdout)
        self.assertEqual(self.shims(), ["without"])
        done = self.launch(PYTHON, "-c", code, showing, self.note, options=["-C"])
        self.assertEqual(self.shims(), ["with"])

    def test_stealth_between_word_sizes(self):
        starters = [self.build("starter"), self.build("starter-32", "-m32")]
        programs = [self.build("showing"), self.build("showing-32", "-m32")]
        for starter in starters:
            for showing in programs:
                self.expect_the_same(starter, "execve", showing, self.note, shims=["with"], options=["-s"])


class Pythons(Preload):
    CODE = (
        "import os, subprocess, sys\n"
        "print(list(os.environ.items()))\n"
        "print(open('/proc/self/environ', 'rb').read().rstrip(b'\\0'))\n"
        "sys.stdout.flush()\n"
        "sys.exit(subprocess.run(['/bin/sh', '-c', 'env; exit 5']).returncode)\n"
    )

    def test_every_one(self):
        for interpreter in interpreters.find():
            with self.subTest(interpreter=interpreter.name):
                if interpreter.missing:
                    self.skipTest(f"{interpreter.name}: {interpreter.missing}")
                if interpreter.root is None:
                    command = interpreters.command(interpreter, ["-c", self.CODE])
                    done = self.expect_the_same(*command)
                    self.assertEqual(done.returncode, 5, done.stderr)
                    done = self.launch(*interpreters.command(interpreter, ["-c", HAS_SHIM]))
                    self.assertEqual(done.stdout, "shim: True\n")
                else:
                    self.try_in_root(interpreter)

    def try_in_root(self, interpreter):
        """There the shim is not to be seen, unless it is bound into it."""
        plain = interpreters.command(interpreter, ["-c", self.CODE])
        done = self.expect_the_same(*plain)
        self.assertEqual(done.returncode, 5, done.stderr)
        enter, root, *python = plain
        shim = f"/mnt/shim/libechion-shim{'-i386' if interpreter.bits == 32 else ''}.so"
        folder = BIN.parent / "lib/echion"
        inside = [enter, "--bind", folder, "shim", root, "/usr/bin/env"]
        for code in (self.CODE, HAS_SHIM):
            python[-1] = code
            before = self.run_to_end(*inside, *python)
            after = self.run_to_end(*inside, f"LD_PRELOAD={shim}", *python)
            self.assertEqual((after.returncode, after.stderr), (before.returncode, before.stderr))
            self.assertEqual(after.stdout.replace("shim: True", "shim: False"), before.stdout)
        self.assertEqual(after.stdout, "shim: True\n")
        # A descriptor of echiond's shows in every root with a /proc.
        python[-1] = HAS_SHIM.replace("echion-shim", "/memfd:lib ")
        done = self.launch(enter, root, *python, options=["-s"])
        self.assertEqual((done.stdout, done.stderr), ("shim: True\n", ""))

    def test_what_it_starts(self):
        showing = self.build("showing")
        for call in ("subprocess.run(words)", "subprocess.run(words, env={})", "os.execv(words[0], words)",
                     "subprocess.run(words, env={'A': 'b'}, close_fds=False)",
                     "os.waitpid(os.posix_spawn(words[0], words, {}), 0)",
                     "os.execve(words[0], words, {})", "os.waitpid(os.spawnv(os.P_NOWAIT, words[0], words), 0)"):
            code = f"import os, subprocess, sys\nwords = sys.argv[1:]\n{call}\n"
            with self.subTest(call=call):
                self.expect_the_same(
                    PYTHON, "-c", code, showing, self.note, shims=["with"], options=["-C"]
                )

    def test_what_it_starts_is_left_alone_unless_it_is_to_be_profiled(self):
        showing = self.build("showing")
        for call in ("subprocess.run(words)", "os.waitpid(os.posix_spawn(words[0], words, {}), 0)",
                     "os.waitpid(os.spawnv(os.P_NOWAIT, words[0], words), 0)", "os.fork() == 0 and os.execv(words[0], words)\nos.wait()"):
            code = f"import os, subprocess, sys, time\nwords = sys.argv[1:]\ntime.sleep(0.5)\n{call}\n"
            with self.subTest(call=call):
                self.expect_the_same(PYTHON, "-c", code, showing, self.note, shims=["without"])

    def test_below_shells(self):
        done = self.launch("sh", "-c", 'env -i "$0" -c "$1"; "$0" -c "$1"', PYTHON, HAS_SHIM)
        self.assertEqual(done.stdout, "shim: True\n" * 2)


class File(unittest.TestCase):
    """What the shim's files are."""

    FILES = ("libechion-shim.so", "libechion-shim-i386.so")
    EXPORTS = {"execl", "execle", "execlp", "execv", "execve", "execveat", "execvp", "execvpe", "fexecve",
               "posix_spawn", "posix_spawnp", "prctl", "PyInit_echion_shim"}

    def paths(self):
        return [path for name in self.FILES if (path := BIN.parent / "lib/echion" / name).exists()]

    def test_exports_nothing_else(self):
        self.assertTrue(self.paths())
        for path in self.paths():
            done = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True,
                                  check=True)
            self.assertEqual({line.split()[-1] for line in done.stdout.splitlines()}, self.EXPORTS)

    def test_asks_for_an_old_libc_only(self):
        """A version that is not there would end every program, whatever it is."""
        for path in self.paths():
            done = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True)
            needed = [line.split()[1] for line in done.stdout.splitlines() if "NEEDED" in line]
            self.assertEqual(needed, ["libc.so.6"])
            versions = {tuple(map(int, word[6:].split("."))) for word in done.stdout.split()
                        if word.startswith("GLIBC_2")}
            self.assertTrue(versions)
            self.assertLessEqual(max(versions), (2, 31), path)


if __name__ == "__main__":
    unittest.main()
