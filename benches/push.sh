#!/usr/bin/env bash
# `push` beside its peers: `benches/push.sh [one] [four] [delta] [far] [memory]` (default: all).
#
# Everything is on a RAM disk and in a network namespace of its own, where nobody else can reach it: the copies cost what
# the programs and the connection cost. Needs root, openssh-server, rsync, a release build, and 6 GB of memory.
# Times are medians of RUNS (default 3) of whole commands, with what the client's processes computed and how much longer
# each took than `push`; each begins without a target, but for `delta`. `push` stages, verifies, forces to the disk and
# swaps; of the others, only `rsync to a stage, -c, rename` promises as much, and `rsync -a` as much as `push --in-place`,
# which is measured where the program has it. BACK_END (ssh2, system) is how `push` connects; without it, what is large
# goes by what is known to be faster, and `push, built-in SSH` is measured as well. `memory`
# shows how much of it 200,000 files to eight nodes take.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${CLUSTERCTL_BENCH_INSIDE:-}" != yes ]; then
  cargo build --release --locked --quiet
  cargo bench --locked --quiet --no-run --bench trees --bench delay
  CLUSTERCTL_BENCH_INSIDE=yes exec unshare --net --mount --pid --fork --mount-proc --kill-child "$0" "$@"
fi

program=${CLUSTERCTL:-$PWD/target/release/clusterctl}
built() { find target/release/deps -name "$1-*" -type f -executable -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2; }
trees=${TREES:-$(built trees)}
delay=${DELAY:-$(built delay)}
runs=${RUNS:-3}
ip link set lo up
folder=$(mktemp -d)
mount -t tmpfs none "$folder"
trap 'kill "${servers[@]}" 2>/dev/null || true; umount -l "$folder"; rmdir "$folder"' EXIT
servers=()
# What this account's shell does when it begins is not what is measured.
home=$(getent passwd "$(id -un)" | cut -d: -f6)
for begins in .bashrc .bash_profile .bash_login .profile .zshrc .zshenv; do
  [ ! -e "$home/$begins" ] || mount --bind /dev/null "$home/$begins"
done
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/id"
mkdir "$folder/to"
for number in 1 2 3 4 5 6 7 8; do
  printf '%s\n' 'Port 2222' "ListenAddress 127.0.0.$number" "HostKey $folder/host" "AuthorizedKeysFile $folder/id.pub" \
    'StrictModes no' 'UsePAM no' 'MaxStartups 100:30:200' 'Subsystem sftp internal-sftp' 'PidFile none' 'LogLevel ERROR' >"$folder/sshd_config.$number"
  # Each has a file system of its own at the target, as it would on a machine of its own.
  unshare --mount bash -c "mount -t tmpfs none '$folder/to' && exec /usr/sbin/sshd -D -f '$folder/sshd_config.$number' -E '$folder/log'" &
  servers+=($!)
done
for far in 20 80; do
  "$delay" "127.0.0.1:23$far" 127.0.0.1:2222 "$((far / 2))" < <(exec sleep infinity) &
  servers+=($!)
done
printf '* %s\n' "$(cut -d' ' -f1,2 "$folder/host.pub")" >"$folder/known_hosts"
cat >"$folder/ssh_config" <<END
Host far-20
  Port 2320
  HostName 127.0.0.1
Host far-80
  Port 2380
  HostName 127.0.0.1
Host *
  Port 2222
  User $(id -un)
  IdentityFile $folder/id
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known_hosts
  KexAlgorithms curve25519-sha256
