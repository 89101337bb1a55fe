"""Weights in blocks of few bits, as MatMulNBits reads them."""

import numpy as np

BLOCK = 32
ROWS = 4096


def blocks(weight, bits):
    """Packed values [N, K/32, 32*bits/8], scales [N, K/32] and zero points of a weight [N, K].

    Of several scales the one with the least squared error is taken: the outermost values of a block
    are worth some error where the others gain.
    """
    parts = [_block(weight[at : at + ROWS], bits) for at in range(0, len(weight), ROWS)]
    return tuple(np.concatenate(part) for part in zip(*parts))


def _block(weight, bits):
    n, k = weight.shape
    if k % BLOCK:
        raise ValueError(f"{k} columns are no whole blocks of {BLOCK}")
    values, most = weight.reshape(n, k // BLOCK, BLOCK).astype(np.float32), 2**bits - 1
    low, high = np.minimum(values.min(-1), 0), np.maximum(values.max(-1), 0)
    best = None
    for shrink in (1.0,) if bits == 8 else (1.0, 0.97, 0.94, 0.9, 0.86, 0.82):
        scale = np.maximum((high - low) * shrink / most, 1e-12).astype(np.float32)
        zero = np.clip(np.round(-low * shrink / scale), 0, most)
        quantized = np.clip(np.round(values / scale[..., None]) + zero[..., None], 0, most)
        error = np.square((quantized - zero[..., None]) * scale[..., None] - values).sum(-1)
        found = (error, quantized, scale, zero)
        if best is None:
            best = found
            continue
        better = error < best[0]
        best = tuple(np.where(better[..., None] if one.ndim == 3 else better, two, one) for one, two in zip(best, found))
    _, quantized, scale, zero = best
    quantized, zero = quantized.astype(np.uint8), zero.astype(np.uint8)
    if bits == 4:
        # Two values a byte, the first in the low half.
        quantized = quantized[..., 0::2] | quantized[..., 1::2] << 4
        zero = np.pad(zero, ((0, 0), (0, zero.shape[1] % 2)))
        zero = zero[:, 0::2] | zero[:, 1::2] << 4
    return quantized, scale.astype(np.float32), zero
