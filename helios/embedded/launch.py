"""Start one server so that it dies with whoever started it, under an account it accepts.

Run as a script (`python -I -S launch.py ORDER`) by `process.py`; ORDER is a JSON object, see `main`. It becomes the
server by `exec`, so the process id that the caller knows is the server's own. Standard library only, nothing of ours:
it also runs before anything else of the project can be imported, and its start-up time is paid for every server.

Death with the parent: on Linux the kernel sends a signal (`PR_SET_PDEATHSIG`). The kernel forgets that wish whenever
the process changes its credentials, so it is made last. Elsewhere a small watcher process holds the read end of a pipe
whose write end only the parent has: end of file means that the parent is gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000
CANNOT_START = 126
PARENT_GONE = 125


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _switch_account(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _switch_account_keeping_reach(uid: int, gid: int) -> None:
    """Become `uid`, keeping one capability of root: to pass through folders that only root may enter.

    Reading and searching is asked for first; a container often has only the wider one. The secure bit keeps
    capabilities over the change, and makes `access(2)`, by which PostgreSQL looks for its programs, count them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl(PR_SET_SECUREBITS)")
    _switch_account(uid, gid)
    header, data = _Header(CAPABILITY_VERSION_3, 0), (_Data * 2)()
    _check(libc.capget(ctypes.byref(header), data), "capget")
    capability = next((c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if data[0].permitted & 1 << c), None)
    if capability is None:
        raise PermissionError("this account of root has no capability to pass through closed folders")
    mask = 1 << capability
    data[0].effective = data[0].permitted = data[0].inheritable = mask
    data[1].effective = data[1].permitted = data[1].inheritable = 0
    _check(libc.capset(ctypes.byref(header), data), "capset")
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT_RAISE)")


def _switch_namespace(uid: int, gid: int) -> None:
    """Stay the same account outside, but see oneself as `uid`: a server that refuses root sees somebody else."""
    libc = ctypes.CDLL(None, use_errno=True)
    own_uid, own_gid = os.geteuid(), os.getegid()
    _check(libc.unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {own_uid} 1"),
        ("gid_map", f"{gid} {own_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


ACCOUNTS = {
    "switch": _switch_account,
    "switch-keeping-reach": _switch_account_keeping_reach,
    "namespace": _switch_namespace,
}


def _die_with_parent(parent: int, death_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the wish was made
        os._exit(PARENT_GONE)


def _watch(pipe: int, server: int, death_signal: int) -> None:
    """The watcher's whole life: wait for the parent's end of the pipe to close, then end the server."""
    while True:
        readable, _, _ = select.select([pipe], [], [], 1.0)
        try:
            if readable and not os.read(pipe, 1):
                os.kill(server, death_signal)
                return
            os.kill(server, 0)
        except PermissionError:
            continue
        except ProcessLookupError:
            return


def _start_watcher(pipe: int, death_signal: int) -> None:
    server = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():  # the watcher must not be a child of the server, which may not expect one
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _watch(pipe, server, death_signal)
    os._exit(0)


def main(order: str) -> None:
    """Carry out one order.

    `{"argv": [...], "folder": PATH, "parent": PID, "death_signal": N, "account": null | [way, uid, gid],
    "pipe": null | FD}`
    """
    wish = json.loads(order)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    try:
        if wish["pipe"] is not None:
            _start_watcher(wish["pipe"], wish["death_signal"])
            os.close(wish["pipe"])
        if wish["account"]:
            way, uid, gid = wish["account"]
            ACCOUNTS[way](uid, gid)
        os.chdir(wish["folder"])
        if wish["pipe"] is None:
            _die_with_parent(wish["parent"], wish["death_signal"])
        os.execv(wish["argv"][0], wish["argv"])
    except OSError as error:
        print(f"cannot start {wish['argv'][0]}: {error}", file=sys.stderr, flush=True)
        os._exit(CANNOT_START)


if __name__ == "__main__":
    main(sys.argv[1])
