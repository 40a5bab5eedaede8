"""What a hostile zip would try, each harmless in itself: code that prints REACHED where it was let through.

Names in the code: SECRET (a file outside), HOST (a process outside), PORT and PLUG (a port and a socket file that a
process outside listens on), OUTSIDE (a folder outside), call(number, ...) (a system call past Python's hooks).
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = ("bubblewrap", "namespaces", "landlock", "hooks")
KERNEL = ("bubblewrap", "namespaces", "landlock")
"""Kinds in which the kernel refuses, whatever language the code is in."""
ROOT = ("bubblewrap", "namespaces")

PRELUDE = """
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def native_open(path, flags):
    if libc.open(path.encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), path)
"""

AFTER = "\nprint('REACHED')\n"


@dataclass(frozen=True)
class Probe:
    """An attempt, and the kinds of isolation that stop it."""

    code: str
    stopped: tuple[str, ...] = ALL


def refused(x86: int, *arguments: str) -> Probe:
    """A system call that no submission makes, by its number on x86_64."""
    return Probe(f"call({', '.join([str(x86), *arguments])})", KERNEL)


NATIVE_CONNECT = """
import struct
made = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
if made < 0 or libc.connect(made, struct.pack('=HHI8x', 2, socket.htons(PORT), socket.htonl(0x7F000001)), 16) < 0:
    raise OSError(ctypes.get_errno())
"""
ENVIRONMENTS = """
found = b''
for name in os.listdir('/proc'):
    if name.isdigit():
        try:
            found += open('/proc/' + name + '/environ', 'rb').read()
        except OSError:
            pass
assert b'probed-token' in found
"""
WRITES = "open({!r}, os.O_WRONLY)"
BURST = "x = bytearray(b'x') * (700 << 20)\n"

PROBES: dict[str, Probe] = {
    "network: TCP": Probe("socket.create_connection(('10.0.0.1', 80), 1)"),
    "network: name": Probe("socket.getaddrinfo('example.org', 80)"),
    "network: UDP": Probe("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))"),
    "network: from C": Probe(NATIVE_CONNECT, KERNEL),
    "a service's socket file": Probe("socket.socket(socket.AF_UNIX).connect(PLUG)", KERNEL),
    "a service's abstract socket": Probe("socket.socket(socket.AF_UNIX).connect('\\0plug')", KERNEL),
    "home: a file": Probe("open(SECRET).read()"),
    "home: from C": Probe("native_open(SECRET, os.O_RDONLY)", KERNEL),
    "home: through a link": Probe("os.symlink(SECRET, 'link'); open('link').read()"),
    "home: through a link from C": Probe(
        "libc.symlink(SECRET.encode(), OUTPUT.encode() + b'/link'); native_open(OUTPUT + '/link', os.O_RDONLY)", KERNEL
    ),
    "home: a second name": Probe("os.link(SECRET, OUTPUT + '/second')"),
    "home: a list of names": Probe("assert os.path.basename(SECRET) in os.listdir(OUTSIDE)", KERNEL),
    "environment": Probe("assert 'probed-token' in str(os.environ)"),
    "environment of others": Probe(ENVIRONMENTS),
    "memory of others": Probe("native_open('/proc/%d/mem' % HOST, os.O_RDWR)", KERNEL),
    "a signal": Probe("os.kill(HOST, 0)", KERNEL),
    "debugging": Probe("call(101, 0x4206, HOST, 0, 0)", KERNEL),
    "reading a process": Probe("x = ctypes.create_string_buffer(16); call(310, HOST, x, 1, x, 1, 0)", KERNEL),
    "writing outside": Probe("open(OUTSIDE + '/new', 'w')"),
    "writing outside from C": Probe("native_open(OUTSIDE + '/new', os.O_WRONLY | os.O_CREAT)", KERNEL),
    "writing beside itself": Probe("open(os.path.dirname(os.path.abspath(__file__)) + '/new', 'w')"),
    "changing the guard": Probe("open(os.path.dirname(sys.modules['__main__'].__file__) + '/x', 'w')"),
    "a folder at the root": Probe("os.mkdir('/new')"),
    "a device": Probe("os.mknod(OUTPUT + '/device', 0o20666, os.makedev(1, 3))", KERNEL),
    "a device file": Probe("native_open('/dev/mem', os.O_RDONLY)", KERNEL),
    "kernel settings": Probe("native_open('/proc/sys/kernel/core_pattern', os.O_WRONLY)", KERNEL),
    "kernel switches": Probe("native_open('/proc/sysrq-trigger', os.O_WRONLY)", KERNEL),
    "mounting": Probe("call(165, b'none', OUTPUT.encode(), b'tmpfs', 0, None)", KERNEL),
    "a root of its own": Probe("os.chroot(OUTPUT)", KERNEL),
    "namespaces": refused(272, "0x10000000"),
    "namespaces by clone": Probe("assert libc.syscall(56, 0x10000011, None, None, None, None) >= 0", KERNEL),
    "capabilities": Probe(
        "assert 'CapEff:\\t0000000000000000' not in open('/proc/self/status').read()", KERNEL
    ),
    "raising a limit": Probe("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))", KERNEL),
    "keys": refused(248, "b'user'", "b'x'", "b'x'", "1", "-4"),
    "programs in the kernel": refused(321, "0", "b' ' * 128", "128"),
    "performance counters": refused(298, "b' ' * 128", "0", "-1", "-1", "0"),
    "rings": refused(425, "1", "ctypes.create_string_buffer(128)"),
    "the clock": refused(227, "0", "bytes(16)"),
    "the host's name": refused(170, "b'x'", "1"),
    "the kernel's log": refused(103, "3", "ctypes.create_string_buffer(8)", "8"),
    "a core dump": Probe("import resource; assert resource.getrlimit(resource.RLIMIT_CORE)[0]"),
    "a huge file": Probe("open(OUTPUT + '/huge', 'wb').truncate(1 << 40)"),
    "a huge array": Probe("bytearray(1 << 44)"),
    "much in /tmp": Probe("open('/tmp/much', 'wb').write(bytes(40 << 20))"),
    "much in /dev/shm": Probe("open('/dev/shm/much', 'wb').write(bytes(40 << 20))", ROOT),
    "much at the root": Probe("open('/much', 'wb').write(bytes(40 << 20))"),
    "much in /dev": Probe("open('/dev/much', 'wb').write(bytes(40 << 20))"),
}  # fmt: skip
"""Each by what it reaches for."""

BOUNDS: dict[str, tuple[str, str, dict[str, float]]] = {
    "time": ("while True: pass", "time", {"seconds": 0.7}),
    "time, deaf to signals": (
        "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\n"
        "while True: pass", "time", {"seconds": 0.7},
    ),
    "memory": ("x = []\nwhile True: x.append(bytearray(b'x') * (1 << 22))", "memory", {"memory_mb": 300}),
    "memory in a burst": (BURST + "os._exit(0)", "memory", {"memory_mb": 300}),
    "memory in a child's burst": (
        f"if not os.fork():\n    {BURST}    os._exit(0)\nos.wait()", "memory", {"memory_mb": 300},
    ),
    "output": ("while True: os.write(1, b'x' * (1 << 20))", "output", {}),
    "disk": ("for n in range(12): open(OUTPUT + '/%d' % n, 'wb').write(bytes(1 << 20))", "disk", {"disk_mb": 8}),
    "children": (
        "for _ in range(90):\n    if not os.fork(): time.sleep(30); os._exit(0)\ntime.sleep(30)", "children", {},
    ),
}  # fmt: skip
"""Attempts at more than a bound: code, the bound that ends it, limits."""
