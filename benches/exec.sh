#!/usr/bin/env bash
# `exec` on many hosts beside its peers: `benches/exec.sh [HOSTS...]` (default: 10 100 1000).
#
# One sshd answers at as many addresses of the loopback network as there are hosts, in a network namespace of its own,
# where nobody else can reach it. Needs root, openssh-server, GNU time, a release build, and, for what it is compared
# with, parallel-ssh and Ansible (named by PSSH and ANSIBLE; left out where they are not there).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${CLUSTERCTL_BENCH_INSIDE:-}" != yes ]; then
  CLUSTERCTL_BENCH_INSIDE=yes exec unshare --net --pid --fork --mount-proc --kill-child "$0" "$@"
fi

program=${CLUSTERCTL:-target/release/clusterctl}
pssh=${PSSH:-parallel-ssh}
ansible=${ANSIBLE:-ansible}
ip link set lo up
# What this account's shell does when it begins is not what is measured.
home=$(getent passwd "$(id -un)" | cut -d: -f6)
for begins in .bashrc .bash_profile .bash_login .profile .zshrc .zshenv; do
  [ ! -e "$home/$begins" ] || mount --bind /dev/null "$home/$begins"
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/id"
cat >"$folder/sshd_config" <<END
Port 2222
ListenAddress 0.0.0.0
HostKey $folder/host
AuthorizedKeysFile $folder/id.pub
StrictModes no
UsePAM no
MaxStartups 1000:30:2000
PidFile $folder/pid
LogLevel ERROR
END
/usr/sbin/sshd -f "$folder/sshd_config" -E "$folder/log"
printf '* %s\n' "$(cut -d' ' -f1,2 "$folder/host.pub")" >"$folder/known_hosts"
cat >"$folder/ssh_config" <<END
Host *
  Port 2222
  User $(id -un)
  IdentityFile $folder/id
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known_hosts
  KexAlgorithms curve25519-sha256
END
export CLUSTERCTL_SSH_CONFIG=$folder/ssh_config HOME=$folder

measure() {
  local name=$1 hosts=$2
  shift 2
  /usr/bin/time -o "$folder/time" -f '%e %U %S %M' "$@" >"$folder/out" 2>&1 || true
  read -r wall user system peak <<<"$(tail -1 "$folder/time")"
  awk -v n="$name" -v h="$hosts" -v w="$wall" -v u="$user" -v s="$system" -v p="$peak" 'BEGIN {
    printf "%-24s %6d hosts  wall %7.2f s  client CPU %7.2f s (%6.2f ms a host)  peak %4d MB\n", n, h, w, u + s, (u + s) * 1000 / h, p / 1024 }'
}

[ $# -gt 0 ] || set -- 10 100 1000
for hosts in "$@"; do
  awk -v n="$hosts" 'BEGIN { for (i = 0; i < n; i++) printf "127.1.%d.%d\n", i / 250, i % 250 + 1 }' >"$folder/hosts"
  {
    printf 'name = "bench"\n'
    awk '{ name = $1; gsub(/\./, "-", name); printf "[nodes.h%s]\naddress = \"%s\"\n", name, $1 }' "$folder/hosts"
  } >"$folder/cluster.toml"
  measure clusterctl "$hosts" "$program" -c "$folder/cluster.toml" exec --on '*' -- true
  tail -1 "$folder/out"
  measure 'clusterctl system' "$([ "$hosts" -le 100 ] && echo "$hosts" || echo 100)" "$program" -c <(
    printf 'name = "bench"\n[defaults]\nssh.back_end = "system"\n'
    tail -n +2 "$folder/cluster.toml" | head -200
  ) exec --on '*' -- true
  measure 'xargs -P50 ssh' "$hosts" xargs -P50 -I{} -a "$folder/hosts" ssh -n -F "$folder/ssh_config" {} true
  if command -v "$pssh" >/dev/null; then
    measure 'parallel-ssh -p 50' "$hosts" "$pssh" -p 50 -h "$folder/hosts" -x "-F $folder/ssh_config" true
  fi
  if command -v "$ansible" >/dev/null; then
    measure 'ansible -m raw -f 50' "$hosts" env ANSIBLE_SSH_ARGS="-F $folder/ssh_config" "$ansible" all \
      -i "$folder/hosts" -m raw -a true -f 50
  fi
done
kill "$(cat "$folder/pid")"
