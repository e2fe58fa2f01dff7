# Has what another machine writes come here by `ssh`, past whoever runs this.
#
#   stage  the stage; `-` to see only whether it could come
#   how    `gnu` or `busybox`, for the archive
#   agent  the socket of the agent that was forwarded to this machine
#   known  the lines by which the other machine's key is known
#   mark   what the other machine says in the line before the archive
#   ...    what `ssh` is given
#
# The other machine reads standard input.

stage=$1 how=$2 agent=$3 known=$4 mark=$5
shift 5

command -v ssh >/dev/null || stop $EX_FAILED "there is no ssh on this machine to pull with"
[ -S "$agent" ] || stop $EX_DENIED "no agent was forwarded to this machine: see AllowAgentForwarding in its sshd_config"
folder=$(mktemp -d "${TMPDIR:-/tmp}/clusterctl-XXXXXX") || stop $EX_FAILED "no folder can be made in ${TMPDIR:-/tmp}"
trap 'rm -rf -- "$folder"' EXIT
trap 'exit 143' HUP INT TERM
printf '%s\n' "$known" >"$folder/known"
SSH_AUTH_SOCK=$agent
export SSH_AUTH_SOCK

pull() {
    ssh -a -x -T -o BatchMode=yes -o ClearAllForwardings=yes -o PermitLocalCommand=no -o RemoteCommand=none \
        -o ControlMaster=no -o ControlPath=none -o ConnectTimeout=10 -o ServerAliveInterval=15 -o EscapeChar=none \
        -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o HostKeyAlias=clusterctl-origin \
        -o "UserKnownHostsFile=$folder/known" -o GlobalKnownHostsFile=/dev/null "$@" 2>"$folder/said"
}
# What it said, but for what says nothing.
why() {
    grep -v -e '^Warning: Permanently added' -e '^$' "$folder/said" | tail -n "${1-1}"
}

if [ "$stage" = - ]; then
    pull "$@" </dev/null >/dev/null
    code=$?
    [ "$code" -eq 0 ] || stop $EX_DENIED "$(why)"
    exit 0
fi
alone "$stage" -s
{
    pull "$@"
    echo $? >"$folder/code"
} | {
    begun=
    while IFS= read -r line; do
        case $line in
        *"$mark "[0-9]*)
            begun=yes
            break
            ;;
        esac
    done
    [ -n "$begun" ] || exit 0
    if [ "$how" = gnu ]; then
        # There may be several archives.
        heard tar --extract --file=- --directory="$stage" --preserve-permissions --delay-directory-restore \
            --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp --ignore-zeros
    else
        heard tar -x -p -f - -C "$stage"
    fi
    code=$?
    [ "$code" -eq 0 ] || blame "what came can't be unpacked in $stage" "$said"
    # What fills it up.
    cat >/dev/null
}
code=$?
[ "$code" -eq 0 ] || exit "$code"
read -r code <"$folder/code"
[ "$code" -eq 0 ] || stop $EX_FAILED "$(why 3)"
