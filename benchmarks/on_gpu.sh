#!/usr/bin/env bash
# One command for a bare machine with a GPU, without dvc and network. It has Python 3.12, torch,
# torchvision, TensorBoard, matplotlib, pandas and SciPy.
#
#   make carried                                # elsewhere: fills runs/carried, under 60 MiB
#   benchmarks/on_gpu.sh runs/carried RESULTS   # there, in the working tree
#
# Runs the stages of the gpu preset (PRESET names another) with `vgg11.weights: none`, each training
# a second time, and a third time killed and resumed, to the same bytes; the golden losses; the
# benchmark, with the peak of memory against its estimate. MODELS="lenet vgg" leaves out VGG-11.
#
# Each step goes on after a failure: RESULTS/summary.txt has a line for each, with the reason if it
# failed, and the rest of RESULTS what they printed and measured. Status 1 if any failed.
set -uo pipefail
shopt -s nullglob
carried=$(realpath -e "${1:?the folder that make carried has filled}") || exit 1
results=$(realpath -m "${2:?a folder for the results}")
preset=${PRESET:-gpu} device=${DEVICE:-cuda} all="lenet vgg vgg11"
models=${MODELS:-$all}
work=$(mktemp -d) failed=0
trap 'rm -rf "$work"' EXIT
mkdir -p "$results" "$work/site" || exit 1
: > "$results/summary.txt"

python=${PYTHON:-python3}
for wheel in "$carried"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$work/site" || exit 1
done
export FASHION_MNIST_DIR=$carried CUBLAS_WORKSPACE_CONFIG=:4096:8
# What the machine has comes before what was carried.
"$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' > "$work/installed"
export PYTHONPATH="src:.:$(cat "$work/installed"):$work/site"

step() { # NAME COMMAND...: run it; note how it ended and, if it failed, the last that it printed
    local name=$1 began=$SECONDS status reason=
    shift
    "$@" > "$results/$name.txt" 2>&1
    status=$?
    [ $status = 0 ] || { failed=1 && reason=": $(grep -v '^ *$' "$results/$name.txt" | tail -n 1)"; }
    echo "$name: status $status, $((SECONDS - began)) s${reason:0:300}" | tee -a "$results/summary.txt"
}

tree() { # FOLDER: a copy of the working tree, with the preset's parameters
    mkdir -p "$1"
    cp -r src stages presets benchmarks tests params.yaml dvc.yaml "$1"
    (cd "$1" && "$python" - "$preset" <<'END'
import sys
from pathlib import Path
from fashion_cnn.tools import presets

presets.apply(sys.argv[1])
text = Path("params.yaml").read_text()
Path("params.yaml").write_text(text.replace("weights: imagenet", "weights: none"))
END
    )
}

again() { # MODEL: a training here gives the bytes of the first one
    "$python" stages/train.py "$1" &&
        cmp "$work/one/data/models/$1.safetensors" "data/models/$1.safetensors"
}

resumed() { # MODEL: so does one that is stopped after its first epoch and begun again
    PYTHONUNBUFFERED=1 "$python" stages/train.py "$1" > stopped.txt 2>&1 &
    local training=$! status
    while kill -0 $training && ! grep -q "^$1 epoch 1:" stopped.txt; do
        sleep 0.05
    done
    kill -TERM $training
    wait $training
    status=$?
    cat stopped.txt
    [ $status = 143 ] || { echo "ended with status $status before it was stopped" && return 1; }
    rm -rf data/models
    again "$1" | tee resumed.txt && grep "^$1: resumed in epoch" resumed.txt
}

{
    date --utc
    uname -a
    "$python" --version
    nvidia-smi
} > "$results/machine.txt" 2>&1
tree "$work/one" && cd "$work/one" || exit 1
step packages "$python" -c "import captum, matplotlib, pandas, scipy, tensorboard, torchmetrics, torchvision"
for stage in download check_shapes; do
    step "$stage" "$python" "stages/$stage.py"
done
cp -r "$work/one" "$work/two" && cp -r "$work/one" "$work/three" || exit 1
for model in $models; do
    step "train-$model" "$python" stages/train.py "$model"
done
for model in $models; do
    step "evaluate-$model" "$python" stages/evaluate.py "$model"
    step "export_images-$model" "$python" stages/export_images.py "$model"
done
[ "$models" != "$all" ] || step compare_models "$python" stages/compare_models.py
cp -r metrics "$results"
for model in $models; do
    cd "$work/two" && step "the-same-bytes-$model" again "$model"
    cd "$work/three" && step "the-same-bytes-resumed-$model" resumed "$model"
done
cd "$work/one" || exit 1
golden() { "$python" -m benchmarks.golden --models $models --device "$device" "$@"; }
step golden-compare golden --compare
step golden-write golden --folder "$results/golden"
step bench "$python" -m benchmarks.gpu --models $models --device "$device" --preset "$preset" \
    --output "$results/bench" ${BENCH_OPTIONS:-}
grep -hE '^[a-z0-9]+: .*images/s' "$results"/train-*.txt "$results"/evaluate-*.txt
exit $failed
