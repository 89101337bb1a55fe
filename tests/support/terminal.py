"""Runs a program on a terminal, and prints as JSON what it wrote there, in parts, with its exit status.

Usage: terminal.py COLUMNSxLINES [WHAT …] -- PROGRAM [ARGUMENT …]

WHAT happens once TEXT was written, each in turn:
  resize:TEXT:COLUMNSxLINES   the terminal gets another size
  press:TEXT                  Ctrl-C is pressed
  hangup:TEXT                 the terminal goes away
  nohup                       at once: the program is started with SIGHUP ignored
"""

import fcntl
import json
import os
import pty
import signal
import struct
import sys
import termios


def resize(terminal, size):
    columns, lines = map(int, size.split("x"))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return {"columns": columns, "lines": lines}


def main():
    split = sys.argv.index("--")
    size, happens, program = sys.argv[1], sys.argv[2:split], sys.argv[split + 1:]
    ready, go = os.pipe()
    child, terminal = pty.fork()
    if child == 0:
        os.read(ready, 1)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in happens else signal.SIG_DFL)
        os.execvp(program[0], program)
    happens = [what for what in happens if what != "nohup"]
    parts = [resize(terminal, size)]
    os.write(go, b".")
    seen = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        seen += part
        parts.append({"text": part.decode("latin-1")})
        if happens and happens[0].split(":")[1].encode() in seen:
            what, seen = happens.pop(0).split(":"), b""
            if what[0] == "resize":
                parts.append(resize(terminal, what[2]))
            elif what[0] == "press":
                os.write(terminal, b"\x03")
            else:
                os.close(terminal)
                break
    _, status = os.waitpid(child, 0)
    print(json.dumps({"status": os.waitstatus_to_exitcode(status), "parts": parts, "left": happens}))


main()
