# What the scripts that land a tree share. It stands before each of them.
#
# Nothing is ever pasted into these texts: everything comes as arguments or on
# standard input. Exit codes, with a sentence on standard error:
EX_STALE=81  # something is not as it was
EX_TAKEN=83  # something else is there
EX_DENIED=85 # this user may not
EX_FULL=86   # the disk is full
EX_FAILED=89 # anything else

set -u
umask 077
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT TAR_OPTIONS BLOCKSIZE
LC_ALL=C
PATH=${PATH:-}:/usr/bin:/bin:/usr/sbin:/sbin
export LC_ALL PATH

stop() {
    stop_code=$1
    shift
    printf '%s\n' "$*" >&2
    exit "$stop_code"
}

# Ends with the reason that a program gave.
blame() {
    for reason in 'No space left on device' 'uota exceeded' 'File too large'; do
        case $2 in *"$reason"*) stop $EX_FULL "$1: $(reason_in "$2" "$reason")" ;; esac
    done
    for reason in 'Read-only file system' 'ermission denied' 'peration not permitted'; do
        case $2 in *"$reason"*) stop $EX_DENIED "$1: $(reason_in "$2" "$reason") (as user $(id -u))" ;; esac
    done
    stop $EX_FAILED "$1: $2"
}

# The end of the first line that has these words.
reason_in() {
    line=$(printf '%s\n' "$1" | grep -F -e "$2" | head -n 1)
    printf '%s\n' "${line##*: }"
}

# Runs a program and keeps the first lines of what it says, in `said`: of those that tell that something went meanwhile
# as many as of all others, so that they never hide one of these. One that finds the disk full is ended at once: all that
# follows would fail one by one, and take its time.
heard() {
    said=$({
        /bin/sh -c 'echo "$$"; exec "$@" 2>&1' sh "$@"
        echo "ended $?"
    } 2>/dev/null | {
        read -r pid
        many=0 gone=0 code=1
        while IFS= read -r line; do
            case $line in
            'ended '[0-9]*)
                code=${line#ended }
                continue
                ;;
            *'No space left on device'* | *'uota exceeded'*)
                [ -z "$pid" ] || kill "$pid" 2>/dev/null
                [ -z "$pid" ] || printf '%s\n' "$line"
                pid=
                ;;
            *': No such file or directory')
                [ "$gone" -ge 20 ] || printf '%s\n' "$line"
                gone=$((gone + 1))
                ;;
            *)
                [ "$many" -ge 20 ] || printf '%s\n' "$line"
                many=$((many + 1))
                ;;
            esac
        done
        exit "$code"
    })
}

# Whether nothing else is wrong than that something went while a program looked at it.
only_gone() {
    [ -n "$1" ] && ! printf '%s\n' "$1" | grep -q -v ': No such file or directory$'
}

exists() {
    [ -e "$1" ] || [ -L "$1" ]
}

