"""Runs a program on a terminal and types an answer when it asks for one.

Usage: answer.py ANSWER PROGRAM [ARGUMENT …]; prints what it wrote; the exit status is the program's.
"""

import os
import pty
import sys


def main():
    answer, command = sys.argv[1], sys.argv[2:]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    written, answered = b"", False
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        written += part
        if not answered and b"Type 'yes':" in written:
            os.write(terminal, answer.encode() + b"\n")
            answered = True
    _, status = os.waitpid(child, 0)
    sys.stdout.write(written.decode(errors="replace"))
    sys.exit(os.waitstatus_to_exitcode(status))


main()
