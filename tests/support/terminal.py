"""Runs a program on a terminal of 80 columns and 24 lines, and prints as JSON what it wrote there: `live`,
each line of a spinner; `screen`, all lines that stay when everything that is erased is gone.

Usage: terminal.py PROGRAM [ARGUMENT …]; the exit status is the program's.
"""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

# Indicatif's spinners are characters of Braille.
SPINNER = "[\u2800-\u28ff]"


def main():
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    written = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        written += part
    status = child.wait()
    text = written.decode(errors="replace")
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", text)]
    # Lines that fill the terminal follow each other without a line end.
    spinning = [line for line in lines if re.match(SPINNER, line)]
    live = sorted({part.rstrip() for line in spinning for part in re.split(f"(?={SPINNER})", line) if part})
    print(json.dumps({"live": live, "screen": "\n".join(screen(text))}))
    sys.exit(status)


def screen(text):
    """The lines as a terminal leaves them: enough of one for what indicatif sends."""
    rows, row, column, at = [""], 0, 0, 0
    while at < len(text):
        found = re.match(r"\x1b\[([0-9;?]*)([A-Za-z])", text[at:])
        if found:
            at += len(found[0])
            number = int(found[1]) if found[1].isdigit() else 1
            if found[2] == "A":
                row = max(0, row - number)
            elif found[2] == "B":
                row += number
            elif found[2] == "K":
                kept = "" if found[1] == "2" else rows[row][:column]
                rows[row] = kept
            elif found[2] == "J":
                rows[row] = rows[row][:column]
                del rows[row + 1:]
            elif found[2] == "G":
                column = number - 1
        else:
            char = text[at]
            at += 1
            if char == "\r":
                column = 0
            elif char == "\n":
                row += 1
            else:
                if column == 80:
                    row, column = row + 1, 0
                while len(rows) <= row:
                    rows.append("")
                line = rows[row].ljust(column)
                rows[row] = line[:column] + char + line[column + 1:]
                column += 1
        while len(rows) <= row:
            rows.append("")
    return [line.rstrip() for line in rows]


main()
