# syntax=docker/dockerfile:1
# The model server's image.
#
#   docker build --target cpu  --tag llmhost:cpu  .
#   docker build --target cuda --tag llmhost:cuda .
#
# Both carry the same binary; they differ in the ONNX Runtime that it loads.

ARG RUST_VERSION=1.95
ARG GO_VERSION=1.26
ARG DEBIAN=bookworm
# CUDA 13 and cuDNN 9 are what onnxruntime-gpu is built for.
ARG CUDA_IMAGE=nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04

FROM golang:${GO_VERSION}-${DEBIAN} AS go

FROM rust:${RUST_VERSION}-slim-${DEBIAN} AS build
RUN rustup target add wasm32-unknown-unknown
# The helm plugin is written in Go.
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:${PATH}
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/root/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/src/target \
    cargo xtask release \
    && install -D target/release/llmhost /out/llmhost

# The libraries lie in Python wheels; nothing else of them is kept.
FROM python:3.12-slim-${DEBIAN} AS runtime-cpu
ARG ONNXRUNTIME=1.32.0
RUN pip install --no-cache-dir --no-deps --target /wheel "onnxruntime==${ONNXRUNTIME}" \
    && mkdir /lib-out && cp /wheel/onnxruntime/capi/libonnxruntime*.so* /lib-out/

FROM python:3.12-slim-${DEBIAN} AS runtime-cuda
ARG ONNXRUNTIME_GPU=1.31.0
RUN pip install --no-cache-dir --no-deps --target /wheel "onnxruntime-gpu==${ONNXRUNTIME_GPU}" \
    && mkdir /lib-out && cp /wheel/onnxruntime/capi/libonnxruntime*.so* /lib-out/ \
    && rm -f /lib-out/libonnxruntime_providers_tensorrt.so

FROM debian:${DEBIAN}-slim AS cpu
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/llmhost /usr/local/bin/llmhost
COPY --from=runtime-cpu /lib-out/ /usr/local/lib/onnxruntime/
ENV ORT_DYLIB_PATH=/usr/local/lib/onnxruntime
# The numbers, and not a name: Kubernetes checks runAsNonRoot by number.
USER 10001:10001
EXPOSE 8000
LABEL dev.llmhost.server=0.1.0
ENTRYPOINT ["llmhost"]

FROM ${CUDA_IMAGE} AS cuda
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/llmhost /usr/local/bin/llmhost
COPY --from=runtime-cuda /lib-out/ /usr/local/lib/onnxruntime/
ENV ORT_DYLIB_PATH=/usr/local/lib/onnxruntime \
    LD_LIBRARY_PATH=/usr/local/lib/onnxruntime:${LD_LIBRARY_PATH} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
EXPOSE 8000
LABEL dev.llmhost.server=0.1.0
ENTRYPOINT ["llmhost"]
