"""A graph in fewer bits, as people convert what Optimum exports."""

import onnx


def write(of, to, precision):
    """fp16, q4 (weights in blocks of 32) or q8 (weights and what is computed in bytes)."""
    if precision == "q8":
        from onnxruntime.quantization import quantize_dynamic

        quantize_dynamic(str(of), str(to))
        return
    model = onnx.load(str(of))
    if precision == "fp16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        model = convert_float_to_float16(model, keep_io_types=False, disable_shape_infer=True)
    elif precision == "q4":
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=True, accuracy_level=4)
        quantizer.process()
        model = quantizer.model.model
    onnx.save(model, str(to))