# The first place in a folder, itself included, at which something is mounted; `below` it, or `at` it; with a third word
# all places.
mounted_in() (
    which=${2-} all=${3-}
    [ -r /proc/self/mountinfo ] || exit 0
    folder=$(cd -P -- "$1" 2>/dev/null && pwd -P) || folder=$1
    while read -r _ _ _ _ point _; do
        case $point in
        *\\*)
            point=$(printf '%b.' "$point")
            point=${point%.}
            ;;
        esac
        case $which$point in
        "$folder" | "$folder"/* | at"$folder" | below"$folder"/*)
            printf '%s\n' "$point"
            [ -n "$all" ] || break
            ;;
        esac
    done </proc/self/mountinfo
)

# Whether a file system is mounted at a folder.
is_mounted() {
    [ -d "$1" ] || return 1
    [ "$(stat -c %d -- "$1")" = "$(stat -c %d -- "${1%/*}/")" ] || return 0
    [ -n "$(mounted_in "$1" at)" ]
}

# What is mounted in a tree would go with it when that gets another name.
without_mounts() {
    mounted=$(mounted_in "$1")
    [ -z "$mounted" ] || stop $EX_TAKEN "something is mounted at $mounted, in a tree that would get another name; unmount it first"
}

identity() {
    stat -c '%d:%i' -- "$1" 2>/dev/null || echo gone
}

on_disk() {
    sync -- "$1" 2>/dev/null || sync
}

# Has what was written to a file system on disk; ends where the disk could not take it.
all_on_disk() { # FOLDER
    said=$(sync -f -- "$1" 2>&1) && return
    case $said in
    *'nput/output error'* | *'No space left'* | *'uota exceeded'*) blame "what was written to $1 can't be forced to the disk" "$said" ;;
    esac
    sync
}

# Puts a line into a file: readers see the old one or the new one, and it is on disk.
put() {
    said=$({ printf '%s\n' "$2" >"$1.new"; } 2>&1) || blame "$1 can't be written" "$said"
    on_disk "$1.new"
    mv -f -- "$1.new" "$1" && on_disk "${1%/*}"
}

# Waits until nobody else works in the stage: a runner that died may still have something there that unpacks. With `-s`,
# others that have said so, too, may work there at the same time. With `end`, whoever still works there after some
# seconds is ended: where the connection died without a word, it waits for hours for what comes no more.
alone() {
    command -v flock >/dev/null || return 0
    exec 9<"$1" || stop $EX_FAILED "$1 can't be opened"
    kind=
    [ "${2-}" != -s ] || kind=-s
    since=$(date +%s) asked=
    # The one of busybox can't wait for a while by itself.
    until flock $kind -n 9 9<&9; do
        waited=$(($(date +%s) - since))
        if [ "${2-}" = end ] && [ "$waited" -ge 5 ]; then
            signal=TERM
            [ "$waited" -lt 10 ] || signal=KILL
            if [ "$asked" != $signal ]; then
                asked=$signal
                at_work_in "$1" | while read -r _ group; do kill -s "$signal" -- "-$group" 2>/dev/null; done
            fi
        fi
        if [ "$waited" -ge 60 ]; then
            pids=$(at_work_in "$1" | while read -r pid _; do printf ' %s' "$pid"; done)
            stop $EX_FAILED "another process still works in $1${pids:+ (process$pids there)}; end it, or wait until it has" \
                "ended, and push again"
        fi
        sleep 0.1 2>/dev/null || sleep 1
    done
}

# The processes of other scripts of ours that work in a folder, a line each: its number and the one of its group. They
# have it open as `alone` opens it.
at_work_in() { # FOLDER
    its_folder=$(identity "$1")
    read -r line <"/proc/$$/stat" || return 0
    set -- ${line##*') '}
    own_group=$3
    stat -L -c '%d:%i %n' /proc/[0-9]*/fd/9 2>/dev/null | while read -r its at; do
        at=${at%/fd/9}
        [ "$its" = "$its_folder" ] && tr '\0' '\n' 2>/dev/null <"$at/cmdline" | grep -q '^clusterctl-' || continue
        { read -r line <"$at/stat"; } 2>/dev/null || continue
        set -- ${line##*') '}
        [ "$3" = "$own_group" ] || printf '%s %s\n' "${at##*/}" "$3"
    done
}

# Lets who owns the folders of the stage, in which this is, into all of them: what was finished may be closed. Each is
# opened before it is looked into.
open_up() {
    chmod u+rwx . && find . -type d ! -perm -700 -exec chmod u+rwx '{}' ';' 2>/dev/null
}

# Takes away the access lists that the folders of the stage, in which this is, have from the folder beside which they
# are or from an earlier tree: nothing that comes must inherit them. Whoever shall have one gets it last.
without_lists() {
    if command -v setfacl >/dev/null; then
        find . -type d -exec setfacl -b -k -- '{}' + 2>/dev/null
    elif command -v setfattr >/dev/null; then
        find . -type d -exec setfattr -h -x system.posix_acl_default -- '{}' ';' 2>/dev/null
        find . -type d -exec setfattr -h -x system.posix_acl_access -- '{}' ';' 2>/dev/null
    fi
    chmod u+rwx,go= .
}

# What can exchange two names at once on this node: `none` where nothing can.
exchanger() {
    if mv --help 2>&1 | grep -q -e --exchange; then
        echo mv
    elif command -v perl >/dev/null; then
        echo perl
    elif command -v python3 >/dev/null; then
        echo python3
    else
        echo none
    fi
}

