# The toolkit in a container, for GPUs where Docker offers them:
#
#     docker build -t nas-toolkit .
#     docker run --rm --gpus all -v "$PWD:/work" nas-toolkit search --data photos --run runs/photos
#
# For a CPU, PyTorch's builds without CUDA save gigabytes; pytorch.org names their index:
#
#     docker build -t nas-toolkit --build-arg TORCH_OPTIONS="--index-url INDEX" .
FROM python:3.11-slim

ARG TORCH_OPTIONS=""

# The C compiler is for the kernels that training on a CPU compiles at first use.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /toolkit
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt $TORCH_OPTIONS torch torchvision
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt . \
    && python scripts/complete_torchvision.py \
    && rm -rf build *.egg-info

# What can be computed again, in a place that any user can write.
ENV NAS_CACHE=/tmp/nas-cache
WORKDIR /work
ENTRYPOINT ["nas"]
CMD ["--help"]
