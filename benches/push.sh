#!/usr/bin/env bash
# `push` beside its peers: `benches/push.sh [app|tiny]...` (default: both).
#
# Four nodes are four sshd, each with a RAM disk of its own that nobody else sees, in a network namespace of their own.
# The trees are those of `benches/trees.sh`. `push` stages, verifies, forces to disk and swaps; rsync and tar write in
# place and do none of that. Needs root, openssh-server, rsync, GNU time, a release build and 8 GB of memory.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${CLUSTERCTL_BENCH_INSIDE:-}" != yes ]; then
  CLUSTERCTL_BENCH_INSIDE=yes exec unshare --net --pid --fork --mount-proc --kill-child "$0" "$@"
fi

program=$(realpath "${CLUSTERCTL:-target/release/clusterctl}")
rounds=${ROUNDS:-3}
ip link set lo up
# What this account's shell does when it begins is not what is measured.
home=$(getent passwd "$(id -un)" | cut -d: -f6)
for begins in .bashrc .bash_profile .bash_login .profile .zshrc .zshenv; do
  [ ! -e "$home/$begins" ] || mount --bind /dev/null "$home/$begins"
done
folder=$(mktemp -d)
mount -t tmpfs -o mode=755 bench "$folder"
trap 'umount -l "$folder"; rmdir "$folder"' EXIT
benches/trees.sh "$folder/trees"
mkdir -p /run/sshd "$folder/node"
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/id"
: >"$folder/known_hosts"
printf 'name = "bench"\n[defaults]\nstate_dir = "%s/node/state"\nssh.back_end = "%s"\n' "$folder" "${BACK_END:-auto}" >"$folder/cluster.toml"
for node in 1 2 3 4; do
  cat >"$folder/sshd_config.$node" <<END
Port 2222
ListenAddress 127.2.0.$node
HostKey $folder/host
AuthorizedKeysFile $folder/id.pub
StrictModes no
UsePAM no
PidFile $folder/pid.$node
LogLevel ERROR
END
  # shellcheck disable=SC2016 # it is for the other shell
  unshare --mount sh -c 'mount -t tmpfs -o mode=755 node "$1/node" && exec /usr/sbin/sshd -f "$1/sshd_config.$2" -E "$1/log"' \
    sh "$folder" "$node"
  printf '[127.2.0.%s]:2222 %s\n' "$node" "$(cut -d' ' -f1,2 "$folder/host.pub")" >>"$folder/known_hosts"
  printf '[nodes.n%s]\naddress = "127.2.0.%s"\n' "$node" "$node" >>"$folder/cluster.toml"
done
cat >"$folder/ssh_config" <<END
Host *
  Port 2222
  User $(id -un)
  IdentityFile $folder/id
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known_hosts
  KexAlgorithms curve25519-sha256
END
export CLUSTERCTL_SSH_CONFIG=$folder/ssh_config HOME=$folder CLUSTERCTL_STATE_DIR=$folder/runs
gcm="ssh -F $folder/ssh_config -c aes128-gcm@openssh.com"

forget() {
  for node in 1 2 3 4; do
    ssh -n -F "$folder/ssh_config" "127.2.0.$node" "rm -rf $folder/node/* $folder/node/.[!.]*"
  done
  rm -rf "$folder/runs"
}

# measure NAME BEFORE COMMAND...: the median of the rounds.
measure() {
  local name=$1 before=$2 round
  shift 2
  : >"$folder/times"
  for ((round = 0; round < rounds; round++)); do
    "$before"
    /usr/bin/time -o "$folder/time" -f '%e %U %S %M' "$@" >"$folder/out" 2>&1 || { cat "$folder/out"; return 1; }
    tail -1 "$folder/time" >>"$folder/times"
  done
  sort -n "$folder/times" | awk -v n="$name" -v at="$(((rounds + 1) / 2))" 'NR == at {
    printf "%-36s wall %6.2f s  client CPU %6.2f s  peak %4d MB\n", n, $1, $2 + $3, $4 / 1024 }'
}

push() { measure "$1" "$2" "$program" -c "$folder/cluster.toml" push "$source" --on "$3" --to "$folder/node/tree" --yes; }
to_all() {
  local pids=() node
  for node in 1 2 3 4; do
    "$@" "$node" &
    pids+=($!)
  done
  wait "${pids[@]}"
}
export -f to_all
by_rsync() { rsync -a -e "$2" "$1/" "127.2.0.$3:$folder/node/tree/"; }
by_tar() { tar -C "$1" -cf - . | $2 "127.2.0.$3" "mkdir $folder/node/tree; tar -C $folder/node/tree -xf -"; }
export -f by_rsync by_tar
export folder

[ $# -gt 0 ] || set -- app tiny
for tree in "$@"; do
  source=$folder/trees/$tree
  echo "== $tree"
  push 'push, one node' forget n1
  measure 'rsync -a' forget bash -c 'by_rsync "$@"' sh "$source" "ssh -F $folder/ssh_config" 1
  measure 'rsync -a, aes128-gcm' forget bash -c 'by_rsync "$@"' sh "$source" "$gcm" 1
  measure 'tar | ssh, aes128-gcm' forget bash -c 'by_tar "$@"' sh "$source" "$gcm" 1
  push 'push, four nodes' forget 'n*'
  measure 'four rsync -a' forget bash -c 'to_all by_rsync "$@"' sh "$source" "ssh -F $folder/ssh_config"
done
