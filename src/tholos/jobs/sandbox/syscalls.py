"""The system call filter (seccomp): what sandboxed code may not ask of the kernel, whatever else confines it.

No new processes (threads are fine), no programs, no sockets, no signals to others, nothing that reaches beyond the
process by its user id alone (modes, owners and times of files, other processes' priorities, System V objects), no way
out of what confines it. Calls that are newer than this list do not exist.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

_NEWEST = 462
"""The newest call that was looked at (mseal)."""

# On both architectures by the same number.
_DENIED_NEW = {
    *(424, 425, 426, 427),  # pidfd_send_signal, io_uring
    *(428, 429, 430, 431, 432, 433),  # mounts
    *(434, 438, 440, 442, 443),  # pidfd_open, pidfd_getfd, process_madvise, mount_setattr, quotactl_fd
    *(447, 448, 450, 452, 457, 458),  # memfd_secret, process_mrelease, NUMA, fchmodat2, statmount, listmount
    *(459, 460, 461),  # security modules
}
# Name: (x86-64, AArch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "accept": (43, 202),
    "accept4": (288, 242),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bind": (49, 200),
    "bpf": (321, 280),
    "capset": (126, 91),
    "chmod": (90, None),
    "chown": (92, None),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "connect": (42, 203),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "finit_module": (313, 273),
    "fork": (57, None),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, None),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    "inotify_add_watch": (254, 27),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "io_cancel": (210, 3),
    "io_destroy": (207, 1),
    "io_getevents": (208, 4),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "ioperm": (173, None),
    "iopl": (172, None),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lchown": (94, None),
    "link": (86, None),
    "linkat": (265, 37),
    "listen": (50, 201),
    "lookup_dcookie": (212, 18),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "mbind": (237, 235),
    "memfd_create": (319, 279),
    "migrate_pages": (256, 238),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "move_pages": (279, 239),
    "mq_getsetattr": (245, 185),
    "mq_notify": (244, 184),
    "mq_open": (240, 180),
    "mq_timedreceive": (243, 183),
    "mq_timedsend": (242, 182),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "recvfrom": (45, 207),
    "recvmmsg": (299, 243),
    "recvmsg": (47, 212),
    "removexattr": (197, 14),
    "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "seccomp": (317, 277),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "sendmmsg": (307, 269),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "set_mempolicy": (238, 237),
    "setdomainname": (171, 162),
    "setfsgid": (123, 152),
    "setfsuid": (122, 151),
    "setgid": (106, 144),
    "setgroups": (116, 159),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "setregid": (114, 143),
    "setresgid": (119, 149),
    "setresuid": (117, 147),
    "setreuid": (113, 145),
    "setrlimit": (160, 164),
    "setsid": (112, 157),
    "settimeofday": (164, 170),
    "setuid": (105, 146),
    "setxattr": (188, 5),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "tkill": (200, 130),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
    "vfork": (58, None),
    "vhangup": (153, 58),
    "vmsplice": (278, 75),
}


@dataclass(frozen=True)
class _Numbers:
    audit: int
    seccomp: int
    clone: int
    clone3: int
    kill: int
    tgkill: int
    prlimit: int
    fcntl: int
    ioctl: int
    prctl: int
    column: int


_ARCHITECTURES = {
    "x86_64": _Numbers(0xC000003E, 317, 56, 435, 62, 234, 302, 72, 16, 157, 0),
    "aarch64": _Numbers(0xC00000B7, 277, 220, 435, 129, 131, 261, 25, 29, 167, 1),
}

_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020000
_FCNTL_DENIED = (8, 10, 15, 1024)  # F_SETOWN, F_SETSIG, F_SETOWN_EX (signals to others by I/O), F_SETLEASE
_IOCTL_DENIED = (0x5412, 0x541C, 0x8901, 0x8902)  # TIOCSTI, TIOCLINUX (typing into terminals), FIOSETOWN, SIOCSPGRP
_PRCTL_ALLOWED = (3, 15, 16, 0x53564D41)  # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA

_LOAD, _JEQ, _JGT, _JSET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1


def supported() -> bool:
    """Whether the filter knows this machine's architecture."""
    return platform.machine() in _ARCHITECTURES


def no_new_privileges() -> None:
    """No program that this process starts can have more rights than it has. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) failed")


def install() -> None:
    """Puts the filter on every thread of this process, for good. Raises OSError; KeyError on other architectures."""
    numbers = _ARCHITECTURES[platform.machine()]
    code = program(numbers, os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(numbers.seccomp, _SET_MODE_FILTER, _FLAG_TSYNC, header) != 0:
        raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER) failed")


def program(numbers: _Numbers, pid: int) -> bytes:
    """The filter as a program for the kernel (classic BPF)."""
    refuse, missing = _ret(_ERRNO | errno.EPERM), _ret(_ERRNO | errno.ENOSYS)
    lines = [_op(_LOAD, _ARCHITECTURE), _op(_JEQ, numbers.audit, 1, 0), _ret(_KILL), _op(_LOAD, _NUMBER)]
    # The x32 calls of x86-64 lie far above the newest, too.
    lines += [_op(_JGT, _NEWEST, 0, 1), missing, _op(_JEQ, numbers.clone3, 0, 1), missing]
    denied = {call for row in _DENIED.values() if (call := row[numbers.column]) is not None} | _DENIED_NEW
    for call in sorted(denied):
        lines += [_op(_JEQ, call, 0, 1), refuse]
    threads_only = [_op(_JSET, _CLONE_NAMESPACES, 0, 1), refuse, _op(_JSET, _CLONE_THREAD, 1, 0), refuse]
    lines += _when(numbers.clone, 0, threads_only)
    for call in (numbers.kill, numbers.tgkill):
        lines += _when(call, 0, [_op(_JEQ, pid, 1, 0), refuse])
    lines += _when(numbers.prlimit, 0, [_op(_JEQ, 0, 2, 0), _op(_JEQ, pid, 1, 0), refuse])
    lines += _when(numbers.fcntl, 1, [part for item in _FCNTL_DENIED for part in (_op(_JEQ, item, 0, 1), refuse)])
    lines += _when(numbers.ioctl, 1, [part for item in _IOCTL_DENIED for part in (_op(_JEQ, item, 0, 1), refuse)])
    allowed = [part for item in _PRCTL_ALLOWED for part in (_op(_JEQ, item, 0, 1), _ret(_ALLOW))]
    lines += _when(numbers.prctl, 0, [*allowed, refuse])
    return b"".join([*lines, _ret(_ALLOW)])


def _when(call: int, argument: int, body: list[bytes]) -> list[bytes]:
    """Looks at the low half of an argument of one call; the body falls through to "allow"."""
    inner = [_op(_LOAD, _ARGUMENTS + 8 * argument), *body, _ret(_ALLOW)]
    return [_op(_JEQ, call, 0, len(inner)), *inner]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _ret(value: int) -> bytes:
    return _op(_RETURN, value)