END
export CLUSTERCTL_SSH_CONFIG=$folder/ssh_config CLUSTERCTL_STATE_DIR=$folder/state HOME=$folder
nodes=(127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4)
in_place=no
! "$program" push --help 2>/dev/null | grep -q -e --in-place || in_place=yes
{
  printf 'name = "bench"\n[defaults]\nssh.back_end = "%s"\n' "${BACK_END:-auto}"
  for number in 1 2 3 4 5 6 7 8; do
    printf '[nodes.n%s]\naddress = "127.0.0.%s"\nstate_dir = "%s"\n' "$number" "$number" "$folder/to/.state"
  done
  for far in 20 80; do
    printf '[nodes.far-%s]\naddress = "far-%s"\nstate_dir = "%s"\n' "$far" "$far" "$folder/to/.state"
  done
} >"$folder/cluster.toml"
sed 's/back_end = .*/back_end = "ssh2"/' "$folder/cluster.toml" >"$folder/built-in.toml"
to=$folder/to/tree
ssh="ssh -F $folder/ssh_config"
gcm="$ssh -c aes128-gcm@openssh.com"
for node in "${nodes[@]}"; do
  for try in {1..100}; do $ssh "$node" true 2>/dev/null && break; sleep 0.1; done
done

# measure NAME COMMAND...: the median of its times. What is there before it is as FRESH makes it.
measure() {
  local name=$1 run times=() wall server
  shift
  for ((run = 0; run < runs; run++)); do
    for server in "${servers[@]:0:8}"; do nsenter -t "$server" -m bash -c "shopt -s dotglob; $fresh"; done
    TIMEFORMAT='%R %U %S'
    if ! { time "$@" >"$folder/out" 2>&1; } 2>"$folder/time"; then
      echo "  $name failed: $(tail -1 "$folder/out")"
      return
    fi
    times+=("$(tail -1 "$folder/time")")
  done
  wall=$(printf '%s\n' "${times[@]}" | sort -n | sed -n "$(((runs + 1) / 2))p")
  [ "$name" != push ] || ours=${wall%% *}
  awk -v n="$name" -v t="$wall" -v b="$bytes" -v o="$ours" 'BEGIN { split(t, x, " ");
    printf "  %-34s %7.2f s  %6.0f MB/s  client CPU %5.2f s  %5.2f x push\n", n, x[1], b / x[1] / 1e6, x[2] + x[3], x[1] / o }'
}
ours=1
nothing="rm -rf '$folder/to'/*"
fresh=$nothing
size() { find "$1" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }'; }

push() { "$program" -c "$folder/cluster.toml" push "$1" --to "$to" --yes "${@:2}"; }
push_built_in() { "$program" -c "$folder/built-in.toml" push "$1" --to "$to" --yes "${@:2}"; }
# The ways of `push`, to these nodes.
pushes() {
  measure 'push' push "$1" --on "$2"
  [ -n "${BACK_END:-}" ] || measure 'push, built-in SSH' push_built_in "$1" --on "$2"
  [ "$in_place" = no ] || measure 'push --in-place' push "$1" --on "$2" --in-place
}
by_rsync() { rsync -a -e "$ssh" "${@:3}" "$1/" "$2:$to/"; }
by_rsync_gcm() { rsync -a -e "$gcm" "${@:3}" "$1/" "$2:$to/"; }
by_tar() { tar -C "$1" -cf - . | $gcm "$2" "mkdir -p $to && tar -C $to -xf -"; }
by_scp() { scp -q -r -F "$folder/ssh_config" "$1" "$2:$to"; }
# The same promise built from rsync: a stage, every byte compared, on the disk, and then the name.
by_rsync_swapped() {
  rsync -a -e "$ssh" "$1/" "$2:$to.stage/" && rsync -ac -e "$ssh" "$1/" "$2:$to.stage/" &&
    $ssh "$2" "sync -f $to.stage; [ ! -e $to ] || mv $to $to.old; mv $to.stage $to"
}
all() {
  local how=$1 tree=$2 pids=() node
  for node in "${nodes[@]}"; do
    "$how" "$tree" "$node" "${@:3}" &
    pids+=($!)
  done
  for node in "${pids[@]}"; do wait "$node"; done
}

