"""S3's checks of what it is sent: moto stores a checksum and does not compare it.

Not imitated: CRC-32C and CRC-64/NVME, which Python has no code for; checksums of parts put together.
"""

import base64
import hashlib
import zlib

SUMS = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def wrong(request):
    """The name of a checksum that does not fit the body, or nothing."""
    headers = request.headers
    if request.service != "s3" or request.method != "PUT" or not request.text:
        return None
    body, said = request.text, {}
    if "aws-chunked" in headers.get("HTTP_CONTENT_ENCODING", "") or headers.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING-"):
        try:
            body, said = unchunked(body)
        except (ValueError, IndexError):
            # Cut off on its way: moto says so.
            return None
    for name, sum_of in SUMS.items():
        wanted = headers.get(f"HTTP_X_AMZ_CHECKSUM_{name.upper()}") or said.get(f"x-amz-checksum-{name}")
        if wanted and base64.b64encode(sum_of(body)).decode() != wanted:
            return name.upper()
    wanted = headers.get("HTTP_CONTENT_MD5")
    return "Content-MD5" if wanted and base64.b64encode(hashlib.md5(body).digest()).decode() != wanted else None


def unchunked(text):
    """The body inside of AWS's chunks, and the trailers behind it."""
    parts, at = [], 0
    while True:
        end = text.index(b"\r\n", at)
        size = int(text[at:end].partition(b";")[0], 16)
        if size == 0:
            lines = text[end + 2:].decode("latin1").split("\r\n")
            pairs = (line.partition(":") for line in lines if ":" in line)
            return b"".join(parts), {key.strip().lower(): value.strip() for key, _, value in pairs}
        parts.append(text[end + 2:end + 2 + size])
        at = end + 4 + size
