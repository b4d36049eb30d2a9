#!/usr/bin/env bash
# Train LeNet on two hosts (two network namespaces that share only a cable) and in one process, then
# compare the two runs. It needs Linux with `ip` (iproute2), user namespaces and the project's
# environment, and changes nothing outside a scratch folder.
#
#   . .venv/bin/activate && benchmarks/two_hosts.sh
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${INSIDE:-}" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    INSIDE=$scratch unshare --map-root-user --net --mount bash "$0"
    exit
fi

mount -t tmpfs none /run
ip netns add one
ip netns add two
ip link add cable1 netns one type veth peer name cable2 netns two
for end in "one cable1 10.0.0.1" "two cable2 10.0.0.2"; do
    read -r host cable address <<<"$end"
    ip -n "$host" link set lo up
    ip -n "$host" link set "$cable" up
    ip -n "$host" address add "$address/24" dev "$cable"
done

# Each host has its own copy of the code and of the data.
for host in alone one two; do
    mkdir -p "$INSIDE/$host"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp -P --parents -t "$INSIDE/$host"
    cp -rL data/fashion_mnist "$INSIDE/$host/data/"
    (cd "$INSIDE/$host" && PYTHONPATH=src python -m fashion_cnn preset smoke &&
        PYTHONPATH=src python stages/check_shapes.py >/dev/null)
done

train() { # HOST NODE_RANK CABLE
    cd "$INSIDE/$1"
    GLOO_SOCKET_IFNAME=$3 OMP_NUM_THREADS=1 PYTHONPATH=src ip netns exec "$1" torchrun --nnodes 2 --nproc-per-node 1 \
        --node-rank "$2" --master-addr 10.0.0.1 --master-port 29500 stages/train.py lenet
}
echo "two hosts, 10.0.0.1 and 10.0.0.2:"
train two 1 cable2 &
train one 0 cable1
wait $!
echo "one process:"
(cd "$INSIDE/alone" && OMP_NUM_THREADS=1 PYTHONPATH=src python stages/train.py lenet)

cd "$INSIDE"
test ! -e two/data/models || { echo "the second host wrote weights" >&2; exit 1; }
python - <<'COMPARE'
import json
import sys

def read(host):
    metrics = json.load(open(f"{host}/metrics/train/lenet.json"))
    return metrics["lenet"] | metrics["details"][0]

one, alone = read("one"), read("alone")
names = ("train_loss", "validation_loss", "validation_accuracy")
for name in names:
    print(f"{name}: {one[name]} on two hosts, {alone[name]} in one process")
sys.exit(one["made_with"]["processes"] != 2 or any(abs(one[n] - alone[n]) > 5e-3 for n in names))
COMPARE
