#!/usr/bin/env bash
# One command for a bare machine with a GPU: Python, torch and torchvision, but no dvc and no network.
#
#   make carried                                # elsewhere: fills runs/carried, under 60 MiB
#   benchmarks/on_gpu.sh runs/carried RESULTS   # there, in the working tree
#
# Runs the stages of the gpu preset (PRESET names another) with `vgg11.weights: none`, LeNet's
# training twice and once killed and resumed, the golden losses and the benchmark. Each step goes on
# after a failure; RESULTS/summary.txt has a line for each, the rest of RESULTS what they printed.
set -uo pipefail
carried=$(realpath "$1") results=$(realpath -m "$2")
preset=${PRESET:-gpu} device=${DEVICE:-cuda}
work=$(mktemp -d) failed=0
trap 'rm -rf "$work"' EXIT
mkdir -p "$results" "$work/site"
: > "$results/summary.txt"

python=${PYTHON:-python3}
for wheel in "$carried"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$work/site" || exit 1
done
export FASHION_MNIST_DIR=$carried CUBLAS_WORKSPACE_CONFIG=:4096:8
# What the machine has comes before what was carried.
"$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' > "$work/installed"
export PYTHONPATH="src:.:$(cat "$work/installed"):$work/site"

step() { # NAME COMMAND...: run it and note how it ended
    local name=$1 began=$SECONDS status
    shift
    "$@" > "$results/$name.txt" 2>&1
    status=$?
    [ $status = 0 ] || failed=1
    echo "$name: status $status, $((SECONDS - began)) s" | tee -a "$results/summary.txt"
}

tree() { # FOLDER: a copy of the working tree, with the preset's parameters
    mkdir -p "$1"
    cp -r src stages presets benchmarks tests params.yaml dvc.yaml "$1"
    (cd "$1" && "$python" - "$preset" <<'EOF'
import sys
from pathlib import Path
from fashion_cnn.tools import presets

presets.apply(sys.argv[1])
text = Path("params.yaml").read_text()
Path("params.yaml").write_text(text.replace("weights: imagenet", "weights: none"))
EOF
    )
}

lenet() { "$python" stages/train.py lenet; }

same() { cmp "$work/one/data/models/lenet.safetensors" "$1/data/models/lenet.safetensors"; }

resumed() { # stop LeNet's training in its middle, begin it again, compare
    "$python" stages/train.py lenet &
    local training=$! newest=
    for _ in $(seq 600); do
        newest=$(find .checkpoints -name '*.safetensors' 2> /dev/null | head -1)
        [ -z "$newest" ] || break
        sleep 0.2
    done
    kill -TERM $training
    wait $training
    local status=$?
    echo "stopped with status $status"
    [ $status = 143 ] && lenet && same .
}

tree "$work/one" && tree "$work/two" && tree "$work/three" || exit 1
cd "$work/one" || exit 1
for stage in download check_shapes; do
    step "$stage" "$python" "stages/$stage.py"
done
for model in lenet vgg vgg11; do
    step "train-$model" "$python" stages/train.py "$model"
done
for model in lenet vgg vgg11; do
    step "evaluate-$model" "$python" stages/evaluate.py "$model"
    step "export_images-$model" "$python" stages/export_images.py "$model"
done
step compare_models "$python" stages/compare_models.py
cp -r metrics "$results" 2> /dev/null
for copy in two three; do
    mkdir -p "$work/$copy/data"
    cp -r data/fashion_mnist "$work/$copy/data"
done
cd "$work/two" && step the-same-bytes eval 'lenet && same .'
cd "$work/three" && step the-same-bytes-resumed resumed
cd "$work/one" || exit 1
step golden-compare "$python" -m benchmarks.golden --device "$device" --compare
step golden-write "$python" -m benchmarks.golden --device "$device" --folder "$results/golden"
step bench "$python" -m benchmarks.gpu --device "$device" --preset "$preset" \
    --output "$results/bench" ${BENCH_OPTIONS:-}
grep -h images/s "$results"/train-*.txt "$results"/evaluate-*.txt
exit $failed