one() {
  for tree in app tiny; do
    bytes=$(size "$folder/$tree")
    echo "$tree, to one node:"
    pushes "$folder/$tree" n1
    measure 'rsync -a' by_rsync "$folder/$tree" 127.0.0.1
    measure 'rsync -a, aes128-gcm' by_rsync_gcm "$folder/$tree" 127.0.0.1
    measure 'rsync to a stage, -c, rename' by_rsync_swapped "$folder/$tree" 127.0.0.1
    measure 'tar | ssh (aes128-gcm) tar' by_tar "$folder/$tree" 127.0.0.1
    measure 'scp -r' by_scp "$folder/$tree" 127.0.0.1
  done
}

four() {
  for tree in app tiny; do
    bytes=$((4 * $(size "$folder/$tree")))
    echo "$tree, to four nodes at once:"
    pushes "$folder/$tree" 'n[1-4]'
    measure 'rsync -a, in parallel' all by_rsync "$folder/$tree"
    measure 'rsync -aW, aes128-gcm, in parallel' all by_rsync_gcm "$folder/$tree" -W
    measure 'rsync to a stage, in parallel' all by_rsync_swapped "$folder/$tree"
    measure 'tar | ssh (aes128-gcm), in parallel' all by_tar "$folder/$tree"
    measure 'scp -r, in parallel' all by_scp "$folder/$tree"
  done
}

# One file in a hundred has changed since the last time.
delta() {
  for tree in app tiny; do
    bytes=$(size "$folder/$tree")
    cp -a "$folder/$tree" "$folder/changed"
    "$trees" change "$folder/changed"
    fresh="$nothing; cp -a '$folder/$tree' '$to'"
    echo "$tree, one file in a hundred changed:"
    pushes "$folder/changed" n1
    measure 'rsync -a' by_rsync "$folder/changed" 127.0.0.1
    measure 'rsync -ac' by_rsync "$folder/changed" 127.0.0.1 -c
    measure 'rsync to a stage, -c, rename' by_rsync_swapped "$folder/changed" 127.0.0.1
    fresh=$nothing
    rm -rf "$folder/changed"
  done
}

far() {
  mkdir "$folder/far"
  "$trees" far "$folder/far"
  bytes=$(size "$folder/far")
  for round_trip in 20 80; do
    echo "128 MB in 505 files, $round_trip ms away:"
    pushes "$folder/far" "far-$round_trip"
    measure 'rsync -a' by_rsync "$folder/far" "far-$round_trip"
    measure 'tar | ssh (aes128-gcm) tar' by_tar "$folder/far" "far-$round_trip"
    measure 'rsync to a stage, -c, rename' by_rsync_swapped "$folder/far" "far-$round_trip"
  done
  mkdir "$folder/little"
  echo text >"$folder/little/file"
  bytes=5
  for round_trip in 20 80; do
    echo "one small file, $round_trip ms away:"
    pushes "$folder/little" "far-$round_trip"
    measure 'rsync -a' by_rsync "$folder/little" "far-$round_trip"
    measure 'rsync to a stage, -c, rename' by_rsync_swapped "$folder/little" "far-$round_trip"
  done
}

# How much of it the client takes, at the most.
memory() {
  mkdir "$folder/many"
  "$trees" many "$folder/many"
  for server in "${servers[@]:0:8}"; do nsenter -t "$server" -m bash -c "shopt -s dotglob; $nothing"; done
  /usr/bin/time -o "$folder/time" -f '%M' "$program" -c "$folder/cluster.toml" push "$folder/many" --on 'n*' --to "$to" --yes \
    >"$folder/out" 2>&1 || echo "  it failed: $(tail -1 "$folder/out")"
  echo "200,000 files, half of them empty, to eight nodes: at most $(($(tail -1 "$folder/time") / 1024)) MiB"
}

"$trees" app "$folder/app"
"$trees" tiny "$folder/tiny"
[ $# -gt 0 ] || set -- one four delta far memory
for part in "$@"; do
  case $part in
    one | four | delta | far | memory) "$part" ;;
    *) echo "usage: benches/push.sh [one] [four] [delta] [far] [memory]" >&2; exit 2 ;;
  esac
done
