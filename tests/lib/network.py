"""A network of the test's own."""
import ctypes
import fcntl
import functools
import os
import socket
import struct


@functools.cache
def enter_own_network():
    """From here on this process, which is root's, sees only a loopback interface of its own."""
    clone_newnet, siocsifflags, iff_up = 0x40000000, 0x8914, 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh22x", b"lo", iff_up))