# The numbers of the system calls renameat2 and utimensat; 0 where they are not known. Programs may have fewer bits than
# the kernel, whose machine it is that `uname` names.
calls() {
    machine=$(uname -m)
    case $machine/$(getconf LONG_BIT 2>/dev/null) in
    x86_64/32) machine=i686 ;;
    aarch64/32) machine=armv8l ;;
    armv*/* | i?86/*) ;;
    */32) machine= ;;
    esac
    case $machine in
    x86_64) echo 316 280 ;;
    aarch64 | riscv64 | loongarch64) echo 276 88 ;;
    armv*) echo 382 348 ;;
    i?86) echo 353 320 ;;
    ppc64*) echo 357 304 ;;
    s390x) echo 347 315 ;;
    *) echo 0 0 ;;
    esac
}

# Gives two names to each other's things at once, where the system can: by the call renameat2.
exchange() {
    call=$(calls)
    call=${call% *}
    case $(exchanger)/$call in
    mv/*) mv -T --exchange -- "$1" "$2" 2>/dev/null ;;
    none/* | */0) return 1 ;;
    perl/*)
        perl -e 'exit(syscall($ARGV[2] + 0, -100, $ARGV[0], -100, $ARGV[1], 2) != 0)' "$1" "$2" "$call" 2>/dev/null
        ;;
    python3/*)
        python3 -c 'import ctypes, os, sys
a, b = map(os.fsencode, sys.argv[1:3])
sys.exit(ctypes.CDLL(None).syscall(int(sys.argv[3]), -100, a, -100, b, 2) != 0)' "$1" "$2" "$call" 2>/dev/null
        ;;
    esac
}

# change_places LIVE OTHER: the other tree becomes the live one, which gets its name. Where that can't be done at
# once, there is an instant without a live one, and whoever comes next goes on from any instant of it.
change_places() {
    if ! exists "$2.old"; then
        if exchange "$1" "$2"; then
            on_disk "${1%/*}/"
            return
        fi
        said=$(mv -T -- "$1" "$2.old" 2>&1) || blame "$1 can't be moved" "$said"
    fi
    if ! exists "$1"; then
        said=$(mv -T -- "$2" "$1" 2>&1) || {
            mv -T -- "$2.old" "$1"
            blame "$2 can't become $1" "$said"
        }
    fi
    said=$(mv -T -- "$2.old" "$2" 2>&1) || blame "$2.old can't be moved" "$said"
    on_disk "${1%/*}/"
}

# Where a tree really is.
real_of() {
    real=$1
    if [ -L "$1" ]; then
        real=$(readlink -f -- "$1" && echo .) || stop $EX_FAILED "$1 can't be followed"
        real=${real%??}
    fi
}

# Where the tree of a place stands, in `tree`: there, or beside it under the name that it has in the instant between the two
# renames of a swap, if that was cut short. The new one waits beside it then.
tree_of() {
    tree=$1
    exists "$1" || for beside in "${1%/*}/.${1##*/}.clusterctl-"*.old; do
        ! [ -d "$beside" ] || [ -L "$beside" ] || ! [ -d "${beside%.old}" ] || tree=$beside
    done
}

# A swap of another run may have been cut short between its two renames: the old tree gets its name back.
name_back() {
    tree_of "$real"
    [ "$tree" != "$real" ] || return 0
    said=$(mv -T -- "$tree" "$real" 2>&1) || blame "$tree can't become $real again" "$said"
    on_disk "${real%/*}/"
}

# A strong fingerprint of standard input, by what the node has.
strong() {
    if command -v sha256sum >/dev/null; then
        sha256sum
    else
        b2sum
    fi
}

# What a tree contains, in order, a line each: four words that tell whether it changed, and the path. A line end in a
# name becomes the character 1.
listing() (
    cd -P -- "$1" || exit 1
    if find . -maxdepth 0 -printf '' 2>/dev/null; then
        find . -type d -printf '%y %m 0 0 %p\0' -o -printf '%y %m %s %T@ %p\0' 2>/dev/null | tr '\n\0' '\001\n'
    else
        find . -print0 2>/dev/null | xargs -0 -n256 stat -c '%f 0 %s %Y %n' 2>/dev/null |
            sed 's/^\(4[0-9a-f]*\) 0 [0-9]* [0-9]* /\1 0 0 0 /'
    fi | sort
)

# A fingerprint of all names, sizes and times in a tree.
fingerprint() (
    cd -P -- "$1" || exit 1
    if find . -maxdepth 0 -printf '' 2>/dev/null; then
        find . -printf '%y %m %s %T@ %P %l\0' 2>/dev/null | sort -z
    else
        find . -print0 2>/dev/null | xargs -0 -n256 stat -c '%f %s %Y %N' 2>/dev/null | sort
    fi | strong
)
